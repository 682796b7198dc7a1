//! Normalises text by the rules of a model: replacements, spaces, and the space in front.

use std::borrow::Cow;

use super::{SPACE, file::Rules};

/// The rules of a model, ready for use.
#[derive(Debug, Clone)]
pub(super) struct Normaliser {
    rules: Rules,
    /// Double array over the keys of the replacements (Aoe 1989, as Darts lays it out).
    trie: Vec<u32>,
    /// The replacements, each ending in NUL.
    strings: Vec<u8>,
    /// Pieces that text keeps as they are, longest first.
    symbols: Vec<String>,
}

impl Normaliser {
    pub(super) fn new(mut rules: Rules, mut symbols: Vec<String>) -> Result<Self, String> {
        symbols.retain(|symbol| !symbol.is_empty());
        symbols.sort_by_key(|symbol| std::cmp::Reverse(symbol.len()));
        let charsmap = std::mem::take(&mut rules.charsmap);
        let (mut trie, mut strings) = (Vec::new(), Vec::new());
        if let Some((size, rest)) = charsmap.split_first_chunk() {
            let size = u32::from_le_bytes(*size) as usize;
            let damaged = "its table of replacements is damaged";
            let (units, replacements) = rest.split_at_checked(size).ok_or(damaged)?;
            let (units, odd) = units.as_chunks();
            if !odd.is_empty() || units.is_empty() || replacements.last() != Some(&0) {
                return Err(damaged.into());
            }
            trie = units.iter().map(|&unit| u32::from_le_bytes(unit)).collect();
            strings = replacements.to_vec();
        }
        Ok(Self { rules, trie, strings, symbols })
    }

    /// The rules as the model says them.
    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The symbol that `text` begins with.
    pub(super) fn symbol<'a>(&'a self, text: &str) -> Option<&'a str> {
        self.symbols.iter().map(String::as_str).find(|symbol| text.starts_with(symbol))
    }

    pub(super) fn normalise(&self, text: &str) -> String {
        let Rules { remove_extra, dummy_prefix, escape, suffix, .. } = self.rules;
        let mut rest = text;
        while remove_extra && !rest.is_empty() {
            let (new, used) = self.prefix(rest);
            if new != " " {
                break;
            }
            rest = &rest[used..];
        }
        if rest.is_empty() {
            return String::new();
        }
        let space = if escape { SPACE } else { ' ' };
        let mut out = String::with_capacity(text.len() + text.len() / 4);
        if dummy_prefix && !suffix {
            out.push(space);
        }
        let mut after_space = remove_extra;
        while !rest.is_empty() {
            let (new, used) = self.prefix(rest);
            let new = if after_space { new.trim_start_matches(' ') } else { &new };
            if !new.is_empty() {
                out.extend(new.chars().map(|c| if c == ' ' { space } else { c }));
                after_space = remove_extra && new.ends_with(' ');
            }
            rest = &rest[used..];
        }
        if remove_extra {
            out.truncate(out.trim_end_matches(space).len());
        }
        if dummy_prefix && suffix {
            out.push(space);
        }
        out
    }

    /// What the beginning of `text` becomes, and how many bytes of it that uses up.
    fn prefix<'a>(&'a self, text: &'a str) -> (Cow<'a, str>, usize) {
        if let Some(symbol) = self.symbol(text) {
            return (symbol.into(), symbol.len());
        }
        if let Some((length, start)) = self.longest(text.as_bytes()) {
            let replacement = self.strings.get(start..).unwrap_or_default();
            let end = replacement.iter().position(|&byte| byte == 0).unwrap_or(0);
            return (String::from_utf8_lossy(&replacement[..end]), length);
        }
        let length = text.chars().next().map_or(0, char::len_utf8);
        (text[..length].into(), length)
    }

    /// The longest key that `text` begins with: its length, and where its replacement starts.
    fn longest(&self, text: &[u8]) -> Option<(usize, usize)> {
        const LEAF: u32 = 1 << 31;
        let step = |unit: u32| (unit >> 10) << ((unit & 0x200) >> 6);
        let mut node = step(*self.trie.first()?);
        let mut best = None;
        for (i, &byte) in text.iter().enumerate() {
            node ^= u32::from(byte);
            let Some(&unit) = self.trie.get(node as usize) else { break };
            if unit & (LEAF | 0xFF) != u32::from(byte) {
                break;
            }
            node ^= step(unit);
            let has_leaf = unit >> 8 & 1 == 1;
            if let Some(leaf) = self.trie.get(node as usize).filter(|_| has_leaf) {
                let start = (leaf & !LEAF) as usize;
                // A key that ends inside of a character is of a damaged table.
                best = Some((i + 1, start));
            }
        }
        best.filter(|&(length, _)| text.get(length).is_none_or(|&byte| byte & 0xC0 != 0x80))
    }
}
