//! Irish names, `O'Neill`, at whose apostrophe a model begins a word of its own.

use std::sync::LazyLock;

use super::{
    Kind,
    table::{Form::Figure, Table, before, behind, compile, when},
};

pub(super) static TABLE: Table = Table(LazyLock::new(|| {
    compile(vec![when(Kind::Identifier, Figure, r"\bO['’]\p{Lu}\p{Ll}+", |text, at| {
        let is_free = before(text, at.start).is_none_or(|c| !matches!(c, '\'' | '’' | '-'));
        let ends = behind(text, at.end).is_none_or(|c| !c.is_alphanumeric() && c != '-');
        let is_word = ["Clock", "Lantern"].iter().any(|word| text[at.clone()].ends_with(word));
        (is_free && ends && !is_word).then_some(at)
    })])
}));

/// Whether `text` may have such a name.
pub(super) fn has_name(text: &str) -> bool {
    ["O'", "O’"].iter().any(|start| text.contains(start))
}

#[cfg(test)]
mod tests {
    use super::super::find;

    #[test]
    fn irish_names_are_kept() {
        let pieces = |text: &'static str| -> Vec<&str> {
            find(text, "en").into_iter().map(|piece| &text[piece.at]).collect()
        };
        assert_eq!(pieces("Ask O'Neill about it."), ["O'Neill"]);
        assert_eq!(pieces("O’Brien’s car"), ["O’Brien"]);
        assert!(pieces("Five O'Clock Tea, o'clock, O'KEEFE").is_empty());
    }
}
