//! `dragoman evaluate recommendation`: what somebody sees who has a log.

use std::fmt::Write;

use anyhow::Result;
use dragoman_e2e::Dragoman;
use serde_json::Value;

fn evaluate() -> Result<Dragoman> {
    Dragoman::new(["evaluate", "recommendation"])
}

/// Forty users who go through twelve items in order, each a day after the one before.
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
fn a_log_is_judged_by_its_future() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (data, json, page) =
        (dir.path().join("log.tsv"), dir.path().join("out.json"), dir.path().join("out.html"));
    fs_err::write(&data, log() + "u1\n")?;
    let command = evaluate()?.args(["--data".as_ref(), data.as_os_str()]);
    let command = command.args(["--json".as_ref(), json.as_os_str()]);
    let stdout = command.args(["--report".as_ref(), page.as_os_str()]).stdout()?;
    for name in ["Pop-30d", "ItemKNN", "EASE", "iALS", "Markov", "segment.new", "worst segment"] {
        assert!(stdout.contains(name), "{name} in:\n{stdout}");
    }
    let evaluation: Value = serde_json::from_str(&fs_err::read_to_string(&json)?)?;
    assert_eq!(
        (&evaluation["setup"]["users"], &evaluation["setup"]["events"]),
        (&40.into(), &480.into())
    );
    assert_eq!(evaluation["systems"][0]["name"], "Pop");
    assert!(fs_err::read_to_string(&page)?.contains("<td>Pop-30d</td>"));
    Ok(())
}

#[test]
fn leave_one_out_says_that_it_leaks_and_files_of_lines_are_scored() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let [data, histories, targets] =
        ["log.tsv", "histories.txt", "targets.txt"].map(|name| dir.path().join(name));
    fs_err::write(&data, log())?;
    fs_err::write(&histories, "i1 i2 i3\ni4 i5\n")?;
    fs_err::write(&targets, "i4\ni6\n")?;
    let command =
        || Ok::<_, anyhow::Error>(evaluate()?.args(["--data".as_ref(), data.as_os_str()]));
    let stdout = command()?.args(["--protocol", "loo", "--resamples", "50"]).stdout()?;
    assert!(stdout.contains("leaks"), "{stdout}");
    let command = command()?.args(["--histories".as_ref(), histories.as_os_str()]);
    let stdout = command.args(["--targets".as_ref(), targets.as_os_str()]).stdout()?;
    assert!(stdout.contains("2 users asked about"), "{stdout}");
    // What follows is always the next item, and the chain has seen nothing else.
    let markov = stdout.lines().find(|line| line.starts_with("Markov"));
    assert!(markov.is_some_and(|line| line.contains("1.0000")), "{stdout}");
    Ok(())
}

#[test]
fn a_target_that_is_named_twice_counts_once() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    fs_err::write(path("log.tsv"), log())?;
    fs_err::write(path("histories.txt"), "i1 i2 i3\ni4 i5\n")?;
    let mut reports = Vec::new();
    for targets in ["i4 i9\ni6\n", "i4 i9 i4 i4\ni6 i6\n"] {
        fs_err::write(path("targets.txt"), targets)?;
        let mut command = evaluate()?;
        for (option, name) in [
            ("--data", "log.tsv"),
            ("--histories", "histories.txt"),
            ("--targets", "targets.txt"),
            ("--json", "out.json"),
        ] {
            command = command.args([option.as_ref(), path(name).as_os_str()]);
        }
        command.stdout()?;
        reports.push(serde_json::from_str::<Value>(&fs_err::read_to_string(path("out.json"))?)?);
    }
    assert_eq!(reports[0]["systems"], reports[1]["systems"]);
    Ok(())
}

#[test]
fn mistakes_are_named() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let [data, text] = ["log.tsv", "seq.txt"].map(|name| dir.path().join(name));
    fs_err::write(&data, log())?;
    fs_err::write(&text, "1 2 3 4\n2 3 4\n")?;
    let on = |path: &std::path::Path| {
        Ok::<_, anyhow::Error>(evaluate()?.args(["--data".as_ref(), path.as_os_str()]))
    };
    for (command, named) in [
        (evaluate()?, "--data"),
        (on("/no/such/log.tsv".as_ref())?, "/no/such/log.tsv"),
        (on(dir.path())?, "events.jsonl"),
        (on(&data)?.args(["--quantile", "2"]), "quantile 2"),
        (on(&text)?, "--protocol loo"),
        (on(&data)?.args(["--histories", "x"]), "--targets"),
        (on(&data)?.args(["--resamples", "0"]), "--resamples"),
        (on(&data)?.args(["--no-baselines"]), "--model"),
        (on(&data)?.args(["--columns", "user=nobody"]), "`nobody`"),
        (on(&data)?.args(["--columns", "who=user"]), "`who`"),
    ] {
        let error = command.failure()?;
        assert!(error.contains(named), "{named}: {error}");
    }
    Ok(())
}
