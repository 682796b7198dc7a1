//! The heads of tables, which stay as they are, though other cells say the same.
//!
//! Excel writes a text once for all cells that hold it. Where one of them is the head of a table, the
//! others get their translation as a text of their own.

use std::collections::{HashMap, HashSet};

use super::super::relations;
use crate::{
    Result,
    block::{Builder, Edit},
    package::Package,
    part::{Part, RunFormat},
    xml::Xml,
};

/// How the names of members with the texts of cells, and of sheets, begin.
pub(super) const STRINGS: &str = "xl/sharedStrings";
pub(super) const SHEETS: &str = "xl/worksheets/sheet";

/// The row and the column of a cell, from 1.
type Place = (u32, u32);

/// The heads of the tables of a workbook.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// Where they are on each sheet: by row, the first and the last column.
    rows: HashMap<String, HashMap<u32, Vec<(u32, u32)>>>,
    /// The texts of heads, by their numbers among those that cells share; none where runs have formats.
    shared: HashMap<usize, Option<String>>,
    /// The names of the columns of tables of which nobody knows where they are.
    names: Vec<String>,
}

/// A cell of a sheet.
struct Cell {
    number: usize,
    place: Place,
    /// The number of its text among those that cells share.
    shared: Option<usize>,
}

impl Heads {
    /// Finds the heads of all tables.
    pub(super) fn read(package: &Package) -> Result<Self> {
        let mut heads = Self::default();
        let (mut seen, mut placed) = (HashSet::new(), HashSet::new());
        for name in package.names().filter(|name| name.starts_with(SHEETS)) {
            for (kind, table) in relations(package, name)? {
                if kind != "table" || !seen.insert(table.clone()) {
                    continue;
                }
                let Some(source) = package.text(&table)? else { continue };
                let xml = Xml::read(&source, "Excel", package.limits())?;
                if let Some(head) = head(&xml) {
                    placed.insert(table);
                    let rows = heads.rows.entry(name.to_owned()).or_default();
                    head.into_iter().for_each(|(row, at)| rows.entry(row).or_default().push(at));
                }
            }
        }
        let is_lost = |name: &&str| name.starts_with("xl/tables/") && !placed.contains(*name);
        for name in package.names().filter(is_lost) {
            let Some(source) = package.text(name)? else { continue };
            let xml = Xml::read(&source, "Excel", package.limits())?;
            let columns = elements(&xml, "tableColumn");
            heads.names.extend(
                columns.filter_map(|column| Some(xml.attribute(column, "name")?.into_owned())),
            );
        }
        heads.find_shared(package)?;
        Ok(heads)
    }

    /// Finds which of the texts that cells share are heads.
    fn find_shared(&mut self, package: &Package) -> Result<()> {
        let mut shared = Vec::new();
        for name in self.rows.keys() {
            let Some(source) = package.text(name)? else { continue };
            let xml = Xml::read(&source, "Excel", package.limits())?;
            let heads = cells(&xml).into_iter().filter(|cell| self.is_head(name, cell.place));
            shared.extend(heads.filter_map(|cell| Some((cell.shared?, None))));
        }
        self.shared.extend(shared);
        let name = package
            .names()
            .find(|name| name.starts_with(STRINGS))
            .filter(|_| !self.shared.is_empty());
        let Some(source) = name.map(|name| package.text(name)).transpose()?.flatten() else {
            return Ok(());
        };
        let xml = Xml::read(&source, "Excel", package.limits())?;
        for (number, item) in elements(&xml, "si").enumerate() {
            let is_plain = xml.named(item, "r").is_empty() && xml.named(item, "rPh").is_empty();
            if let (true, Some(text)) = (is_plain, self.shared.get_mut(&number)) {
                *text = Some(xml.text(xml.inside(item)));
            }
        }
        Ok(())
    }

    /// Whether a cell of the sheet `name` is the head of a table.
    fn is_head(&self, name: &str, (row, column): Place) -> bool {
        let heads = self.rows.get(name).and_then(|rows| rows.get(&row));
        heads.is_some_and(|heads| {
            heads.iter().any(|(first, last)| (*first..=*last).contains(&column))
        })
    }

    /// Takes the heads out of `part`, which is the member `name`, and puts in the cells that say the same.
    pub(super) fn keep(&self, name: &str, xml: &Xml<'_>, part: &mut Part) {
        let is_sheet = name.starts_with(SHEETS);
        if !is_sheet && !name.starts_with(STRINGS) {
            return;
        }
        part.blocks.retain(|block| !self.names.contains(&block.text));
        let kept: Vec<usize> = match is_sheet {
            true => {
                let is_head = |cell: &Cell| self.is_head(name, cell.place);
                let (heads, others): (Vec<Cell>, Vec<Cell>) =
                    cells(xml).into_iter().partition(is_head);
                self.part_with(&others, xml, part);
                heads.into_iter().map(|cell| cell.number).collect()
            }
            false => {
                let items = elements(xml, "si").enumerate();
                items.filter(|(i, _)| self.shared.contains_key(i)).map(|(_, item)| item).collect()
            }
        };
        let kept: Vec<_> = kept.into_iter().map(|number| xml.element(number)).collect();
        part.blocks.retain(|block| {
            let start = block.edits.first().map_or(0, |edit| edit.at.start);
            // They stand one behind the other.
            let next = kept.partition_point(|element| element.end <= start);
            kept.get(next).is_none_or(|element| start < element.start)
        });
    }

    /// Makes blocks of those of `cells` that share their text with a head.
    fn part_with(&self, cells: &[Cell], xml: &Xml<'_>, part: &mut Part) {
        let mut format = None;
        for cell in cells {
            let text = cell.shared.and_then(|shared| self.shared.get(&shared)?.as_ref());
            let (Some(text), Some(&value)) = (text, xml.named(cell.number, "v").first()) else {
                continue;
            };
            let Some(kind) = xml.attribute_at(cell.number, "t") else { continue };
            let format = *format.get_or_insert_with(|| {
                part.markup.formats.push(inline(xml.name(cell.number).trim_end_matches('c')));
                part.markup.formats.len() - 1
            });
            let value = xml.element(value);
            let mut builder = Builder::new(xml.source, crate::xml::escape, false);
            builder.text(text, value.clone(), format);
            let edits = vec![Edit::block(value), Edit::literal(kind, "inlineStr")];
            part.blocks.extend(builder.finish_elsewhere(edits));
        }
        part.blocks.sort_by_key(|block| block.edits.first().map(|edit| edit.at.start));
    }
}

/// How the text of a cell is written that it shares with no other; elements have this prefix.
fn inline(prefix: &str) -> RunFormat {
    RunFormat {
        begin: format!("<{prefix}is>"),
        end: format!("</{prefix}is>"),
        begin_text: format!("<{prefix}t xml:space=\"preserve\">"),
        end_text: format!("</{prefix}t>"),
    }
}

/// The elements of this name, in their order.
fn elements<'x>(xml: &'x Xml<'_>, local: &'x str) -> impl Iterator<Item = usize> + 'x {
    (0..xml.tokens.len()).filter(move |&number| xml.begins(number) && xml.local(number) == local)
}

/// The cells of a sheet.
fn cells(xml: &Xml<'_>) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut place: Place = (0, 0);
    for number in (0..xml.tokens.len()).filter(|&number| xml.begins(number)) {
        match xml.local(number) {
            "row" => {
                let row = xml.attribute(number, "r").and_then(|row| row.parse().ok());
                place = (row.unwrap_or(place.0.saturating_add(1)), 0);
            }
            "c" => {
                let said = xml.attribute(number, "r").and_then(|said| place_of(&said));
                place = said.unwrap_or((place.0, place.1.saturating_add(1)));
                let is_shared = xml.attribute(number, "t").as_deref() == Some("s");
                let value =
                    xml.named(number, "v").first().map(|&value| xml.text(xml.inside(value)));
                let shared =
                    value.filter(|_| is_shared).and_then(|value| value.trim().parse().ok());
                cells.push(Cell { number, place, shared });
            }
            _ => {}
        }
    }
    cells
}

/// The row with the heads of a table and their first and last columns, or none if it has no heads; nothing
/// if it does not say where it is.
fn head(table: &Xml<'_>) -> Option<Option<(u32, (u32, u32))>> {
    let root = elements(table, "table").next()?;
    let range = table.attribute(root, "ref")?;
    let (first, last) = range.split_once(':').unwrap_or((&range, &range));
    let ((row, begin), (_, end)) = (place_of(first)?, place_of(last)?);
    let has_head = table.attribute(root, "headerRowCount").as_deref() != Some("0");
    Some(has_head.then_some((row, (begin, end))))
}

/// The place that `B7` names.
fn place_of(name: &str) -> Option<Place> {
    let name = name.replace('$', "");
    let (letters, row) = name.split_at(name.find(|c: char| c.is_ascii_digit())?);
    let mut column = 0u32;
    for letter in letters.bytes() {
        let digit = letter.to_ascii_uppercase().checked_sub(b'A').filter(|digit| *digit < 26)?;
        column = column.checked_mul(26)?.checked_add(u32::from(digit) + 1)?;
    }
    Some((row.parse().ok()?, column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_cells_are_places() {
        assert_eq!(place_of("A1"), Some((1, 1)));
        assert_eq!(place_of("$AB$12"), Some((12, 28)));
        assert_eq!((place_of("A"), place_of("1x"), place_of("é1")), (None, None, None));
    }
}
