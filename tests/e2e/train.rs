//! From a corpus to a model that serves: `data pack`, `train`, Ctrl-C, again, `evaluate`.

use std::{
    path::{Path, PathBuf},
    process::Child,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use dragoman_e2e::{
    Dragoman, Options, TestApp,
    binary::{self, finish, signal},
    model::{self, SENTENCES},
};
use serde_json::Value;

/// Settings of a run that takes some seconds.
const CONFIG: &str = r#"
name = "of the tests"
precision = "f32"

[model]
d_model = 32
num_heads = 2
encoder_layers = 2
decoder_layers = 1
d_ff = 64
max_positions = 128

[model.moe]
encoder_freq = 2
decoder_freq = 1
top_k = 2
shared_d_ff = 32

[experts]
free = 3
d_ff = 32

[batches]
max_tokens = 256
max_length = 60
window = 64

[run]
log_every = 1

[run.budget]
steps = 120

[run.schedule]
kind = "linear"
warmup = 10
hold = 0.5

[run.optimizer]
learning_rate = 4e-3

[run.checkpoints.every]
steps = 40
"#;

const RECIPE: &str = r#"
corpora = ["en-de.tsv", "en-fr.tsv"]
[tokenizer]
vocab_size = 500
languages = ["de", "en", "fr"]
"#;

/// A folder with a packed corpus and the settings of a run.
struct Workshop {
    dir: tempfile::TempDir,
}

impl Workshop {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        model::write_corpus(dir.path())?;
        fs_err::write(dir.path().join("recipe.toml"), RECIPE)?;
        fs_err::write(dir.path().join("run.toml"), CONFIG)?;
        let stdout = Dragoman::new(["data", "pack"])?
            .args([dir.path().join("recipe.toml")])
            .args(["--base".as_ref(), dir.path().as_os_str()])
            .args(["--out".as_ref(), dir.path().join("corpus").as_os_str()])
            .stdout()?;
        ensure!(stdout.starts_with(&format!("{} pairs", 2 * SENTENCES.len())), "{stdout}");
        Ok(Self { dir })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The command that trains in the folder `out`.
    fn train(&self, out: &str) -> Result<Dragoman> {
        Ok(Dragoman::new(["train", "translation"])?
            .args(["--config".as_ref(), self.path("run.toml").as_os_str()])
            .args(["--corpus".as_ref(), self.path("corpus").as_os_str()])
            .args(["--dev".as_ref(), self.dir.path().as_os_str()])
            .args(["--out".as_ref(), self.path(out).as_os_str()]))
    }

    /// The steps in the log of a run.
    fn steps(&self, out: &str) -> Vec<u64> {
        let log = fs_err::read_to_string(self.path(out).join("log.jsonl")).unwrap_or_default();
        let rows = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        rows.filter(|row| row["event"] == "step").filter_map(|row| row["step"].as_u64()).collect()
    }

    /// Waits until a run has made so many steps.
    fn until_step(&self, out: &str, step: u64, child: &mut Child) -> Result<()> {
        let started = Instant::now();
        while self.steps(out).last().is_none_or(|last| *last < step) {
            ensure!(child.try_wait()?.is_none(), "the run ended before step {step}");
            ensure!(started.elapsed() < Duration::from_secs(120), "no step {step}");
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

/// The weights of a model folder, file by file; the register holds times.
fn weights(model: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = vec![(String::from("shared"), fs_err::read(model.join("shared.safetensors"))?)];
    for entry in fs_err::read_dir(model.join("experts"))? {
        let entry = entry?;
        files.push((entry.file_name().to_string_lossy().into(), fs_err::read(entry.path())?));
    }
    files.sort();
    Ok(files)
}

#[tokio::test]
async fn a_run_that_was_stopped_goes_on_as_if_nothing_had_happened() -> Result<()> {
    let shop = Workshop::new()?;
    let straight = shop.train("straight")?.stdout()?;
    assert!(straight.contains("finished at step 120"), "{straight}");

    let mut child = shop.train("broken")?.spawn()?;
    shop.until_step("broken", 10, &mut child)?;
    let error = shop.train("broken")?.failure()?;
    assert!(error.contains("another process is training here"), "{error}");
    signal(&child, "INT")?;
    let stopped = finish(child)?;
    let stdout = String::from_utf8(stopped.stdout)?;
    assert_eq!(stopped.code, Some(130), "{}", stopped.stderr);
    assert!(stdout.contains("the same command goes on from here"), "{stdout}");

    let finished = shop.train("broken")?.stdout()?;
    assert!(finished.contains("finished at step 120"), "{finished}");
    let model = shop.path("broken/model");
    assert_eq!(
        weights(&model)?.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        weights(&shop.path("straight/model"))?.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "the hashes in the names are those of the weights"
    );
    ensure!(weights(&model)? == weights(&shop.path("straight/model"))?, "the weights differ");
    for name in ["report.html", "log.jsonl", "config.toml"] {
        ensure!(shop.path("broken").join(name).exists(), "the run left no `{name}`");
    }

    let pairs = format!("own={}/{{pair}}.tsv", shop.dir.path().display());
    let table =
        Dragoman::new(["evaluate", "translation", "--pairs", &pairs, "--directions", "en-de"])?
            .args(["--model".as_ref(), model.as_os_str()])
            .args(["--out".as_ref(), shop.path("scores").as_os_str()])
            .stdout()?;
    assert!(table.contains("chrF++") && table.contains("en-de"), "{table}");
    let scores: Value =
        serde_json::from_slice(&fs_err::read(shop.path("scores/evaluation.json"))?)?;
    assert!(scores.to_string().contains("en-de"), "{scores}");

    let app = TestApp::start(Options { model: Some(model), ..Options::default() }).await?;
    assert!(app.translate("Good morning.", "en", "de").await?.is_string());
    Ok(())
}

#[test]
fn a_full_disk_leaves_the_checkpoints_before_it() -> Result<()> {
    let shop = Workshop::new()?;
    let mut child = shop.train("run")?.spawn()?;
    shop.until_step("run", 5, &mut child)?;
    signal(&child, "TERM")?;
    ensure!(finish(child)?.code == Some(130), "the first session ends well");
    let before = *shop.steps("run").last().context("some steps")?;

    // No file may grow over 64 KiB, as if the disk were full: the signal that would end the
    // process is ignored, so that it sees an error of writing.
    let finished = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\""])
        .arg(binary::path()?)
        .args(["train", "translation", "--config"])
        .arg(shop.path("run.toml"))
        .arg("--corpus")
        .arg(shop.path("corpus"))
        .arg("--out")
        .arg(shop.path("run"))
        .output()?;
    let stderr = String::from_utf8_lossy(&finished.stderr);
    ensure!(!finished.status.success(), "a checkpoint of more than 64 KiB was written");
    assert!(stderr.contains("checkpoint") && stderr.contains("free some space"), "{stderr}");
    assert!(stderr.contains(&format!("step {before}")), "it says from where to go on: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");

    let stdout = shop.train("run")?.stdout()?;
    assert!(stdout.contains("finished at step 120"), "{stdout}");
    Ok(())
}

#[test]
fn mistakes_are_named_before_anything_is_trained() -> Result<()> {
    let shop = Workshop::new()?;
    let config = |text: String| fs_err::write(shop.path("run.toml"), text);
    for (change, with, named) in [
        ("d_model = 32", "d_modle = 32", "d_modle"),
        ("num_heads = 2", "num_heads = 5", "num_heads 5"),
        ("free = 3", "free = 1", "[experts] free"),
        ("precision = \"f32\"", "precision = \"f32\"\ndevice = \"tpu\"", "`tpu`"),
        ("precision = \"f32\"", "directions = [\"en-xx\"]", "`en-xx`"),
    ] {
        config(CONFIG.replace(change, with))?;
        let error = shop.train("run")?.failure()?;
        assert!(error.contains(named), "{error}");
    }
    config(CONFIG.into())?;
    fs_err::remove_file(shop.path("corpus/corpus.bin"))?;
    let error = shop.train("run")?.failure()?;
    assert!(error.contains("corpus.bin"), "{error}");
    Ok(())
}

#[test]
fn a_run_with_another_shape_is_not_continued() -> Result<()> {
    let shop = Workshop::new()?;
    shop.train("run")?.args(["--steps", "2"]).stdout()?;
    fs_err::write(shop.path("run.toml"), CONFIG.replace("d_ff = 64", "d_ff = 48"))?;
    let error = shop.train("run")?.failure()?;
    if !error.contains("another folder") {
        bail!("it should say how to go on: {error}");
    }
    Ok(())
}

#[test]
fn the_path_of_the_readme_leads_from_a_file_to_scores() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    let [who, what, when] = [
        [("My sister", "Meine Schwester"), ("The baker", "Der Bäcker"), ("A child", "Ein Kind")],
        [("sees", "sieht"), ("paints", "malt"), ("sells", "verkauft")],
        [("today", "heute"), ("on Monday", "am Montag"), ("again", "wieder")],
    ];
    let mut lines = String::from("en\tde\n");
    for (n, (who, what)) in (0..50)
        .flat_map(|n| who.map(|w| (n, w)))
        .flat_map(|(n, who)| what.map(|what| (n, (who, what))))
    {
        for when in when {
            lines += &format!("{} {} {n} houses {}.\t", who.0, what.0, when.0);
            lines += &format!("{} {} {} {n} Häuser.\n", who.1, what.1, when.1);
        }
    }
    fs_err::write(path("en-de.tsv"), lines)?;
    fs_err::write(path("recipe.toml"), "corpora = [\"en-de.tsv\"]\n")?;
    let run = |args: &[&str]| Dragoman::new(args.iter().copied())?.current_dir(dir.path()).stdout();

    let described = run(&["data", "stats", "en-de.tsv"])?;
    assert!(described.starts_with("1350 lines, 1350 pairs kept"), "{described}");
    let packed = run(&["data", "pack", "recipe.toml", "--out", "corpus"])?;
    assert!(packed.contains("held out") && packed.contains("1323 pairs"), "{packed}");
    assert!(run(&["data", "stats", "corpus"])?.contains("its checksum is right"));
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../training/configs/tiny.toml");
    let config = config.display().to_string();
    let args = ["train", "translation", "--config", &config, "--corpus", "corpus"];
    let trained = run(&[&args[..], &["--out", "runs/mine", "--steps", "3", "--quiet"]].concat())?;
    assert!(trained.contains("finished at step 3") && trained.contains("3 steps"), "{trained}");
    let pairs = "mine=corpus/held-out/{pair}.tsv";
    let args = ["evaluate", "translation", "--model", "runs/mine/model", "--pairs", pairs];
    let scores = run(&[&args[..], &["--intervals", "--sentences", "5"]].concat())?;
    assert!(scores.contains("de-en mine") && scores.contains('±'), "{scores}");

    // The tokenizer of a model, for a run that starts from it.
    let args = ["data", "pack", "recipe.toml", "--out", "again", "--tokenizer", "runs/mine/model"];
    run(&args)?;
    let same = ["again", "corpus"].map(|name| fs_err::read(path(name).join("tokenizer.json")));
    let [again, corpus] = same;
    assert_eq!(again?, corpus?);
    Ok(())
}
