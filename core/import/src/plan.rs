//! What a checkpoint becomes: a configuration, a vocabulary, and our tensors made of its parts.

use dragoman_core::{config::TranslationConfig, register::Register, vocabulary::Pieces};

use crate::{
    Error, Result,
    checkpoint::{Checkpoint, Info, Kind},
};

/// A model directory that is still to be written.
#[derive(Debug)]
pub struct ImportPlan {
    /// Shape of the model.
    pub config: TranslationConfig,
    /// Its routes, and its experts without their files.
    pub register: Register,
    /// Its tokens.
    pub vocabulary: Pieces,
    /// What all routes share.
    pub shared: Vec<Planned>,
    /// The weights of each expert, in the order of the register.
    pub experts: Vec<Vec<Planned>>,
}

/// A tensor of ours: parts of the checkpoint, one below another.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Name in our file.
    pub name: String,
    /// What it is made of.
    pub parts: Vec<Part>,
}

/// Rows of a tensor, or values of a vector.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// A tensor of the checkpoint.
    Tensor(String),
    /// So many rows of zeros.
    Zeros(usize),
    /// Values of a vector.
    Values(Vec<f32>),
}

impl Planned {
    /// A tensor as it is in the checkpoint.
    pub fn new(name: impl Into<String>, tensor: impl Into<String>) -> Self {
        Self { name: name.into(), parts: vec![Part::Tensor(tensor.into())] }
    }

    /// A vector of zeros.
    pub fn zeros(name: impl Into<String>, length: usize) -> Self {
        Self { name: name.into(), parts: vec![Part::Zeros(length)] }
    }

    /// Its shape and type.
    ///
    /// # Errors
    /// Fails when a part is not in the checkpoint or the parts do not fit each other.
    pub fn info(&self, checkpoint: &dyn Checkpoint) -> Result<Info> {
        let mut rows = 0;
        let mut rest: Option<Vec<usize>> = None;
        let mut kind = None;
        for part in &self.parts {
            match part {
                Part::Zeros(count) => rows += count,
                Part::Values(values) => rows += values.len(),
                Part::Tensor(name) => {
                    let info = checkpoint.info(name).ok_or_else(|| {
                        Error::Unsupported(format!("the checkpoint has no tensor `{name}`"))
                    })?;
                    // A bias may be a row of a matrix.
                    let shape = match info.shape[..] {
                        [1, ..] if self.is_vector() => &info.shape[1..],
                        _ => &info.shape[..],
                    };
                    let (own, others) = shape.split_first().unwrap_or((&1, &[]));
                    rows += own;
                    if rest.as_ref().is_some_and(|rest| rest != others) {
                        let reason =
                            format!("`{name}` does not fit the other parts of `{}`", self.name);
                        return Err(Error::Unsupported(reason));
                    }
                    rest = Some(others.to_vec());
                    kind = match kind {
                        None => Some(info.kind),
                        Some(kind) if kind == info.kind => Some(kind),
                        Some(_) => Some(Kind::F32),
                    };
                }
            }
        }
        let shape = [vec![rows], rest.unwrap_or_default()].concat();
        Ok(Info { shape, kind: kind.unwrap_or(Kind::F32) })
    }

    fn is_vector(&self) -> bool {
        self.name.ends_with("bias") || self.name.ends_with("norm.weight")
    }
}

/// What is known of a model beside its files, from the command line or from the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Language of the sources, for a model of one direction whose files do not say.
    pub from: Option<String>,
    /// Language of the targets.
    pub to: Option<String>,
}

impl Request {
    /// The direction: as asked for, or as the files say.
    pub(crate) fn pair(&self, from: Option<&str>, to: Option<&str>) -> Result<(String, String)> {
        let side = |asked: &Option<String>, found: Option<&str>| {
            asked.clone().or(found.filter(|found| !found.is_empty()).map(String::from))
        };
        match (side(&self.from, from), side(&self.to, to)) {
            (Some(from), Some(to)) => Ok((from, to)),
            _ => Err(Error::Unsupported(
                "the files do not say which languages the model translates: name them with \
                 `--from` and `--to`"
                    .into(),
            )),
        }
    }
}
