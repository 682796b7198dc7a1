//! Python's idea of white space, which sacreBLEU's numbers depend on.

/// Says whether Python's `str.isspace` holds: Unicode white space and the four separators FS to US.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// Splits like Python's `str.split()`.
pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(is_space).filter(|word| !word.is_empty())
}
