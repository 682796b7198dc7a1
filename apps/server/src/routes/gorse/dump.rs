//! `/dump`, `/restore` and `/purge`: a tenant as a whole.
//!
//! A dump is the JSON Lines of `dragoman store export`, which hold everything, or Gorse's binary stream for who asks for
//! bytes: Gorse's own clients ask for nothing in particular, as those of the JSON Lines do.

use std::{
    io::{BufReader, Write},
    sync::Arc,
};

use actix_web::{HttpResponse, http::header, web};
use serde::Deserialize;

use super::{
    context::{RequestContext, data},
    reply::{Answer, Refused},
};
use crate::{recommend::TenantIndex, stream::Transfers};

/// What a caller of `/purge` has to name.
const USERS: &str = "delete_users";
const ITEMS: &str = "delete_items";
const FEEDBACK: &str = "delete_feedback";
/// Gorse's fourth box: here lists are made when they are asked for, so there is no cache.
const CACHE: &str = "delete_cache";

/// The body of `/purge`, which Gorse's dashboard sends as a form.
#[derive(Debug, Default, Deserialize)]
struct Purge {
    #[serde(default)]
    check_list: String,
}

/// How a dump is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Lines,
    Gorse,
}

impl Format {
    /// What the parameter `format` names, or else what the client accepts.
    fn of(context: &RequestContext) -> Result<Self, Refused> {
        match context.params.get("format") {
            Some("gorse") => return Ok(Self::Gorse),
            Some("jsonl") => return Ok(Self::Lines),
            Some(other) => {
                let reason = format!("`format` is `jsonl` or `gorse`, and not `{other}`");
                return Err(Refused::invalid(reason));
            }
            None => {}
        }
        let accepted = context.request.headers().get_all(header::ACCEPT);
        let mut accepted = accepted.filter_map(|value| value.to_str().ok());
        match accepted.any(|value| value.contains("application/octet-stream")) {
            true => Ok(Self::Gorse),
            false => Ok(Self::Lines),
        }
    }

    /// The type of the content, and the name of a file of it.
    fn named(self) -> (&'static str, &'static str) {
        match self {
            Self::Lines => ("application/jsonl", "attachment;filename=dump.jsonl"),
            Self::Gorse => ("application/octet-stream", "attachment;filename=dump.bin"),
        }
    }
}

/// Writes users, items and feedback: one row a line, or as Gorse does.
pub(super) async fn dump(context: RequestContext) -> Answer {
    let format = Format::of(&context)?;
    let store = context.service.store().clone();
    let index = context.block(|_, index| Ok(Arc::clone(index))).await?;
    let transfers = data::<Transfers>(&context.request);
    let write = move |writer: &mut dyn Write| {
        let name = index.tenant.name();
        let written = match format {
            Format::Lines => store.export_one(name, writer),
            Format::Gorse => store.export_to_gorse(name, writer),
        };
        written.map(drop)
    };
    let body = transfers.write(transfers.place(&context.request)?, write)?;
    let (kind, file) = format.named();
    Ok(HttpResponse::Ok()
        .content_type(kind)
        .insert_header((header::CONTENT_DISPOSITION, file))
        .insert_header((header::VARY, "Accept"))
        .body(body))
}

/// Reads what [`dump`] wrote, or Gorse's; what is there already stays, once.
pub(super) async fn restore(context: RequestContext, payload: web::Payload) -> Answer {
    let store = context.service.store().clone();
    let index = context.block(|_, index| Ok(Arc::clone(index))).await?;
    let tenant = index.tenant.name().to_owned();
    let transfers = data::<Transfers>(&context.request);
    let read = move |reader| store.import_into(&tenant, BufReader::new(reader));
    let place = transfers.place(&context.request)?;
    let counts = transfers.read(place, transfers.paced(payload), read).await?;
    context.block(|service, _| Ok(service.reload()?)).await?;
    Ok(HttpResponse::Ok().json(counts?))
}

/// Deletes what `check_list` names: `delete_users`, `delete_items`, `delete_feedback`.
pub(super) async fn purge(context: RequestContext, payload: web::Payload) -> Answer {
    let body = context.body(payload).await?;
    let list = match context.params.get("check_list") {
        Some(list) => list.to_owned(),
        None => named(&body)?,
    };
    let names: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
    let known = [USERS, ITEMS, FEEDBACK, CACHE];
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Refused::invalid(format!(
            "`check_list` says what to delete, as names between commas: {USERS}, {ITEMS}, {FEEDBACK}; \
             not `{unknown}`"
        )));
    }
    let has = move |name: &str| names.iter().any(|known| known == name);
    let (users, items, feedback) = (has(USERS), has(ITEMS), has(FEEDBACK));
    context
        .block(move |_, index| {
            if feedback {
                delete_feedback(index)?;
            }
            if users {
                for id in index.tenant.user_ids("").collect::<Result<Vec<_>, _>>()? {
                    index.delete_user(&id)?;
                }
            }
            if items {
                let items = index.tenant.items("").collect::<Result<Vec<_>, _>>()?;
                for item in items {
                    index.delete_item(&item.item_id)?;
                }
            }
            Ok(())
        })
        .await?;
    Ok(HttpResponse::Ok().finish())
}

fn delete_feedback(index: &TenantIndex) -> Result<(), Refused> {
    let rows = index.tenant.all_feedback(None).collect::<Result<Vec<_>, _>>()?;
    let mut pairs: Vec<(String, String)> =
        rows.into_iter().map(|row| (row.user_id, row.item_id)).collect();
    pairs.sort();
    pairs.dedup();
    for (user, item) in pairs {
        index.delete_feedback(None, &user, &item)?;
    }
    Ok(())
}

/// `check_list` of a form or of an object.
fn named(body: &[u8]) -> Result<String, Refused> {
    if body.trim_ascii().first() == Some(&b'{') {
        let purge: Purge = serde_json::from_slice(body).map_err(Refused::invalid)?;
        return Ok(purge.check_list);
    }
    let text = std::str::from_utf8(body).map_err(Refused::invalid)?;
    let params = super::params::Params::parse(text)?;
    Ok(params.get("check_list").unwrap_or_default().to_owned())
}
