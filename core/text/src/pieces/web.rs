//! Addresses: URLs, e-mail, handles, hashtags.

use std::sync::LazyLock;

use super::{
    Kind,
    table::{Form::Noun, Table, before, compile, when, without_final},
};

/// Endings of names without a scheme that are taken for addresses.
const DOMAINS: &str = r"(?:com|org|net|edu|gov|mil|int|info|biz|name|museum|io|dev|app|ai|co|me|tv|cc|ly|gg|xyz|site|online|shop|store|tech|blog|cloud|page|wiki|news|social|club|example|test|invalid|local|localhost|de|at|ch|fr|be|nl|lu|es|pt|it|uk|ie|eu|pl|cz|sk|hu|ro|bg|gr|se|dk|fi|no|is|ru|ua|by|tr|il|in|cn|jp|kr|tw|hk|sg|au|nz|ca|us|mx|br|ar|cl|pe|za)";

pub(super) static TABLE: Table = Table(LazyLock::new(|| {
    let name = format!(
        r"(?i)\b(?:[\p{{L}}\p{{N}}](?:[\p{{L}}\p{{N}}-]*[\p{{L}}\p{{N}}])?\.){{1,8}}{DOMAINS}\b(?::\d{{1,5}})?(?:[/?#][^\s<>\x22“”„«»`|\\^{{}}]*)?"
    );
    compile(vec![
        when(
            Kind::Url,
            Noun,
            r"(?i)<?\b(?:[a-z][a-z0-9+.-]+://|mailto:|tel:|magnet:\?|urn:[a-z])[^\s<>\x22“”„«»`|\\^{}\p{Han}\p{Hiragana}\p{Katakana}，。、；！？（）「」]+>?",
            |text, at| match text[at.clone()].starts_with('<') {
                true if text[at.clone()].ends_with('>') => Some(at),
                true => Some(without_final(text, at.start + 1..at.end)),
                false => Some(without_final(text, at)),
            },
        ),
        when(
            Kind::Email,
            Noun,
            r"<?\b[\p{L}\p{N}][\p{L}\p{N}.!#$%&'*+/=?^_~-]*@[\p{L}\p{N}](?:[\p{L}\p{N}.-]*[\p{L}\p{N}])?>?",
            |text, at| match text[at.clone()].starts_with('<') && text[at.clone()].ends_with('>') {
                true => Some(at),
                false => {
                    let start = at.start + usize::from(text[at.clone()].starts_with('<'));
                    let end = at.end - usize::from(text[at].ends_with('>'));
                    Some(start..end)
                }
            },
        ),
        when(
            Kind::Handle,
            Noun,
            r"@[\p{L}\p{N}_](?:[\p{L}\p{N}_.-]*[\p{L}\p{N}_])?(?:@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+){0,8})?(?:/[\w.-]+)?",
            |text, at| {
                let touches = |c: char| c.is_alphanumeric() || matches!(c, '@' | '_');
                (!before(text, at.start).is_some_and(touches)).then(|| without_final(text, at))
            },
        ),
        when(
            Kind::Hashtag,
            Noun,
            r"#[\p{L}\p{M}\p{N}_](?:[\p{L}\p{M}\p{N}_/-]*[\p{L}\p{M}\p{N}_])?",
            |text, at| {
                let touches = |c: char| c.is_alphanumeric() || matches!(c, '&' | '#' | '/');
                (!before(text, at.start).is_some_and(touches)).then_some(at)
            },
        ),
        super::table::Pattern {
            kind: Kind::Url,
            form: Noun,
            regex: String::leak(name),
            accept: |text, at| {
                let touches = |c: char| matches!(c, '@' | '/' | '.' | '-' | '_');
                let is_free = !before(text, at.start).is_some_and(touches);
                is_free.then(|| without_final(text, at)).filter(|at| is_domain(&text[at.clone()]))
            },
        },
    ])
}));

/// Whether something that looks like a name of a host is one: two words with a forgotten space are not.
fn is_domain(name: &str) -> bool {
    let host = name.split(['/', '?', '#', ':']).next().unwrap_or(name);
    let Some((rest, ending)) = host.rsplit_once('.') else { return false };
    // Some endings are words, too: "sure.no", "it.is"; an address in lower case with them is rare.
    let is_word = matches!(
        ending,
        "is" | "in"
            | "at"
            | "me"
            | "it"
            | "no"
            | "be"
            | "us"
            | "es"
            | "de"
            | "name"
            | "news"
            | "store"
            | "page"
            | "test"
            | "local"
            | "online"
            | "social"
            | "club"
            | "info"
    );
    let is_lower = !ending.starts_with(char::is_uppercase);
    is_lower
        && (!is_word
            || rest.starts_with("www.")
            || rest.len() > 3 && name.len() > host.len()
            || rest.contains('.')
            || rest.contains('-')
            || rest.starts_with(|c: char| c.is_lowercase())
                && matches!(ending, "de" | "es" | "it" | "be" | "at" | "me" | "info" | "social"))
}
