//! The file of a SentencePiece model: a protocol buffer, read by a small parser of its own.

use super::{Algorithm, Kind, Piece};

/// What is in the file.
pub(super) struct File {
    pub(super) pieces: Vec<Piece>,
    pub(super) algorithm: Algorithm,
    pub(super) byte_fallback: bool,
    pub(super) unknown: u32,
    pub(super) unknown_surface: String,
    pub(super) rules: Rules,
}

/// How text is normalised.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Replacements: a double array of their keys, and their values.
    pub(super) charsmap: Vec<u8>,
    /// Whether a space is put in front of a text.
    pub(super) dummy_prefix: bool,
    /// Whether spaces at both ends go, and runs of them become one.
    pub(super) remove_extra: bool,
    /// Whether spaces become `▁`.
    pub(super) escape: bool,
    /// Whether the space is put behind a text instead.
    pub(super) suffix: bool,
}

/// A value of a field.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Float(f32),
}

/// The fields of a message.
struct Fields<'a> {
    rest: &'a [u8],
}

const TRUNCATED: &str = "it is truncated";

impl<'a> Fields<'a> {
    fn number(&mut self) -> Result<u64, String> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(TRUNCATED)?;
            self.rest = rest;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(value);
            }
        }
        Err("it holds a number that is too long".into())
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], String> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next field with its number.
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.number()?;
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            1 => Value::Bytes(self.take(8)?),
            2 => {
                let count = self.number()?;
                Value::Bytes(self.take(count)?)
            }
            5 => {
                let bytes = self.take(4)?;
                Value::Float(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            }
            _ => return Err("it is no SentencePiece model".into()),
        };
        Ok(Some((key >> 3, value)))
    }
}

/// Calls `f` with every field of `message`.
fn each<'a>(
    message: &'a [u8],
    mut f: impl FnMut(u64, Value<'a>) -> Result<(), String>,
) -> Result<(), String> {
    let mut fields = Fields { rest: message };
    while let Some((number, value)) = fields.next()? {
        f(number, value)?;
    }
    Ok(())
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "a piece of it is not UTF-8 text".into())
}

/// Reads a model.
pub(super) fn parse(content: &[u8]) -> Result<File, String> {
    let mut file = File {
        pieces: Vec::new(),
        algorithm: Algorithm::Unigram,
        byte_fallback: false,
        unknown: 0,
        unknown_surface: " ⁇ ".into(),
        rules: Rules {
            charsmap: Vec::new(),
            dummy_prefix: true,
            remove_extra: true,
            escape: true,
            suffix: false,
        },
    };
    each(content, |number, value| {
        match (number, value) {
            (1, Value::Bytes(message)) => file.pieces.push(piece(message)?),
            (2, Value::Bytes(message)) => trainer(message, &mut file)?,
            (3, Value::Bytes(message)) => normaliser(message, &mut file.rules)?,
            _ => {}
        }
        Ok(())
    })?;
    match file.pieces.is_empty() {
        true => Err("it is no SentencePiece model: it has no pieces".into()),
        false => Ok(file),
    }
}

fn piece(message: &[u8]) -> Result<Piece, String> {
    let mut piece = Piece { text: String::new(), score: 0.0, kind: Kind::Normal };
    each(message, |number, value| {
        match (number, value) {
            (1, Value::Bytes(bytes)) => piece.text = text(bytes)?,
            (2, Value::Float(score)) => piece.score = score,
            (3, Value::Number(kind)) => {
                piece.kind = match kind {
                    1 => Kind::Normal,
                    2 => Kind::Unknown,
                    3 => Kind::Control,
                    4 => Kind::UserDefined,
                    5 => Kind::Unused,
                    6 => Kind::Byte,
                    _ => return Err(format!("a piece of it has the unknown type {kind}")),
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(piece)
}

fn trainer(message: &[u8], file: &mut File) -> Result<(), String> {
    each(message, |number, value| {
        match (number, value) {
            (3, Value::Number(1)) => file.algorithm = Algorithm::Unigram,
            (3, Value::Number(2)) => file.algorithm = Algorithm::Bpe,
            (3, Value::Number(_)) => {
                return Err("it cuts by words or characters; unigram and BPE are known".into());
            }
            (24, Value::Number(suffix)) => file.rules.suffix = suffix != 0,
            (35, Value::Number(fallback)) => file.byte_fallback = fallback != 0,
            (40, Value::Number(id)) => file.unknown = u32::try_from(id).unwrap_or(u32::MAX),
            (44, Value::Bytes(bytes)) => file.unknown_surface = text(bytes)?,
            _ => {}
        }
        Ok(())
    })
}

fn normaliser(message: &[u8], rules: &mut Rules) -> Result<(), String> {
    each(message, |number, value| {
        match (number, value) {
            (2, Value::Bytes(bytes)) => rules.charsmap = bytes.to_vec(),
            (3, Value::Number(yes)) => rules.dummy_prefix = yes != 0,
            (4, Value::Number(yes)) => rules.remove_extra = yes != 0,
            (5, Value::Number(yes)) => rules.escape = yes != 0,
            _ => {}
        }
        Ok(())
    })
}
