//! `/feedback`

use std::collections::HashSet;

use actix_web::{HttpResponse, http::header, web};
use dragoman_store::{Feedback, FeedbackKey, Mode, Timestamp, Written};
use serde::Serialize;

use super::{
    context::RequestContext,
    cursor,
    record::Record,
    reply::{Answer, Refused, success},
};
use crate::recommend::{Expression, Recommendations, TenantIndex};

/// A page of feedback.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    cursor: String,
    feedback: Vec<Feedback>,
}

/// Adds feedback: values are summed up, and the events join those that are there.
pub(super) async fn post(context: RequestContext, payload: web::Payload) -> Answer {
    write(context, payload, Mode::Add).await
}

/// Puts feedback in the place of what is there.
pub(super) async fn put(context: RequestContext, payload: web::Payload) -> Answer {
    write(context, payload, Mode::Replace).await
}

async fn write(context: RequestContext, payload: web::Payload, mode: Mode) -> Answer {
    let mut rows = context.rows(payload, Record::feedback).await?;
    let count = rows.len();
    let mut seen = HashSet::new();
    rows.retain(|row| seen.insert(row.key())); // of the same key, only the first of a call counts
    context.block(move |service, index| store(service, index, &rows, mode)).await?;
    success(count)
}

/// Writes feedback; on disk when this returns.
pub(super) fn store(
    service: &Recommendations,
    index: &TenantIndex,
    rows: &[Feedback],
    mode: Mode,
) -> Result<(), Refused> {
    note(service, index, &index.put_feedback(rows, mode)?);
    Ok(())
}

/// Writes that items were shown, which is nothing that a user did.
pub(super) fn store_shown(
    service: &Recommendations,
    index: &TenantIndex,
    rows: &[Feedback],
) -> Result<(), Refused> {
    service.metrics.written(index.put_feedback(rows, Mode::Add)?.changes.len());
    Ok(())
}

/// Writes feedback of an import, which commits when all is written.
pub(super) fn import(
    service: &Recommendations,
    index: &TenantIndex,
    rows: &[Feedback],
) -> Result<(), Refused> {
    note(service, index, &index.import_feedback(rows)?);
    Ok(())
}

/// Counts what was written, and what of it was liked.
fn note(service: &Recommendations, index: &TenantIndex, written: &Written) {
    service.metrics.written(written.changes.len());
    for change in &written.changes {
        let event = &change.event;
        if service.settings.is_positive(&event.feedback_type, change.after)
            && let Some(group) = index.shown_by(&event.user_id, &event.item_id)
        {
            service.metrics.liked(&group);
        }
    }
}

/// Lists feedback, of all types or of one.
pub(super) async fn list(context: RequestContext) -> Answer {
    let n = context.place()?.n;
    let kind = context.optional("kind")?;
    let cursor = context.params.cursor().map(cursor::decode).transpose()?;
    let parse = |text: String| serde_json::from_str::<FeedbackKey>(&text).map_err(Refused::failed);
    let start = cursor.map(parse).transpose()?.or_else(|| {
        let feedback_type = kind.clone()?;
        Some(FeedbackKey { feedback_type, ..FeedbackKey::default() })
    });
    let mut feedback = context
        .block(move |_, index| {
            let now = Timestamp::now();
            let is_last =
                |row: &Feedback| kind.as_ref().is_some_and(|kind| *kind != row.feedback_type);
            let rows = index.tenant.all_feedback(start.as_ref());
            let rows = rows.take_while(|row| !row.as_ref().is_ok_and(is_last));
            let rows = rows.filter(|row| row.as_ref().map_or(true, |row| row.timestamp <= now));
            Ok(rows.take(n.saturating_add(1)).collect::<Result<Vec<Feedback>, _>>()?)
        })
        .await?;
    let next = feedback.drain(n.min(feedback.len())..).next();
    let encode =
        |row: Feedback| serde_json::to_string(&row.key()).map(|text| cursor::encode(&text));
    let cursor = next.map(encode).transpose().map_err(Refused::failed)?.unwrap_or_default();
    Ok(HttpResponse::Ok().json(Page { cursor, feedback }))
}

/// What a user did with an item, in all ways.
pub(super) async fn of_pair(context: RequestContext) -> Answer {
    let (user, item) = (context.path("user")?, context.path("item")?);
    let rows = context.block(move |_, index| Ok(index.tenant.feedback_of_pair(&user, &item)?));
    Ok(HttpResponse::Ok().json(visible(rows.await?)))
}

/// What a user did with an item, in one way; the text `{}` if nothing.
pub(super) async fn get(context: RequestContext) -> Answer {
    let (kind, user, item) = (context.path("kind")?, context.path("user")?, context.path("item")?);
    let row = context.block(move |_, index| Ok(index.tenant.feedback(&kind, &user, &item)?));
    Ok(match row.await? {
        Some(row) => HttpResponse::Ok().json(row),
        None => {
            HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body("{}")
        }
    })
}

/// Removes what a user did with an item, in all ways or in one.
pub(super) async fn delete(context: RequestContext) -> Answer {
    let (user, item) = (context.path("user")?, context.path("item")?);
    let kind = context.optional("kind")?;
    let count =
        context.block(move |_, index| Ok(index.delete_feedback(kind.as_deref(), &user, &item)?));
    success(count.await?)
}

/// What a user did, in all ways or as an expression says.
pub(super) async fn of_user(context: RequestContext) -> Answer {
    let user = context.path("user")?;
    let wanted = expression(&context)?;
    let rows = context.block(move |_, index| rows_of_user(index, &user, wanted.as_ref()));
    Ok(HttpResponse::Ok().json(rows.await?))
}

/// What was done with an item, in all ways or as an expression says.
pub(super) async fn of_item(context: RequestContext) -> Answer {
    let item = context.path("item")?;
    let wanted = expression(&context)?;
    let rows = context.block(move |_, index| {
        let kind = wanted.as_ref().map(|wanted| wanted.kind.as_str());
        let mut rows = index.tenant.feedback_of_item(&item, kind)?;
        rows.retain(|row| holds(wanted.as_ref(), row));
        Ok(rows)
    });
    Ok(HttpResponse::Ok().json(visible(rows.await?)))
}

/// The expression of the path, such as `read>=3`, where the route has one.
pub(super) fn expression(context: &RequestContext) -> Result<Option<Expression>, Refused> {
    let kind = context.optional("kind")?;
    kind.map(|kind| kind.parse().map_err(Refused::invalid)).transpose()
}

fn holds(wanted: Option<&Expression>, row: &Feedback) -> bool {
    wanted.is_none_or(|wanted| wanted.holds(&row.feedback_type, row.value))
}

/// What `user` did until now, in all ways or as `wanted` says.
pub(super) fn rows_of_user(
    index: &TenantIndex,
    user: &str,
    wanted: Option<&Expression>,
) -> Result<Vec<Feedback>, Refused> {
    let kind = wanted.map(|wanted| wanted.kind.as_str());
    let mut rows = index.tenant.feedback_of_user(user, kind)?;
    rows.retain(|row| holds(wanted, row));
    Ok(visible(rows))
}

/// The rows whose time has come.
fn visible(mut rows: Vec<Feedback>) -> Vec<Feedback> {
    let now = Timestamp::now();
    rows.retain(|row| row.timestamp <= now);
    rows
}
