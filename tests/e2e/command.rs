//! `dragoman translate`: arguments, and the standard input line by line.

use std::{
    io::{BufRead, BufReader, Write},
    process::Stdio,
};

use anyhow::{Context, Result};
use dragoman_e2e::{
    Dragoman, binary,
    model::{self, SENTENCES},
};
use serde_json::{Value, json};

fn translate(args: &[&str]) -> Result<Dragoman> {
    let model = model::dir()?;
    Ok(Dragoman::new(["translate"])?.args(args).args(["--model".as_ref(), model.as_os_str()]))
}

#[test]
fn a_text_is_translated() -> Result<()> {
    let german = "Der Zug hat Verspätung.\n";
    assert_eq!(translate(&["--from", "en", "--to", "de", "The train is late."])?.stdout()?, german);
    let words = ["The", "train", "is", "late."];
    assert_eq!(translate(&["--to", "de"])?.args(words).stdout()?, german, "auto, of several words");
    let french =
        translate(&["--from", "de", "--to", "fr", "Die Tür ist geschlossen."])?.stdout()?;
    assert_eq!(french, "La porte est fermée.\n", "through English");
    let two = translate(&["--to", "de", "The train is late. It is raining today."])?.stdout()?;
    assert_eq!(two, "Der Zug hat Verspätung. Heute regnet es.\n");
    Ok(())
}

#[test]
fn a_command_ends_without_a_word_when_nobody_reads_it() -> Result<()> {
    for args in [["data", "sources"], ["model", "get"]] {
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        let command =
            std::process::Command::new(binary::path()?).args(args).stdout(writer).output()?;
        let said = String::from_utf8_lossy(&command.stderr);
        assert!(command.status.success() && said.is_empty(), "{args:?}: {said}");
    }
    Ok(())
}

#[test]
fn a_thousand_lines_come_out_in_order() -> Result<()> {
    let row = |i: usize| SENTENCES[i * 7 % SENTENCES.len()];
    let lines = |column: usize| (0..1000).map(move |i| format!("{}\n", row(i)[column]));
    let found = translate(&["--from", "en", "--to", "de"])?.stdin(lines(0).collect::<String>());
    assert_eq!(found.stdout()?, lines(1).collect::<String>());
    Ok(())
}

#[test]
fn every_line_in_is_one_line_out() -> Result<()> {
    let mut input = b"Good morning.\r\n\n  \n\xff\xfe broken\n12:30\n".to_vec();
    input.extend("🙂\n".as_bytes());
    input.extend_from_slice(b"The cat sleeps. We bake bread."); // and no line end
    let finished = translate(&["--from", "en", "--to", "de"])?.stdin(input).run()?;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let stdout = String::from_utf8(finished.stdout)?;
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 7, "{lines:?}");
    assert_eq!((lines[0], lines[1], lines[2].trim()), ("Guten Morgen.", "", ""));
    assert_eq!(lines[4..], ["12:30", "🙂", "Die Katze schläft. Wir backen Brot."]);
    assert!(finished.stderr.contains("line 4 is not UTF-8"), "{}", finished.stderr);
    let nothing = translate(&["--from", "en", "--to", "de"])?.stdin("").stdout()?;
    assert_eq!(nothing, "");
    Ok(())
}

#[test]
fn marks_and_line_ends_come_back_as_they_were() -> Result<()> {
    let input = "\u{feff}Good morning.\r\n\r\nGood morning.\n";
    let found = translate(&["--from", "EN", "--to", "de-AT"])?.stdin(input).run()?;
    assert_eq!(found.stdout, "\u{feff}Guten Morgen.\r\n\r\nGuten Morgen.\n".as_bytes());
    Ok(())
}

#[test]
fn what_is_no_text_is_refused() -> Result<()> {
    let utf16: Vec<u8> = "Good morning.\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let refused = translate(&["--from", "en", "--to", "de"])?.stdin(utf16).run()?;
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stdout.is_empty() && refused.stderr.contains("UTF-16"), "{}", refused.stderr);
    Ok(())
}

#[test]
fn lines_of_several_languages_go_into_one() -> Result<()> {
    let input = "The soup is too hot.\nDie Suppe ist zu heiß.\nLa soupe est trop chaude.\n";
    let found = translate(&["--to", "fr"])?.stdin(input).stdout()?;
    assert_eq!(found, "La soupe est trop chaude.\n".repeat(3));
    Ok(())
}

#[test]
fn json_tells_more() -> Result<()> {
    let args = ["--from", "en", "--to", "de", "--json", "--trace", "--alternatives", "2"];
    let stdout = translate(&args)?.stdin("Her coat is red.\nGood morning.\n").stdout()?;
    let rows: Vec<Value> = stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["translatedText"], "Ihr Mantel ist rot.");
    assert_eq!((&rows[1]["source"], &rows[1]["target"]), (&json!("en"), &json!("de")));
    for row in &rows {
        assert!(row["score"].as_f64().is_some_and(|score| (-0.2..=0.0).contains(&score)), "{row}");
        let alternatives = row["alternatives"].as_array().context("asked for")?;
        assert!((1..=2).contains(&alternatives.len()), "{row}");
        assert!(!alternatives.contains(&row["translatedText"]), "{row}");
        assert_eq!(row["trace"]["legs"][0]["route"], "en-de");
    }
    Ok(())
}

#[test]
fn trace_and_alternatives_are_written_for_people_too() -> Result<()> {
    let args = ["--from", "en", "--to", "de", "--trace", "--alternatives", "1", "Good morning."];
    let stdout = translate(&args)?.stdout()?;
    let mut lines = stdout.lines();
    assert_eq!(lines.next(), Some("Guten Morgen."));
    assert!(lines.next().is_some_and(|line| line.starts_with("  or: ")), "{stdout}");
    assert_eq!(lines.next(), Some("  en-de source"));
    let tokens =
        |side: &str| stdout.split(side).nth(1).map(|tokens| tokens.contains("encoder.1: "));
    assert_eq!((tokens("en-de source"), tokens("en-de target")), (Some(true), Some(false)));
    assert!(stdout.contains("decoder.0: ") && stdout.contains("pair.en-de "), "{stdout}");
    Ok(())
}

#[test]
fn mistakes_are_named() -> Result<()> {
    for (args, named) in [
        (&["--to", "tlh", "x"][..], &["`tlh`", "de, en, fr"][..]),
        (&["--from", "xx", "--to", "de", "x"], &["`xx`"]),
        (&["--to", "auto", "x"], &["--to"]),
        (&["x"], &["--to"]),
        (&["--to", "de", "--alternatives", "99", "x"], &["99"]),
        (&["--to", "de", "--domain", "law", "Good morning."], &["`law`"]),
        (&["--to", "de", "--no-such-flag"], &["--no-such-flag"]),
        (
            &["--to", "de", "Рынок находится за церковью."],
            &["Russian (`ru`)", "de, en, fr", "--from"],
        ),
    ] {
        let error = translate(args)?.failure()?;
        assert!(named.iter().all(|named| error.contains(named)), "{args:?}: {error}");
    }
    Ok(())
}

#[test]
fn a_full_disk_and_a_closed_pipe_end_it_without_a_panic() -> Result<()> {
    let binary = dragoman_e2e::binary::path()?;
    let model = model::dir()?;
    let lines: String =
        SENTENCES.iter().cycle().take(600).map(|row| format!("{}\n", row[0])).collect();
    let input = tempfile::NamedTempFile::new()?;
    fs_err::write(input.path(), lines)?;
    let run = |rest: &str| {
        let command = format!("\"$0\" translate --from en --to de --model \"$1\" < \"$2\" {rest}");
        let mut shell = std::process::Command::new("sh");
        shell.arg("-c").arg(command).args([&binary, &model]).arg(input.path()).output()
    };
    let full = run("> /dev/full")?;
    let error = String::from_utf8_lossy(&full.stderr);
    assert!(!full.status.success() && error.contains("No space left"), "{error}");
    assert!(error.contains("writing the translation"), "{error}");
    assert!(!error.contains("panicked"), "{error}");
    let closed = run("| head -n 1")?;
    let error = String::from_utf8_lossy(&closed.stderr);
    assert_eq!(String::from_utf8_lossy(&closed.stdout), "Guten Morgen.\n");
    assert_eq!(error, "", "the reader has seen enough: nothing to complain about");
    Ok(())
}

#[test]
fn a_line_is_answered_before_the_next_is_asked() -> Result<()> {
    let model = model::dir()?;
    let mut child = std::process::Command::new(dragoman_e2e::binary::path()?)
        .args(["translate", "--from", "en", "--to", "fr", "--model"])
        .arg(model)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("stdin is piped")?;
    let mut output = BufReader::new(child.stdout.take().context("stdout is piped")?);
    for [english, _, french] in &SENTENCES[..3] {
        writeln!(input, "{english}")?;
        let mut line = String::new();
        output.read_line(&mut line)?; // without an answer this would wait for ever
        assert_eq!(line.trim_end(), *french);
    }
    drop(input);
    let status = dragoman_e2e::binary::wait(&mut child)?;
    assert!(status.success(), "{status}");
    Ok(())
}
