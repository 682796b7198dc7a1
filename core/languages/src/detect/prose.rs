//! The part of a text that its author wrote in a language: no addresses, code, quotations or names.

use dragoman_text::pieces::{self, Carry, Kind};

/// What must be left in letters and in words, for a part to stand for the whole.
const ENOUGH: (usize, usize) = (12, 3);

/// `text` without what is not prose, and without quotations and names, where enough is left.
pub(super) fn prose(text: &str) -> String {
    let bare = without_pieces(text);
    let own = without_pieces(&without_quoted_lines(text));
    let own = if is_enough(&own) { own } else { bare };
    let said = without_quotations(&own);
    let said = if is_enough(&said) { said } else { own };
    let common = without_names(&said);
    if is_enough(&common) { common } else { said }
}

fn is_enough(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    letters >= ENOUGH.0 && text.split_whitespace().count() >= ENOUGH.1
}

/// Names of other letters stay: they may be the language of the text.
fn without_pieces(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut at = 0;
    for piece in pieces::find(text, "en").into_iter().filter(|piece| piece.kind != Kind::Script) {
        bare.push_str(&text[at..piece.at.start]);
        bare.push(if piece.carry == Carry::Cut { '\n' } else { ' ' });
        at = piece.at.end;
    }
    bare.push_str(&text[at..]);
    bare
}

fn without_quoted_lines(text: &str) -> String {
    let own = text.lines().filter(|line| !line.trim_start().starts_with('>'));
    own.collect::<Vec<_>>().join("\n")
}

/// Without what stands in quotation marks on one line.
fn without_quotations(text: &str) -> String {
    let mut said = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '“', '„', '«']) {
        let open = rest[at..].chars().next().unwrap_or('"');
        let inside = &rest[at + open.len_utf8()..];
        let line = inside.split('\n').next().unwrap_or(inside);
        let closing: &[char] = match open {
            '"' => &['"'],
            '«' => &['»'],
            _ => &['”', '“'],
        };
        let end = line.find(closing);
        let until = end.unwrap_or(0);
        said.push_str(&rest[..at]);
        said.push(' ');
        rest = &inside[until..];
        if end.is_some() {
            rest = &rest[rest.chars().next().map_or(0, char::len_utf8)..];
        }
    }
    said.push_str(rest);
    said
}

/// Without words that begin with a capital within a sentence, and without single letters of one
/// language's alphabet.
fn without_names(text: &str) -> String {
    let mut words = Vec::new();
    for line in text.lines() {
        let mut begins = true;
        for word in line.split_whitespace() {
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
            let mut letters = bare.chars();
            let is_capital = letters.next().is_some_and(char::is_uppercase);
            let is_name = is_capital && !begins && letters.any(char::is_lowercase);
            let is_letter = bare.chars().count() == 1 && !bare.is_ascii();
            let is_word = matches!(bare, "à" | "è" | "é" | "í" | "ó" | "á");
            if !is_name && (!is_letter || is_word) {
                words.push(word);
            }
            begins = word.ends_with(['.', '!', '?', ':', ';', '"', '“', '„', '«', '-', '–', '(']);
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::prose;

    #[test]
    fn what_others_wrote_is_left_out() {
        for (text, own) in [
            (
                "@ada@social.example Danke, das hat geklappt! https://a.example/b",
                "Danke, das hat geklappt!",
            ),
            (
                "Sie sagte \"see you tomorrow\" und ging dann nach Hause.",
                "Sie sagte und ging dann nach",
            ),
            ("> I cannot open it\nVersuch es doch noch einmal", "Versuch es doch noch einmal"),
            ("My friend Jürgen moved to Düsseldorf last year.", "My friend moved to last year."),
            ("Guten Tag", "Guten Tag"),
        ] {
            assert_eq!(prose(text).split_whitespace().collect::<Vec<_>>().join(" "), own);
        }
        assert!(!prose("https://a.example #tag v1.2.3-rc.1 😊").contains(char::is_alphabetic));
    }
}
