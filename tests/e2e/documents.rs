//! The documents: their links lead somewhere, and the commands that they show exist.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use dragoman_e2e::Dragoman;
use regex::Regex;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The documents of the project, relative to its root.
fn documents() -> Result<Vec<PathBuf>> {
    let mut found = vec!["README.md".into(), "ARCHITECTURE.md".into(), "CONTRIBUTING.md".into()];
    for entry in fs_err::read_dir(root().join("docs"))? {
        let name = PathBuf::from("docs").join(entry?.file_name());
        if name.extension().is_some_and(|extension| extension == "md") {
            found.push(name);
        }
    }
    Ok(found)
}

/// The commands of the shell blocks of `text`, a continued line as one, without their comments.
fn commands(text: &str) -> Vec<String> {
    let blocks =
        text.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    let joined = blocks.map(|block| block.replace("\\\n", " ")).collect::<Vec<_>>().join("\n");
    let shown = joined.lines().map(|line| line.split(" # ").next().unwrap_or_default());
    let commands = shown.flat_map(|line| line.split(" & ").flat_map(|part| part.split(" && ")));
    commands
        .map(|command| command.trim().to_owned())
        .filter(|command| !command.is_empty())
        .collect()
}

/// The longest run of subcommands that `words` begin with, and the rest.
fn subcommand<'a>(
    words: &'a [&'a str],
    help: &mut HashMap<String, String>,
) -> Result<(String, &'a [&'a str])> {
    let mut name = String::new();
    for (place, word) in words.iter().enumerate() {
        let text = help_of(&name, help)?;
        let commands = text.split_once("Commands:\n").map_or("", |(_, commands)| commands);
        let commands = commands.split("\n\n").next().unwrap_or_default();
        let is_known = commands
            .lines()
            .any(|line| line.split_whitespace().next() == Some(word) && line.starts_with("  "));
        if !is_known {
            return Ok((name, &words[place..]));
        }
        name = format!("{name} {word}").trim().to_owned();
    }
    Ok((name, &[]))
}

fn help_of(command: &str, known: &mut HashMap<String, String>) -> Result<String> {
    if let Some(text) = known.get(command) {
        return Ok(text.clone());
    }
    let words = command.split_whitespace().chain(["--help"]);
    let text = Dragoman::new(words)?.env("COLUMNS", "100").stdout()?;
    known.insert(command.to_owned(), text.clone());
    Ok(text)
}

#[test]
fn links_lead_to_files() -> Result<()> {
    let link = Regex::new(r"\]\(([^)#\s]+)")?;
    for document in documents()? {
        let text = fs_err::read_to_string(root().join(&document))?;
        let folder = document.parent().context("a document lies in a folder")?;
        for found in link.captures_iter(&text).map(|found| found[1].to_owned()) {
            let is_local = !found.contains("://");
            let exists = root().join(folder).join(&found).exists();
            ensure!(!is_local || exists, "{}: there is no `{found}`", document.display());
        }
    }
    Ok(())
}

#[test]
fn the_settings_are_described_with_every_variable_of_the_server() -> Result<()> {
    let text = fs_err::read_to_string(root().join("docs/settings.md"))?;
    let printed = Dragoman::new(["serve", "--print-config"])?.stdout()?;
    let help = Dragoman::new(["serve", "--help"])?.stdout()?;
    for found in Regex::new("DRAGOMAN_[A-Z_]+")?.find_iter(&(printed + &help)) {
        ensure!(text.contains(&format!("| `{}` |", found.as_str())), "no {}", found.as_str());
    }
    Ok(())
}

#[test]
fn commands_and_their_options_exist() -> Result<()> {
    let mut help = HashMap::new();
    let mut checked = 0;
    for document in documents()? {
        let text = fs_err::read_to_string(root().join(&document))?;
        for command in commands(&text).iter().filter(|command| command.starts_with("dragoman ")) {
            let words: Vec<&str> = command.split_whitespace().skip(1).collect();
            let (name, rest) = subcommand(&words, &mut help)?;
            let place = || format!("{}: `{command}`", document.display());
            ensure!(!name.is_empty(), "{}: there is no such command", place());
            let text = help_of(&name, &mut help)?;
            ensure!(!text.contains("Commands:\n"), "{}: `{name}` wants a subcommand", place());
            for option in rest.iter().filter(|word| word.starts_with("--")) {
                let option = option.split('=').next().unwrap_or_default();
                let is_known = text.split([' ', '\n', ',', '[']).any(|word| word == option);
                ensure!(is_known, "{}: `{name}` has no option `{option}`", place());
            }
            checked += 1;
        }
    }
    ensure!(checked > 20, "only {checked} commands were found");
    Ok(())
}
