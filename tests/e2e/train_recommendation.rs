//! `dragoman train recommendation`: from a log to a model that commands and a server can open.

use std::fmt::Write;

use anyhow::Result;
use dragoman_e2e::Dragoman;
use serde_json::Value;

const CONFIG: &str = r#"
precision = "f32"
batch_users = 16
[model]
d_model = 16
d_ff = 32
max_history = 12
[segments]
d_ff = 8
[run]
dropout = 0.0
[run.budget]
steps = 80
[run.schedule]
kind = "cosine"
warmup = 5
floor = 0.1
[run.optimizer]
learning_rate = 0.01
[run.loss]
label_smoothing = 0.0
[run.evaluate]
steps = 40
"#;

/// Forty users who go through twelve of 24 items in order, a day for each step.
fn log() -> String {
    let mut text = String::from("user\titem\tkind\tvalue\ttime\n");
    for user in 0..40 {
        for step in 0..12 {
            let (item, time) = ((user + step) % 24, (user + step + 1) * 86_400);
            writeln!(text, "u{user}\ti{item}\tread\t1\t{time}").expect("text can grow");
        }
    }
    text
}

#[test]
fn a_log_becomes_a_model() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let [data, config, out, json] =
        ["log.tsv", "run.toml", "run", "out.json"].map(|name| dir.path().join(name));
    fs_err::write(&data, log())?;
    fs_err::write(&config, CONFIG)?;
    let train = || {
        let command = Dragoman::new(["train", "recommendation", "--protocol", "time"])?;
        let command = command.args(["--data".as_ref(), data.as_os_str()]);
        let command = command.args(["--config".as_ref(), config.as_os_str(), "--quiet".as_ref()]);
        Ok::<_, anyhow::Error>(command.args(["--out".as_ref(), out.as_os_str()]))
    };
    assert!(train()?.stdout()?.contains("finished at step"));
    let model = out.join("model");
    let with_model = |args: &[&str]| {
        Ok::<_, anyhow::Error>(Dragoman::new(args)?.args(["--model".as_ref(), model.as_os_str()]))
    };
    let stdout = with_model(&["model", "check"])?.stdout()?;
    assert!(stdout.contains("4 experts, 1 routes"), "{stdout}");
    let stdout = with_model(&["expert", "list"])?.stdout()?;
    assert!(stdout.contains("segment.consistent"), "{stdout}");

    let evaluate = with_model(&["evaluate", "recommendation", "--no-baselines"])?;
    let evaluate = evaluate.args(["--data".as_ref(), data.as_os_str()]);
    evaluate.args(["--json".as_ref(), json.as_os_str()]).stdout()?;
    let evaluation: Value = serde_json::from_str(&fs_err::read_to_string(&json)?)?;
    assert_eq!(evaluation["systems"].as_array().map(Vec::len), Some(1));

    // Other gates stand beside the learned one, and what each is worth to each user.
    let lines = dir.path().join("users.jsonl");
    let with_gates = || {
        let command = with_model(&["evaluate", "recommendation", "--no-baselines"])?;
        Ok::<_, anyhow::Error>(command.args(["--data".as_ref(), data.as_os_str()]))
    };
    let gates = ["--gate", "learned,uniform,random,swapped", "--resamples", "20"];
    let command = with_gates()?.args(gates);
    let stdout = command.args(["--scores".as_ref(), lines.as_os_str()]).stdout()?;
    assert!(stdout.contains("beside the model") && stdout.contains("(swapped)"), "{stdout}");
    let users = fs_err::read_to_string(&lines)?;
    let user: Value = serde_json::from_str(users.lines().next().unwrap_or_default())?;
    assert_eq!(user["scores"].as_object().map(serde_json::Map::len), Some(4), "{user}");
    assert!(user["user"].as_str().is_some_and(|id| id.starts_with('u')), "{user}");
    let alone = with_gates()?.args(["--transformer-alone"]).stdout()?;
    assert!(alone.contains("NDCG@10"), "{alone}");

    // The same command finds nothing left to do; an altered file is named.
    assert!(train()?.stdout()?.contains("finished at step"));
    fs_err::write(model.join("items.json"), "{}")?;
    let error = with_model(&["model", "check"])?.failure()?;
    assert!(error.contains("items.json") && error.contains("sha256"), "{error}");
    Ok(())
}

#[test]
fn mistakes_are_named() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let [data, config] = ["log.tsv", "run.toml"].map(|name| dir.path().join(name));
    fs_err::write(&data, log())?;
    fs_err::write(&config, CONFIG.replace("max_history = 12", "max_hist = 12"))?;
    let train = || {
        let command = Dragoman::new(["train", "recommendation"])?;
        Ok::<_, anyhow::Error>(command.args(["--config".as_ref(), config.as_os_str()]))
    };
    let error = train()?.args(["--data".as_ref(), data.as_os_str()]).failure()?;
    assert!(error.contains("run.toml") && error.contains("max_hist"), "{error}");
    fs_err::write(&config, CONFIG)?;
    let error = train()?.args(["--data", "/no/such/log.tsv"]).failure()?;
    assert!(error.contains("/no/such/log.tsv"), "{error}");
    Ok(())
}
