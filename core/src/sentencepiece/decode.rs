//! Pieces to text.

use super::{Kind, SPACE, SentencePiece, byte_of};

impl SentencePiece {
    /// The text of `ids`; ids outside the model are left out.
    pub fn decode(&self, ids: &[u32]) -> String {
        self.join(ids.iter().map(|&id| self.piece(id)))
    }

    /// Joins pieces, given by their text; those that the model does not know are joined as they are,
    /// and for none its mark of the unknown stands.
    pub fn join<'a>(&self, pieces: impl Iterator<Item = Option<&'a str>>) -> String {
        let rules = self.normaliser.rules();
        let (mut out, mut pending, mut is_first) = (String::new(), Vec::new(), true);
        for text in pieces {
            let kind = match text {
                Some(text) => self.kind_of(text),
                None => Kind::Unknown,
            };
            let text = text.unwrap_or_default();
            if let (Kind::Byte, Ok(byte)) = (kind, byte_of(text)) {
                pending.push(byte);
                is_first = false;
                continue;
            }
            push_bytes(&mut out, &mut pending);
            match kind {
                Kind::Control => continue,
                Kind::Unknown => {
                    out.push_str(&self.unknown_surface);
                    is_first = false;
                    continue;
                }
                _ => {}
            }
            let without = text.strip_prefix(SPACE).filter(|_| is_first && rules.dummy_prefix);
            // More spaces at the start go as well.
            is_first = without.is_some_and(|rest| rules.remove_extra && rest.is_empty());
            let text = without.unwrap_or(text);
            out.extend(text.chars().map(|c| if c == SPACE { ' ' } else { c }));
        }
        push_bytes(&mut out, &mut pending);
        out
    }

    fn kind_of(&self, text: &str) -> Kind {
        match self.id(text) {
            Some(id) => self.pieces[id as usize].kind,
            None => Kind::Normal,
        }
    }
}

/// Moves bytes into the text; each that is not part of a whole character becomes `�`.
fn push_bytes(out: &mut String, pending: &mut Vec<u8>) {
    let mut rest = &pending[..];
    while !rest.is_empty() {
        let whole = (1..=4).rev().find_map(|size| {
            let text = std::str::from_utf8(rest.get(..size)?).ok()?;
            (text.chars().count() == 1).then_some((text, size))
        });
        let (text, size) = whole.unwrap_or(("\u{FFFD}", 1));
        out.push_str(text);
        rest = &rest[size..];
    }
    pending.clear();
}
