//! The clients that DeepL's users have, unchanged: `deepl` from PyPI and `deepl-node` from npm.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Result, ensure};
use dragoman_e2e::{Dragoman, Options, TestApp, skip::skip_unless_ci};
use serde_json::{Value, json};

use crate::expert::corpora;

/// What a user would write, with one object of all answers in the end.
const PYTHON: &str = r#"
import json, sys
import deepl

client = deepl.DeepLClient(sys.argv[2], server_url=sys.argv[1])
out = {}

def refused(call):
    try:
        call()
    except deepl.DeepLException as error:
        return [type(error).__name__, str(error)]

result = client.translate_text("The cat sleeps. Where is the key?", source_lang="EN", target_lang="DE")
out["text"] = [result.text, result.detected_source_lang, result.billed_characters]
results = client.translate_text(["Die Suppe ist zu heiß.", "Guten Morgen."], target_lang="FR",
    formality=deepl.Formality.PREFER_MORE, context="A menu.", preserve_formatting=True,
    split_sentences=deepl.SplitSentences.OFF, model_type="quality_optimized")
out["texts"] = [[r.text, r.detected_source_lang, r.model_type_used] for r in results]
out["xml"] = client.translate_text("<p>The cat <b>sleeps</b>.</p><keep>The cat.</keep>", source_lang="EN",
    target_lang="DE", tag_handling="xml", ignore_tags=["keep"], splitting_tags="p", outline_detection=True).text
out["html"] = client.translate_text("<h1>Good morning.</h1><p>We bake bread.</p>", source_lang="EN",
    target_lang="DE", tag_handling="html").text
out["sources"] = [[l.code, l.name] for l in client.get_source_languages()]
out["targets"] = [[l.code, l.supports_formality] for l in client.get_target_languages()]
out["pairs"] = sorted([p.source_lang, p.target_lang] for p in client.get_glossary_languages())
out["formality"] = refused(lambda: client.translate_text("We bake bread.", target_lang="DE", formality="more"))
out["language"] = refused(lambda: client.translate_text("We bake bread.", target_lang="TLH"))

entries = {"soup": "Brühe", "cat": "Kater"}
glossary = client.create_glossary("menu", "EN", "DE", entries)
out["created"] = [glossary.name, glossary.ready, glossary.source_lang, glossary.target_lang, glossary.entry_count,
    glossary.creation_time.year > 2020]
out["listed"] = [g.name for g in client.list_glossaries()]
out["entries"] = client.get_glossary_entries(glossary)
out["got"] = client.get_glossary(glossary.glossary_id).name
out["with"] = client.translate_text("The soup is too hot.", source_lang="EN", target_lang="DE", glossary=glossary).text
out["csv"] = client.create_glossary_from_csv("csv", "EN", "FR", "key,clef\nmoon,astre\n").entry_count
paths = [sys.argv[3] + name for name in ("/menu.srt", "/menu.de.srt", "/bad.docx", "/bad.de.docx")]
status = client.translate_document_from_filepath(paths[0], paths[1], source_lang="EN", target_lang="DE",
    glossary=glossary)
out["document"] = [status.status.value, status.billed_characters, open(paths[1], encoding="utf-8").read()]
handle = client.translate_document_upload(open(paths[0], "rb"), target_lang="DE", source_lang="EN")
client.translate_document_wait_until_done(handle)
out["by_steps"] = client.translate_document_download(handle).text
out["twice_taken"] = refused(lambda: client.translate_document_download(handle))
out["bad"] = refused(lambda: client.translate_document_from_filepath(paths[2], paths[3], target_lang="DE"))
client.delete_glossary(glossary)
out["gone"] = refused(lambda: client.get_glossary(glossary.glossary_id))
out["twice"] = refused(lambda: client.create_glossary_from_csv("twice", "EN", "DE", "a,b\na,c"))

many = client.create_multilingual_glossary("many", [
    deepl.api_data.MultilingualGlossaryDictionaryEntries("EN", "DE", {"bread": "Brot"}),
    deepl.api_data.MultilingualGlossaryDictionaryEntries("EN", "FR", {"bread": "pain"})])
out["many"] = [many.name, sorted([d.source_lang, d.target_lang, d.entry_count] for d in many.dictionaries)]
out["changed"] = client.update_multilingual_glossary_dictionary(many,
    deepl.api_data.MultilingualGlossaryDictionaryEntries("EN", "DE", {"moon": "Mond"})).dictionaries[-1].entry_count
out["replaced"] = client.replace_multilingual_glossary_dictionary(many,
    deepl.api_data.MultilingualGlossaryDictionaryEntries("EN", "FR", {"moon": "lune", "key": "clé"})).entry_count
out["of_many"] = client.get_multilingual_glossary_entries(many, "EN", "FR").dictionaries[0].entries
out["renamed"] = client.update_multilingual_glossary_name(many, "all").name
client.delete_multilingual_glossary_dictionary(many, source_lang="EN", target_lang="FR")
out["left"] = len(client.get_multilingual_glossary(many.glossary_id).dictionaries)
out["many_listed"] = sorted(g.name for g in client.list_multilingual_glossaries())
client.delete_multilingual_glossary(many)

usage = client.get_usage()
out["usage"] = [usage.character.count > 0, usage.character.limit_reached]
wrong = deepl.DeepLClient("guessed", server_url=sys.argv[1])
out["wrong"] = refused(lambda: wrong.get_usage())
print(json.dumps(out))
"#;

/// The same with the client for JavaScript.
const NODE: &str = r#"
const deepl = require("deepl-node");
const [url, key, folder] = process.argv.slice(1);

async function refused(call) {
  try {
    await call();
    return null;
  } catch (error) {
    return [error.constructor.name, error.message];
  }
}

async function main() {
  const client = new deepl.DeepLClient(key, { serverUrl: url });
  const out = {};
  const one = await client.translateText("The cat sleeps.", "en", "de");
  out.text = [one.text, one.detectedSourceLang, one.billedCharacters];
  const many = await client.translateText(["Guten Morgen.", "Wir backen Brot."], null, "en-US");
  out.texts = many.map((result) => [result.text, result.detectedSourceLang]);
  out.xml = (await client.translateText("<p>The cat <b>sleeps</b>.</p><keep>The cat.</keep>", "en", "de",
    { tagHandling: "xml", ignoreTags: ["keep"], splittingTags: ["p"], outlineDetection: true })).text;
  out.html = (await client.translateText("<h1>Good morning.</h1><p>We bake bread.</p>", "en", "de",
    { tagHandling: "html", formality: "prefer_less", splitSentences: "nonewlines" })).text;
  out.sources = (await client.getSourceLanguages()).map((language) => language.code);
  out.targets = (await client.getTargetLanguages()).map((language) => [language.code, language.supportsFormality]);
  out.pairs = (await client.getGlossaryLanguagePairs()).length;
  const entries = new deepl.GlossaryEntries({ entries: { soup: "Brühe" } });
  const glossary = await client.createGlossary("menu", "en", "de", entries);
  out.created = [glossary.name, glossary.ready, glossary.entryCount];
  out.entries = (await client.getGlossaryEntries(glossary)).entries();
  out.with = (await client.translateText("The soup is too hot.", "en", "de", { glossary })).text;
  out.listed = (await client.listGlossaries()).length;
  const fs = require("fs");
  const [source, written] = [folder + "/menu.srt", folder + "/menu.fr.srt"];
  const status = await client.translateDocument(source, written, "en", "fr");
  out.document = [status.status, status.billedCharacters, fs.readFileSync(written, "utf-8")];
  out.bad = await refused(() => client.translateDocument(folder + "/bad.docx", folder + "/bad.fr.docx", null, "fr"));
  await client.deleteGlossary(glossary);
  out.gone = await refused(() => client.getGlossary(glossary.glossaryId));
  const several = await client.createMultilingualGlossary("many", [
    { sourceLangCode: "en", targetLangCode: "de", entries: new deepl.GlossaryEntries({ entries: { bread: "Brot" } }) },
    { sourceLangCode: "en", targetLangCode: "fr", entries: new deepl.GlossaryEntries({ entries: { bread: "pain" } }) },
  ]);
  out.several = several.dictionaries.length;
  await client.deleteMultilingualGlossary(several);
  out.formality = await refused(() => client.translateText("We bake bread.", "en", "de", { formality: "more" }));
  const usage = await client.getUsage();
  out.usage = [usage.character.count > 0, usage.anyLimitReached()];
  out.wrong = await refused(() => new deepl.DeepLClient("guessed", { serverUrl: url }).getUsage());
  console.log(JSON.stringify(out));
}

main().catch((error) => { console.error(error); process.exit(1); });
"#;

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv")
}

/// A server that wants a key, and a key.
async fn server() -> Result<(TestApp, String, tempfile::TempDir)> {
    let dir = tempfile::tempdir()?;
    let key = Dragoman::new(["store", "--store"])?.args([dir.path()]).args(["add-key"]).stdout()?;
    let options = Options { store: Some(dir.path().into()), ..Options::default() };
    let options = options.env("DRAGOMAN_API_KEYS", "true").env("DRAGOMAN_REQUIRE_API_KEY", "true");
    Ok((TestApp::start(options).await?, key.trim().to_owned(), dir))
}

/// A document to translate, and one that is none, in a folder.
fn documents(folder: &Path) -> Result<&Path> {
    fs_err::write(folder.join("menu.srt"), SUBTITLES)?;
    fs_err::write(folder.join("bad.docx"), "no zip")?;
    Ok(folder)
}

const SUBTITLES: &str = "1\n00:00:01,000 --> 00:00:02,000\nThe soup is too hot.\n";

fn answers(output: &Output) -> Result<Value> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[tokio::test]
async fn the_python_client_of_deepl_works() -> Result<()> {
    let python = clients().join("bin/python");
    if !clients().join("bin/deepl").exists() {
        return skip_unless_ci("deepl", "there is no `deepl` in `.venv`; `tests/run` installs it");
    }
    let (app, key, dir) = server().await?;
    let output = Command::new(python)
        .args(["-c", PYTHON, &app.url, &key])
        .arg(documents(dir.path())?)
        .env("NO_PROXY", "*")
        .env("PYTHONIOENCODING", "utf-8")
        .output()?;
    let out = answers(&output)?;
    assert_eq!(out["text"], json!(["Die Katze schläft. Wo ist der Schlüssel?", "EN", 33]));
    assert_eq!(out["texts"][0], json!(["La soupe est trop chaude.", "DE", "quality_optimized"]));
    assert_eq!(out["texts"][1][0], "Bonjour.");
    let xml = out["xml"].as_str().unwrap_or_default();
    assert!(xml.starts_with("<p>") && xml.ends_with("</p><keep>The cat.</keep>"), "{xml}");
    assert!(xml.contains("<b>") && xml.contains("schläft"), "{xml}");
    assert_eq!(out["html"], "<h1>Guten Morgen.</h1><p>Wir backen Brot.</p>");
    assert_eq!(out["sources"], json!([["DE", "German"], ["EN", "English"], ["FR", "French"]]));
    let targets = json!([["DE", false], ["EN-GB", false], ["EN-US", false], ["FR", false]]);
    assert_eq!(out["targets"], targets);
    assert_eq!(out["pairs"].as_array().map(Vec::len), Some(6));
    let message = out["formality"][1].as_str().unwrap_or_default();
    assert!(message.contains("'formality' is not supported"), "{message}");
    let message = out["language"][1].as_str().unwrap_or_default();
    assert!(message.contains("Value for 'target_lang' not supported."), "{message}");

    assert_eq!(out["created"], json!(["menu", true, "EN", "DE", 2, true]));
    assert_eq!(out["listed"], json!(["menu"]));
    assert_eq!(out["entries"], json!({ "soup": "Brühe", "cat": "Kater" }));
    assert_eq!(out["got"], "menu");
    let with = out["with"].as_str().unwrap_or_default();
    assert!(with.contains("Brühe"), "{with}");
    assert_eq!(out["document"][0], "done");
    assert_eq!(out["document"][1], 20);
    let written = out["document"][2].as_str().unwrap_or_default();
    assert!(written.starts_with(&SUBTITLES[..32]) && written.contains("Brühe"), "{written}");
    assert_eq!(
        out["by_steps"],
        SUBTITLES.replace("The soup is too hot.", "Die Suppe ist zu heiß.")
    );
    let twice = out["twice_taken"].to_string();
    assert!(twice.contains("DeepLException") && twice.contains("Not found"), "{twice}");
    let bad = out["bad"].to_string();
    assert!(bad.contains("DocumentTranslationException") && bad.contains("Word"), "{bad}");
    assert_eq!(out["csv"], 2);
    assert_eq!(out["gone"][0], "GlossaryNotFoundException");
    let message = out["twice"][1].as_str().unwrap_or_default();
    assert!(message.contains("Invalid glossary entries provided"), "{message}");

    assert_eq!(out["many"], json!(["many", [["EN", "DE", 1], ["EN", "FR", 1]]]));
    assert_eq!([&out["changed"], &out["replaced"]], [&json!(2), &json!(2)]);
    assert_eq!(out["of_many"], "key\tclé\nmoon\tlune");
    assert_eq!([&out["renamed"], &out["left"]], [&json!("all"), &json!(1)]);
    assert_eq!(out["many_listed"], json!(["all", "csv"]));
    assert_eq!(out["usage"], json!([true, false]));
    assert_eq!(out["wrong"][0], "AuthorizationException");
    Ok(())
}

#[tokio::test]
async fn the_javascript_client_of_deepl_works() -> Result<()> {
    let modules = clients().join("node/node_modules");
    if !modules.join("deepl-node").exists() {
        return skip_unless_ci("deepl-node", "there is no `deepl-node`; `tests/run` installs it");
    }
    let (app, key, dir) = server().await?;
    let output = Command::new("node")
        .args(["-e", NODE, &app.url, &key])
        .arg(documents(dir.path())?)
        .env("NODE_PATH", modules)
        .env("NO_PROXY", "*")
        .output()?;
    let out = answers(&output)?;
    assert_eq!(out["text"], json!(["Die Katze schläft.", "en", 15]));
    assert_eq!(out["texts"], json!([["Good morning.", "de"], ["We bake bread.", "de"]]));
    let xml = out["xml"].as_str().unwrap_or_default();
    assert!(xml.contains("<b>") && xml.ends_with("</p><keep>The cat.</keep>"), "{xml}");
    assert_eq!(out["html"], "<h1>Guten Morgen.</h1><p>Wir backen Brot.</p>");
    assert_eq!(out["sources"], json!(["de", "en", "fr"]));
    assert_eq!(out["targets"][1], json!(["en-GB", false]));
    assert_eq!(out["pairs"], 6);
    assert_eq!(out["created"], json!(["menu", true, 1]));
    assert_eq!(out["entries"], json!({ "soup": "Brühe" }));
    let with = out["with"].as_str().unwrap_or_default();
    assert!(with.contains("Brühe"), "{with}");
    assert_eq!(out["listed"], 1);
    assert_eq!(out["gone"][0], "GlossaryNotFoundError");
    let french = SUBTITLES.replace("The soup is too hot.", "La soupe est trop chaude.");
    assert_eq!(out["document"], json!(["done", 20, french]));
    let bad = out["bad"].to_string();
    assert!(bad.contains("DocumentTranslationError") && bad.contains("Word"), "{bad}");
    assert_eq!(out["several"], 2);
    let message = out["formality"][1].as_str().unwrap_or_default();
    assert!(message.contains("'formality' is not supported"), "{message}");
    assert_eq!(out["usage"], json!([true, false]));
    assert_eq!(out["wrong"][0], "AuthorizationError");
    Ok(())
}

#[tokio::test]
async fn formality_is_a_domain_that_the_model_was_taught() -> Result<()> {
    let work = tempfile::tempdir()?;
    let model = work.path().join("model");
    let learned = corpora::learned()?.join("model");
    let copied = Command::new("cp").arg("-r").args([&learned, &model]).status()?;
    ensure!(copied.success(), "the model cannot be copied");
    let rename = Dragoman::new(["expert", "rename", "domain.house", "domain.formal", "--model"])?;
    rename.args([&model]).stdout()?;
    let app = TestApp::start(Options { model: Some(model), ..Options::default() }).await?;

    let ask = async |target: &str, more: Value| -> Result<(u16, Value)> {
        let mut body = json!({
            "text": ["The train is late."], "source_lang": "EN", "target_lang": target,
        });
        body.as_object_mut().into_iter().for_each(|body| {
            body.extend(more.as_object().cloned().unwrap_or_default());
        });
        app.json("/v2/translate", &body).await
    };
    let text = |(status, reply): (u16, Value)| -> Result<String> {
        ensure!(status == 200, "{status}: {reply}");
        Ok(reply["translations"][0]["text"].as_str().unwrap_or_default().to_owned())
    };
    let plain = text(ask("DE", json!({})).await?)?;
    let formal = text(ask("DE", json!({ "formality": "more" })).await?)?;
    ensure!(plain == "Der Zug hat Verspätung." && formal != plain, "{plain} and {formal}");
    ensure!(text(ask("DE", json!({ "formality": "prefer_more" })).await?)? == formal);
    // What the model does not know is a wish or an error.
    ensure!(text(ask("DE", json!({ "formality": "prefer_less" })).await?)? == plain);
    text(ask("FR", json!({ "formality": "prefer_more" })).await?)?;
    for (target, formality) in [("DE", "less"), ("FR", "more")] {
        let (status, reply) = ask(target, json!({ "formality": formality })).await?;
        ensure!(status == 400, "{status}: {reply}");
        let message = reply["message"].as_str().unwrap_or_default();
        ensure!(message.contains("'formality' is not supported"), "{message}");
    }
    let (_, list) = app.json("/v2/languages", &json!({ "type": "target" })).await?;
    let supported = |tag: &str| {
        let rows = list.as_array().map(Vec::as_slice).unwrap_or_default();
        rows.iter().find(|row| row["language"] == tag).map(|row| row["supports_formality"].clone())
    };
    ensure!(
        supported("DE") == Some(json!(true)) && supported("FR") == Some(json!(false)),
        "{list}"
    );
    Ok(())
}
