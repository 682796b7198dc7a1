//! Documents on the page: given, translated, downloaded, removed.

use anyhow::{Result, ensure};
use dragoman_e2e::browser::Screen::{Desktop, Phone};
use serde_json::json;

use super::visit;

/// Gives the page a document.
pub(super) fn give(name: &str, text: &str) -> String {
    format!(
        "const files = new DataTransfer();
        files.items.add(new File([{text:?}], {name:?}));
        const field = document.getElementById('document-file');
        field.files = files.files;
        field.dispatchEvent(new Event('change'));"
    )
}

#[tokio::test]
async fn a_document_is_translated_and_can_be_downloaded() -> Result<()> {
    visit("a_document_is_translated_and_can_be_downloaded", Desktop, async |page| {
        page.open("#en/de/").await?;
        page.eval(&give("some.json", "{\"a\": \"Good morning.\"}")).await?;
        page.until("return document.querySelector('#document-list a') !== null").await?;
        let result = "const link = document.querySelector('#document-list a');
            return fetch(link.href).then((reply) => reply.text())";
        let text = page.eval(result).await?;
        ensure!(text == json!("{\"a\": \"Guten Morgen.\"}"), "{text}");
        page.eval("document.querySelector('#document-list button').click()").await?;
        let count =
            page.eval("return document.querySelectorAll('#document-list li').length").await?;
        ensure!(count == json!(0), "it is still listed");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_glossary_can_be_chosen_for_documents() -> Result<()> {
    visit("a_glossary_can_be_chosen_for_documents", Desktop, async |page| {
        page.open("#en/de/").await?;
        let is_hidden = page.eval("return document.getElementById('document-glossary').hidden");
        ensure!(is_hidden.await? == json!(true), "there is none to choose");
        let make = "const glossary = { name: 'names', source_lang: 'en', target_lang: 'de',
                entries: 'cat\\tKater', entries_format: 'tsv' };
            const headers = { 'Content-Type': 'application/json' };
            const body = JSON.stringify(glossary);
            return fetch('v2/glossaries', { method: 'POST', headers, body }).then((reply) => reply.json())
                .then((made) => made.glossary_id)";
        let id = page.eval(make).await?;
        page.eval("location.reload()").await?;
        page.until("return document.getElementById('document-glossary')?.hidden === false").await?;
        page.eval(&format!("document.getElementById('document-glossary-choice').value = {id}")).await?;
        page.eval(&give("some.txt", "The cat sleeps.")).await?;
        page.until("return document.querySelector('#document-list a') !== null").await?;
        let result = "return fetch(document.querySelector('#document-list a').href).then((reply) => reply.text())";
        let text = page.eval(result).await?.to_string();
        ensure!(text.contains("Kater"), "{text}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_document_that_is_refused_says_why() -> Result<()> {
    visit("a_document_that_is_refused_says_why", Phone, async |page| {
        page.open("#en/de/").await?;
        page.eval(&give("bad.docx", "no zip")).await?;
        page.until("return document.querySelector('#document-list .failed') !== null").await?;
        let text = page.eval("return document.querySelector('#document-list .count').textContent");
        let text = text.await?;
        ensure!(text.to_string().contains("Word"), "{text}");
        Ok(())
    })
    .await
}
