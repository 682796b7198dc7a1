//! A tiny model that knows a few sentences by heart, trained once for each build of the tests.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::UNIX_EPOCH,
};

use anyhow::{Context, Result, ensure};
use dragoman_core::{
    config::{MoeConfig, TranslationConfig},
    kernels::matmul::Precision,
};
use dragoman_data::{
    batch::BatchConfig,
    corpus::Corpus,
    pack::{PackConfig, pack},
    tokenize::{TokenizerConfig, read_texts, train_tokenizer},
};
use dragoman_training::{
    config::{Budget, CheckpointConfig, Every, RunConfig},
    control::Control,
    schedule::Schedule,
    translation::{DevConfig, DevSet, ExpertsConfig, RunPaths, TrainConfig, train},
};

use crate::binary;

/// Sentences in English, German and French, hand-written for these tests.
///
/// The model learns English to German and French, and back; from German to French it goes
/// through English.
pub const SENTENCES: [[&str; 3]; 20] = [
    ["Good morning.", "Guten Morgen.", "Bonjour."],
    ["The cat sleeps.", "Die Katze schläft.", "Le chat dort."],
    ["I read a book.", "Ich lese ein Buch.", "Je lis un livre."],
    ["Where is the key?", "Wo ist der Schlüssel?", "Où est la clé ?"],
    ["It is raining today.", "Heute regnet es.", "Il pleut aujourd'hui."],
    ["We bake bread.", "Wir backen Brot.", "Nous faisons du pain."],
    ["Her coat is red.", "Ihr Mantel ist rot.", "Son manteau est rouge."],
    ["They sing loudly.", "Sie singen laut.", "Ils chantent fort."],
    ["Open the window!", "Öffne das Fenster!", "Ouvre la fenêtre !"],
    ["The soup is too hot.", "Die Suppe ist zu heiß.", "La soupe est trop chaude."],
    ["My brother lives here.", "Mein Bruder wohnt hier.", "Mon frère habite ici."],
    ["The train is late.", "Der Zug hat Verspätung.", "Le train est en retard."],
    ["Do you speak German?", "Sprechen Sie Deutsch?", "Parlez-vous allemand ?"],
    ["The moon is shining.", "Der Mond scheint.", "La lune brille."],
    ["I have two sisters.", "Ich habe zwei Schwestern.", "J'ai deux sœurs."],
    ["The door is closed.", "Die Tür ist geschlossen.", "La porte est fermée."],
    ["He works in the garden.", "Er arbeitet im Garten.", "Il travaille dans le jardin."],
    ["The apples are ripe.", "Die Äpfel sind reif.", "Les pommes sont mûres."],
    ["Thank you very much!", "Vielen Dank!", "Merci beaucoup !"],
    ["We will come tomorrow.", "Wir kommen morgen.", "Nous viendrons demain."],
];

/// The folder of the model; the first call trains it, which takes some seconds.
pub fn dir() -> Result<PathBuf> {
    static LOCK: Mutex<()> = Mutex::new(());
    let _alone = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let cache = binary::target_dir()?.join("tmp/e2e-model");
    let model = cache.join(format!("{:x}", build()?));
    if !model.join("experts.json").exists() {
        let _ = fs_err::remove_dir_all(&cache); // models of older builds
        fs_err::create_dir_all(&cache)?;
        let work = tempfile::tempdir_in(&cache)?;
        let made = learn(work.path()).context("training the tests' model")?;
        fs_err::rename(made, &model)?;
    }
    Ok(model)
}

/// A copy of the model, to be spoilt.
pub fn copy(to: &Path) -> Result<()> {
    copy_dir(&dir()?, to)
}

/// Writes [`SENTENCES`] as `en-de.tsv` and `en-fr.tsv`.
pub fn write_corpus(dir: &Path) -> Result<[PathBuf; 2]> {
    let write = |language: &str, column: usize| {
        let path = dir.join(format!("en-{language}.tsv"));
        let line = |row: &[&str; 3]| format!("{}\t{}\n", row[0], row[column]);
        fs_err::write(&path, SENTENCES.iter().map(line).collect::<String>())?;
        anyhow::Ok(path)
    };
    Ok([write("de", 1)?, write("fr", 2)?])
}

/// When the running test was built, in nanoseconds: another build may learn otherwise.
fn build() -> Result<u128> {
    let built = fs_err::metadata(std::env::current_exe()?)?.modified()?;
    Ok(built.duration_since(UNIX_EPOCH)?.as_nanos())
}

/// Trains in `dir`, and returns the folder of the model.
fn learn(dir: &Path) -> Result<PathBuf> {
    let corpora: Vec<Corpus> =
        write_corpus(dir)?.into_iter().map(Corpus::from_name).collect::<Result<_, _>>()?;
    let languages = ["en", "de", "fr"].map(String::from).to_vec();
    let config = TokenizerConfig { vocab_size: 600, languages, ..TokenizerConfig::default() };
    let tokenizer = train_tokenizer(&config, &read_texts(&corpora)?)?;
    tokenizer.save(dir.join("tokenizer.json"))?;
    pack(&PackConfig { corpora, ..PackConfig::default() }, &tokenizer, dir.join("corpus.bin"))?;

    let out = dir.join("run");
    let paths = RunPaths { corpus: dir.into(), dev: dir.into(), out, quiet: true };
    let summary = train(&config_of_the_run(), &paths, &Control::default())?;
    let score = summary.best.map_or(0.0, |best| best.score);
    ensure!(score > 99.0, "the model learned its sentences only to a chrF++ of {score:.1}");
    summary.model.context("the run left no model")
}

fn config_of_the_run() -> TrainConfig {
    let model = TranslationConfig {
        d_model: 64,
        num_heads: 2,
        encoder_layers: 2,
        decoder_layers: 1,
        d_ff: 128,
        max_positions: 256,
        moe: Some(MoeConfig {
            encoder_freq: 2,
            decoder_freq: 1,
            top_k: 2,
            shared_d_ff: 32,
            routing: None,
        }),
        ..TranslationConfig::default()
    };
    let steps = 300;
    let mut run = RunConfig {
        dropout: 0.0,
        budget: Budget { steps, minutes: 0.0 },
        schedule: Schedule::Linear { warmup: 20.0, hold: 0.5 },
        evaluate: Every { steps, minutes: 0.0 },
        checkpoints: CheckpointConfig { every: Every::default(), keep: 1, average: 0 },
        ..RunConfig::default()
    };
    run.optimizer.learning_rate = 5e-3;
    run.loss.label_smoothing = 0.0;
    let set =
        DevSet { name: "heart".into(), pairs: Some("{pair}.tsv".into()), ..DevSet::default() };
    TrainConfig {
        precision: Precision::F32,
        model,
        experts: ExpertsConfig { free: 4, d_ff: 32 },
        batches: BatchConfig { max_tokens: 512, max_length: 60, window: 80, ..Default::default() },
        dev: DevConfig { sets: vec![set] },
        run,
        ..TrainConfig::default()
    }
}

fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    fs_err::create_dir_all(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &to)?;
        } else {
            fs_err::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
