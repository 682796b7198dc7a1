//! Scores translations of test sets: one row for each language pair, and what the rows say together.
//!
//! A model comes in as a closure from sources to translations, so anything can be evaluated.

mod known;
mod languages;
mod table;
mod test_set;

use std::time::Instant;

use serde::{Deserialize, Serialize};

pub use known::KnownTexts;
pub use languages::LanguagePair;
pub use test_set::TestSet;

use crate::{
    Error, Result,
    metrics::{
        Bleu, Chrf, Counts, Metric,
        language::{copy_rate, loop_rate, off_target_rate},
        significance::{Bootstrap, Interval},
    },
};

/// What is measured of one language pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TranslationScores {
    /// Source and target language.
    pub pair: LanguagePair,
    /// Name of the test set; empty where there is only one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub test_set: String,
    /// Sentences scored.
    pub sentences: usize,
    /// BLEU, with the tokenizer of the target language.
    pub bleu: Score,
    /// chrF.
    pub chrf: Score,
    /// chrF++.
    pub chrf_plus_plus: Score,
    /// Share of translations in another language, 0 to 1; absent where it cannot be detected.
    pub off_target_rate: Option<f64>,
    /// The same share of the references: what the detector gets wrong by itself.
    pub reference_off_target_rate: Option<f64>,
    /// Words of the translations, by words of the references.
    pub length_ratio: f64,
    /// Share of translations in which four words in a row occur three times or more, 0 to 1.
    pub loop_rate: f64,
    /// Share of translations that copy their source although the reference does not, 0 to 1.
    pub copy_rate: f64,
    /// Sentences translated in a second; absent where the time was not measured.
    pub sentences_per_second: Option<f64>,
}

/// A score with the settings that make it comparable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The score, 0 to 100.
    pub score: f64,
    /// Its settings in sacreBLEU's notation.
    pub signature: String,
    /// Where 95 % of resampled scores lie, if they were drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
}

/// Scores of several language pairs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Evaluation {
    /// One row for each test set, in the order they were scored.
    pub rows: Vec<TranslationScores>,
}

/// How a score spreads over language pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Mean over the rows.
    pub mean: f64,
    /// The pair with the highest score, and the score.
    pub best: (String, f64),
    /// The pair with the lowest score, and the score.
    pub worst: (String, f64),
    /// Best minus worst.
    pub spread: f64,
}

/// Scores translations into `pair.target` that took `seconds`; zero says that the time was not measured.
pub fn score_translations<H, R, S>(
    pair: &LanguagePair,
    hypotheses: &[H],
    references: &[R],
    sources: &[S],
    seconds: f64,
) -> Result<TranslationScores>
where
    H: AsRef<str> + Sync,
    R: AsRef<str> + Sync,
    S: AsRef<str> + Sync,
{
    score(pair, hypotheses, references, sources, seconds, None)
}

/// Translates and scores every test set.
///
/// `translate` gets all sources of a set and gives one translation for each, in order. With a
/// `bootstrap` scores have 95 % intervals.
pub fn evaluate(
    test_sets: &[TestSet],
    bootstrap: Option<Bootstrap>,
    mut translate: impl FnMut(&[String], &LanguagePair) -> Result<Vec<String>>,
) -> Result<Evaluation> {
    let mut rows = Vec::with_capacity(test_sets.len());
    for set in test_sets {
        let start = Instant::now();
        let hypotheses = translate(&set.sources, &set.pair)?;
        let seconds = start.elapsed().as_secs_f64();
        let TestSet { pair, references, sources, .. } = set;
        let scores = score(pair, &hypotheses, references, sources, seconds, bootstrap)?;
        rows.push(TranslationScores { test_set: set.name.clone(), ..scores });
    }
    Ok(Evaluation { rows })
}

impl Evaluation {
    /// Summarises one score over all rows, such as `|row| row.bleu.score`; `None` without rows.
    pub fn summary(&self, score: impl Fn(&TranslationScores) -> f64) -> Option<Summary> {
        let mut scores: Vec<_> = self.rows.iter().map(|row| (row.label(), score(row))).collect();
        let mean = scores.iter().map(|(_, score)| score).sum::<f64>() / scores.len() as f64;
        scores.sort_by(|a, b| b.1.total_cmp(&a.1));
        let (best, worst) = (scores.first()?.clone(), scores.last()?.clone());
        let spread = best.1 - worst.1;
        Some(Summary { mean, best, worst, spread })
    }

    /// Mean chrF++ over all rows, by which checkpoints are chosen; zero without rows.
    pub fn mean_chrf_plus_plus(&self) -> f64 {
        self.summary(|row| row.chrf_plus_plus.score).map_or(0.0, |summary| summary.mean)
    }
}

impl TranslationScores {
    /// The language pair, and the test set if it has a name.
    pub fn label(&self) -> String {
        match self.test_set.as_str() {
            "" => self.pair.to_string(),
            set => format!("{} {set}", self.pair),
        }
    }
}

fn score<H, R, S>(
    pair: &LanguagePair,
    hypotheses: &[H],
    references: &[R],
    sources: &[S],
    seconds: f64,
    bootstrap: Option<Bootstrap>,
) -> Result<TranslationScores>
where
    H: AsRef<str> + Sync,
    R: AsRef<str> + Sync,
    S: AsRef<str> + Sync,
{
    if hypotheses.len() != sources.len() {
        let (hypotheses, references) = (hypotheses.len(), sources.len());
        return Err(Error::UnequalLengths { hypotheses, references });
    }
    let bleu = Bleu::for_language(&pair.target);
    let bleu_counts = bleu.count_corpus(hypotheses, references)?;
    let lengths = bleu.breakdown(&bleu_counts.iter().sum());
    let chrf_counts = Chrf::plus_plus().count_corpus(hypotheses, references)?; // serve both

    Ok(TranslationScores {
        pair: pair.clone(),
        test_set: String::new(),
        sentences: hypotheses.len(),
        bleu: Score::new(&bleu, &bleu_counts, bootstrap)?,
        chrf: Score::new(&Chrf::plain(), &chrf_counts, bootstrap)?,
        chrf_plus_plus: Score::new(&Chrf::plus_plus(), &chrf_counts, bootstrap)?,
        off_target_rate: off_target_rate(hypotheses, &pair.target),
        reference_off_target_rate: off_target_rate(references, &pair.target),
        length_ratio: lengths.hypothesis_length as f64 / lengths.reference_length.max(1) as f64,
        loop_rate: loop_rate(hypotheses),
        copy_rate: copy_rate(hypotheses, sources, references),
        sentences_per_second: (seconds > 0.0).then(|| hypotheses.len() as f64 / seconds),
    })
}

impl Score {
    fn new<M: Metric>(metric: &M, counts: &[Counts], bootstrap: Option<Bootstrap>) -> Result<Self> {
        let score = metric.score(&counts.iter().sum());
        let interval = bootstrap.map(|bootstrap| bootstrap.interval(metric, counts)).transpose()?;
        Ok(Self { score, signature: metric.signature(), interval })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets() -> Result<Vec<TestSet>> {
        let english = [
            "The house in which my parents live is very big.",
            "Where is the station, and when does the train leave?",
            "We wanted to eat bread with cheese this morning.",
        ];
        let german = [
            "Das Haus, in dem meine Eltern wohnen, ist sehr groß.",
            "Wo ist der Bahnhof, und wann fährt der Zug ab?",
            "Wir wollten heute Morgen Brot mit Käse essen.",
        ];
        let set = TestSet {
            name: String::new(),
            pair: "en-de".parse()?,
            sources: english.map(str::to_owned).into(),
            references: german.map(str::to_owned).into(),
        };
        Ok(vec![set.clone(), set.reversed()])
    }

    #[test]
    fn a_perfect_model_and_a_copying_one() -> Result<()> {
        let sets = sets()?;
        let perfect = evaluate(&sets, None, |_, pair| {
            let set = sets.iter().find(|set| set.pair == *pair).expect("the pair is of a set");
            Ok(set.references.clone())
        })?;
        let row = &perfect.rows[1];
        assert_eq!(row.pair.to_string(), "de-en");
        assert!((row.bleu.score - 100.0).abs() < 1e-9 && (row.length_ratio - 1.0).abs() < 1e-9);
        assert_eq!((row.copy_rate, row.loop_rate), (0.0, 0.0));
        assert!((perfect.mean_chrf_plus_plus() - 100.0).abs() < 1e-9);

        let copies = evaluate(&sets, None, |sources, _| Ok(sources.to_vec()))?;
        assert_eq!(copies.rows[0].copy_rate, 1.0);
        if cfg!(feature = "detection") {
            assert_eq!(row.off_target_rate, Some(0.0));
            assert_eq!(copies.rows[0].off_target_rate, Some(1.0));
            assert_eq!(copies.rows[0].reference_off_target_rate, Some(0.0));
        }
        Ok(())
    }

    #[test]
    fn a_model_that_loses_a_sentence_is_refused() -> Result<()> {
        let result = evaluate(&sets()?, None, |sources, _| Ok(sources[1..].to_vec()));
        let message = result.expect_err("a translation is missing").to_string();
        assert!(message.starts_with("2 translations beside 3"), "{message}");
        Ok(())
    }

    #[test]
    fn intervals_hold_the_score() -> Result<()> {
        let hypotheses = ["Das Haus ist groß.", "Wo ist das Haus?", "Brot."].map(String::from);
        let evaluation =
            evaluate(&sets()?[..1], Some(Bootstrap::default()), |_, _| Ok(hypotheses.to_vec()))?;
        let scores = &evaluation.rows[0];
        let interval = scores.chrf.interval.expect("intervals were asked for");
        assert!(interval.low <= scores.chrf.score && scores.chrf.score <= interval.high);
        let set = &sets()?[0];
        let untimed =
            score_translations(&set.pair, &hypotheses, &set.references, &set.sources, 0.0)?;
        assert_eq!((untimed.sentences_per_second, untimed.chrf.interval), (None, None));
        Ok(())
    }

    #[test]
    fn a_summary_names_the_best_and_the_worst() -> Result<()> {
        let evaluation = evaluate(&sets()?, None, |sources, pair| match pair.target.as_str() {
            "de" => Ok(sources.to_vec()),
            _ => Ok(sets()?[0].sources.clone()),
        })?;
        let summary = evaluation.summary(|row| row.chrf.score).expect("there are two rows");
        assert_eq!((summary.best.0.as_str(), summary.worst.0.as_str()), ("de-en", "en-de"));
        assert_eq!(summary.spread, summary.best.1 - summary.worst.1);
        assert_eq!(Evaluation::default().summary(|row| row.chrf.score), None);
        Ok(())
    }
}
