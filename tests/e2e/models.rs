//! Models of other suites: got, imported, and served from folders.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, Result};
use dragoman_e2e::{Dragoman, Options, TestApp, model};
use serde_json::{Value, json};

#[path = "../../core/import/tests/tiny/mod.rs"]
mod tiny;
#[path = "../../core/import/tests/zip/mod.rs"]
mod zip;

/// Languages of the package that these tests write.
const METADATA: &str = r#"{ "from_code": "nl", "to_code": "en", "package_version": "1.0" }"#;

/// Writes a package as Argos Translate keeps it, below `packages`.
fn unpacked_package(packages: &Path) -> Result<()> {
    let package = packages.join("translate-nl_en-1_0");
    tiny::write(&package.join("model"))?;
    fs_err::rename(package.join("model/sentencepiece.model"), package.join("sentencepiece.model"))?;
    Ok(fs_err::write(package.join("metadata.json"), METADATA)?)
}

/// Writes a package as it is downloaded.
fn packed_package(folder: &Path) -> Result<PathBuf> {
    unpacked_package(folder)?;
    let package = folder.join("translate-nl_en-1_0");
    let names =
        ["metadata.json", "sentencepiece.model", "model/model.bin", "model/shared_vocabulary.json"];
    let mut files = Vec::new();
    for name in names {
        files.push((format!("translate-nl_en-1_0/{name}"), fs_err::read(package.join(name))?));
    }
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    let path = folder.join("translate-nl_en-1_0.argosmodel");
    zip::zipped(&path, &files)?;
    Ok(path)
}

/// The codes that `/languages` lists, with their targets.
async fn languages(app: &TestApp) -> Result<BTreeMap<String, Vec<String>>> {
    let listed: Vec<Value> = app.get("/languages").send().await?.json().await?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let entry = |entry: Value| {
        let targets = entry["targets"].as_array().into_iter().flatten().map(text).collect();
        (text(&entry["code"]), targets)
    };
    Ok(listed.into_iter().map(entry).collect())
}

#[tokio::test]
async fn models_of_folders_serve_as_one_and_make_room_for_each_other() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [models, packages, cache] =
        ["models", "packages", "cache"].map(|name| folder.path().join(name));
    model::copy(&models.join("ours"))?;
    fs_err::create_dir_all(models.join("no-model"))?;
    unpacked_package(&packages)?;
    let text = |path: &Path| path.display().to_string();
    // A budget that holds no model: only the one that was used last stays.
    let options = Options { bundled: true, ..Options::default() }
        .arg("--models")
        .arg(text(&models))
        .arg("--argos")
        .arg(text(&packages))
        .arg("--model-cache")
        .arg(text(&cache))
        .arg("--model-memory")
        .arg("0");
    let app = TestApp::start(options).await?;

    let known = languages(&app).await?;
    assert_eq!(known.keys().collect::<Vec<_>>(), ["de", "en", "fr", "nl"]);
    assert!(known["nl"].contains(&"de".to_string()), "through English: {known:?}");
    assert!(!cache.exists(), "a package was imported before somebody asked for it");

    for _ in 0..2 {
        assert_eq!(app.translate("The cat sleeps.", "en", "de").await?, "Die Katze schläft.");
        let found = app.translate("a b c", "nl", "en").await?;
        assert!(found.is_string(), "{found}");
        app.translate("a b c", "nl", "de").await?;
    }
    let imported: Vec<_> = fs_err::read_dir(&cache)?.collect::<std::io::Result<_>>()?;
    assert_eq!(imported.len(), 1, "{imported:?}");
    assert!(imported[0].path().join("experts.json").is_file());

    // A model that comes while the server runs is served.
    tiny::write(&folder.path().join("source"))?;
    let import = ["model", "import", "--from", "it", "--to", "en", "--out"];
    Dragoman::new(import)?.args([models.join("it-en"), folder.path().join("source")]).stdout()?;
    for _ in 0..200 {
        if languages(&app).await?.contains_key("it") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(app.translate("a b c", "it", "en").await?.is_string());
    Ok(())
}

#[test]
fn the_command_takes_the_models_of_a_folder_that_lead_to_a_language() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (models, source) = (folder.path().join("models"), folder.path().join("source"));
    tiny::write(&source)?;
    for (from, to) in [("nl", "en"), ("en", "it")] {
        Dragoman::new(["model", "import", "--from", from, "--to", to, "--out"])?
            .args([models.join(format!("{from}-{to}")), source.clone()])
            .stdout()?;
    }
    let translate = |from: &str, to: &str| -> Result<Dragoman> {
        let command = ["translate", "--from", from, "--to", to, "--json", "--trace", "--models"];
        Ok(Dragoman::new(command)?.args([&models]).stdin("a b c\n"))
    };
    for (from, to, expected) in [("nl", "it", vec!["nl-en", "en-it"]), ("en", "it", vec!["en-it"])]
    {
        let answer: Value = serde_json::from_str(&translate(from, to)?.stdout()?)?;
        let legs = answer["trace"]["legs"].as_array().context("the trace has legs")?;
        let routes: Vec<_> = legs.iter().filter_map(|leg| leg["route"].as_str()).collect();
        assert_eq!(routes, expected, "{answer}");
    }
    let error = translate("nl", "fr")?.failure()?;
    assert!(error.contains("unknown language `fr`") && error.contains("en, it, nl"), "{error}");
    Ok(())
}

/// Serves files by their paths until the test ends; returns its address.
fn serve(files: Vec<(&'static str, Vec<u8>)>) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let (mut first, mut line) = (String::new(), String::new());
            if reader.read_line(&mut first).is_err() {
                continue;
            }
            while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            let path = first.split(' ').nth(1).unwrap_or_default();
            let found = files.iter().find(|(name, _)| *name == path);
            let (status, body) = match found {
                Some((_, body)) => ("200 OK", body.as_slice()),
                None => ("404 Not Found", &[][..]),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let mut stream = reader.into_inner();
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).ok();
        }
    });
    Ok(address)
}

#[test]
fn a_public_model_is_got_once_and_imported() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let package = packed_package(folder.path())?;
    let index = json!([{ "from_code": "nl", "to_code": "en", "package_version": "1.0",
        "links": ["https://example.org/v1/translate-nl_en-1_0.argosmodel"] }]);
    let mirror = serve(vec![
        ("/argosopentech/argospm-index/main/index.json", serde_json::to_vec(&index)?),
        ("/v1/translate-nl_en-1_0.argosmodel", fs_err::read(&package)?),
    ])?;
    let models = folder.path().join("models");
    let get = || -> Result<Dragoman> {
        let command = Dragoman::new(["model", "get", "argos/nl_en", "--out"])?;
        Ok(command.args([&models]).env("DRAGOMAN_MIRROR", &mirror))
    };
    let printed = get()?.stdout()?;
    let made = models.join("argos-nl_en");
    assert_eq!(printed.trim(), made.display().to_string());
    assert!(made.join("experts.json").is_file());
    let downloads = models.join(".downloads/argos-nl_en");
    let record: Value = serde_json::from_slice(&fs_err::read(downloads.join("fetched.json"))?)?;
    let sum = record["translate-nl_en-1_0.argosmodel"]["sha256"].as_str();
    assert_eq!(sum.map(str::len), Some(64), "{record}");
    // A second time there is nothing to do, and a file that is another is refused.
    get()?.stdout()?;
    fs_err::remove_dir_all(&made)?;
    fs_err::write(downloads.join("translate-nl_en-1_0.argosmodel"), "something else")?;
    let error = get()?.failure()?;
    assert!(error.contains("not the file that was first downloaded"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_server_gets_what_its_languages_lack_when_it_is_told_to() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let package = fs_err::read(packed_package(folder.path())?)?;
    let entry = |from: &str, to: &str| {
        json!({ "from_code": from, "to_code": to, "package_version": "1.0",
            "links": [format!("https://example.org/v1/translate-{from}_{to}-1_0.argosmodel")] })
    };
    // The way back is there already.
    let index = json!([entry("nl", "en"), entry("en", "nl")]);
    let mirror = serve(vec![
        ("/argosopentech/argospm-index/main/index.json", serde_json::to_vec(&index)?),
        ("/v1/translate-nl_en-1_0.argosmodel", package),
    ])?;
    let models = folder.path().join("models");
    tiny::write(&folder.path().join("source"))?;
    Dragoman::new(["model", "import", "--from", "en", "--to", "nl", "--out"])?
        .args([models.join("en-nl"), folder.path().join("source")])
        .stdout()?;
    let options = |get: bool| {
        let options = Options { bundled: true, ..Options::default() }
            .env("DRAGOMAN_MIRROR", mirror.replace("127.0.0.1", "localhost")) // unlike the server's address
            .arg("--models")
            .arg(models.display().to_string())
            .arg("--languages")
            .arg("en,nl");
        if get { options.arg("--get").arg("argos") } else { options }
    };
    let app = TestApp::start(options(false)).await?;
    assert!(!languages(&app).await?["nl"].contains(&"en".to_string()));
    assert!(!models.join("argos-nl_en").exists(), "nobody said that it may be downloaded");
    drop(app);
    let app = TestApp::start(options(true)).await?;
    assert!(languages(&app).await?["nl"].contains(&"en".to_string()));
    assert!(models.join("argos-nl_en/experts.json").is_file());
    assert!(!models.join("argos-en_nl").exists(), "en-nl was there");
    assert!(app.translate("a b c", "nl", "en").await?.is_string());
    Ok(())
}

#[test]
fn a_public_model_is_imported_from_a_file_without_a_network() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let package = packed_package(folder.path())?;
    let models = folder.path().join("models");
    let from = package.to_str().context("a path")?;
    Dragoman::new(["model", "get", "argos/nl_en", "--from", from, "--out"])?
        .args([&models])
        .stdout()?;
    assert!(models.join("argos-nl_en/experts.json").is_file());
    Ok(())
}

#[test]
fn a_licence_that_forbids_uses_is_shown_and_must_be_accepted() -> Result<()> {
    let error = Dragoman::new(["model", "get", "nllb-200-distilled-600M"])?.failure()?;
    for part in ["CC-BY-NC-4.0", "--accept-licence", "huggingface.co"] {
        assert!(error.contains(part), "{error}");
    }
    let error = Dragoman::new(["model", "get", "opus/en-de"])?.failure()?;
    assert!(error.contains("opus-mt/{from}-{to}"), "{error}");
    let listed = Dragoman::new(["model", "get"])?.stdout()?;
    assert!(listed.contains("small100\n") && listed.contains("MPL-2.0"), "{listed}");
    Ok(())
}

/// What the model in `folder` makes of some texts, with scores.
fn answers(folder: &Path, more: &[&str]) -> Result<String> {
    Dragoman::new(["translate", "--from", "nl", "--to", "en", "--json", "--alternatives", "1"])?
        .args(["--model".as_ref(), folder.as_os_str()])
        .args(more)
        .stdin("a b c\nc c a\nb\n")
        .stdout()
}

#[test]
fn an_imported_model_learns_domains_and_is_the_same_without_them() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let package = packed_package(folder.path())?;
    let model = folder.path().join("model");
    Dragoman::new(["model", "import", "--out"])?.args([&model, &package]).stdout()?;
    let (before, shared) = (answers(&model, &[])?, fs_err::read(model.join("shared.safetensors"))?);

    let mut pairs = String::new();
    for i in 0..81 {
        let words = [i / 27, i / 9 % 3, i / 3 % 3, i % 3].map(|word| ["a", "b", "c"][word]);
        let [one, two, three, four] = words;
        pairs += &format!("{one} {two} {three} {four}\t{four} {three} {two} {one}\n");
    }
    let data = folder.path().join("nl-en.tsv");
    fs_err::write(&data, pairs)?;
    for (name, more) in [("domain.full", &[][..]), ("domain.low", &["--lora", "2"])] {
        let learn = ["expert", "add", name, "--steps", "5", "--max-drop", "100", "--quiet"];
        Dragoman::new(learn)?
            .args(["--model".as_ref(), model.as_os_str()])
            .args(["--data".as_ref(), data.as_os_str()])
            .args(["--work".as_ref(), folder.path().join(name).as_os_str()])
            .args(more)
            .stdout()?;
        assert_eq!(answers(&model, &[])?, before, "with {name} in the model");
        let short = name.trim_start_matches("domain.");
        assert_eq!(answers(&model, &["--domain", short])?.lines().count(), 3);
    }
    assert_eq!(fs_err::read(model.join("shared.safetensors"))?, shared);
    Ok(())
}

#[test]
fn an_imported_model_made_sparse_translates_as_before() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let package = packed_package(folder.path())?;
    let (dense, sparse) = (folder.path().join("dense"), folder.path().join("sparse"));
    Dragoman::new(["model", "import", "--out"])?.args([&dense, &package]).stdout()?;
    let upcycle = ["model", "upcycle", "--experts", "4", "--every", "1", "--out"];
    Dragoman::new(upcycle)?.args([&sparse, &dense]).stdout()?;
    let text = |answers: String| -> Result<Vec<Value>> {
        let line = |line: &str| Ok(serde_json::from_str::<Value>(line)?["translatedText"].take());
        answers.lines().map(line).collect()
    };
    assert_eq!(text(answers(&sparse, &[])?)?, text(answers(&dense, &[])?)?);
    let checked = Dragoman::new(["model", "check"])?.args([&sparse]).stdout()?;
    assert_eq!(checked, "every file is whole: 4 experts, 1 routes\n");
    Ok(())
}

#[test]
fn a_check_says_what_the_precision_of_a_model_costs() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let package = packed_package(folder.path())?;
    let (model, dev) = (folder.path().join("model"), folder.path().join("dev.tsv"));
    Dragoman::new(["model", "import", "--out"])?.args([&model, &package]).stdout()?;
    fs_err::write(&dev, "a b c\tc b a\nb b\ta\n")?;
    let printed = Dragoman::new(["model", "check"])?
        .args([&model])
        .args(["--dev".as_ref(), dev.as_os_str()])
        .stdout()?;
    let rows: Vec<&str> = printed.lines().skip(3).collect();
    assert_eq!(rows.len(), 3, "{printed}");
    assert!(rows[0].starts_with("f32") && rows[0].contains("+0.00  0.0000 of"), "{printed}");
    assert!(
        rows[2].starts_with("int8") && rows[2].ends_with("(default of this model)"),
        "{printed}"
    );
    assert!(!rows[2].contains(" 0.0000 of"), "int8 rounds: {printed}");
    Ok(())
}
