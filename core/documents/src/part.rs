//! A text of a document: the whole file, or a member of its package.

use dragoman_text::glued::Script;

use crate::{
    block::Block,
    find::{Found, find},
};

/// A text, and the blocks in it.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) source: String,
    /// In the order of the source; one may stand within another.
    pub(crate) blocks: Vec<Block>,
    pub(crate) markup: Markup,
}

/// How runs of text are written, for each format that they have.
#[derive(Debug, Clone)]
pub(crate) struct Markup {
    pub(crate) formats: Vec<RunFormat>,
}

/// What begins and ends a run, and the text in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RunFormat {
    pub(crate) begin: String,
    pub(crate) end: String,
    pub(crate) begin_text: String,
    pub(crate) end_text: String,
}

impl Default for Markup {
    /// No runs: text stands among inline markup.
    fn default() -> Self {
        Self { formats: vec![RunFormat::default()] }
    }
}

impl Markup {
    /// How each format is set.
    pub(crate) fn scripts(&self) -> Vec<Script> {
        self.formats.iter().map(RunFormat::script).collect()
    }
}

impl RunFormat {
    /// How its text is set: as Word and Excel say it, or as PowerPoint does.
    fn script(&self) -> Script {
        let value = |name: &str| Some(self.begin.split_once(name)?.1.split('"').nth(1)?.to_owned());
        let value = value("vertAlign").or_else(|| value("baseline=")).unwrap_or_default();
        match value.as_str() {
            "superscript" => Script::Super,
            "subscript" => Script::Sub,
            value => match value.trim_end_matches('%').parse::<f64>() {
                Ok(shift) if shift > 0.0 => Script::Super,
                Ok(shift) if shift < 0.0 => Script::Sub,
                _ => Script::None,
            },
        }
    }
}

impl Part {
    /// A text without runs.
    pub(crate) fn new(source: &str, blocks: Vec<Block>) -> Self {
        Self { source: source.to_owned(), blocks, markup: Markup::default() }
    }

    /// The sentences of each block.
    pub(crate) fn find(&self, language: &str) -> Vec<Vec<Found>> {
        let scripts = self.markup.scripts();
        self.blocks.iter().map(|block| find(block, &scripts, language)).collect()
    }
}
