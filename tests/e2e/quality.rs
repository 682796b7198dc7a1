//! `dragoman model calibrate`: a model that estimates how good its translations are.

use std::path::{Path, PathBuf};

use anyhow::Result;
use dragoman_e2e::{
    Dragoman, Options, TestApp,
    model::{self, SENTENCES},
};
use serde_json::json;

use crate::expert::corpora;

/// A copy of the tests' model in `folder` that estimates its quality from English to German: it knows
/// some of the sentences by heart, and others not at all.
pub(crate) fn calibrated(folder: &Path) -> Result<PathBuf> {
    let model = folder.join("model");
    model::copy(&model)?;
    let known = SENTENCES.iter().map(|row| (row[0].to_string(), row[1].to_string()));
    let pairs: Vec<(String, String)> = known.chain(corpora::house()).collect();
    let dev = corpora::write(folder, "en-de", &pairs)?;
    let command = Dragoman::new(["model", "calibrate", "--pairs", "en-de"])?;
    let command = command.args(["--dev".as_ref(), dev.as_os_str()]);
    let told = command.args(["--model".as_ref(), model.as_os_str()]).stdout()?;
    assert!(told.contains("en-de") && told.contains("Pearson"), "{told}");
    Ok(model)
}

#[tokio::test]
async fn a_calibrated_model_tells_good_translations_from_bad_ones() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let model = calibrated(folder.path())?;
    let app = TestApp::start(Options { model: Some(model), ..Options::default() }).await?;
    let body = json!({
        "q": ["Good morning.", "The apples read a red garden tomorrow."],
        "source": "en", "target": "de", "quality": true,
    });
    let (_, reply) = app.json("/translate", &body).await?;
    let quality = |text: usize| reply["quality"][text][0].as_f64().unwrap_or(-1.0);
    assert!(quality(0) > quality(1) + 10.0 && quality(1) >= 0.0, "{reply}");
    // Nothing was fitted for this direction.
    let body = json!({ "q": "Bonjour.", "source": "fr", "target": "en", "quality": true });
    let (_, reply) = app.json("/translate", &body).await?;
    assert_eq!(reply["quality"], json!(null));
    Ok(())
}
