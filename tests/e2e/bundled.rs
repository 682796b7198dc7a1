//! What the binary carries: a model that needs no download and no configuration.

use std::path::Path;

use anyhow::{Result, ensure};
use dragoman_e2e::{Dragoman, Options, TestApp, app::answer, skip::skip};
use serde_json::{Value, json};

fn is_bundled() -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/models/translation/config.json").exists()
}

#[test]
fn without_weights_the_message_says_how_to_name_a_model() -> Result<()> {
    if is_bundled() {
        return Ok(()); // there is nothing to say
    }
    let error = Dragoman::new(["translate", "--to", "de", "Good morning."])?.failure()?;
    assert!(error.contains("--model"), "{error}");
    Ok(())
}

#[tokio::test]
async fn it_translates_in_all_its_directions() -> Result<()> {
    if !is_bundled() {
        skip("bundled", "no weights lie in `data/models/translation` yet");
        return Ok(());
    }
    let german = Dragoman::new(["translate", "--from", "en", "--to", "de", "Good morning."])?;
    let german = german.stdout()?.to_lowercase();
    let words = ["guten", "morgen", "tag"];
    ensure!(words.iter().any(|word| german.contains(word)), "this is no German greeting: {german}");

    let app = TestApp::start(Options { bundled: true, ..Options::default() }).await?;
    let text = [
        ("en", "The children are playing in the garden because the weather is nice."),
        ("de", "Die Kinder spielen im Garten, weil das Wetter schön ist."),
        ("fr", "Les enfants jouent dans le jardin parce qu'il fait beau."),
        ("es", "Los niños juegan en el jardín porque hace buen tiempo."),
        ("nl", "De kinderen spelen in de tuin omdat het mooi weer is."),
        ("it", "I bambini giocano in giardino perché il tempo è bello."),
        ("pt", "As crianças brincam no jardim porque o tempo está bom."),
    ];
    for (from, source) in text {
        for (to, _) in text.into_iter().filter(|(to, _)| *to != from) {
            let found = app.translate(source, from, to).await?;
            let (_, guesses) = answer(app.post("/detect").json(&json!({ "q": found }))).await?;
            assert_eq!(guesses[0]["language"], to, "{from} to {to}: {found}");
        }
    }
    let (_, languages): (_, Value) = answer(app.get("/languages")).await?;
    assert_eq!(languages.as_array().map(Vec::len), Some(7));
    Ok(())
}
