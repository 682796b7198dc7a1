//! `dragoman.Translator`

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
};

use dragoman_core::{
    directory::Files,
    kernels::packed::Packing,
    translate::Translate,
    translator::{Translator as Engine, TranslatorOptions},
};
use dragoman_languages::{LanguageDetector, resolve};
use dragoman_pipeline::{TextRequest, translate};
use dragoman_text::{Format, Glossary};
use pyo3::{prelude::*, types::PyDict};

use crate::{columns::Texts, raise, refuse_address};

/// A translation model.
#[pyclass(frozen, module = "dragoman")]
pub(crate) struct Translator {
    engine: Engine,
    detector: LanguageDetector,
    /// What it was made of, so that other processes can make it again.
    made_of: (PathBuf, usize, Option<String>, Option<usize>),
}

/// What a call says of its texts.
struct Call {
    source: String,
    target: String,
    domain: Option<String>,
    format: String,
    glossary: Option<HashMap<String, String>>,
}

#[pymethods]
impl Translator {
    #[new]
    #[pyo3(signature = (model, *, beam = 2, precision = None, expert_memory = None))]
    fn new(
        py: Python<'_>,
        model: PathBuf,
        beam: usize,
        precision: Option<String>,
        expert_memory: Option<usize>,
    ) -> PyResult<Self> {
        if !(1..=16).contains(&beam) {
            return Err(raise(format_args!("`beam` is {beam}; it must be between 1 and 16")));
        }
        refuse_address(&model)?;
        let packing = precision.as_deref().map(packing).transpose()?;
        let options = TranslatorOptions {
            beam_size: beam,
            packing,
            expert_memory,
            ..TranslatorOptions::default()
        };
        let files = Files::Folder(model.clone());
        let engine = py.detach(|| Engine::open(&files, options)).map_err(raise)?;
        let made_of = (model, beam, precision, expert_memory);
        Ok(Self { engine, detector: LanguageDetector::new(), made_of })
    }

    #[getter]
    fn languages(&self) -> Vec<String> {
        self.engine.languages()
    }

    #[getter]
    fn domains(&self) -> Vec<String> {
        self.engine.domains()
    }

    fn can_translate(&self, source: &str, target: &str) -> bool {
        self.engine.can_translate(source, target)
    }

    fn detect(&self, py: Python<'_>, text: &str) -> String {
        let known = self.engine.languages();
        py.detach(|| self.detector.detect(text, &known).swap_remove(0).language)
    }

    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    #[pyo3(signature = (text, *, target, source = "auto".to_owned(), domain = None, format = "text".to_owned(), glossary = None))]
    fn translate(
        &self,
        py: Python<'_>,
        text: String,
        target: String,
        source: String,
        domain: Option<String>,
        format: String,
        glossary: Option<HashMap<String, String>>,
    ) -> PyResult<String> {
        let call = Call { source, target, domain, format, glossary };
        Ok(py.detach(|| self.run(&[text], &call))?.swap_remove(0))
    }

    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    #[pyo3(signature = (texts, *, target, source = "auto".to_owned(), domain = None, format = "text".to_owned(), glossary = None))]
    fn translate_batch<'py>(
        &self,
        py: Python<'py>,
        texts: Texts,
        target: String,
        source: String,
        domain: Option<String>,
        format: String,
        glossary: Option<HashMap<String, String>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let call = Call { source, target, domain, format, glossary };
        let translated = py.detach(|| self.run(&texts.present, &call))?;
        texts.like(py, translated)
    }

    /// Other processes load the model again: its folder is pickled, not its weights.
    fn __getnewargs_ex__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<((PathBuf,), Bound<'py, PyDict>)> {
        let (model, beam, precision, expert_memory) = &self.made_of;
        let options = PyDict::new(py);
        options.set_item("beam", beam)?;
        options.set_item("precision", precision)?;
        options.set_item("expert_memory", expert_memory)?;
        Ok(((model.clone(),), options))
    }

    fn __repr__(&self) -> String {
        format!("Translator({:?})", self.made_of.0)
    }
}

impl Translator {
    /// Translates texts; those of one language go together.
    fn run(&self, texts: &[String], call: &Call) -> PyResult<Vec<String>> {
        let known = self.engine.languages();
        let code = |code: &str| {
            let known_codes = known.join(", ");
            resolve(&known, code).map(str::to_owned).ok_or_else(|| {
                raise(format_args!("language `{code}` is not one of the model's: {known_codes}"))
            })
        };
        let target = code(&call.target)?;
        let mut of_source: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        if call.source == "auto" {
            for (i, found) in self.detector.detect_all(texts, &known).into_iter().enumerate() {
                // What is in no language of the model stays as it is, as on the server.
                let source = resolve(&known, &found.language).unwrap_or(&target);
                of_source.entry(source.to_owned()).or_default().push(i);
            }
        } else {
            of_source.insert(code(&call.source)?, (0..texts.len()).collect());
        }
        let mut translated = texts.to_vec();
        for (source, members) in of_source.into_iter().filter(|(source, _)| *source != target) {
            let own: Vec<&str> = members.iter().map(|&i| texts[i].as_str()).collect();
            let request = call.request(source, &target)?;
            for (i, found) in
                members.into_iter().zip(translate(&self.engine, &own, &request).map_err(raise)?)
            {
                translated[i] = found.texts.into_iter().next().unwrap_or_default();
            }
        }
        Ok(translated)
    }
}

impl Call {
    fn request(&self, source: String, target: &str) -> PyResult<TextRequest> {
        let format = match self.format.as_str() {
            "text" => Format::Text,
            "html" => Format::Html,
            "xml" => Format::Xml,
            other => {
                return Err(raise(format_args!(
                    "`format` is `{other}`; it must be text, html or xml"
                )));
            }
        };
        let mut request = TextRequest::new(source, target.to_owned());
        request.format = format;
        request.domains = self.domain.iter().cloned().collect();
        if let Some(entries) = &self.glossary {
            let entries = entries.iter().map(|(term, word)| (term.clone(), word.clone()));
            let glossary = Glossary::new(entries, &request.source, target, false);
            request.terms.glossary = Some(Arc::new(glossary));
        }
        Ok(request)
    }
}

fn packing(name: &str) -> PyResult<Packing> {
    match name {
        "int8" => Ok(Packing::Int8),
        "bf16" => Ok(Packing::Bf16),
        "f32" => Ok(Packing::F32),
        other => Err(raise(format_args!("`precision` is `{other}`; it must be int8, bf16 or f32"))),
    }
}
