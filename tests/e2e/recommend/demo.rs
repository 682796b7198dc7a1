//! `dragoman demo recommend`

use anyhow::Result;
use dragoman_e2e::{Dragoman, Options, TestApp};
use serde_json::Value;

#[tokio::test]
async fn a_generated_shop_fills_a_folder_or_a_running_server() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let demo = || Dragoman::new(["demo", "recommend", "--users", "30", "--items", "60"]);
    demo()?.args(["--store".as_ref(), dir.path().as_os_str()]).stdout()?;
    demo()?.args(["--store".as_ref(), dir.path().as_os_str()]).stdout()?; // again: nothing doubles
    let options = Options { store: Some(dir.path().into()), ..Options::default() };
    let (of_folder, running) = (TestApp::start(options).await?, TestApp::spawn().await?);
    demo()?.args(["--url", &running.url]).stdout()?;
    for app in [&of_folder, &running] {
        let stats: Value = app.get("/api/dashboard/stats").send().await?.json().await?;
        assert_eq!((stats["NumUsers"].as_u64(), stats["NumItems"].as_u64()), (Some(30), Some(60)));
        assert!(stats["NumFeedback"].as_u64() > Some(500), "{stats}");
        let user: Value = app.get("/api/user/u0000").send().await?.json().await?;
        assert!(user["Comment"].as_str().is_some_and(|text| text.ends_with("(new)")), "{user}");
        let list: Value = app.get("/api/recommend/u0000?n=5").send().await?.json().await?;
        assert_eq!(list.as_array().map(Vec::len), Some(5));
        let popular: Value = app.get("/api/popular").send().await?.json().await?;
        assert!(popular[0]["Score"].as_f64() > Some(0.5), "the shop ends now: {popular}");
    }
    let error = demo()?.args(["--url", &format!("{}/nowhere", running.url)]).failure()?;
    assert!(error.contains("404"), "{error}");
    Ok(())
}
