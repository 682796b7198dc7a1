//! Moses' detokenizer (`detokenizer.perl`).

use std::collections::HashMap;

use super::{
    characters::{Class, class},
    rules::Rules,
    tokenise::is_blank,
};

/// The detokenizer of one language.
#[derive(Debug, Clone)]
pub(super) struct Detokeniser {
    language: String,
    unescape: Rules,
    spaces: Rules,
    alpha: Class,
    cjk: Class,
    currency: Class,
}

/// Where a token goes.
enum Place {
    /// Apart from what stands before it.
    Apart,
    /// To what stands before it.
    Left,
    /// To what stands behind it.
    Right,
}

impl Detokeniser {
    pub(super) fn new(language: &str) -> Self {
        Self {
            language: language.into(),
            unescape: Rules::new([
                (" @-@ ", "-"),
                ("&bar;", "|"),
                ("&#124;", "|"),
                ("&lt;", "<"),
                ("&gt;", ">"),
                ("&bra;", "["),
                ("&ket;", "]"),
                ("&quot;", r#"""#),
                ("&apos;", "'"),
                ("&#91;", "["),
                ("&#93;", "]"),
                ("&amp;", "&"),
            ]),
            spaces: Rules::new([(" {2,}", " ")]),
            alpha: class("IsAlpha"),
            cjk: class("CJK"),
            currency: class("IsSc"),
        }
    }

    /// Joins tokens to a text.
    pub(super) fn text(&self, tokens: &str) -> String {
        let text = self.unescape.apply(&format!(" {tokens} "));
        let tokens: Vec<&str> = text.split(is_blank).filter(|token| !token.is_empty()).collect();
        let mut quotes: HashMap<&str, usize> = HashMap::new();
        let (mut out, mut space) = (String::new(), " ");
        for (i, token) in tokens.iter().copied().enumerate() {
            let place = self.place(&tokens, i, &mut quotes);
            if matches!(place, Place::Apart | Place::Right) {
                out.push_str(space);
            }
            if self.language == "fr" && is_french_mark(token) && matches!(place, Place::Left) {
                out.push(' ');
            }
            out.push_str(token);
            space = if matches!(place, Place::Right) { "" } else { " " };
        }
        self.spaces.apply(&out).trim_matches(is_blank).to_string()
    }

    fn place<'a>(
        &self,
        tokens: &[&'a str],
        i: usize,
        quotes: &mut HashMap<&'a str, usize>,
    ) -> Place {
        let (token, language) = (tokens[i], self.language.as_str());
        let first = token.chars().next().unwrap_or(' ');
        let before = i.checked_sub(1).map(|i| tokens[i]);
        if self.cjk.has(first) && language != "ko" {
            let follows = before.and_then(|b| b.chars().last()).is_some_and(|c| self.cjk.has(c));
            return if follows { Place::Left } else { Place::Apart };
        }
        if token.chars().all(|c| self.currency.has(c) || "([{¿¡".contains(c)) {
            return Place::Right;
        }
        if token.chars().all(|c| ",.?!:;\\%}])".contains(c)) {
            return Place::Left;
        }
        let second = token.chars().nth(1);
        if language == "en" && i > 0 && first == '\'' && second.is_some_and(|c| self.alpha.has(c)) {
            return Place::Left;
        }
        if language == "cs" && i > 1 && is_number(token) && self.ends_in_a_decimal(tokens) {
            return Place::Left;
        }
        if ["fr", "it", "ga"].contains(&language) && self.is_elided(token) {
            let next = tokens.get(i + 1).and_then(|next| next.chars().next());
            if next.is_some_and(|c| self.alpha.has(c)) {
                return Place::Right;
            }
        }
        if token.chars().all(|c| "'\"„“`".contains(c)) {
            return self.quote(token, before, quotes);
        }
        Place::Apart
    }

    /// Opening quotes go to what follows, closing ones to what stands before.
    fn quote<'a>(
        &self,
        token: &'a str,
        before: Option<&str>,
        quotes: &mut HashMap<&'a str, usize>,
    ) -> Place {
        let is_german = token.chars().all(|c| "„“”".contains(c));
        let count = quotes.entry(if is_german { "\"" } else { token }).or_default();
        if self.language == "cs" {
            match token {
                "„" => *count = 0,
                "“" => *count = 1,
                _ => {}
            }
        }
        if *count % 2 == 1 {
            *count += 1;
            return Place::Left;
        }
        let is_possessive = self.language == "en" && token == "'";
        if is_possessive && before.is_some_and(|before| before.ends_with('s')) {
            return Place::Left;
        }
        *count += 1;
        Place::Right
    }

    fn is_elided(&self, token: &str) -> bool {
        let mut from_end = token.chars().rev();
        from_end.next() == Some('\'') && from_end.next().is_some_and(|c| self.alpha.has(c))
    }

    /// The original looks at the end of the whole text here, not at what stands before.
    fn ends_in_a_decimal(&self, tokens: &[&str]) -> bool {
        let last = tokens.len() - 1;
        last > 0 && is_number(tokens[last - 1]) && [",", "."].contains(&tokens[last])
    }
}

fn is_number(token: &str) -> bool {
    token.chars().all(|c| c.is_ascii_digit())
}

fn is_french_mark(token: &str) -> bool {
    ["?", "!", ":", ";", "\\", "%"].contains(&token)
}
