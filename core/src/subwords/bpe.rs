//! Subword units by merges of pairs (Sennrich et al. 2016), as `subword-nmt apply-bpe`.

use std::collections::HashMap;

/// Stands behind each unit that does not end its word.
pub(super) const JOINER: &str = "@@";
/// Ends the last symbol of a word while it is cut.
const END: &str = "</w>";

/// The merges in a codes file, by their ranks.
#[derive(Debug, Clone)]
pub(super) struct Merges {
    ranks: HashMap<(String, String), usize>,
    /// Whether the end of a word is a symbol of its own, as before version 0.2 of the file.
    separate_end: bool,
}

impl Merges {
    /// Reads the text of a codes file.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.trim_end_matches('\n').split('\n').peekable();
        let version = lines.next_if(|line| line.starts_with("#version:"));
        let separate_end = match version.and_then(|line| line.split_whitespace().last()) {
            None => true,
            Some(version) => match version.trim_end_matches(".0") {
                "0.1" => true,
                "0.2" => false,
                other => return Err(format!("is of version {other}; 0.1 and 0.2 are known")),
            },
        };
        let mut ranks = HashMap::new();
        for (rank, line) in lines.enumerate() {
            let line = line.trim_matches(['\r', '\n', ' ']);
            let pair = line.split_once(' ').filter(|(_, right)| !right.contains(' '));
            let Some((left, right)) = pair else {
                return Err(format!("has a line that is no pair of units: `{line}`"));
            };
            ranks.entry((left.into(), right.into())).or_insert(rank);
        }
        Ok(Self { ranks, separate_end })
    }

    /// Cuts a word into units, with the joiner behind all but the last.
    pub(super) fn cut(&self, word: &str) -> Vec<String> {
        let mut symbols: Vec<String> = word.chars().map(String::from).collect();
        if symbols.len() < 2 {
            return symbols;
        }
        match (self.separate_end, symbols.last_mut()) {
            (false, Some(last)) => last.push_str(END),
            _ => symbols.push(END.into()),
        }
        while let Some(pair) = self.best(&symbols) {
            symbols = merged(symbols, &pair);
        }
        match symbols.pop() {
            Some(last) if last != END => symbols.push(last.trim_end_matches(END).into()),
            _ => {}
        }
        let count = symbols.len().saturating_sub(1);
        symbols[..count].iter_mut().for_each(|symbol| symbol.push_str(JOINER));
        symbols
    }

    /// The neighbours that were merged first when the merges were learned.
    fn best(&self, symbols: &[String]) -> Option<(String, String)> {
        let pairs = symbols.windows(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        let ranked = pairs.filter_map(|pair| Some((*self.ranks.get(&pair)?, pair)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, pair)| pair)
    }
}

/// The symbols with each such pair merged, from the left.
fn merged(symbols: Vec<String>, pair: &(String, String)) -> Vec<String> {
    let mut out = Vec::with_capacity(symbols.len());
    let mut rest = symbols.into_iter().peekable();
    while let Some(symbol) = rest.next() {
        match symbol == pair.0 && rest.peek() == Some(&pair.1) {
            true => {
                rest.next();
                out.push([pair.0.as_str(), &pair.1].concat());
            }
            false => out.push(symbol),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_merged_in_the_order_of_the_file() {
        let merges = Merges::parse("#version: 0.2\nl o\nlo w</w>\nw e\n").expect("codes");
        assert_eq!(merges.cut("low"), ["low"]);
        assert_eq!(merges.cut("lower"), ["lo@@", "we@@", "r"]);
        assert_eq!(merges.cut("x"), ["x"]);
        let old = Merges::parse("l o\nlo w\nlow </w>\n").expect("codes");
        assert_eq!(old.cut("low"), ["low"]);
        assert_eq!(old.cut("ol"), ["o@@", "l"]);
        assert!(Merges::parse("a b c\n").expect_err("three").contains("`a b c`"));
    }
}
