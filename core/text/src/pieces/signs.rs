//! Signs: emoji, symbols, and characters that nobody sees.

use std::sync::LazyLock;

use super::{
    Kind,
    table::{
        Form::{Cut, Figure, Noun, Point, Sign},
        Table, before, behind, compile, pattern, when,
    },
};
use crate::letters::is_letter;

pub(super) static TABLE: Table = Table(LazyLock::new(|| {
    compile(vec![
        // Emoji with their modifiers, ZWJ sequences, flags, keycaps
        pattern(
            Kind::Emoji,
            Sign,
            r"(?:\p{Regional_Indicator}\p{Regional_Indicator}|[0-9#*]\u{fe0f}?\u{20e3}|[\p{Extended_Pictographic}--[©®™‼⁉↔-↪]](?:[\u{fe0e}\u{fe0f}]|\p{Emoji_Modifier}|[\u{e0020}-\u{e007f}]){0,8}(?:\u{200d}[\p{Extended_Pictographic}](?:[\u{fe0e}\u{fe0f}]|\p{Emoji_Modifier}){0,2}){0,8})(?:[ ]?(?:\p{Regional_Indicator}\p{Regional_Indicator}|[\p{Extended_Pictographic}--[©®™‼⁉↔-↪0-9]](?:[\u{fe0e}\u{fe0f}]|\p{Emoji_Modifier}){0,2}(?:\u{200d}\p{Extended_Pictographic}(?:[\u{fe0e}\u{fe0f}]|\p{Emoji_Modifier}){0,2}){0,8}))*",
        ),
        when(
            Kind::Emoji,
            Sign,
            r"[:;=8xX>]['’]?[-~^o]?[)(DPpO3\]\[/\\|*]+|<3+|\^_?\^|-_-|[oO]_[oO]|¯\\_\(ツ\)_/¯|:'\(",
            |text, at| {
                let starts = before(text, at.start).is_none_or(char::is_whitespace);
                let ends =
                    behind(text, at.end).is_none_or(|c| c.is_whitespace() || ".,!?)".contains(c));
                (starts && ends && at.len() > 1).then_some(at)
            },
        ),
        // What cuts: arrows, bullets between words, boxes
        pattern(
            Kind::Symbol,
            Cut,
            r"(?:[←-⇿➔-➿⟰-⟿⤀-⥿⬀-⯿•·∙◦▪▫■□▲△▶▷▼▽◀◁◆◇○●★☆│┃─━┌-╿█▀▄░▒▓‖¦]\u{fe0f}?)+|(?:->|=>|<-|<=>|-->|==>|<--|>>|<<|::|\|\||&&|\.{4,200}|_{3,200}|={3,200}|\*{4,200}|~{3,200}|-{4,200})",
        ),
        // A path through menus within a sentence
        pattern(Kind::Symbol, Figure, r"[\p{L}\p{N}] (?P<p>›) [\p{L}\p{N}]"),
        // A name with its mark
        pattern(Kind::Symbol, Noun, r"[\p{L}\p{N}][\p{L}\p{N}-]*[™®©℠]"),
        // Superscripts and other marks on words
        pattern(
            Kind::Symbol,
            Sign,
            r"[\p{So}\p{Sm}\p{Sc}\p{Sk}--[+<=>|~^`$]]+|[†‡※⁂‽‰‱′″¶§№ªº]+|[\u{2070}-\u{209f}¹²³]+",
        ),
        // Signs of ASCII that stand for themselves
        when(Kind::Symbol, Figure, r"[_{}^~|\\<>@#*=+$`\[\]]+|[&/%]+", |text, at| {
            let sign = &text[at.clone()];
            let is_alone = before(text, at.start).is_none_or(char::is_whitespace)
                || behind(text, at.end).is_none_or(char::is_whitespace);
            // Common ones within words and behind numbers are prose: and/or, 5 %.
            let is_common = matches!(sign, "/" | "%" | "&" | "[" | "]");
            (!is_common || is_alone && sign != "%" && sign != "[" && sign != "]").then_some(at)
        }),
        // Nobody sees these; a soft hyphen is not worth a place.
        pattern(
            Kind::Invisible,
            Point,
            r"[\u{200b}\u{200e}\u{200f}\u{202a}-\u{202e}\u{2060}-\u{2069}\u{feff}\u{61c}\u{180e}\u{fff9}-\u{fffb}]+",
        ),
        when(Kind::Invisible, Point, r"[\u{200c}\u{200d}\u{fe00}-\u{fe0f}]+", |text, at| {
            let joins = |c: Option<char>| c.is_some_and(|c| is_letter(c) && !c.is_ascii());
            let is_writing = joins(before(text, at.start)) && joins(behind(text, at.end));
            (!is_writing).then_some(at)
        }),
        pattern(Kind::Invisible, Noun, r"[\p{Co}\p{Cn}\u{fffd}\u{fffc}]+"),
        when(Kind::Invisible, Point, r"\p{Cc}+", |text, at| {
            (!text[at.clone()]
                .chars()
                .any(|c| matches!(c, '\t' | '\n' | '\r' | '\x0b' | '\x0c' | '\u{85}')))
            .then_some(at)
        }),
    ])
}));
