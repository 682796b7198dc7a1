//! The mark of how good a translation probably is.

use anyhow::{Result, ensure};
use dragoman_e2e::{Options, browser::Screen::Desktop};
use serde_json::json;

use super::{visit, visit_with};

#[tokio::test]
async fn a_mark_says_in_words_how_good_a_translation_probably_is() -> Result<()> {
    let test = "a_mark_says_in_words_how_good_a_translation_probably_is";
    if std::env::var_os("DRAGOMAN_TEST_URL").is_some() {
        return Ok(()); // that server's model has other estimates
    }
    let folder = tempfile::tempdir()?;
    let model = crate::quality::calibrated(folder.path())?;
    let options = Options { model: Some(model), ..Options::default() };
    visit_with(test, Desktop, options, async |page| {
        let mark = "const mark = document.getElementById('quality');
            return [mark.hidden, mark.textContent, mark.dataset.level ?? '', mark.title]";
        page.open("#en/de/Good%20morning.").await?;
        page.until_translated("Guten Morgen.").await?;
        let found = page.eval(mark).await?;
        ensure!(found[0] == json!(false) && found[1] == "probably good", "{found}");
        ensure!(found[3].as_str().is_some_and(|title| title.contains("of 100")), "{found}");

        page.open("#en/de/The%20apples%20read%20a%20red%20garden%20tomorrow.").await?;
        page.until(
            "return ['fair', 'poor'].includes(document.getElementById('quality').dataset.level)",
        )
        .await?;
        let found = page.eval(mark).await?;
        ensure!(["worth a look", "check this"].iter().any(|text| found[1] == *text), "{found}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_model_without_estimates_has_no_mark() -> Result<()> {
    let test = "a_model_without_estimates_has_no_mark";
    if std::env::var_os("DRAGOMAN_TEST_URL").is_some() {
        return Ok(());
    }
    visit(test, Desktop, async |page| {
        page.open("#en/de/Good%20morning.").await?;
        page.until_translated("Guten Morgen.").await?;
        page.until("return document.getElementById('quality').hidden").await
    })
    .await
}
