//! A process that is killed loses nothing that it acknowledged.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use dragoman_store::{Store, Suggestion};

const DIR: &str = "DRAGOMAN_TEST_STORE_OF_THE_CHILD";

#[test]
fn rows_acknowledged_before_a_kill_are_there_after_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--ignored", "--exact", "child_that_writes_until_it_is_killed", "--nocapture"])
            .env(DIR, dir.path())
            .env("ROUND", round.to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().context("stdout is piped")?);
        // The test harness may print before the first row on the same line.
        for line in output.lines() {
            let line = line?;
            if let Some(at) = line.find("row ") {
                acknowledged.push(line[at..].to_owned());
            }
            if acknowledged.len() >= 50 * (round + 1) {
                break;
            }
        }
        child.kill()?; // SIGKILL
        child.wait()?;
    }

    let store = Store::open(dir.path())?;
    let found: Vec<String> =
        store.suggestions().map(|row| row.map(|row| row.q)).collect::<Result<_, _>>()?;
    ensure!(acknowledged.len() == 150, "the children wrote {} rows", acknowledged.len());
    for row in &acknowledged {
        ensure!(found.contains(row), "`{row}` was acknowledged and is lost");
    }
    Ok(())
}

#[test]
#[ignore = "the other test runs it as a child process"]
fn child_that_writes_until_it_is_killed() -> Result<()> {
    let Ok(dir) = std::env::var(DIR) else { return Ok(()) };
    let round = std::env::var("ROUND")?;
    let store = Store::open(dir.as_ref())?;
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (store, round) = (store.clone(), &round);
            scope.spawn(move || {
                for i in 0.. {
                    let row = format!("row {round}.{writer}.{i}");
                    store.suggest(&Suggestion::new(&row, "s", "en", "de")).expect("disk");
                    println!("{row}"); // only now is it acknowledged
                }
            });
        }
    });
    Ok(())
}
