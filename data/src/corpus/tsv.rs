//! `source<TAB>target[<TAB>set]`, one pair a line.

use super::{Line, Pair, input::Input};
use crate::Result;

pub(super) fn lines(input: Input) -> impl Iterator<Item = Result<Line>> + Send {
    input.map(|(number, text)| {
        let pair = text?.ok_or("not UTF-8".to_owned()).and_then(|text| parse(&text));
        Ok(Line { number, pair })
    })
}

fn parse(text: &str) -> Result<Pair, String> {
    let mut columns = text.split('\t').map(str::to_owned);
    match (columns.next(), columns.next(), columns.next()) {
        (Some(source), Some(target), set) => Ok(Pair { source, target, set }),
        _ => Err("no tab between source and target".to_owned()),
    }
}
