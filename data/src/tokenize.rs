//! Trains the shared vocabulary: byte-pair encoding over a balanced mix of languages.

use std::collections::{BTreeMap, HashSet};

use dragoman_core::tokenizer::{Tokenizer, TokenizerError, normalizer, pre_tokenizer};
use serde::{Deserialize, Serialize};
use tokenizers::{
    PreTokenizerWrapper, TokenizerImpl,
    decoders::DecoderWrapper,
    models::bpe::{BPE, BpeTrainerBuilder},
    normalizers::NormalizerWrapper,
    processors::PostProcessorWrapper,
};

use crate::{
    Error, Result, clean::tidy, corpus::Corpus, sample::temperature_shares, split::stable_hash,
};

/// How a vocabulary is learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenizerConfig {
    /// Tokens in all, with the 68 special ones and the 256 bytes.
    pub vocab_size: usize,
    /// How many characters get a token of their own; the others are spelled in bytes.
    pub alphabet: usize,
    /// Languages that get a tag now; 64 less these stay reserved.
    pub languages: Vec<String>,
    /// Temperature of the languages, `p ∝ weight · n^(1/T)` with `n` their characters.
    pub temperature: f64,
    /// How much a language counts in the mix; 1 where nothing is said, 0 to leave it out.
    pub weights: BTreeMap<String, f64>,
    /// Characters of text to learn from.
    pub max_chars: usize,
    /// Longest piece, in characters.
    pub max_piece: usize,
}

impl Default for TokenizerConfig {
    fn default() -> Self {
        Self {
            vocab_size: 8000,
            alphabet: 400,
            languages: Vec::new(),
            temperature: 5.0,
            weights: BTreeMap::new(),
            max_chars: 60_000_000,
            max_piece: 20,
        }
    }
}

/// Texts by language, each text once.
pub type Texts = BTreeMap<String, HashSet<String>>;

/// Reads both sides of corpora, tidied; malformed lines are passed over.
pub fn read_texts(corpora: &[Corpus]) -> Result<Texts> {
    let mut texts = Texts::new();
    for corpus in corpora {
        for line in corpus.lines()? {
            let Ok(pair) = line?.pair else { continue };
            for (language, text) in [(&corpus.source, &pair.source), (&corpus.target, &pair.target)]
            {
                texts.entry(language.clone()).or_default().insert(tidy(text));
            }
        }
    }
    Ok(texts)
}

/// Learns a vocabulary from `texts`. The same texts and settings give the same file.
pub fn train_tokenizer(config: &TokenizerConfig, texts: &Texts) -> Result<Tokenizer> {
    let languages: Vec<&str> = config.languages.iter().map(String::as_str).collect();
    let bytes_only = Tokenizer::from_pieces(&languages, &[], Vec::new())?;
    let Some(pieces) = config.vocab_size.checked_sub(bytes_only.vocab_size()) else {
        let least = bytes_only.vocab_size();
        return Err(Error::Config(format!("vocab_size must be at least {least}")));
    };
    if config.temperature.is_nan() || config.temperature < 1.0 {
        return Err(Error::Config("temperature must be at least 1".into()));
    }
    let sample = sample(config, texts);
    let (pieces, merges) =
        learn(config, pieces, &sample).map_err(|error| TokenizerError::Build(error.to_string()))?;
    Ok(Tokenizer::from_pieces(&languages, &pieces, merges)?)
}

/// Mixes the languages by temperature: each text comes as often as its language's share requires.
fn sample<'a>(config: &TokenizerConfig, texts: &'a Texts) -> Vec<&'a str> {
    let sizes: Vec<f64> =
        (texts.values()).map(|texts| texts.iter().map(|text| text.len() as f64).sum()).collect();
    let weights = texts.keys().map(|language| config.weights.get(language).copied().unwrap_or(1.0));
    let shares = temperature_shares(&sizes, config.temperature);
    let shares: Vec<f64> = shares.into_iter().zip(weights).map(|(p, weight)| p * weight).collect();
    let total: f64 = shares.iter().sum();
    let available: f64 = sizes.iter().sum();
    let budget = available.min(config.max_chars as f64);

    let mut sample = Vec::new();
    for ((texts, size), share) in texts.values().zip(sizes).zip(shares) {
        let copies = (budget * share / total / size).min(4.0);
        for text in texts {
            let chance = stable_hash(&[text]) as f64 / u64::MAX as f64;
            let copies = copies.floor() as usize + usize::from(chance < copies.fract());
            sample.extend(std::iter::repeat_n(text.as_str(), copies));
        }
    }
    sample
}

type Pieces = (Vec<String>, Vec<(String, String)>);

/// Learns pieces, in the order of their ids, and the merges that make them.
fn learn(config: &TokenizerConfig, pieces: usize, sample: &[&str]) -> tokenizers::Result<Pieces> {
    let alphabet = alphabet(config.alphabet.min(pieces), sample);
    let mut trainer = BpeTrainerBuilder::new()
        .show_progress(false)
        .vocab_size(pieces)
        .min_frequency(2)
        .limit_alphabet(alphabet.len())
        .initial_alphabet(alphabet)
        .max_token_length(Some(config.max_piece))
        .build();
    let mut tokenizer = TokenizerImpl::<
        BPE,
        NormalizerWrapper,
        PreTokenizerWrapper,
        PostProcessorWrapper,
        DecoderWrapper,
    >::new(BPE::default());
    tokenizer.with_normalizer(Some(normalizer()))?;
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer()));
    tokenizer.train(&mut trainer, sample.iter())?;

    let model = tokenizer.get_model();
    let mut vocab: Vec<(u32, String)> =
        model.get_vocab().into_iter().map(|(piece, id)| (id, piece)).collect();
    vocab.sort();
    // The model gives its merges away only in its JSON form.
    let merges = serde_json::to_value(model)?["merges"].take();
    Ok((vocab.into_iter().map(|(_, piece)| piece).collect(), serde_json::from_value(merges)?))
}

/// The most frequent characters, and all of printable ASCII.
///
/// One that is rarer than one in a million would hardly learn an embedding: it is better spelled
/// in bytes. Chosen here because the trainer leaves ties to chance.
fn alphabet(size: usize, sample: &[&str]) -> HashSet<char> {
    let mut counts = BTreeMap::<char, u64>::new();
    for c in sample.iter().flat_map(|text| text.chars()) {
        *counts.entry(c).or_default() += 1;
    }
    let rare = counts.values().sum::<u64>() / 1_000_000;
    counts.retain(|&c, &mut count| {
        count > rare && !c.is_control() && c != char::REPLACEMENT_CHARACTER
    });
    counts.extend((' '..='~').map(|c| (c, u64::MAX)));
    let mut ranking: Vec<(char, u64)> = counts.into_iter().collect();
    ranking.sort_by_key(|&(c, count)| (std::cmp::Reverse(count), c));
    ranking.into_iter().take(size).map(|(c, _)| c).collect()
}

#[cfg(test)]
mod tests {
    use anyhow::Result;
    use dragoman_core::tokenizer::END;
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    fn texts() -> Texts {
        let english = ["the weather is better than the water", "1999 <b>the</b> 'other' day"];
        let german = ["das Wetter ist besser als das Wasser", "der, die, das – l'été"];
        let set = |texts: [&str; 2]| texts.map(String::from).into_iter().collect();
        Texts::from([("en".into(), set(english)), ("de".into(), set(german))])
    }

    fn trained() -> Result<Tokenizer> {
        let config = TokenizerConfig {
            vocab_size: 460,
            languages: vec!["en".into(), "de".into()],
            ..Default::default()
        };
        Ok(train_tokenizer(&config, &texts())?)
    }

    #[test]
    fn training_learns_words_and_keeps_the_layout() -> Result<()> {
        let tokenizer = trained()?;
        assert!(tokenizer.vocab_size() <= 460);
        assert_eq!(tokenizer.languages().collect::<Vec<_>>(), ["de", "en"]);
        assert_eq!(tokenizer.encode("the das").len(), 2);
        assert!(tokenizer.encode("1999").len() >= 4, "digits stand alone");
        Ok(())
    }

    #[test]
    fn training_twice_gives_the_same_file() -> Result<()> {
        assert_eq!(trained()?.sha256(), trained()?.sha256());
        Ok(())
    }

    #[test]
    fn any_text_survives() -> Result<()> {
        let tokenizer = trained()?;
        let texts = [
            "",
            " ",
            "  two  spaces ",
            "tab\tand\nnewline\r\n",
            "Привет, мир!",
            "早上好，世界。",
            "👩‍👩‍👧 🎉",
            "</s>",
            "<2de> <pad><0x41>",
            "▁ ▁▁",
            "\u{0}\u{1F}",
            "é e\u{301} ﬁ",
        ];
        for text in texts {
            let ids = tokenizer.encode(text);
            assert!(ids.iter().all(|&id| tokenizer.is_output(id) && id != END), "{text}: {ids:?}");
            assert_eq!(tokenizer.decode(&ids), text.nfc().collect::<String>());
        }
        Ok(())
    }

    #[test]
    fn a_language_without_weight_is_not_learned() -> Result<()> {
        let config = TokenizerConfig {
            vocab_size: 460,
            weights: BTreeMap::from([("de".into(), 0.0)]),
            ..Default::default()
        };
        let tokenizer = train_tokenizer(&config, &texts())?;
        assert_eq!(tokenizer.encode("the").len(), 1);
        assert!(tokenizer.encode("Wetter").len() > 2);
        Ok(())
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in any::<String>(), marked in "[ a\u{301}\t\n<>/s2deé▁中]{0,12}") {
            let tokenizer = trained().expect("the tiny vocabulary can be learned");
            for text in [text, marked] {
                let composed: String = text.nfc().collect();
                prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&composed)), composed.clone());
                // The tokenizer's own NFC leaves the marks of recent Unicode versions unordered.
                let decoded = tokenizer.decode(&tokenizer.encode(&text));
                prop_assert_eq!(decoded.nfc().collect::<String>(), composed);
            }
        }
    }
}
