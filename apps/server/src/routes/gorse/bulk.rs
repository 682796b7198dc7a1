//! `/bulk/users`, `/bulk/items` and `/bulk/feedback`: everything as JSON Lines.

use std::{
    io::{BufRead, BufReader, Read, Write},
    sync::Arc,
};

use actix_multipart::Multipart;
use actix_web::{HttpResponse, http::header, web};
use dragoman_store::{Feedback, Item, Timestamp, User};
use futures_util::StreamExt;
use serde::Serialize;

use super::{
    context::{RequestContext, data},
    feedback,
    record::Record,
    reply::{Answer, Refused, success},
};
use crate::{
    recommend::{Recommendations, TenantIndex},
    stream::{self, Transfers},
};

/// Users or items written together.
const CHUNK: usize = 1000;

/// The longest line, in bytes.
const MAX_LINE: u64 = 1 << 20;

/// Which rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    Users,
    Items,
    Feedback,
}

/// What an import did.
#[derive(Debug, Default)]
struct Imported {
    good: usize,
    bad: usize,
    /// The first line that is no row, and why.
    first: Option<(usize, String)>,
}

/// Writes all rows, one a line.
pub(super) async fn export(context: RequestContext) -> Answer {
    let rows = rows(&context)?;
    let index = context.block(|_, index| Ok(Arc::clone(index))).await?;
    let name = context.path("rows")?;
    let transfers = data::<Transfers>(&context.request);
    let place = transfers.place(&context.request)?;
    let body = transfers.write(place, move |writer| write(&index, rows, writer))?;
    Ok(HttpResponse::Ok()
        .content_type("application/jsonl")
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment;filename={name}.jsonl")))
        .body(body))
}

/// Reads rows from the field `file` of a form, or from the body itself; the same rows a second
/// time change nothing. Lines that are no rows are left out: the answer names the first.
pub(super) async fn import(context: RequestContext, payload: web::Payload) -> Answer {
    let rows = rows(&context)?;
    let index = context.block(|_, index| Ok(Arc::clone(index))).await?;
    let service = Arc::clone(&context.service);
    let work = move |reader: stream::Reader| read(&service, &index, rows, BufReader::new(reader));
    let kind = context.request.headers().get(header::CONTENT_TYPE);
    let is_form = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/form-data"));
    let transfers = data::<Transfers>(&context.request);
    let place = transfers.place(&context.request)?;
    let imported = match is_form {
        false => transfers.read(place, transfers.paced(payload), work).await,
        true => {
            let mut parts = Multipart::new(context.request.headers(), transfers.paced(payload));
            let file = loop {
                let part = parts.next().await.transpose().map_err(Refused::invalid)?;
                let part = part.ok_or_else(|| Refused::invalid("the form has no field `file`"))?;
                if part.name() == Some("file") {
                    break part;
                }
            };
            transfers.read(place, file, work).await
        }
    };
    answer(imported??)
}

fn rows(context: &RequestContext) -> Result<Rows, Refused> {
    match context.path("rows")?.as_str() {
        "users" => Ok(Rows::Users),
        "items" => Ok(Rows::Items),
        "feedback" => Ok(Rows::Feedback),
        name => {
            Err(Refused::not_found(format!("`{name}` are no rows; take users, items or feedback")))
        }
    }
}

fn answer(Imported { good, bad, first }: Imported) -> Answer {
    let Some((line, reason)) = first else { return success(good) };
    let others = if bad > 1 { format!(" (and {} more lines)", bad - 1) } else { String::new() };
    Err(Refused::invalid(format!(
        "line {line}: {reason}{others}; {good} rows were kept, and importing the file again doubles none"
    )))
}

fn write(index: &TenantIndex, rows: Rows, writer: &mut dyn Write) -> Result<(), String> {
    fn lines<T: Serialize>(
        rows: impl Iterator<Item = dragoman_store::Result<T>>,
        writer: &mut dyn Write,
    ) -> Result<(), String> {
        for row in rows {
            let row = row.map_err(|error| error.to_string())?;
            let line = serde_json::to_string(&row).map_err(|error| error.to_string())?;
            writeln!(writer, "{line}").map_err(|error| error.to_string())?;
        }
        Ok(())
    }
    let now = Timestamp::now();
    match rows {
        Rows::Users => lines(index.tenant.users(""), writer),
        Rows::Items => lines(index.tenant.items(""), writer),
        Rows::Feedback => {
            let rows = index.tenant.all_feedback(None);
            let is_visible = |row: &Feedback| row.timestamp <= now;
            lines(rows.filter(|row| row.as_ref().map_or(true, is_visible)), writer)
        }
    }
}

fn read(
    service: &Recommendations,
    index: &TenantIndex,
    rows: Rows,
    mut reader: impl BufRead,
) -> Result<Imported, Refused> {
    let mut imported = Imported::default();
    let mut waiting: Vec<(usize, Record)> = Vec::new();
    let (mut number, mut line) = (0, Vec::new());
    let size = if rows == Rows::Feedback { index.import_rows() } else { CHUNK };
    loop {
        line.clear();
        let count = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        let is_end = match count {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => {
                // The rest did not come: what came whole is kept.
                imported.note(number + 1, error.to_string());
                true
            }
        };
        number += 1;
        if !is_end && !line.trim_ascii().is_empty() {
            match Record::parse(&line) {
                Ok(record) => waiting.push((number, record)),
                Err(error) => imported.note(number, error.to_string()),
            }
        }
        if is_end || waiting.len() >= size {
            put(service, index, rows, std::mem::take(&mut waiting), &mut imported)?;
        }
        if is_end {
            index.tenant.commit()?;
            return Ok(imported);
        }
    }
}

/// Writes a chunk; a row that the store refuses is named, and the others are written.
fn put(
    service: &Recommendations,
    index: &TenantIndex,
    rows: Rows,
    chunk: Vec<(usize, Record)>,
    imported: &mut Imported,
) -> Result<(), Refused> {
    match rows {
        Rows::Users => {
            let users = collect(chunk, Record::user, User::check, imported);
            index.put_users(&users)?;
        }
        Rows::Items => {
            let items = collect(chunk, Record::item, Item::check, imported);
            index.put_items(&items)?;
        }
        Rows::Feedback => {
            let rows = collect(chunk, Record::feedback, Feedback::check, imported);
            feedback::import(service, index, &rows)?;
        }
    }
    Ok(())
}

/// The rows of a chunk that can be read and that the store takes.
fn collect<T>(
    chunk: Vec<(usize, Record)>,
    read: impl Fn(Record) -> Result<T, Refused>,
    check: impl Fn(&T) -> Result<(), dragoman_store::Error>,
    imported: &mut Imported,
) -> Vec<T> {
    let mut good = Vec::with_capacity(chunk.len());
    for (number, record) in chunk {
        let row = read(record).and_then(|row| {
            check(&row)?;
            Ok(row)
        });
        match row {
            Ok(row) => good.push(row),
            Err(error) => imported.note(number, error.to_string()),
        }
    }
    imported.good += good.len();
    good
}

impl Imported {
    fn note(&mut self, line: usize, reason: String) {
        self.bad += 1;
        self.first.get_or_insert((line, reason));
    }
}
