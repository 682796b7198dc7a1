//! SentencePiece models (Kudo & Richardson 2018): unigram and BPE, exactly as the C++ library.
//!
//! Text is normalised by the rules in the model, spaces become `▁`, and the pieces are found by the
//! best path (unigram, Kudo 2018) or by merging pairs (BPE, Sennrich et al. 2016). A character that no
//! piece covers is the unknown piece, or its bytes in a model with byte fallback.

mod bpe;
mod decode;
mod file;
mod normalise;
mod unigram;

use std::collections::HashMap;

use normalise::Normaliser;

/// Stands for a space inside of pieces.
pub const SPACE: char = '▁';

/// A SentencePiece model.
#[derive(Debug, Clone)]
pub struct SentencePiece {
    pieces: Vec<Piece>,
    algorithm: Algorithm,
    /// Pieces that text can be cut into, by their text; of equal ones the first.
    ids: HashMap<String, u32>,
    /// The other pieces: the unknown one, control symbols and bytes.
    special: HashMap<String, u32>,
    /// Those of `ids`, sorted by their bytes, to find all that a text begins with.
    sorted: Vec<u32>,
    /// The pieces of bytes, if it has all of them.
    bytes: Option<Box<[u32; 256]>>,
    normaliser: Normaliser,
    unknown: u32,
    unknown_surface: String,
}

/// How text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Unigram,
    Bpe,
}

#[derive(Debug, Clone, PartialEq)]
struct Piece {
    text: String,
    score: f32,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

impl SentencePiece {
    /// Reads the content of a `.model` or `.spm` file.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(content: &[u8]) -> Result<Self, String> {
        let file = file::parse(content)?;
        let pieces = file.pieces;
        let (mut ids, mut special) = (HashMap::new(), HashMap::new());
        let mut bytes = [u32::MAX; 256];
        for (piece, id) in pieces.iter().zip(0..) {
            let map = match piece.kind {
                Kind::Normal | Kind::UserDefined | Kind::Unused => &mut ids,
                Kind::Unknown | Kind::Control | Kind::Byte => &mut special,
            };
            map.entry(piece.text.clone()).or_insert(id);
            if piece.kind == Kind::Byte {
                bytes[usize::from(byte_of(&piece.text)?)] = id;
            }
        }
        let has_bytes = bytes.iter().all(|&id| id != u32::MAX);
        if file.byte_fallback && !has_bytes {
            return Err("it falls back to bytes, but does not have all of them".into());
        }
        let mut sorted: Vec<u32> = ids.values().copied().collect();
        sorted.sort_by_key(|&id| pieces[id as usize].text.as_bytes());
        if pieces.get(file.unknown as usize).is_none() {
            return Err(format!(
                "its unknown piece {} is not among {}",
                file.unknown,
                pieces.len()
            ));
        }
        // Every text begins with an empty symbol, which would use nothing of it up.
        let is_symbol = |piece: &&Piece| piece.kind == Kind::UserDefined && !piece.text.is_empty();
        let symbols = pieces.iter().filter(is_symbol);
        let symbols = symbols.map(|piece| piece.text.clone()).collect();
        Ok(Self {
            normaliser: Normaliser::new(file.rules, symbols)?,
            algorithm: file.algorithm,
            bytes: file.byte_fallback.then(|| Box::new(bytes)),
            unknown: file.unknown,
            unknown_surface: file.unknown_surface,
            sorted,
            special,
            ids,
            pieces,
        })
    }

    /// Number of pieces.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether it has no piece.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The text of a piece.
    pub fn piece(&self, id: u32) -> Option<&str> {
        self.pieces.get(id as usize).map(|piece| piece.text.as_str())
    }

    /// The id of the unknown piece.
    pub fn unknown(&self) -> u32 {
        self.unknown
    }

    /// The id of the piece with this text, of whatever kind.
    pub fn id(&self, text: &str) -> Option<u32> {
        self.ids.get(text).or_else(|| self.special.get(text)).copied()
    }

    /// Cuts `text` into pieces: their ids.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let whole = |(_, id)| id;
        self.cut(text).into_iter().map(whole).collect()
    }

    /// Cuts `text` into pieces: what each covers of the normalised text, and its id. The text of an
    /// unknown piece is not that of its id.
    pub fn cut(&self, text: &str) -> Vec<(String, u32)> {
        let text = self.normaliser.normalise(text);
        let found = match self.algorithm {
            Algorithm::Unigram => self.best_path(&text),
            Algorithm::Bpe => self.merge(&text),
        };
        let mut cut: Vec<(String, u32)> = Vec::with_capacity(found.len());
        for (piece, id) in found {
            match (&self.bytes, cut.last_mut()) {
                (Some(bytes), _) if id == self.unknown => {
                    let ids = piece.bytes().map(|byte| bytes[usize::from(byte)]);
                    cut.extend(ids.map(|id| (self.pieces[id as usize].text.clone(), id)));
                }
                // A run of unknown pieces is one.
                (None, Some(last)) if id == self.unknown && last.1 == id => last.0.push_str(piece),
                _ => cut.push((piece.into(), id)),
            }
        }
        cut
    }
}

/// The byte that a piece such as `<0x0A>` stands for.
fn byte_of(text: &str) -> Result<u8, String> {
    let digits = text.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits
        .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        .ok_or_else(|| format!("its piece `{text}` is marked as a byte, but names none"))
}

#[cfg(test)]
mod tests;
