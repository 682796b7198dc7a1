//! `dragoman translate`

mod files;

use std::{
    io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write},
    path::PathBuf,
    sync::Arc,
};

use anyhow::{Context, bail};
use clap::Args;
use dragoman_core::translate::Translate as Model;
use dragoman_pipeline::{Terms, TextRequest, Translated, translate};
use dragoman_text::Glossary;
use serde_json::json;

#[cfg(feature = "server")]
use crate::models::{Collection, CollectionArgs, translator_of};
use crate::{
    detect::{self, LanguageDetector},
    glossary_file,
    models::ModelArgs,
    recalled::{Recalled, Remembering},
};

/// Lines that are translated together at most.
const LINES: usize = 256;

/// What some programs write before a text.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Bytes that are read ahead; what has come is translated when there is no more for now.
const READ_AHEAD: usize = 64 << 10;

/// Translate text, documents, or each line of the standard input
#[derive(Debug, Args)]
pub(crate) struct Translate {
    /// Text to translate, or names of documents such as `report.docx`; without any, the lines of the
    /// standard input
    text: Vec<String>,

    /// Language to translate from, or `auto`
    #[arg(long, value_name = "LANG", default_value = "auto")]
    from: String,

    /// Language to translate into
    #[arg(long, value_name = "LANG")]
    to: String,

    /// Domain of the text, such as `it`, or `auto` for the one that fits; may be repeated
    #[arg(long, value_name = "NAME")]
    domain: Vec<String>,

    /// Other ways to translate each text, beside the best
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=15))]
    alternatives: u8,

    /// Folder for translated documents, or a name for one; without it they are put beside their sources, as
    /// `report.de.docx`
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,

    /// Replace documents that are there already
    #[arg(long)]
    overwrite: bool,

    /// Column of a table to translate, by name or number; may be repeated
    #[arg(long, value_name = "COLUMN")]
    column: Vec<String>,

    /// Terms to use: a file of TSV, CSV or TBX
    #[arg(long, value_name = "FILE")]
    glossary: Option<PathBuf>,

    /// Use what people translated before, for exactly the same texts and sentences: of the memory that
    /// `dragoman memory` handles, or of a file of TMX or TSV, or of another store
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true)]
    memory: Option<Option<PathBuf>>,

    /// Use each term of the glossary, whatever it costs
    #[arg(long, requires = "glossary")]
    strict: bool,

    /// Let the model search for a sentence with the terms of `--glossary`, in place of carrying them around
    /// the model: endings may fit better, and some sentences run wild
    #[arg(long, requires = "glossary")]
    search_terms: bool,

    /// Show which experts every token visited
    #[arg(long)]
    trace: bool,

    /// One JSON object for each text
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArgs,

    #[cfg(feature = "server")]
    #[command(flatten)]
    collection: CollectionArgs,
}

impl Translate {
    pub(super) fn run(mut self) -> anyhow::Result<()> {
        let translator = self.translator()?;
        let translator = &*translator;
        self.name_languages(translator)?;
        let detector = (self.from == "auto").then(LanguageDetector::new).transpose()?;
        let detector = detector.as_ref();
        let documents = files::among(&self.text)?;
        let memory = self.memory.as_ref().map(|place| Recalled::open(place.as_deref()));
        let memory = memory.transpose()?;
        let helpers = Helpers { translator, detector, memory: memory.as_ref() };
        if !documents.is_empty() {
            return self.translate_files(&documents, helpers);
        }
        let result = match self.text.is_empty() {
            true => self.stream(helpers),
            false => {
                let text = self.text.join(" ");
                self.write(helpers, &[Line::of(text)], &mut io::stdout().lock())
            }
        };
        match result {
            Err(error) if is_closed_pipe(&error) => Ok(()), // the reader has seen enough
            result => result,
        }
    }

    /// The model, or the best of those in folders for each pair.
    fn translator(&self) -> anyhow::Result<Arc<dyn Model>> {
        #[cfg(feature = "server")]
        if !self.collection.is_empty()
            || self.model.folder.model.as_deref().is_some_and(dragoman_objects::is_address)
        {
            let options = self.model.options();
            let collection = Collection::new(&self.collection, options);
            let folder = self.model.folder.model.as_deref();
            let folder = folder.map(|place| self.collection.remote.fetched_or_cached(place));
            return translator_of(folder.transpose()?.as_slice(), &collection, options);
        }
        Ok(Arc::new(self.model.open()?))
    }

    /// Writes the languages as the model does, in whatever case and with whatever region they are given,
    /// and refuses others before the input is read.
    fn name_languages(&mut self, translator: &dyn Model) -> anyhow::Result<()> {
        let known = translator.languages();
        for language in [&mut self.from, &mut self.to] {
            let Some(found) = named(&known, language) else {
                bail!("unknown language `{language}`; this model knows {}", known.join(", "));
            };
            *language = found;
        }
        if self.to == "auto" {
            bail!("`--to` wants a language: {}", known.join(", "));
        }
        Ok(())
    }

    /// Translates line by line in constant memory, one line out for each line in.
    fn stream(&self, helpers: Helpers<'_>) -> anyhow::Result<()> {
        let mut input = BufReader::with_capacity(READ_AHEAD, io::stdin().lock());
        let mut output = BufWriter::new(io::stdout().lock());
        let (mut lines, mut number, mut buffer) = (Vec::new(), 0usize, Vec::new());
        loop {
            buffer.clear();
            let read = input.read_until(b'\n', &mut buffer).context("reading the input")?;
            if read > 0 {
                number += 1;
                lines.push(Line::read(&buffer, number)?);
            }
            // A person who types, or a program that waits for its answer, gets it at once.
            let no_more_for_now = input.buffer().is_empty();
            if lines.len() == LINES || no_more_for_now {
                self.write(helpers, &lines, &mut output)?;
                output.flush().context("writing the translation")?;
                lines.clear();
            }
            if read == 0 {
                return Ok(());
            }
        }
    }

    fn write(
        &self,
        helpers: Helpers<'_>,
        lines: &[Line],
        output: &mut impl Write,
    ) -> anyhow::Result<()> {
        let Helpers { translator, detector, memory } = helpers;
        let known = translator.languages();
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let mut languages = Vec::with_capacity(lines.len());
        let mut answers: Vec<Translated> = vec![Translated::default(); texts.len()];
        for (line, answer) in lines.iter().zip(&mut answers) {
            let language = match detector {
                Some(detector) => detector.detect(&line.text, &known),
                None => self.from.clone(),
            };
            if !known.contains(&language) {
                line.refuse(&language, &known)?;
                answer.texts.push(line.text.clone());
            }
            languages.push(language);
        }
        // What is remembered has no trace.
        let memory = memory.filter(|_| !self.trace);
        let remembering = memory.map(|memory| Remembering::new(translator, memory));
        let translator = remembering.as_ref().map_or(translator, |model| model);
        if let Some(memory) = memory {
            for ((answer, language), text) in answers.iter_mut().zip(&languages).zip(&texts) {
                answer.texts.extend(memory.find(language, &self.to, text)?);
            }
        }
        for language in &known {
            let is_open = |&i: &usize| languages[i] == *language && answers[i].texts.is_empty();
            let members: Vec<usize> = (0..texts.len()).filter(is_open).collect();
            if members.is_empty() {
                continue;
            }
            let members_texts: Vec<&str> = members.iter().map(|&i| texts[i]).collect();
            let request = TextRequest {
                domains: self.domain.clone(),
                num_hypotheses: usize::from(self.alternatives) + 1,
                trace: self.trace,
                terms: self.terms(language)?,
                ..TextRequest::new(language.clone(), self.to.clone())
            };
            for (i, answer) in
                members.into_iter().zip(translate(translator, &members_texts, &request)?)
            {
                answers[i] = answer;
            }
        }
        for ((answer, language), line) in answers.iter().zip(&languages).zip(lines) {
            self.write_one(answer, language, line, output).context("writing the translation")?;
        }
        Ok(())
    }

    /// The terms for texts in `language`.
    fn terms(&self, language: &str) -> anyhow::Result<Terms> {
        let Some(file) = &self.glossary else { return Ok(Terms::default()) };
        let entries = glossary_file::read(file, language, &self.to)?;
        let glossary = Glossary::new(entries, language, &self.to, self.strict);
        Ok(Terms { glossary: Some(Arc::new(glossary)), searched: self.search_terms })
    }

    fn write_one(
        &self,
        answer: &Translated,
        language: &str,
        line: &Line,
        output: &mut impl Write,
    ) -> anyhow::Result<()> {
        let end = line.end;
        let best = answer.texts.first().map(String::as_str).unwrap_or_default();
        let others = answer.texts.get(1..).unwrap_or_default();
        if self.json {
            let mut object = json!({
                "translatedText": best, "source": language, "target": self.to, "score": answer.score,
            });
            if let Some(domain) = &answer.domain {
                object["domain"] = json!(domain);
            }
            if self.alternatives > 0 {
                object["alternatives"] = json!(others);
            }
            if self.trace {
                object["trace"] = json!({ "legs": answer.legs });
            }
            writeln!(output, "{object}")?;
            return Ok(());
        }
        write!(output, "{}{best}{end}", line.mark)?;
        for other in others {
            write!(output, "  or: {other}{end}")?;
        }
        if self.trace {
            write_trace(answer, output)?;
        }
        Ok(())
    }
}

/// What translations are made with.
#[derive(Clone, Copy)]
struct Helpers<'a> {
    translator: &'a dyn Model,
    /// Guesses the language, if that is to be guessed.
    detector: Option<&'a LanguageDetector>,
    memory: Option<&'a Recalled>,
}

/// A line of the input, and what around its text comes back as it was.
struct Line {
    text: String,
    /// Its number in the standard input; none of a text that the command line names.
    number: Option<usize>,
    /// A byte order mark before the text of a file.
    mark: &'static str,
    /// The end of the line.
    end: &'static str,
}

impl Line {
    /// A text that is a line by itself.
    fn of(text: String) -> Self {
        Self { text, number: None, mark: "", end: "\n" }
    }

    /// Warns that this is in a language that the model does not know, and stays as it is.
    ///
    /// # Errors
    /// Fails for a text that stands alone: to print it would look like a translation.
    fn refuse(&self, language: &str, known: &[String]) -> anyhow::Result<()> {
        let reason = detect::unknown(language, known);
        match self.number {
            Some(number) => eprintln!("warning: line {number} stays as it is: {reason}"),
            None => bail!("{reason}"),
        }
        Ok(())
    }

    /// Reads line `number`; bytes that are no UTF-8 are replaced, with a warning.
    ///
    /// # Errors
    /// Fails for what is no text at all.
    fn read(bytes: &[u8], number: usize) -> anyhow::Result<Self> {
        if bytes.contains(&0) {
            bail!(
                "line {number} of the input has a zero byte: this is no text in UTF-8; convert a text in \
                 UTF-16 first, as by `iconv -f UTF-16 -t UTF-8`"
            );
        }
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let (bytes, end) = match bytes.strip_suffix(b"\r") {
            Some(bytes) => (bytes, "\r\n"),
            None => (bytes, "\n"),
        };
        let unmarked = bytes.strip_prefix(BYTE_ORDER_MARK.as_bytes()).filter(|_| number == 1);
        let mark = if unmarked.is_some() { BYTE_ORDER_MARK } else { "" };
        let bytes = unmarked.unwrap_or(bytes);
        if std::str::from_utf8(bytes).is_err() {
            eprintln!(
                "warning: line {number} is not UTF-8; what cannot be read becomes `\u{fffd}`"
            );
        }
        let text = String::from_utf8_lossy(bytes).into_owned();
        Ok(Self { text, number: Some(number), mark, end })
    }
}

/// The language of `known` that is called `code`, in any case; a region may be left out. `auto` stays.
fn named(known: &[String], code: &str) -> Option<String> {
    let code = code.trim().to_lowercase().replace('_', "-");
    if code == "auto" {
        return Some(code);
    }
    let base = code.split('-').next().unwrap_or_default();
    let same = |wanted: &str| known.iter().find(|language| language.eq_ignore_ascii_case(wanted));
    same(&code).or_else(|| same(base)).cloned()
}

/// Whether nobody reads the output any more, as behind `head`.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let error = error.root_cause().downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// A line for each token: its experts, layer by layer.
fn write_trace(answer: &Translated, output: &mut impl Write) -> anyhow::Result<()> {
    for leg in &answer.legs {
        for (side, tokens) in [("source", &leg.source), ("target", &leg.target)] {
            writeln!(output, "  {} {side}", leg.route)?;
            for token in tokens {
                let layer = |layer: &dragoman_core::translate::LayerTrace| {
                    let experts = layer.experts.iter();
                    let experts = experts.map(|e| format!("{} {:.2}", e.name, e.weight));
                    format!("{}: {}", layer.layer, experts.collect::<Vec<_>>().join(", "))
                };
                let layers: Vec<String> = token.layers.iter().map(layer).collect();
                writeln!(output, "    {:<16} {}", token.text, layers.join("; "))?;
            }
        }
    }
    Ok(())
}
