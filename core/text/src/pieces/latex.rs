//! LaTeX: formulas and commands.

use std::sync::LazyLock;

use super::{
    Kind,
    table::{
        Form::{Cut, Noun},
        Table, before, behind, compile, pattern, when,
    },
};

pub(super) static TABLE: Table = Table(LazyLock::new(|| {
    compile(vec![
        pattern(Kind::Latex, Noun, r"\$\$[^$\n]+\$\$"),
        pattern(Kind::Latex, Noun, r"\\\[[^\n]+?\\\]"),
        pattern(Kind::Latex, Noun, r"\\\([^\n]+?\\\)"),
        when(Kind::Latex, Noun, r"\$[^\s$](?:[^$\n]*[^\s$\\])?\$", |text, at| {
            let inside = &text[at.start + 1..at.end - 1];
            let is_amount = behind(text, at.end).is_some_and(|c| c.is_ascii_digit())
                || before(text, at.start).is_some_and(|c| c.is_alphanumeric());
            let words = inside
                .split_whitespace()
                .filter(|w| w.len() > 2 && w.bytes().all(|b| b.is_ascii_lowercase()));
            (!is_amount && words.count() < 3).then_some(at)
        }),
        pattern(
            Kind::Latex,
            Cut,
            r"\\begin\{(?:equation|align|gather|math|displaymath|verbatim|lstlisting|tikzpicture|tabular|eqnarray|multline)\*?\}(?s:.*?)\\end\{(?:equation|align|gather|math|displaymath|verbatim|lstlisting|tikzpicture|tabular|eqnarray|multline)\*?\}",
        ),
        pattern(
            Kind::Latex,
            Cut,
            r"\\(?:begin|end)\{[A-Za-z*]+\}(?:\[[^\]\n]*\])?|\\item\b(?:\[[^\]\n]*\])?|\\\\(?:\[[^\]\n]*\])?|\\(?:maketitle|tableofcontents|newpage|centering|par|noindent|bigskip|medskip|smallskip|hline)\b",
        ),
        // Commands whose argument is prose cut it out; others are words.
        pattern(
            Kind::Latex,
            Cut,
            r"\\(?:(?:sub){0,2}section|chapter|part|paragraph|title|author|caption|footnote|textbf|textit|emph|underline|texttt|textsc|textsf)\*?\{",
        ),
        pattern(
            Kind::Latex,
            Noun,
            r"\\[A-Za-z]{2,40}\*?(?:\[[^\]\n]*\]){0,2}(?:\{(?:[^{}\n]|\{[^{}\n]*\})*\}){1,4}",
        ),
        when(Kind::Latex, Noun, r"\\[A-Za-z]{2,40}\b", |text, at| {
            (!before(text, at.start).is_some_and(|c| c.is_alphanumeric())).then_some(at)
        }),
    ])
}));
