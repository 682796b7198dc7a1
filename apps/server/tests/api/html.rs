//! `POST /translate` with `"format": "html"`.

use anyhow::Result;
use serde_json::json;

use crate::harness::TestApp;

async fn check(cases: &[(&str, &str)]) -> Result<()> {
    let app = TestApp::start()?;
    for (html, expected) in cases {
        let body = json!({ "q": html, "source": "en", "target": "de", "format": "html" });
        let (status, reply) = app.json("/translate", &body).await?;
        assert_eq!(status, 200, "{reply}");
        assert_eq!(reply["translatedText"], *expected, "{html}");
    }
    Ok(())
}

#[actix_web::test]
async fn blocks_and_attributes_are_kept() -> Result<()> {
    check(&[
        ("<p>One Two.</p>", "<p>One-de Two-de.</p>"),
        (
            "<P CLASS='x>y' title=\"A b\">One</P>\r\n<p>Two",
            "<P CLASS='x>y' title=\"A b\">One-de</P>\r\n<p>Two-de",
        ),
        (
            "<ul>\n  <li>One.</li>\n  <li> Two! Three? </li>\n</ul>",
            "<ul>\n  <li>One-de.</li>\n  <li> Two-de! Three-de? </li>\n</ul>",
        ),
        ("Line one<br>Line two<br/>", "Line-de one-de<br>Line-de two-de<br/>"),
        (
            "<table><tr><td>Tree</td><td>1</td></tr></table>",
            "<table><tr><td>Tree-de</td><td>1</td></tr></table>",
        ),
        (
            "<!-- A comment --><p>Text</p><!-- End -->",
            "<!-- A comment --><p>Text-de</p><!-- End -->",
        ),
        ("Plain text. More.", "Plain-de text-de. More-de."),
        ("  \n<p> </p>", "  \n<p> </p>"),
    ])
    .await
}

#[actix_web::test]
async fn inline_marks_stay_with_their_words() -> Result<()> {
    check(&[
        (
            "<p>The <b>red house</b> is here.</p>",
            "<p>The-de <b>red-de house-de</b> is-de here-de.</p>",
        ),
        ("<b>All of it.</b>", "<b>All-de of-de it-de.</b>"),
        (
            "<i>First</i> word and <a href='/x'>last</a>",
            "<i>First-de</i> word-de and-de <a href='/x'>last-de</a>",
        ),
        (
            "Swap the <b>red house</b> and <i>tree</i>",
            "<i>Tree-de</i> and-de <b>house-de red-de</b> the-de Swap-de",
        ),
        ("One <b>and <i>deep</i></b> end", "One-de <b>and-de <i>deep-de</i></b> end-de"),
        ("Read <img src=x> this", "Read-de <img src=x> this-de"),
        ("One<b></b> two", "One-de<b></b> two-de"),
    ])
    .await
}

#[actix_web::test]
async fn what_must_stay_stays() -> Result<()> {
    check(&[
        ("<p>Run <code>ls</code> Now.</p>", "<p>Run-de <code>ls</code> Now-de.</p>"),
        ("<p>Run <code>cat file</code> Now.</p>", "<p>Run-de <code>cat file</code> Now-de.</p>"),
        ("<pre>Some code\n  here</pre>Text", "<pre>Some code\n  here</pre>Text-de"),
        (
            "<script>var a = 'Some text';</script><style>p { color: red }</style>Text",
            "<script>var a = 'Some text';</script><style>p { color: red }</style>Text-de",
        ),
        (
            "<p translate=\"no\">Dragoman <b>Ltd</b></p><p>Text</p>",
            "<p translate=\"no\">Dragoman <b>Ltd</b></p><p>Text-de</p>",
        ),
        (
            "Ask <span class=\"notranslate\">Red Hat</span> About it",
            "Ask-de <span class=\"notranslate\">Red Hat</span> About-de it-de",
        ),
        ("<code>all of it</code>", "<code>all of it</code>"),
    ])
    .await
}

#[actix_web::test]
async fn references_are_read_and_written() -> Result<()> {
    check(&[
        ("Caf&eacute; &amp; Tea", "Café-de &amp; Tea-de"),
        ("A &lt;b&gt; Tag", "A-de &lt;b&gt; Tag-de"),
        ("&nbsp;&hearts;&nbsp;<p>One&nbsp;day</p>", "&nbsp;&hearts;&nbsp;<p>One-de day-de</p>"),
        ("<p>&copy; 2024</p>", "<p>&copy; 2024</p>"),
    ])
    .await
}

#[actix_web::test]
async fn broken_nesting_survives() -> Result<()> {
    check(&[
        ("<b>One <i>two</b> three</i> four", "<b>One-de <i>two-de</b> three-de</i> four-de"),
        ("</p></b>Text<b>", "</p></b>Text-de<b>"),
        ("One <b>two. Three</b> four.", "One-de <b>two-de. Three-de</b> four-de."),
        ("One < two & three", "One-de < two-de & three-de"),
        ("Text <a href=\"x", "Text-de <a href=\"x"),
    ])
    .await
}

#[actix_web::test]
async fn attributes_are_translated_when_asked_for() -> Result<()> {
    let app = TestApp::start()?;
    let q = "<p>One <img alt='two three' src='a.png'> four</p>";
    let mut body = json!({ "q": q, "source": "en", "target": "de", "format": "html" });
    let (_, reply) = app.json("/translate", &body).await?;
    let text = reply["translatedText"].as_str().unwrap_or_default();
    assert!(text.contains("<img alt='two three' src='a.png'>"), "{reply}");
    body["attributes"] = json!(true);
    let (_, reply) = app.json("/translate", &body).await?;
    let text = reply["translatedText"].as_str().unwrap_or_default();
    assert!(text.contains("<img alt='two-de three-de' src='a.png'>"), "{reply}");
    Ok(())
}

#[actix_web::test]
async fn an_array_of_html_as_mastodon_sends_it() -> Result<()> {
    let app = TestApp::start()?;
    let q = [
        "<p>Das ist ein ganz gewöhnlicher Satz.</p>",
        "<p>Und noch ein Satz in <b>Deutsch</b>.</p>",
    ];
    let body =
        json!({ "q": q, "source": "auto", "target": "en", "format": "html", "alternatives": 2 });
    let (status, reply) = app.json("/translate", &body).await?;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(reply["detectedLanguage"][1]["language"], "de", "{reply}");
    assert_eq!(
        reply["translatedText"][1],
        "<p>Und-en noch-en ein-en Satz-en in-en <b>Deutsch-en</b>.</p>"
    );
    assert_eq!(reply["alternatives"], json!([[], []]));
    Ok(())
}
