//! HTML, and other markup: translates the text of a document, and leaves every byte of its markup
//! alone.
//!
//! The document is cut into runs: text and inline markup between two block elements. In a run the
//! sentences are found; what is not a sentence is copied.

mod attributes;
pub(crate) mod elements;
pub(crate) mod runs;
pub(crate) mod tokens;

use std::ops::Range;

pub use crate::references::unescape;

use self::{
    elements::HtmlElements,
    runs::{Found, Mark, Run},
};
use crate::{
    document::{Document, Item, Rewritten},
    marks,
    options::{Options, Splitting, Tags},
    references::{escape, escape_xml},
    sentence::{Sentence, Span},
    split::{Segment, split_at},
};

/// A document of HTML or XML, and the sentences in it.
#[derive(Debug)]
pub struct HtmlDocument {
    html: String,
    sentences: Vec<Sentence>,
    places: Vec<Place>,
    /// From which sentence on they are of attributes, which stand within tags.
    first_attribute: usize,
    splitting: Splitting,
    /// How a text is written in this markup.
    escape: fn(&str) -> String,
}

/// Where a sentence stands in the document.
#[derive(Debug)]
struct Place {
    /// What it replaces.
    raw: Range<usize>,
    /// Where each of its spans is.
    spans: Vec<Range<usize>>,
    /// Which spans are bare signs: a `<` that is text becomes a tag before a letter.
    bare: Vec<bool>,
}

/// The text that a reader of `html` sees, for guessing its language.
pub fn visible_text(html: &str) -> String {
    joined(runs::find(html, tokens::read(html), &HtmlElements(&Tags::default())).runs)
}

/// The texts of `runs`, each on a line.
pub(crate) fn joined(runs: Vec<Run>) -> String {
    let texts: Vec<String> = runs.into_iter().map(|run| run.text).collect();
    texts.join("\n")
}

impl HtmlDocument {
    /// Finds the sentences of `html`, written in `language`; those of attributes that readers see, too,
    /// if `attributes` says so.
    pub fn parse(html: &str, language: &str, attributes: bool) -> Self {
        Self::with(html, &Options { source: language.to_owned(), attributes, ..Options::default() })
    }

    /// Finds the sentences of `html` as `options` say; those of attributes that readers see, too, if
    /// they are wanted.
    pub fn with(html: &str, options: &Options) -> Self {
        let found = runs::find(html, tokens::read(html), &HtmlElements(&options.tags));
        Self::of(html, found, options, escape)
    }

    /// Finds the sentences of the `runs` of an XML document.
    pub(crate) fn of_xml(xml: &str, runs: Vec<Run>, options: &Options) -> Self {
        let found = Found { runs, attributes: Vec::new() };
        Self::of(xml, found, options, escape_xml)
    }

    fn of(html: &str, found: Found, options: &Options, escape: fn(&str) -> String) -> Self {
        let language = options.source.as_str();
        let mut document = Self {
            html: html.to_owned(),
            sentences: Vec::new(),
            places: Vec::new(),
            first_attribute: 0,
            splitting: options.splitting,
            escape,
        };
        let add = |document: &mut Self, mut run: Run| {
            let broken = run.add_pieces(language);
            document.add_run(&run, &broken, language);
        };
        found.runs.into_iter().for_each(|run| add(&mut document, run));
        document.first_attribute = document.sentences.len();
        if options.attributes {
            found.attributes.into_iter().for_each(|run| add(&mut document, run));
        }
        document
    }

    /// Adds the sentences of a run that have no part in `broken`.
    fn add_run(&mut self, run: &Run, broken: &[Range<usize>], language: &str) {
        let mut start = 0;
        // Elements that are kept must not look like the end of a sentence.
        for segment in split_at(&marks::masked(&run.text, &run.marks), language, self.splitting) {
            let range = start..start + segment.as_str().len();
            start = range.end;
            let is_broken = || broken.iter().any(|at| at.start < range.end && range.start < at.end);
            if matches!(segment, Segment::Sentence(_)) && !is_broken() {
                self.add_sentence(run, range);
            }
        }
    }

    fn add_sentence(&mut self, run: &Run, range: Range<usize>) {
        let Some((range, marks)) = marks::sentence_at(&run.text, &run.marks, range) else {
            return; // it stays as it is
        };
        let mut raw = run.raw(&range);
        if let (Some(first), Some(last)) = (marks.first(), marks.last()) {
            raw = raw.start.min(first.raw.start)..raw.end.max(last.raw.end);
        }
        let span = |mark: &&Mark| Span {
            at: mark.at.start - range.start..mark.at.end - range.start,
            role: mark.role.clone(),
        };
        let text = run.text[range.clone()].to_owned();
        self.sentences.push(Sentence { text, spans: marks.iter().map(span).collect() });
        let spans = marks.iter().map(|mark| mark.raw.clone()).collect();
        let bare = |mark: &&Mark| {
            let text = &run.text[mark.at.clone()];
            let is_sign = !text.is_empty() && !text.contains(char::is_alphanumeric);
            is_sign && self.html[mark.raw.clone()] == *text
        };
        let bare = marks.iter().map(bare).collect();
        self.places.push(Place { raw, spans, bare });
    }
}

impl Document for HtmlDocument {
    fn sentences(&self) -> &[Sentence] {
        &self.sentences
    }

    fn write(&self, sentences: &[&Rewritten]) -> String {
        let attributes = self.written_attributes(sentences);
        let mut out = String::with_capacity(self.html.len() * 5 / 4);
        let mut at = 0;
        let texts = self.places.iter().zip(sentences).take(self.first_attribute);
        for (i, (place, rewritten)) in texts.enumerate() {
            let Rewritten::Items(items) = rewritten else { continue };
            if self.sentences[i].is_said_by(items) {
                continue; // a bare `&` stays bare
            }
            self.copy(at..place.raw.start, &attributes, &mut out);
            at = place.raw.end;
            // Written from behind, because what follows a bare sign says whether it must be escaped.
            let mut parts: Vec<String> = Vec::with_capacity(items.len());
            let mut next = self.html[at..].chars().next();
            for item in items.iter().rev() {
                let part = match item {
                    Item::Prose(text) => (self.escape)(text),
                    Item::Span(span) => {
                        let raw = place.spans[*span].clone();
                        match place.bare[*span] && begins_markup(&self.html[raw.clone()], next) {
                            true => (self.escape)(&self.html[raw]),
                            false => {
                                let mut part = String::with_capacity(raw.len());
                                self.copy(raw, &attributes, &mut part);
                                part
                            }
                        }
                    }
                };
                next = part.chars().next().or(next);
                parts.push(part);
            }
            out.extend(parts.iter().rev().map(String::as_str));
        }
        self.copy(at..self.html.len(), &attributes, &mut out);
        out
    }
}

impl HtmlDocument {
    /// The sentences of attributes that change: where each stands, and what is written there.
    fn written_attributes(&self, sentences: &[&Rewritten]) -> Vec<(Range<usize>, String)> {
        let mut written = Vec::new();
        let all = self.sentences.iter().zip(&self.places).zip(sentences);
        for ((sentence, place), rewritten) in all.skip(self.first_attribute) {
            let Rewritten::Items(items) = rewritten else { continue };
            if sentence.is_said_by(items) {
                continue;
            }
            let text = |item: &Item| match item {
                Item::Prose(text) => escape(text).replace('"', "&quot;").replace('\'', "&#39;"),
                Item::Span(span) => self.html[place.spans[*span].clone()].to_owned(),
            };
            written.push((place.raw.clone(), items.iter().map(text).collect()));
        }
        written
    }

    /// Adds the bytes of the document at `range`, with attributes as they are `written`.
    fn copy(&self, range: Range<usize>, written: &[(Range<usize>, String)], out: &mut String) {
        let mut at = range.start;
        let first = written.partition_point(|(place, _)| place.start < range.start);
        for (place, text) in written[first..].iter().take_while(|(place, _)| place.end <= range.end)
        {
            out.push_str(&self.html[at..place.start]);
            out.push_str(text);
            at = place.end;
        }
        out.push_str(&self.html[at..range.end]);
    }
}

/// Whether the sign `raw` begins a tag or a reference when `next` stands behind it.
fn begins_markup(raw: &str, next: Option<char>) -> bool {
    match raw.chars().next_back() {
        Some('<') => next.is_some_and(|c| c.is_alphabetic() || "/!?".contains(c)),
        Some('&') => next.is_some_and(|c| c.is_alphanumeric() || c == '#'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Format, Options, Session};

    /// Translates every sentence and piece by `model`.
    fn translate(html: &str, model: impl Fn(&str) -> String) -> String {
        let options = Options {
            source: "en".into(),
            target: "de".into(),
            format: Format::Html,
            ..Options::default()
        };
        let mut session = Session::new(html, &options);
        for _ in 0..10 {
            let answers: Vec<[String; 1]> =
                session.segments().iter().map(|text| [model(text)]).collect();
            session.accept(&answers);
        }
        assert!(session.segments().is_empty(), "it comes to an end");
        session.finish(0).texts.swap_remove(0)
    }

    fn reversed(text: &str) -> String {
        text.split(' ').rev().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_mark_whose_words_are_others_in_the_whole_stands_about_where_it_stood() {
        let model = |text: &str| match text {
            "My old house is near the river." => "Ma vieille maison est près de la rivière.".into(),
            "near the river" => "au bord de l'eau".into(),
            "old house" => "vieille maison".into(),
            "is near the river" => "vieille maison près de la rivière".into(),
            other => other.to_owned(),
        };
        let html = "<p>My <b>old house</b> is <a href='/'>near the river</a>.</p>";
        let expected = "<p>Ma <b>vieille maison</b> est <a href='/'>près de la rivière</a>.</p>";
        assert_eq!(translate(html, model), expected);
        // Here the words that are most like the second mark are those of the first, and of the others it
        // takes as many as are its share.
        let html = "<p>My <b>old house</b> <a href='/'>is near the river</a>.</p>";
        let expected = "<p>Ma <b>vieille maison</b> est <a href='/'>près de la rivière</a>.</p>";
        assert_eq!(translate(html, model), expected);
    }

    #[test]
    fn what_is_to_be_translated_within_what_is_not_is_found() {
        let html = "<div translate=no>One <p translate=yes>two <b>three</b> <i translate=no>four</i></p> five \
                    <img alt='six'></div> seven";
        let expected = "<div translate=no>One <p translate=yes>TWO <b>THREE</b> <i translate=no>four</i></p> \
                        five <img alt='six'></div> SEVEN";
        assert_eq!(translate(html, str::to_uppercase), expected);
        let open = "<div translate=no>One <p translate=yes>two";
        assert_eq!(
            translate(open, str::to_uppercase),
            "<div translate=no>One <p translate=yes>TWO"
        );
    }

    #[test]
    fn attributes_are_translated_when_asked_for() {
        let html = "<p>Look at <img alt=\"a 'red' house\" src='a.png'> here</p><input placeholder='your name' \
                    title=\"&lt;b&gt; {x}\"><p translate=no><img alt='kept'></p>";
        let translated = |attributes: bool| {
            let options = Options {
                source: "en".into(),
                target: "fr".into(),
                format: Format::Html,
                attributes,
                ..Options::default()
            };
            let mut session = Session::new(html, &options);
            while !session.segments().is_empty() {
                let say = |text: &String| {
                    [text.replace("house", "maison \"d'or\"").replace("name", "nom")]
                };
                let answers: Vec<[String; 1]> = session.segments().iter().map(say).collect();
                session.accept(&answers);
            }
            session.finish(0).texts.swap_remove(0)
        };
        assert_eq!(translated(false), html);
        let with = translated(true);
        assert!(with.contains("placeholder='your nom'") && with.contains("alt='kept'"), "{with}");
        assert!(
            with.contains("alt=\"a &#39;red&#39; maison &quot;d&#39;or&quot;\" src='a.png'"),
            "{with}"
        );
        assert!(with.contains("title=\"&lt;b&gt; {x}\""), "{with}");
    }

    #[test]
    fn white_space_of_any_kind_is_one_space_to_the_model() {
        let model = |text: &str| match text {
            "The book is on the table." => "Das Buch ist auf dem Tisch.".to_owned(),
            "the table" => "dem Tisch".to_owned(),
            other => format!("not understood: {other}"),
        };
        let html = "<p>The&nbsp;book&#160;is \u{a0} on\u{202f}<b>the&nbsp;table</b>.&nbsp;</p>";
        let expected = "<p>Das Buch ist auf <b>dem Tisch</b>.&nbsp;</p>";
        assert_eq!(translate(html, model), expected);
    }

    #[test]
    fn an_image_keeps_the_space_before_it() {
        let model = |text: &str| match text.trim() {
            "Look here!" => "Schau hier!".to_owned(),
            "Look !" => "Schau!".to_owned(),
            other => format!("not understood: {other}"),
        };
        for (html, expected) in [
            ("<p>Look <img> here!</p>", "<p>Schau <img> hier!</p>"),
            ("<p>Look <img>!</p>", "<p>Schau <img>!</p>"),
        ] {
            assert_eq!(translate(html, model), expected);
        }
    }

    #[test]
    fn elements_without_end_do_no_harm() {
        let deep = format!("{}word and word{}", "<b>".repeat(50_000), "</b> and".repeat(50_000));
        assert_eq!(translate(&deep, str::to_owned), deep);
        let inside = format!("One {}two{} three", "<b>".repeat(40), "</b>".repeat(40));
        assert_eq!(translate(&inside, str::to_uppercase).matches("TWO").count(), 1);
        let many = "One <b>two</b> <code>x</code> ".repeat(20_000);
        assert_eq!(translate(&many, str::to_owned), many);
    }

    #[test]
    fn a_megabyte_of_marks_in_one_sentence_takes_no_time() {
        let started = std::time::Instant::now();
        for unit in ["<img>", "<img> ", "<b></b>", "<b>", "<i>x</i>", "<img>x"] {
            let html = format!("One {} two three", unit.repeat((1 << 20) / unit.len()));
            let translated = translate(&html, str::to_uppercase);
            assert_eq!(translated.matches('<').count(), html.matches('<').count(), "{unit}");
        }
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }

    #[test]
    fn the_visible_text_is_without_markup() {
        let html = "<p>One&nbsp;<b>two</b></p><script>x()</script>\n<p title='no'>three";
        assert_eq!(visible_text(html), "One\u{a0}two\nthree");
    }

    proptest! {
        #[test]
        fn what_is_translated_into_itself_stays_the_same(
            html in "(<|>|</|&amp;|&|<b>|</b>|<i class='x'>|</i>|<p>|</p>|<br/>|<img>|<code>|</code>|<!-- -->|<script>|</script>|\"| |\r\n|\\. |é|字|One|two|\\PC){0,40}"
        ) {
            prop_assert_eq!(translate(&html, str::to_owned), html);
        }

        #[test]
        fn every_tag_is_written_once(
            html in "(<b>|</b>|<i>|</i>|<a href='/'>|</a>|<p>|</p>|<img>|<code>ls</code>| |\\. |one |two |three |Four |ls |5 ){0,40}"
        ) {
            let translated = translate(&html, reversed);
            for tag in ["<b>", "</b>", "<i>", "</i>", "<a href='/'>", "</a>", "<p>", "</p>", "<img>", "<code>ls</code>"] {
                prop_assert_eq!(translated.matches(tag).count(), html.matches(tag).count(), "{}", translated);
            }
        }
    }
}
