//! The items and users of MovieLens 100k, whose tables have no header and one column for each genre.

use std::path::Path;

use super::{
    build::Builder,
    things::{self, Things},
};
use crate::Result;

/// The genres of `u.item` in the order of its columns, where no `u.genre` beside it names them.
const GENRES: &str = "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy \
                      Film-Noir Horror Musical Mystery Romance Sci-Fi Thriller War Western";

/// Columns of [`things::read_fields`], as the other sizes of MovieLens have them.
const ITEM: [&str; 3] = ["item_id", "title", "genres"];
const USER: [&str; 5] = ["user_id", "age", "gender", "occupation", "zip_code"];

/// Reads `u.item`: an identifier, a title, two dates, an address and a column of 0 or 1 for each genre.
pub(super) fn read_items(path: &Path, builder: &mut Builder) -> Result<()> {
    let genres = genres(&path.with_file_name("u.genre"))?;
    builder.each_line(path, |builder, _, line| {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let [id, title, _released, _on_video, _address, flags @ ..] = fields.as_slice() else {
            return Err(format!("it has {} columns, too few", fields.len()));
        };
        let flagged = genres.iter().zip(flags).filter(|(_, flag)| **flag == "1");
        let names = flagged.map(|(genre, _)| genre.as_str()).filter(|genre| *genre != "unknown");
        let names = names.collect::<Vec<_>>().join("|");
        let fields = [*id, *title, names.as_str()].map(str::to_owned);
        things::read_fields(&ITEM.map(str::to_owned), &fields, Things::Items, builder)
    })
}

/// Reads `u.user`: an identifier, age, gender, occupation and zip code.
pub(super) fn read_users(path: &Path, builder: &mut Builder) -> Result<()> {
    let titles = USER.map(str::to_owned);
    builder.each_line(path, |builder, _, line| {
        let fields: Vec<String> = line.split('|').map(|field| field.trim().to_owned()).collect();
        things::read_fields(&titles, &fields, Things::Users, builder)
    })
}

/// The names of `u.genre`, a `name|place` a line.
fn genres(path: &Path) -> Result<Vec<String>> {
    if !path.is_file() {
        return Ok(GENRES.split(' ').map(str::to_owned).collect());
    }
    let text = fs_err::read_to_string(path)?;
    let names = text.lines().filter_map(|line| line.split_once('|')).map(|(name, _)| name);
    Ok(names.map(str::to_owned).collect())
}
