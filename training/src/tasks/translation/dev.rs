//! Translates the development sets, to choose the best weights.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Instant};

use candle::Device;
use dragoman_core::{
    context::Context,
    decoding::{
        hints::Hints,
        search::{Guidance, Hypothesis, SearchConfig, Sentences, search_with},
    },
    models::translation::{Example, TranslationBatch, TranslationModel},
    params::ParamStore,
    ragged::Ragged,
    vocabulary::Side,
};
use dragoman_data::recipe::HELD_OUT;

use super::{
    DevConfig, DevSet, Direction, RunPaths, TranslationTask,
    bias::{BiasedBatch, LexiconBias},
    learn::expert_load,
};
use crate::{
    Error, Result,
    control::Control,
    evaluate::{
        Evaluation as Scores, LanguagePair, TestSet, TranslationScores, score_translations,
    },
    loss::{Bonuses, OutputLoss},
    report::log::Dev,
    task::{Evaluation, ExpertLoad, add_load},
};

/// Sentences that are decoded together.
const DECODED_TOGETHER: usize = 64;

/// Name of the loss of the references, which shows smaller differences than scores of translations.
const NATS: &str = "nats/char";

/// Names the sentences that `data pack` held out of the corpus as the development set of a run that has none.
pub fn use_held_out(config: &mut DevConfig, paths: &mut RunPaths) {
    if !config.sets.is_empty() || !paths.corpus.join(HELD_OUT).exists() {
        return;
    }
    config.sets.push(DevSet {
        name: "held out".into(),
        pairs: Some(format!("{HELD_OUT}/{{pair}}.tsv")),
        sentences: 100,
        ..DevSet::default()
    });
    paths.dev.clone_from(&paths.corpus);
}

/// Reads the development sets of all `directions`; paths start from `base`.
pub fn load(
    config: &DevConfig,
    base: &Path,
    directions: &[(String, String)],
) -> Result<Vec<TestSet>> {
    let mut sets = Vec::new();
    for set in &config.sets {
        let mut found = false;
        for (source, target) in directions {
            let pair = LanguagePair { source: source.clone(), target: target.clone() };
            if let Some(mut read) = load_direction(set, base, &pair)? {
                thin(&mut read, set.sentences);
                sets.push(read);
                found = true;
            }
        }
        if !found {
            let path = set.pairs.as_ref().or(set.folder.as_ref()).cloned().unwrap_or_default();
            let reason = "the development set has no file for any direction of the run".into();
            return Err(Error::TestSet { path: base.join(path), reason });
        }
    }
    Ok(sets)
}

/// Reads one set in one direction; none if it has no file for it.
fn load_direction(set: &DevSet, base: &Path, pair: &LanguagePair) -> Result<Option<TestSet>> {
    if let Some(folder) = &set.folder {
        let folder = base.join(folder);
        let has = |language: &str| folder.join(format!("{language}.txt")).exists();
        return match has(&pair.source) && has(&pair.target) {
            true => TestSet::load_folder(&set.name, &folder, pair).map(Some),
            false => Ok(None),
        };
    }
    let Some(pattern) = &set.pairs else { return Ok(None) };
    let path = |pair: &LanguagePair| base.join(pattern.replace("{pair}", &pair.to_string()));
    let (straight, reversed) = (path(pair), path(&pair.reversed()));
    if straight.exists() {
        TestSet::load_tsv(&set.name, &straight, pair).map(Some)
    } else if reversed.exists() {
        Ok(Some(TestSet::load_tsv(&set.name, &reversed, &pair.reversed())?.reversed()))
    } else {
        Ok(None)
    }
}

/// Keeps `sentences` pairs, evenly spread over the set: files are often sorted.
fn thin(set: &mut TestSet, sentences: usize) {
    let all = set.sources.len();
    if sentences == 0 || sentences >= all {
        return;
    }
    let keep = |texts: &mut Vec<String>| {
        let kept = (0..sentences).map(|i| texts[i * all / sentences].clone());
        *texts = kept.collect();
    };
    keep(&mut set.sources);
    keep(&mut set.references);
}

/// Translates every set greedily and scores it; none without sets, or when `control` says stop.
pub(super) fn evaluate(task: &TranslationTask, control: &Control) -> Result<Option<Evaluation>> {
    if task.dev.is_empty() {
        return Ok(None);
    }
    let model = match task.params.device() {
        Device::Cpu => task.model.clone(),
        _ => task.copy_on_cpu()?, // decoding runs there
    };
    let mut rows: Vec<TranslationScores> = Vec::new();
    let mut samples = Vec::new();
    let mut nats = Vec::new();
    let mut loads: BTreeMap<String, ExpertLoad> = BTreeMap::new();
    for set in &task.dev {
        if control.is_stopped() {
            return Ok(None);
        }
        let started = Instant::now();
        let load = loads.entry(set.pair.to_string()).or_default();
        let hypotheses = task.translate(&model, &set.sources, &set.pair, load)?;
        let seconds = started.elapsed().as_secs_f64();
        let scores =
            score_translations(&set.pair, &hypotheses, &set.references, &set.sources, seconds)?;
        rows.push(TranslationScores { test_set: set.name.clone(), ..scores });
        nats.push(task.nats_per_character(&model, set)?);
        if let (Some(source), Some(hypothesis)) = (set.sources.first(), hypotheses.first()) {
            samples.push(format!("{}: {} → {}", set.pair, start(source), start(hypothesis)));
        }
    }
    let scores = Scores { rows };
    let mut dev = Dev::from_evaluation(0, 0.0, &scores);
    for (row, nats) in dev.rows.iter_mut().zip(nats) {
        row.scores.insert(NATS.into(), nats);
    }
    Ok(Some(Evaluation {
        score: scores.mean_chrf_plus_plus(),
        chosen_by: dev.chosen_by,
        rows: dev.rows,
        samples,
        loads,
    }))
}

/// As much of a sentence as fits on a line beside another.
fn start(text: &str) -> String {
    const CHARS: usize = 80;
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}

impl TranslationTask {
    /// The model as it is now, with copies of its weights on the CPU.
    pub(super) fn copy_on_cpu(&self) -> Result<TranslationModel> {
        let params = ParamStore::from_tensors(&Device::Cpu, self.all.tensors()?);
        Ok(TranslationModel::new(&self.config.model, &self.register, &params)?)
    }

    /// Negative log-likelihood of the references of `set`, in nats per character.
    pub(super) fn nats_per_character(
        &self,
        model: &TranslationModel,
        set: &TestSet,
    ) -> Result<f64> {
        let direction = self.direction(&set.pair.source, &set.pair.target)?;
        let Direction { name, route, frame } = direction.expect("development sets have a route");
        let limit = self.config.model.max_positions - 2; // beside the tag and the end
        let encode = |side, texts: &[String]| {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            self.vocabulary.encode_batch(side, &texts)
        };
        let sides = encode(Side::Source, &set.sources);
        let sides = sides.iter().zip(encode(Side::Target, &set.references));
        let examples = sides.map(|(source, target)| {
            let cut = |ids: &[u32]| ids[..ids.len().min(limit)].to_vec();
            let (source, target) = (cut(source), cut(&target));
            let sides = [&source[..], &target[..]];
            let example = Example::new(route, sides, &frame, self.vocabulary.outputs());
            let bonuses = self.bonuses_in(&name, sides, &example);
            (example, bonuses)
        });
        let (examples, bonuses): (Vec<_>, Vec<_>) = examples.unzip();
        let context = Context::inference(self.config.precision);
        let rule = |bonuses: Arc<Bonuses>| OutputLoss {
            weight: model.output_weight().clone(),
            bias: model.output_bias().cloned(),
            first_output: self.vocabulary.outputs().first,
            label_smoothing: 0.0,
            scale: 1.0,
            precision: self.config.precision,
            shortlist: None,
            bonuses,
        };
        let mut nll = 0.0;
        let batches = examples.chunks(DECODED_TOGETHER).zip(bonuses.chunks(DECODED_TOGETHER));
        for (examples, bonuses) in batches {
            let batch = BiasedBatch::new(TranslationBatch::new(examples, None), bonuses);
            let hidden = model.forward(&batch.pairs, &context)?.hidden;
            nll += rule(batch.bonuses).sums(&hidden, &batch.pairs.labels)?.nll;
        }
        let characters: usize = set.references.iter().map(|text| text.chars().count()).sum();
        Ok(nll / characters.max(1) as f64)
    }

    /// Translates `sources`, greedily: it compares weights, and need not find their best output.
    ///
    /// Adds to `load` where the tokens went in the encoder.
    pub(super) fn translate(
        &self,
        model: &TranslationModel,
        sources: &[String],
        pair: &LanguagePair,
        load: &mut ExpertLoad,
    ) -> Result<Vec<String>> {
        let direction = self.direction(&pair.source, &pair.target)?;
        let direction = direction.expect("development sets are read for the routes of the model");
        let frame = &direction.frame;
        let texts: Vec<&str> = sources.iter().map(String::as_str).collect();
        let encoded = self.vocabulary.encode_batch(Side::Source, &texts);
        let limit = self.config.model.max_positions - frame.source(&[]).len();
        let source = |ids: Vec<u32>| frame.source(&ids[..ids.len().min(limit)]);
        let encoded: Vec<Vec<u32>> = encoded.into_iter().map(source).collect();
        let hints = |i: usize| {
            let bias = self.bias.as_ref()?;
            bias.hints(&direction.name, &sources[i], &*self.vocabulary)
        };
        let mut order: Vec<usize> = (0..encoded.len()).collect();
        order.sort_by_key(|&i| encoded[i].len());
        let mut texts = vec![String::new(); sources.len()];
        for batch in order.chunks(DECODED_TOGETHER) {
            let sources: Vec<_> = batch.iter().map(|&i| encoded[i].as_slice()).collect();
            let hints: Vec<_> = batch.iter().map(|&i| hints(i)).collect();
            let targets = self.decode(model, (&sources, &hints), &direction, load)?;
            for (&i, tokens) in batch.iter().zip(targets) {
                texts[i] = self.vocabulary.decode(&tokens);
            }
        }
        Ok(texts)
    }

    /// The greedy targets of `sources`, tags and ends included there, and left out here.
    fn decode(
        &self,
        model: &TranslationModel,
        (sources, hints): (&[&[u32]], &[Option<Hints>]),
        Direction { route, frame, .. }: &Direction,
        load: &mut ExpertLoad,
    ) -> Result<Vec<Vec<u32>>> {
        let context = Context::inference(self.config.precision);
        let lengths: Vec<usize> = sources.iter().map(|source| source.len()).collect();
        let layout = Ragged::contiguous(&lengths);
        let routes = vec![*route; sources.len()];
        let encoded = model.encode(&sources.concat(), &layout, &routes, &context)?;
        add_load(load, expert_load(&encoded.routing));
        let starts = vec![frame.start.clone(); sources.len()];
        let outputs = self.vocabulary.outputs();
        let sentences = Sentences { routes: &routes, starts: &starts, outputs };
        let begins = self.bias.as_ref().map_or(&[][..], LexiconBias::begins);
        let guidance = Guidance { hints, begins, ..Guidance::default() };
        let search = SearchConfig::greedy();
        let found = search_with(model, (&encoded, &sentences), guidance, &search, &context)?;
        let best = |hypotheses: Vec<Hypothesis>| hypotheses.into_iter().next().unwrap_or_default();
        Ok(found.into_iter().map(|hypotheses| best(hypotheses).tokens).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directions() -> Vec<(String, String)> {
        [("en", "de"), ("de", "en"), ("en", "fr")].map(|(a, b)| (a.into(), b.into())).to_vec()
    }

    #[test]
    fn a_file_of_pairs_serves_both_directions_and_is_thinned_evenly() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let lines: String = (0..10).map(|i| format!("one {i}\teins {i}\n")).collect();
        fs_err::write(dir.path().join("en-de.tsv"), lines)?;
        let set = DevSet { pairs: Some("{pair}.tsv".into()), sentences: 5, ..DevSet::default() };
        let sets = load(&DevConfig { sets: vec![set] }, dir.path(), &directions())?;
        assert_eq!(sets.len(), 2, "there is no French");
        assert_eq!(sets[0].sources, ["one 0", "one 2", "one 4", "one 6", "one 8"]);
        assert_eq!(sets[1].sources[1], "eins 2");
        assert_eq!(sets[1].references[1], "one 2");
        Ok(())
    }

    #[test]
    fn a_set_that_is_not_there_is_named() {
        let set = DevSet { folder: Some("flores".into()), ..DevSet::default() };
        let config = DevConfig { sets: vec![set] };
        let error = load(&config, Path::new("/nowhere"), &directions()).expect_err("no folder");
        assert!(error.to_string().contains("/nowhere/flores"), "{error}");
    }
}
