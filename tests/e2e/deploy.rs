//! The files of `apps/deploy` against the server that they start.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use dragoman_e2e::{Dragoman, Options, TestApp};
use regex::Regex;
use serde_json::Value;

/// A file of the folder.
fn read(name: &str) -> Result<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../apps/deploy");
    Ok(fs_err::read_to_string(format!("{folder}/{name}"))?)
}

/// All that `pattern` finds in `text`, each once.
fn found(pattern: &str, text: &str) -> Result<BTreeSet<String>> {
    Ok(Regex::new(pattern)?.find_iter(text).map(|found| found.as_str().to_owned()).collect())
}

#[test]
fn every_variable_of_a_deployment_is_a_setting() -> Result<()> {
    let settings = Dragoman::new(["serve", "--print-config"])?.stdout()?;
    let help = Dragoman::new(["serve", "--help"])?.stdout()?;
    let known = found("DRAGOMAN_[A-Z_]+", &(settings + &help))?;
    for name in [
        "Dockerfile",
        "compose.yaml",
        "compose-replicas.yaml",
        "kubernetes.yaml",
        "dragoman.service",
    ] {
        let used = found("DRAGOMAN_[A-Z_]+", &read(name)?)?;
        assert!(!used.is_empty(), "{name}");
        let unknown: Vec<_> = used.difference(&known).collect();
        assert!(unknown.is_empty(), "{name} sets {unknown:?}");
    }
    Ok(())
}

#[tokio::test]
async fn probes_and_dashboard_ask_for_what_the_server_has() -> Result<()> {
    let options = Options::default()
        .env("DRAGOMAN_SUGGESTIONS", "false")
        .env("DRAGOMAN_RECOMMEND", "false")
        .env("DRAGOMAN_FILES_TRANSLATION", "false");
    let app = TestApp::start(options).await?;
    let manifests = read("kubernetes.yaml")?;
    let paths = found(r"path: /[a-z/]+", &manifests)?;
    assert!(paths.len() >= 2, "{paths:?}");
    for path in paths {
        let path = path.trim_start_matches("path: ");
        assert_eq!(app.get(path).send().await?.status(), 200, "{path}");
    }
    app.translate("The cat sleeps.", "en", "de").await?;
    let metrics = app.get("/metrics").send().await?.text().await?;
    let names: BTreeSet<&str> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, _)| name)
        .collect();

    let dashboard: Value = serde_json::from_str(&read("grafana.json")?)?;
    let panels = dashboard["panels"].as_array().context("a dashboard has panels")?;
    let mut count = 0;
    for target in panels.iter().flat_map(|panel| panel["targets"].as_array()).flatten() {
        let expression = target["expr"].as_str().context("a target has an expression")?;
        for name in found("(dragoman|libretranslate|process)_[a-z_]+", expression)? {
            let kinds = ["_bucket", "_sum", "_count"];
            let base = kinds.iter().find_map(|kind| name.strip_suffix(kind)).unwrap_or(&name);
            assert!(names.contains(base) || names.contains(&*name), "{name} is not in /metrics");
            count += 1;
        }
    }
    assert!(count >= 15, "{count} metrics are shown");
    for name in found("dragoman_[a-z_]+", &manifests)? {
        assert!(names.contains(&*name), "the autoscaler reads {name}");
    }
    Ok(())
}
