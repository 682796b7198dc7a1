//! Makes a packed corpus and development sets of the files that an expert is to learn from.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
};

use dragoman_core::{
    register::{Register, TrainedOn},
    vocabulary::Vocabulary,
};
use dragoman_data::{
    clean::{CleanConfig, Cleaner, Reason},
    corpus::{Corpus, Pair},
    pack::{Header, PackConfig, Segment, pack},
    split::{Part, Split},
};
use sha2::{Digest, Sha256};

use super::{plan::Kind, request::AddRequest, scores};
use crate::{
    Error, Result,
    evaluate::LanguagePair,
    translation::{DevConfig, DevSet},
};

/// Pairs that are left after cleaning, at the least.
const MIN_PAIRS: usize = 50;
/// Pairs of each file that are held out for development, about: of a large one.
const DEV_PAIRS: usize = 300;
/// The same of a small one, as long as that is no more than a quarter of it.
const FEW_DEV_PAIRS: usize = 20;
/// Sentences of all directions together that are translated in each evaluation, about.
const DEV_SENTENCES: usize = 400;
/// Pairs of a file whose languages are looked at.
const LOOKED_AT: usize = 600;

/// What an expert learns from, ready in the folder of its run.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Directions to learn.
    pub(super) directions: Vec<(String, String)>,
    /// Sentences that choose the best weights.
    pub(super) dev: DevConfig,
    /// The folder that the paths of `dev` start from.
    pub(super) dev_base: PathBuf,
    /// The files, with their hashes.
    pub(super) trained_on: Vec<TrainedOn>,
    /// Pairs that are left.
    pub(super) pairs: usize,
    /// Source sentences to learn from, some of them, by language.
    pub(super) sources: Vec<String>,
}

fn refuse(reason: impl Into<String>) -> Error {
    Error::Expert(reason.into())
}

/// Reads the corpora of `request`, holds sentences out, and packs the rest into its folder.
pub(super) fn prepare(
    request: &AddRequest,
    kind: &Kind,
    register: &Register,
    vocabulary: &dyn Vocabulary,
) -> Result<Prepared> {
    let wanted = wanted(request, kind, register);
    let corpora = corpora(request, &wanted)?;
    let directions = directions(&corpora, &wanted);
    let work = &request.work;
    let mut packing = PackConfig::default();
    let mut trained_on = Vec::new();
    let mut sources = Vec::new();
    for folder in ["train", "held-out"] {
        let folder = work.join(folder);
        if folder.exists() {
            fs_err::remove_dir_all(&folder)?; // of a session before
        }
        fs_err::create_dir_all(&folder)?;
    }
    for (i, corpus) in corpora.iter().enumerate() {
        let pairs = read(corpus)?;
        check_languages(corpus, &pairs)?;
        let (train, dev) = match request.dev {
            Some(_) => (pairs, Vec::new()),
            None => hold_out(pairs, corpus)?,
        };
        let name = file_name(&corpus.path);
        let (licence, sha256) = (request.licence.clone(), sha256_of(&corpus.path)?);
        trained_on.push(TrainedOn { name, sha256, licence });
        let serves = |a: &str, b: &str| directions.iter().any(|(s, t)| (&**s, &**t) == (a, b));
        let forward = serves(&corpus.source, &corpus.target);
        let backward = serves(&corpus.target, &corpus.source);
        let (from, to) = (&corpus.source, &corpus.target);
        append(&work.join(format!("held-out/{from}-{to}.tsv")), &dev, false)?;
        // A corpus for the way back alone is turned round, as a packed one serves its first way.
        let (from, to, turned) = if forward { (from, to, false) } else { (to, from, true) };
        let path = work.join(format!("train/{from}-{to}.{i}.tsv"));
        append(&path, &train, turned)?;
        if forward {
            sources.extend(train.iter().map(|pair| pair.source.clone()));
        }
        if backward {
            sources.extend(train.iter().map(|pair| pair.target.clone()));
        }
        let mut own = Corpus::new(&path, from, to).labelled(&corpus.label);
        own.one_way = !(forward && backward);
        packing.corpora.push(own);
    }
    let (dev, dev_base) = dev_sets(request, &directions);
    for path in held_out_files(&dev, &dev_base, &directions) {
        packing.held_out.push(path);
    }
    let header = pack(&packing, vocabulary, work.join("corpus.bin"))?;
    check_size(&header, &corpora)?;
    Ok(Prepared { directions, dev, dev_base, trained_on, pairs: header.pairs, sources })
}

/// The directions that are asked for; none stands for all there are.
pub(super) fn wanted(request: &AddRequest, kind: &Kind, register: &Register) -> Vec<LanguagePair> {
    if let Kind::Pair(pair) = kind {
        return vec![pair.clone()];
    }
    if !request.pairs.is_empty() {
        return request.pairs.clone();
    }
    let pair =
        |source: &str, target: &str| LanguagePair { source: source.into(), target: target.into() };
    let of_pairs = register.routes.iter().filter(|route| route.between.is_empty());
    let mut wanted: Vec<LanguagePair> =
        of_pairs.map(|route| pair(&route.source, &route.target)).collect();
    // A route between many languages covers those that the corpora are of.
    for corpus in request.data.iter().filter_map(|path| Corpus::from_name(Path::new(path)).ok()) {
        let (one, other) = (&corpus.source, &corpus.target);
        for pair in [pair(one, other), pair(other, one)] {
            let route = register.route(&pair.source, &pair.target);
            let joins = route.is_some_and(|route| !register.routes[route].between.is_empty());
            if joins && !wanted.contains(&pair) {
                wanted.push(pair);
            }
        }
    }
    wanted
}

/// The files to learn from.
pub(super) fn corpora(request: &AddRequest, wanted: &[LanguagePair]) -> Result<Vec<Corpus>> {
    let mut corpora: Vec<Corpus> = Vec::new();
    let mut add = |corpus: Corpus| {
        if !corpora.iter().any(|other| other.path == corpus.path) {
            corpora.push(corpus);
        }
    };
    for pattern in &request.data {
        if !pattern.contains("{pair}") {
            add(one_file(Path::new(pattern), wanted)?);
            continue;
        }
        let mut found = false;
        for pair in wanted {
            let path =
                |pair: &LanguagePair| PathBuf::from(pattern.replace("{pair}", &pair.to_string()));
            let both = [pair.clone(), pair.reversed()];
            match both.iter().find(|pair| path(pair).exists()) {
                Some(pair) => {
                    found = true;
                    add(Corpus::new(path(pair), &pair.source, &pair.target));
                }
                None if request.pairs.is_empty() => {}
                None => {
                    let (straight, reversed) = (path(pair), path(&pair.reversed()));
                    return Err(refuse(format!(
                        "there is no corpus for {pair}: neither `{}` nor `{}`",
                        straight.display(),
                        reversed.display()
                    )));
                }
            }
        }
        if !found {
            return Err(refuse(format!("`{pattern}` names no file for any route of the model")));
        }
    }
    match corpora.is_empty() {
        true => Err(refuse("nothing to learn from: name a corpus with `--data FILE`")),
        false => Ok(corpora),
    }
}

fn one_file(path: &Path, wanted: &[LanguagePair]) -> Result<Corpus> {
    let fits = |corpus: &Corpus| {
        let pair = LanguagePair { source: corpus.source.clone(), target: corpus.target.clone() };
        wanted.contains(&pair) || wanted.contains(&pair.reversed())
    };
    match (Corpus::from_name(path), wanted) {
        (Ok(corpus), _) if fits(&corpus) => Ok(corpus),
        (Ok(corpus), _) => {
            let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            let Corpus { source, target, .. } = corpus;
            Err(refuse(format!(
                "`{}` is of {source}-{target} by its name, but this is about {}",
                path.display(),
                wanted.join(", ")
            )))
        }
        (Err(_), [pair]) => Ok(Corpus::new(path, &pair.source, &pair.target)),
        (Err(error), _) => Err(error.into()),
    }
}

/// The directions asked for that some corpus serves.
pub(super) fn directions(corpora: &[Corpus], wanted: &[LanguagePair]) -> Vec<(String, String)> {
    let served: BTreeSet<(&str, &str)> = (corpora.iter())
        .flat_map(|c| [(&*c.source, &*c.target), (&*c.target, &*c.source)])
        .collect();
    let served = |pair: &&LanguagePair| served.contains(&(&*pair.source, &*pair.target));
    wanted.iter().filter(served).map(|p| (p.source.clone(), p.target.clone())).collect()
}

/// The pairs of a corpus; lines that are none are left to the packer, which counts them.
pub(super) fn read(corpus: &Corpus) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for line in corpus.lines()? {
        pairs.extend(line?.pair.ok());
    }
    Ok(pairs)
}

/// Refuses a corpus most of whose sentences are surely in other languages than it should have.
pub(super) fn check_languages(corpus: &Corpus, pairs: &[Pair]) -> Result<()> {
    let config = CleanConfig { detect_language: true, ..CleanConfig::default() };
    // A build without detection takes the user's word.
    let Ok(cleaner) = Cleaner::new(&config, &corpus.source, &corpus.target) else { return Ok(()) };
    let is_long = |text: &str| text.chars().filter(|c| c.is_alphabetic()).count() >= 20;
    let every = pairs.len().div_ceil(LOOKED_AT).max(1);
    let looked_at =
        pairs.iter().step_by(every).filter(|p| is_long(&p.source) && is_long(&p.target));
    let (mut all, mut foreign) = (0, 0);
    for pair in looked_at {
        all += 1;
        let reason = cleaner.check(pair).err();
        foreign += usize::from(matches!(reason, Some(Reason::WrongLanguage | Reason::WrongScript)));
    }
    if all >= 10 && 2 * foreign > all {
        let Corpus { path, source, target, .. } = corpus;
        return Err(refuse(format!(
            "`{}` does not look like {source} in its first column and {target} in its second: of {all} \
             pairs looked at, {foreign} are in other languages",
            path.display()
        )));
    }
    Ok(())
}

/// Divides pairs into those to learn from and those for development, by a hash of the first side.
fn hold_out(pairs: Vec<Pair>, corpus: &Corpus) -> Result<(Vec<Pair>, Vec<Pair>)> {
    let share_of = |count: usize| count as f64 / pairs.len().max(1) as f64;
    let share = share_of(DEV_PAIRS).min(0.1).max(share_of(FEW_DEV_PAIRS).min(0.25));
    let split = Split { dev: share, test: 0.0 };
    let cleaner = Cleaner::new(&CleanConfig::default(), &corpus.source, &corpus.target)?;
    let (mut train, mut dev) = (Vec::new(), BTreeMap::new());
    for pair in pairs {
        match split.part(pair.source.trim()) {
            Part::Dev => {
                if let Ok(pair) = cleaner.check(&pair) {
                    dev.entry(pair.source.clone()).or_insert(pair);
                }
            }
            _ => train.push(pair),
        }
    }
    Ok((train, dev.into_values().collect()))
}

/// Adds pairs to a TSV file.
fn append(path: &Path, pairs: &[Pair], turned: bool) -> Result<()> {
    let mut text = match path.exists() {
        true => fs_err::read_to_string(path)?,
        false => String::new(),
    };
    let cell = |text: &str| text.replace(['\t', '\n', '\r'], " ");
    for Pair { source, target, .. } in pairs {
        let (a, b) = if turned { (target, source) } else { (source, target) };
        let _ = writeln!(text, "{}\t{}", cell(a), cell(b)); // strings take all
    }
    Ok(fs_err::write(path, text)?)
}

/// The development sets, and where their paths start from.
pub(super) fn dev_sets(
    request: &AddRequest,
    directions: &[(String, String)],
) -> (DevConfig, PathBuf) {
    let sentences = (DEV_SENTENCES / directions.len().max(1)).clamp(20, 200);
    let (pattern, base) = match &request.dev {
        Some(path) => (scores::pattern(path), PathBuf::new()),
        None => ("held-out/{pair}.tsv".into(), request.work.clone()),
    };
    let name = request.name.split_once('.').map_or("", |(_, name)| name).to_string();
    let set = DevSet { name, pairs: Some(pattern), folder: None, sentences };
    (DevConfig { sets: vec![set] }, base)
}

/// The files of the development sets, whose sentences nothing is to learn from.
pub(super) fn held_out_files(
    dev: &DevConfig,
    base: &Path,
    directions: &[(String, String)],
) -> Vec<Corpus> {
    let mut files: Vec<Corpus> = Vec::new();
    for set in &dev.sets {
        let Some(pattern) = &set.pairs else { continue };
        for (source, target) in directions {
            for (a, b) in [(source, target), (target, source)] {
                let path = base.join(pattern.replace("{pair}", &format!("{a}-{b}")));
                let known = files.iter().any(|file| file.path == path);
                if path.exists() && !known {
                    files.push(Corpus::new(path, a, b));
                }
            }
        }
    }
    files
}

/// Refuses a corpus of which too little is left, and says why.
fn check_size(header: &Header, corpora: &[Corpus]) -> Result<()> {
    if header.pairs >= MIN_PAIRS {
        return Ok(());
    }
    let mut dropped: BTreeMap<Reason, u64> = BTreeMap::new();
    for Segment { rejected, .. } in &header.segments {
        rejected.iter().for_each(|(reason, count)| *dropped.entry(*reason).or_default() += count);
    }
    let mut dropped: Vec<(Reason, u64)> = dropped.into_iter().collect();
    dropped.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let dropped: Vec<String> =
        dropped.iter().map(|(reason, count)| format!("{count} {}", reason.name())).collect();
    let names: Vec<String> =
        corpora.iter().map(|corpus| format!("`{}`", corpus.path.display())).collect();
    let why = match dropped.is_empty() {
        true => String::new(),
        false => format!(" (dropped: {})", dropped.join(", ")),
    };
    Err(refuse(format!(
        "only {} pairs of {} can be learned from{why}: an expert needs {MIN_PAIRS} at the least, and \
         some thousand to be good",
        header.pairs,
        names.join(", ")
    )))
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

pub(super) fn sha256_of(path: &Path) -> Result<String> {
    Ok(format!("{:x}", Sha256::digest(fs_err::read(path)?)))
}
