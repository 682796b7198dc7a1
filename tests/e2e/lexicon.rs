//! `dragoman model lexicon`: what single words become, counted in sentence pairs.

use anyhow::Result;
use dragoman_e2e::{Dragoman, model};

use crate::expert::corpora;

#[test]
fn a_lexicon_is_made_counted_and_taken_away_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let model = folder.path().join("model");
    model::copy(&model)?;
    let before = std::fs::read(model.join("experts.json"))?;
    let translate = || {
        let command =
            Dragoman::new(["translate", "--to", "de", "--from", "en", "The wolf sleeps."])?;
        command.args(["--model".as_ref(), model.as_os_str()]).stdout()
    };
    let without = translate()?;
    let pair = |en: &str, de: &str| (en.to_string(), de.to_string());
    let pairs = [
        pair("The wolf sleeps.", "Der Wolf schläft."),
        pair("A wolf eats.", "Ein Wolf frisst."),
        pair("The lynx sleeps.", "Der Luchs schläft."),
        pair("A lynx eats.", "Ein Luchs frisst."),
    ];
    let pairs: Vec<(String, String)> = pairs.iter().cycle().take(12).cloned().collect();
    let data = corpora::write(folder.path(), "en-de", &pairs)?;
    let command = Dragoman::new(["model", "lexicon", "--pairs", "en-de,de-en"])?;
    let command = command.args(["--rarer-than", "1", "--data"]).args([data.as_os_str()]);
    let told = command.args(["--model".as_ref(), model.as_os_str()]).stdout()?;
    assert!(told.contains("en-de: 6 words of 12 sentence pairs"), "{told}");
    assert!(told.contains("de-en: 6 words of 12 sentence pairs"), "{told}");
    assert!(!translate()?.trim().is_empty());

    let command = Dragoman::new(["model", "lexicon", "--remove"])?;
    command.args(["--model".as_ref(), model.as_os_str()]).stdout()?;
    assert_eq!(std::fs::read(model.join("experts.json"))?, before);
    assert_eq!(translate()?, without);
    Ok(())
}
