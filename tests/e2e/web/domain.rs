//! The domain menu, and what a domain changes.

use anyhow::{Result, ensure};
use dragoman_e2e::{Options, browser::Screen::Desktop};
use serde_json::json;

use super::visit_with;
use crate::expert::corpora;

#[tokio::test]
async fn a_translation_stands_beside_the_one_without_the_domain() -> Result<()> {
    let test = "a_translation_stands_beside_the_one_without_the_domain";
    if std::env::var_os("DRAGOMAN_TEST_URL").is_some() {
        return Ok(()); // that server's model has other domains
    }
    let model = corpora::learned()?.join("model");
    let options = Options { model: Some(model), ..Options::default() };
    visit_with(test, Desktop, options, async |page| {
        page.open("#en/fr/Good%20morning.").await?;
        page.until_translated("Bonjour.").await?;
        let hidden = "return document.getElementById('domain-field').hidden";
        ensure!(page.eval(hidden).await? == json!(true), "no domain covers French");
        page.choose("target-language", "de").await?;
        page.until_translated("Guten Morgen.").await?;
        ensure!(page.eval(hidden).await? == json!(false), "the menu of domains is missing");
        let compare = "return document.getElementById('compare').hidden";
        ensure!(page.eval(compare).await? == json!(true), "there is nothing to compare yet");

        page.choose("domain", "house").await?;
        page.until("return !document.getElementById('compare').hidden").await?;
        page.click("compare").await?;
        page.until("return !document.getElementById('comparison').hidden").await?;
        let texts = "return ['comparison-without', 'comparison-with', 'translation']
            .map((id) => document.getElementById(id).textContent)";
        let texts = page.eval(texts).await?;
        ensure!(texts[0] == "Guten Morgen." && texts[1] == texts[2], "{texts}");
        // What is marked, and what is not, is the text.
        let marked = "return [...document.querySelectorAll('#comparison-with mark')].length > 0";
        ensure!(
            page.eval(marked).await? == json!(texts[0] != texts[1]),
            "the words that differ: {texts}"
        );

        page.choose("domain", "auto").await?;
        page.until("return document.getElementById('domain-guess').textContent.endsWith(' %')")
            .await?;
        page.until("return document.getElementById('comparison').hidden").await?;
        Ok(())
    })
    .await
}
