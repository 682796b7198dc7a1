//! Puts a translation that people accepted in place of a sentence.

use std::ops::Range;

use dragoman_text::{
    Item, Role, Sentence,
    pieces::{self, Kind},
};

/// Kinds of pieces that a translation has only if its source has them.
const STRICT: &[Kind] = &[
    Kind::Printf,
    Kind::Placeholder,
    Kind::Template,
    Kind::Icu,
    Kind::Tag,
    Kind::Url,
    Kind::Email,
];

/// `text`, in the language `target`, as what becomes of `sentence`; nothing when it does not have each
/// placeholder, address and mark of the sentence just as often, or lines of its own.
pub(crate) fn place(sentence: &Sentence, text: &str, target: &str) -> Option<Vec<Item>> {
    let text = text.trim();
    let is_line = !sentence.text.contains('\n');
    let text = if is_line { text.replace(['\r', '\n'], " ") } else { text.to_owned() };
    if text.matches('\n').count() != sentence.text.matches('\n').count() {
        return None;
    }
    let mut left: Vec<(usize, &str)> = Vec::new();
    for (number, span) in sentence.spans.iter().enumerate() {
        match span.role {
            Role::Number | Role::Figure | Role::Sign => {} // written as its language does
            _ if span.at.is_empty() => return None,        // nobody knows where it belongs
            _ => left.push((number, &sentence.text[span.at.clone()])),
        }
    }
    let mut items = Vec::new();
    let (mut at, mut last_argument) = (0, None);
    while !left.is_empty() {
        let places = left.iter().enumerate().filter_map(|(place, (_, source))| {
            let found = at + text[at..].find(source)?;
            Some((found, place))
        });
        let (start, place) = places.min()?;
        let (number, source) = left.remove(place);
        if sentence.spans[number].role == Role::Argument
            && last_argument.replace(number).is_some_and(|last| last > number)
        {
            return None; // `%s` and `%d` may not change places
        }
        push_prose(&mut items, &text, at..start, target)?;
        items.push(Item::Span(number));
        at = start + source.len();
    }
    push_prose(&mut items, &text, at..text.len(), target)?;
    (left.is_empty()).then_some(items)
}

/// Adds prose; nothing when there is a placeholder in it that the source does not have.
fn push_prose(items: &mut Vec<Item>, text: &str, at: Range<usize>, target: &str) -> Option<()> {
    let prose = &text[at];
    if pieces::find(prose, target).iter().any(|piece| STRICT.contains(&piece.kind)) {
        return None;
    }
    if !prose.is_empty() {
        items.push(Item::Prose(prose.to_owned()));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use dragoman_text::{Document, plain::PlainText};

    use super::*;

    /// What becomes of the only sentence of `source`, as text.
    fn placed(source: &str, text: &str) -> Option<String> {
        let document = PlainText::parse(source, "en");
        let [sentence] = document.sentences() else { panic!("{source} is one sentence") };
        let item = |item: Item| match item {
            Item::Prose(text) => text,
            Item::Span(span) => format!("[{}]", &sentence.text[sentence.spans[span].at.clone()]),
        };
        Some(place(sentence, text, "de")?.into_iter().map(item).collect())
    }

    #[test]
    fn placeholders_find_their_places() {
        let source = "Delete {count} files of {name}?";
        let found = placed(source, "Von {name} {count} Dateien löschen?");
        assert_eq!(found.as_deref(), Some("Von [{name}] [{count}] Dateien löschen?"));
        assert_eq!(placed(source, "{count} Dateien löschen?"), None);
        assert_eq!(placed(source, "{count} von {count}, {name}: Dateien löschen?"), None);
        assert_eq!(placed("Close the window now.", "Fenster %s schließen."), None);
        assert_eq!(placed("Close the window now.", " Zu.\n").as_deref(), Some("Zu."));
    }

    #[test]
    fn arguments_keep_their_order() {
        let source = "Copy %s to %d places.";
        assert!(placed(source, "%s an %d Orte kopieren.").is_some());
        assert_eq!(placed(source, "An %d Orte %s kopieren."), None);
    }
}
