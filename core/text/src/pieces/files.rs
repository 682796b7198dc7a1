//! Paths, file names, versions, identifiers, options of commands.

use std::sync::LazyLock;

use super::{
    Kind,
    table::{
        Form::{Figure, Noun},
        Table, apart, before, behind, compile, pattern, when, without_final,
    },
};

pub(super) static TABLE: Table = Table(LazyLock::new(|| {
    compile(vec![
        // Unix: /etc/app.toml, ./run, ~/.ssh, ../x; relative with two slashes or an ending: src/main.rs
        when(Kind::Path, Noun, r"(?:~|\.{1,2})?/[\w.@%+~*$-]+(?:/[\w.@%+~*$-]*)*", |text, at| {
            let touches =
                |c: char| c.is_alphanumeric() || matches!(c, '/' | '<' | '.' | '_' | ')' | '>');
            let at = without_final(text, at);
            (!before(text, at.start).is_some_and(touches) && at.len() > 1).then_some(at)
        }),
        when(Kind::Path, Noun, r"\b[\w.@%+-]+(?:/[\w.@%+*-]+)+/?", |text, at| {
            let at = without_final(text, at);
            let path = &text[at.clone()];
            let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            let is_file = last.trim_start_matches('.').contains('.')
                || path.contains(['_', '@'])
                || path.ends_with('/')
                || path.matches('/').count() > 1 && path.is_ascii();
            let has_letter = path.contains(|c: char| c.is_alphabetic());
            let is_free = !before(text, at.start).is_some_and(|c| matches!(c, '/' | '\\' | '.'));
            (is_file && has_letter && is_free).then_some(at)
        }),
        when(
            Kind::Path,
            Noun,
            r#"(?:\b[A-Za-z]:\\|\\\\[\w.$-]+\\|%[A-Za-z_]+%\\)[^\s<>"|?*:{}]*"#,
            |text, at| Some(without_final(text, at)),
        ),
        when(
            Kind::Path,
            Noun,
            r"\b[\w-]+(?:\.[\w-]+){0,6}\.(?i:txt|pdf|docx?|xlsx?|pptx?|od[tsp]|rtf|csv|tsv|json5?|jsonl|ya?ml|toml|ini|cfg|conf|log|xml|html?|css|scss|jsx?|tsx?|mjs|php\d?|py|rb|rs|go|java|kt|c|cc|cpp|h|hpp|cs|swift|sh|bash|bat|ps1|sql|md|rst|tex|bib|po|pot|mo|srt|vtt|ass|png|jpe?g|gif|svg|webp|bmp|tiff?|ico|mp[34]|m4[av]|wav|ogg|flac|avi|mkv|mov|webm|zip|tar|gz|bz2|xz|7z|rar|deb|rpm|apk|dmg|iso|exe|msi|dll|so|jar|war|whl|lock|bak|tmp|env|db|sqlite|key|pem|crt|epub|safetensors)\b",
            |text, at| {
                let is_free = !before(text, at.start).is_some_and(|c| matches!(c, '@' | '.' | '/'));
                (is_free && behind(text, at.end) != Some('@')).then_some(at)
            },
        ),
        when(Kind::Path, Noun, r"\.[a-z][a-z0-9_-]+\b", |text, at| {
            // .gitignore, .env
            let starts = before(text, at.start)
                .is_none_or(|c| c.is_whitespace() || matches!(c, '(' | '"' | '\''));
            starts.then_some(at)
        }),
        // Versions: 1.20.3, v2, v1.20.0-rc.3, 4.4.6+build
        when(
            Kind::Version,
            Noun,
            r"\b[vV]?\d{1,6}(?:\.\d{1,6}){2,4}(?:[-+~][0-9A-Za-z][0-9A-Za-z.-]*)?\b|\b[vV]\d{1,6}(?:\.\d{1,6}){0,4}(?:[-+~][0-9A-Za-z][0-9A-Za-z.-]*)?\b|\b\d{1,6}(?:\.\d{1,6}){1,3}[-+~]?(?:alpha|beta|rc|pre|dev|a|b)[.-]?\d{0,4}\b|\b\d{1,4}(?:\.\d{1,4}){1,3}\.x\b",
            |text, at| {
                let at = without_final(text, at);
                let groups: Vec<&str> = text[at.clone()].split('.').collect();
                let grouped = groups[1..].iter().all(|g| g.len() == 3) && groups[0].len() <= 3;
                let is_number =
                    grouped && groups.iter().all(|g| g.bytes().all(|b| b.is_ascii_digit()));
                let is_date = groups.len() == 3 && groups[2].len() == 4 && groups[0].len() <= 2;
                (!is_number && !is_date).then_some(at)
            },
        ),
        // Identifiers
        pattern(
            Kind::Identifier,
            Noun,
            r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b",
        ),
        pattern(Kind::Identifier, Noun, r"\b(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}\b"),
        pattern(Kind::Identifier, Noun, r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5}|/\d{1,2})?\b"),
        when(
            Kind::Identifier,
            Noun,
            r"(?:[0-9a-fA-F]{1,4}:){2,7}[0-9a-fA-F]{0,4}(?:::?[0-9a-fA-F]{1,4}){0,6}(?:/\d{1,3})?|::1\b",
            |text, at| {
                let piece = &text[at.clone()];
                let is_address = piece.contains("::") || piece.matches(':').count() == 7;
                if is_address { apart(text, at) } else { None }
            },
        ),
        pattern(Kind::Identifier, Noun, r"\b0[xX][0-9a-fA-F]+\b"),
        when(Kind::Identifier, Noun, r"\b[0-9a-f]{7,128}\b", |text, at| {
            let piece = &text[at.clone()];
            let digits = piece.bytes().filter(u8::is_ascii_digit).count();
            (digits > 0 && digits < piece.len()).then_some(at)
        }),
        when(
            Kind::Identifier,
            Noun,
            r"\$?[\p{L}_][\p{L}\p{N}]*(?:_{1,3}[\p{L}\p{N}]+)+_{0,2}(?:\(\))?|\b__?[A-Za-z0-9]+__?\b",
            |text, at| {
                let is_free =
                    !before(text, at.start).is_some_and(|c| c.is_alphanumeric() || c == '_');
                // _emphasis_ is none.
                let piece = &text[at.clone()];
                let is_marked =
                    piece.starts_with('_') && piece.ends_with('_') && !piece.starts_with("__");
                (is_free && !is_marked).then_some(at)
            },
        ),
        when(
            Kind::Identifier,
            Noun,
            r"\b(?:[a-z]+[0-9]{0,4}(?:[A-Z][a-z0-9]*){1,12}|[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+){1,12}|[A-Z]{2,10}[a-z]{2,40}[A-Z][A-Za-z0-9]*)(?:\(\))?",
            apart,
        ),
        when(
            Kind::Identifier,
            Noun,
            r"\b[A-Za-z_]\w*(?:(?:::|->|\.)[A-Za-z_]\w*){0,8}(?:\(\)|\[\d{1,6}\])|\b[A-Za-z_]\w*(?:(?:::|->)[A-Za-z_]\w*){1,8}|\b[A-Za-z_]\w*\[\d{1,6}\]",
            apart,
        ),
        when(
            Kind::Identifier,
            Figure,
            r"\b(?:[A-Z]{1,8}-?\d{1,10}(?:-\d{1,10}){0,4}[A-Za-z]{0,3}|[A-Z]{1,6}(?:-[A-Z0-9]{1,12}){1,6})\b",
            |text, at| {
                let has_digit = text[at.clone()].bytes().any(|b| b.is_ascii_digit());
                let is_free = !before(text, at.start).is_some_and(|c| matches!(c, '-' | '.' | '/'));
                if has_digit && is_free { apart(text, at) } else { None }
            },
        ),
        // Options of commands
        when(
            Kind::Identifier,
            Noun,
            r"(?:--[A-Za-z][\w-]*(?:=[^\s,;]*)?|-[A-Za-z]\b)",
            |text, at| {
                let starts = before(text, at.start).is_none_or(|c| {
                    c.is_whitespace() || matches!(c, '(' | '[' | '"' | '\'' | '“' | '„' | '«')
                });
                let at = without_final(text, at);
                let ends = !behind(text, at.end).is_some_and(|c| c.is_alphanumeric() || c == '-');
                (starts && ends).then_some(at)
            },
        ),
        // Keys: Ctrl+C, Alt+Shift+F4
        pattern(
            Kind::Identifier,
            Noun,
            r"\b(?:Ctrl|Control|Alt|AltGr|Shift|Cmd|Command|Meta|Super|Win|Fn|Strg|Umschalt|Option)(?: ?\+ ?(?:[A-Z][a-z]{1,12}|F?\d{1,2}|[A-Z]))+\b",
        ),
    ])
}));
