//! Endless batches for training, mixed from all routes, limited by tokens.
//!
//! A window of examples is drawn (routes by temperature, each route's sentences in a shuffled
//! order that starts anew when it is through), sorted by length, cut into batches, and the batches
//! are shuffled. All of it follows from the seed and the window's number, so that a [`Cursor`] of
//! three numbers is enough to go on exactly where another run stopped.

use std::{collections::BTreeMap, sync::Arc};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, pack::PackedCorpus, sample::temperature_shares, shuffle::Shuffle};

/// How batches are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchConfig {
    /// Most tokens of a batch, on either side. A sentence counts with one token more than it has:
    /// its tag or its end.
    pub max_tokens: usize,
    /// Longest sentence, in tokens; pairs with a longer side are passed over.
    pub max_length: usize,
    /// Temperature `T` of the routes, `p ∝ n^(1/T)`.
    pub temperature: f64,
    /// How often a corpus is drawn from, by its label; 0 leaves it out. Where nothing is said, as the
    /// recipe of the corpus says, else 1.
    pub weights: BTreeMap<String, f64>,
    /// Examples that are drawn and sorted together.
    pub window: usize,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            max_tokens: 4096,
            max_length: 128,
            temperature: 2.0,
            weights: BTreeMap::new(),
            window: 1 << 15,
        }
    }
}

/// A sentence and its translation as plain ids, without tag and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentencePair {
    /// Index into [`PackedCorpus::routes`].
    pub route: u32,
    /// Ids of the source.
    pub source: Vec<u32>,
    /// Ids of the target.
    pub target: Vec<u32>,
}

/// Where a run stands in the endless sequence of batches: seed, window, batch within the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Seed of all that is random.
    pub seed: u64,
    /// Windows that are done.
    pub window: u64,
    /// Batches of the next window that are done.
    pub batch: u64,
}

impl Cursor {
    /// The start of the sequence with this seed.
    pub fn start(seed: u64) -> Self {
        Self { seed, window: 0, batch: 0 }
    }
}

/// An endless iterator over batches.
#[derive(Debug)]
pub struct Batcher {
    corpus: Arc<PackedCorpus>,
    config: BatchConfig,
    streams: Vec<Stream>,
    cursor: Cursor,
    window: Option<Vec<Vec<usize>>>,
}

/// The examples of a span, and the share of a window that is drawn from them.
#[derive(Debug, Clone)]
struct Stream {
    first: usize,
    len: u64,
    share: f64,
}

impl Batcher {
    /// Starts, or goes on, at `cursor`. The same corpus, settings and cursor give the same batches.
    pub fn new(corpus: Arc<PackedCorpus>, config: BatchConfig, cursor: Cursor) -> Result<Self> {
        config.check().map_err(Error::Config)?;
        let streams = streams(&corpus, &config)?;
        Ok(Self { corpus, config, streams, cursor, window: None })
    }

    /// Where the next batch stands; a [`Batcher`] made from it continues with that batch.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// How many times as many examples as the corpus has were drawn, up to the current window.
    pub fn epoch(&self) -> f64 {
        self.cursor.window as f64 * self.config.window as f64 / self.corpus.len() as f64
    }

    /// The corpus that is read.
    pub fn corpus(&self) -> &PackedCorpus {
        &self.corpus
    }

    /// Plans the batches of a window, as lists of examples.
    fn plan(&self, window: u64) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.cursor.seed);
        rng.set_stream(window);
        let mut examples = self.draw(window);
        examples.shuffle(&mut rng); // sentences of the same length meet in another order
        let mut batches = cut(&self.corpus, examples, self.config.max_tokens);
        batches.shuffle(&mut rng);
        batches
    }

    /// Draws the examples of a window that are short enough.
    fn draw(&self, window: u64) -> Vec<usize> {
        let mut examples = Vec::with_capacity(self.config.window);
        for (number, stream) in (0u64..).zip(&self.streams) {
            let drawn =
                |windows: u64| (windows as f64 * self.config.window as f64 * stream.share) as u64;
            let (mut position, end) = (drawn(window), drawn(window + 1));
            while position < end {
                let epoch = position / stream.len;
                let epoch_end = end.min((epoch + 1) * stream.len);
                let shuffle =
                    Shuffle::new(stream.len, self.cursor.seed, 1 << 63 | number << 40 | epoch);
                let indices = (position..epoch_end).map(|at| shuffle.get(at % stream.len));
                examples.extend(indices.map(|index| stream.first + index as usize));
                position = epoch_end;
            }
        }
        examples.retain(|&example| {
            let (source, target) = self.corpus.lengths_of(example);
            source.max(target) <= self.config.max_length
        });
        examples
    }

    fn read(&self, example: usize) -> SentencePair {
        let (route, source, target) = self.corpus.pair(example);
        SentencePair { route, source, target }
    }
}

impl Batcher {
    /// Passes over the next batch without reading its sentences, and returns the routes of its pairs.
    pub fn skip_batch(&mut self) -> Vec<u32> {
        self.advance().into_iter().map(|example| self.corpus.route_of(example)).collect()
    }

    /// The examples of the next batch.
    fn advance(&mut self) -> Vec<usize> {
        loop {
            let window = match self.window.take() {
                Some(window) => window,
                None => self.plan(self.cursor.window),
            };
            let batch = window.get(self.cursor.batch as usize).cloned();
            if batch.is_some() {
                self.cursor.batch += 1;
            }
            if self.cursor.batch as usize >= window.len() {
                self.cursor = Cursor { window: self.cursor.window + 1, batch: 0, ..self.cursor };
            } else {
                self.window = Some(window);
            }
            if let Some(batch) = batch {
                return batch;
            }
        }
    }
}

impl Iterator for Batcher {
    type Item = Vec<SentencePair>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.advance().into_iter().map(|example| self.read(example)).collect())
    }
}

impl BatchConfig {
    fn check(&self) -> Result<(), String> {
        let Self { max_tokens, max_length, temperature, .. } = *self;
        if max_length == 0 || max_length >= max_tokens {
            return Err(format!(
                "max_length {max_length} must be at least 1 and below max_tokens {max_tokens}"
            ));
        }
        if temperature.is_nan() || temperature < 1.0 {
            return Err(format!("temperature {temperature} must be at least 1"));
        }
        if self.window == 0 {
            return Err("window must be at least 1".into());
        }
        match self.weights.iter().find(|(_, weight)| !(weight.is_finite() && **weight >= 0.0)) {
            Some((label, weight)) => Err(format!("the weight {weight} of `{label}` is no share")),
            None => Ok(()),
        }
    }
}

/// Gives every span its share of a window: routes by temperature, corpora of a route by size.
fn streams(corpus: &PackedCorpus, config: &BatchConfig) -> Result<Vec<Stream>> {
    let segments = &corpus.header().segments;
    if let Some(label) = (config.weights.keys())
        .find(|label| segments.iter().all(|segment| segment.label != **label))
    {
        let labels: std::collections::BTreeSet<_> = segments.iter().map(|s| &s.label).collect();
        return Err(Error::Config(format!("no corpus is labelled `{label}`, only {labels:?}")));
    }
    // A span in which nothing is short enough would be drawn from in vain.
    let usable = |span: &crate::pack::Span| {
        span.examples.clone().any(|example| {
            let (source, target) = corpus.lengths_of(example);
            source.max(target) <= config.max_length
        })
    };
    let sizes: Vec<f64> = (corpus.spans().iter())
        .map(|span| {
            let label = &segments[span.segment].label;
            let weights = [&config.weights, &corpus.header().weights];
            let weight = weights.iter().find_map(|weights| weights.get(label)).copied();
            let weight = weight.unwrap_or(1.0);
            if usable(span) { weight * span.examples.len() as f64 } else { 0.0 }
        })
        .collect();
    let mut routes = vec![0.0; corpus.routes().len()];
    for (span, size) in corpus.spans().iter().zip(&sizes) {
        routes[span.route as usize] += size;
    }
    let shares = temperature_shares(&routes, config.temperature);
    let streams: Vec<Stream> = (corpus.spans().iter().zip(sizes))
        .filter(|&(_, size)| size > 0.0)
        .map(|(span, size)| Stream {
            first: span.examples.start,
            len: span.examples.len() as u64,
            share: shares[span.route as usize] * size / routes[span.route as usize],
        })
        .collect();
    if streams.is_empty() {
        let reason = format!("no pair is left with at most {} tokens", config.max_length);
        return Err(Error::Config(reason));
    }
    Ok(streams)
}

/// Sorts examples by length and cuts them into batches of at most `max_tokens` on either side.
fn cut(corpus: &PackedCorpus, mut examples: Vec<usize>, max_tokens: usize) -> Vec<Vec<usize>> {
    examples.sort_by_cached_key(|&example| {
        let (source, target) = corpus.lengths_of(example);
        (source.max(target), source)
    });
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut room = (0, 0);
    for example in examples {
        let (source, target) = corpus.lengths_of(example);
        let needed = (source + 1, target + 1);
        match batches.last_mut() {
            Some(batch) if needed.0 <= room.0 && needed.1 <= room.1 => batch.push(example),
            _ => {
                batches.push(vec![example]);
                room = (max_tokens, max_tokens);
            }
        }
        room = (room.0 - needed.0, room.1 - needed.1);
    }
    batches
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, Result};

    use super::*;
    use crate::pack::tests::packed;

    fn batcher(pairs: usize, config: BatchConfig, seed: u64) -> Result<Batcher> {
        let dir = tempfile::tempdir()?;
        let corpus = PackedCorpus::open(packed(dir.path(), pairs)?)?;
        Ok(Batcher::new(Arc::new(corpus), config, Cursor::start(seed))?)
    }

    fn small() -> BatchConfig {
        BatchConfig { max_tokens: 200, max_length: 40, window: 90, ..Default::default() }
    }

    #[test]
    fn batches_keep_the_limits() -> Result<()> {
        for batch in batcher(100, BatchConfig { max_length: 14, ..small() }, 1)?.take(200) {
            let sides = [
                batch.iter().map(|pair| pair.source.len()).collect::<Vec<_>>(),
                batch.iter().map(|pair| pair.target.len()).collect(),
            ];
            for lengths in sides {
                assert!(lengths.iter().all(|&length| length <= 14));
                assert!(lengths.iter().map(|length| length + 1).sum::<usize>() <= 200);
            }
            assert!(!batch.is_empty());
        }
        Ok(())
    }

    #[test]
    fn an_epoch_at_temperature_one_has_every_example_once() -> Result<()> {
        // 225 examples in windows of 225: one window is one epoch.
        let config = BatchConfig { temperature: 1.0, window: 225, ..small() };
        let mut batcher = batcher(100, config, 1)?;
        let mut seen = std::collections::BTreeMap::new();
        while batcher.cursor().window == 0 {
            for pair in batcher.next().context("batches never end")? {
                *seen.entry((pair.route, pair.source, pair.target)).or_insert(0) += 1;
            }
        }
        assert_eq!(seen.len(), 225);
        assert!(seen.values().all(|&count| count == 1));
        assert!((batcher.epoch() - 1.0).abs() < 1e-9);
        Ok(())
    }

    #[test]
    fn a_cursor_continues_where_another_run_stopped() -> Result<()> {
        let mut whole = batcher(100, small(), 7)?;
        for steps in [0, 1, 5, 37] {
            whole.by_ref().take(steps).for_each(drop);
            let json = serde_json::to_string(&whole.cursor())?;
            let cursor = serde_json::from_str(&json)?;
            let resumed = Batcher::new(Arc::clone(&whole.corpus), small(), cursor)?;
            let expected: Vec<_> = whole.by_ref().take(40).collect();
            assert_eq!(resumed.take(40).collect::<Vec<_>>(), expected);
        }
        Ok(())
    }

    #[test]
    fn a_batch_passed_over_moves_the_cursor_as_one_read() -> Result<()> {
        let (mut reads, mut skips) = (batcher(100, small(), 7)?, batcher(100, small(), 7)?);
        for _ in 0..40 {
            let pairs = reads.next().context("batches never end")?;
            assert_eq!(skips.skip_batch(), pairs.iter().map(|p| p.route).collect::<Vec<_>>());
            assert_eq!(skips.cursor(), reads.cursor());
        }
        assert_eq!(skips.next(), reads.next());
        Ok(())
    }

    #[test]
    fn the_seed_decides() -> Result<()> {
        let first = |seed| -> Result<Vec<_>> { Ok(batcher(100, small(), seed)?.take(5).collect()) };
        assert_eq!(first(1)?, first(1)?);
        assert_ne!(first(1)?, first(2)?);
        Ok(())
    }

    #[test]
    fn temperature_and_weights_decide_how_often_a_route_comes() -> Result<()> {
        let share = |config: BatchConfig| -> Result<f64> {
            let batches: Vec<_> = batcher(400, config, 3)?.take(400).flatten().collect();
            let small = batches.iter().filter(|pair| pair.route == 2).count(); // fr-en, 1 to 4 to 4
            Ok(small as f64 / batches.len() as f64)
        };
        let temperature = |temperature| BatchConfig { temperature, ..small() };
        assert!((share(temperature(1.0))? - 1.0 / 9.0).abs() < 0.02);
        assert!((share(temperature(2.0))? - 1.0 / 5.0).abs() < 0.02);
        assert!((share(temperature(1e9))? - 1.0 / 3.0).abs() < 0.02);
        let weights = BTreeMap::from([("human".to_owned(), 0.25)]);
        assert!((share(BatchConfig { weights, ..temperature(1.0) })? - 1.0 / 3.0).abs() < 0.02);
        let weights = BTreeMap::from([("machine".to_owned(), 0.0)]);
        assert!(share(BatchConfig { weights, ..temperature(1.0) })? == 0.0);
        Ok(())
    }

    #[test]
    fn settings_that_cannot_work_are_refused() -> Result<()> {
        let unknown = BTreeMap::from([("nowhere".to_owned(), 1.0)]);
        for config in [
            BatchConfig { max_length: 200, ..small() },
            BatchConfig { max_length: 3, ..small() }, // every sentence is longer
            BatchConfig { temperature: 0.0, ..small() },
            BatchConfig { window: 0, ..small() },
            BatchConfig { weights: unknown, ..small() },
        ] {
            assert!(batcher(10, config.clone(), 1).is_err(), "{config:?}");
        }
        Ok(())
    }
}
