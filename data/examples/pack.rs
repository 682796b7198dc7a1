//! Trains the tokenizer of the bundled model and packs its training corpora:
//! `cargo run --release -p dragoman-data --example pack -- SHARED OUT`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context, Result};
use dragoman_core::tokenizer::Tokenizer;
use dragoman_data::{
    batch::{BatchConfig, Batcher, Cursor},
    clean::Rejected,
    corpus::Corpus,
    pack::{Header, PackConfig, PackedCorpus, pack},
    tokenize::{TokenizerConfig, read_texts, train_tokenizer},
};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let shared = arguments.next().context("name the folder with the corpora")?;
    let out = arguments.next().context("name the folder for the packed corpus")?;
    fs_err::create_dir_all(&out)?;
    let parallel = shared.join("data/parallel");

    let tokenizer = tokenizer(&parallel, &out.join("tokenizer.json"))?;
    let start = Instant::now();
    let config = PackConfig {
        corpora: corpora(&parallel)?,
        held_out: held_out(&shared, &parallel)?,
        ..Default::default()
    };
    let header = pack(&config, &tokenizer, out.join("corpus.bin"))?;
    println!("packed in {:.1?}", start.elapsed());
    report(&header);
    batches(&out.join("corpus.bin"))
}

/// The corpora of the bundled model: English with German, French, Spanish and Dutch.
fn corpora(parallel: &Path) -> Result<Vec<Corpus>> {
    let mut corpora = Vec::new();
    for (folder, names) in [
        ("news", ["en-de", "en-fr", "en-es"].as_slice()),
        ("general", &["en-de", "en-fr", "en-es", "en-nl"]),
        ("distilled", &["en-de", "de-en", "en-fr", "fr-en", "en-es", "es-en"]),
    ] {
        for name in names {
            let corpus = Corpus::from_name(parallel.join(format!("{folder}/{name}.train.tsv.gz")))?;
            corpora.push(if folder == "distilled" { corpus.one_way() } else { corpus });
        }
    }
    Ok(corpora)
}

/// The dev and test sets by which the model is chosen and judged.
fn held_out(shared: &Path, parallel: &Path) -> Result<Vec<Corpus>> {
    let flores = |language: &str| shared.join(format!("data/flores-dev/{language}.txt"));
    let mut sets = Vec::new();
    for language in ["de", "fr", "es", "nl"] {
        sets.push(Corpus::plain(("en", flores("en")), (language, flores(language))));
        for set in ["general/*.dev", "general/*.test", "news/*.dev"] {
            let name = set.replace('*', &format!("en-{language}"));
            let path = parallel.join(format!("{name}.tsv.gz"));
            if path.exists() {
                sets.push(Corpus::from_name(path)?); // there is no Dutch news
            }
        }
    }
    Ok(sets)
}

/// Trains the tokenizer, unless it is there already.
fn tokenizer(parallel: &Path, path: &Path) -> Result<Tokenizer> {
    if path.exists() {
        return Ok(Tokenizer::load(path)?);
    }
    let start = Instant::now();
    let mut text = corpora(parallel)?;
    // Languages that come later should not be spelled in bytes alone.
    for name in ["en-it", "en-pt"] {
        text.push(Corpus::from_name(parallel.join(format!("general/{name}.train.tsv.gz")))?);
    }
    let config = TokenizerConfig {
        languages: ["de", "en", "es", "fr", "nl"].map(String::from).to_vec(),
        weights: BTreeMap::from([("it".into(), 0.15), ("pt".into(), 0.15)]),
        ..Default::default()
    };
    let tokenizer = train_tokenizer(&config, &read_texts(&text)?)?;
    tokenizer.save(path)?;
    println!("{} tokens learned in {:.1?}", tokenizer.vocab_size(), start.elapsed());
    Ok(tokenizer)
}

fn report(header: &Header) {
    println!("{} pairs, {} tokens", header.pairs, header.tokens);
    let mut rejected = Rejected::new();
    let mut languages: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
    for segment in &header.segments {
        println!(
            "{:>9} {:<22} {:>7} pairs {:>8} + {:>8} tokens, dropped {:?}",
            segment.label,
            segment.name,
            segment.pairs,
            segment.source_tokens,
            segment.target_tokens,
            segment.rejected
        );
        for (reason, count) in &segment.rejected {
            *rejected.entry(*reason).or_default() += count;
        }
        for (language, tokens) in
            [(&segment.source, segment.source_tokens), (&segment.target, segment.target_tokens)]
        {
            let counts = languages.entry((language, &segment.label)).or_default();
            *counts = (counts.0 + segment.pairs as u64, counts.1 + tokens);
        }
    }
    println!("dropped {rejected:?}");
    for ((language, label), (sentences, tokens)) in languages {
        println!(
            "{language} {label:>9}: {:.1} tokens a sentence",
            tokens as f64 / sentences as f64
        );
    }
}

/// Measures opening, reading and how much a padded layout would waste.
fn batches(path: &Path) -> Result<()> {
    let start = Instant::now();
    let corpus = Arc::new(PackedCorpus::open(path)?);
    let config = BatchConfig::default();
    let mut batcher = Batcher::new(Arc::clone(&corpus), config, Cursor::start(1))?;
    batcher.next().context("batches never end")?;
    println!("{} examples; first batch after {:.1?}", corpus.len(), start.elapsed());

    let start = Instant::now();
    let (mut tokens, mut padded, mut sentences, mut count) = (0, 0, 0, 0);
    let mut routes = vec![0usize; corpus.routes().len()];
    for batch in batcher.by_ref().take(2000) {
        let longest = |side: fn(&dragoman_data::batch::SentencePair) -> usize| {
            batch.iter().map(side).max().unwrap_or_default()
        };
        let sides = longest(|pair| pair.source.len()) + longest(|pair| pair.target.len());
        padded += sides * batch.len();
        for pair in &batch {
            tokens += pair.source.len() + pair.target.len();
            routes[pair.route as usize] += 1;
        }
        (sentences, count) = (sentences + batch.len(), count + 1);
    }
    println!("{count} batches, {tokens} tokens, {sentences} sentences in {:.1?}", start.elapsed());
    println!("padding would be {:.1} %", 100.0 * (1.0 - tokens as f64 / padded as f64));
    for ((source, target), drawn) in corpus.routes().iter().zip(routes) {
        println!("{source}-{target}: {:.1} %", 100.0 * drawn as f64 / sentences as f64);
    }
    Ok(())
}
