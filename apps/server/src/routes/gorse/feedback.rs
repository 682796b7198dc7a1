//! `/feedback`

use std::collections::HashSet;

use actix_web::{HttpResponse, http::header, web};
use dragoman_store::{Feedback, FeedbackKey, Mode, Timestamp};
use serde::Serialize;

use super::{
    cursor,
    record::Record,
    reply::{Answer, Refused, success},
    visitor::Visitor,
};
use crate::recommend::{Expression, Recommendations, Shop};

/// A page of feedback.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    cursor: String,
    feedback: Vec<Feedback>,
}

/// Adds feedback: values are summed up, and the events join those that are there.
pub(super) async fn post(visitor: Visitor, payload: web::Payload) -> Answer {
    write(visitor, payload, Mode::Add).await
}

/// Puts feedback in the place of what is there.
pub(super) async fn put(visitor: Visitor, payload: web::Payload) -> Answer {
    write(visitor, payload, Mode::Replace).await
}

async fn write(visitor: Visitor, payload: web::Payload, mode: Mode) -> Answer {
    let mut rows = visitor.rows(payload, Record::feedback).await?;
    let count = rows.len();
    let mut seen = HashSet::new();
    rows.retain(|row| seen.insert(row.key())); // of the same key, only the first of a call counts
    visitor.block(move |service, shop| store(service, shop, &rows, mode)).await?;
    success(count)
}

/// Writes feedback and counts what of it was liked.
pub(super) fn store(
    service: &Recommendations,
    shop: &Shop,
    rows: &[Feedback],
    mode: Mode,
) -> Result<(), Refused> {
    let written = shop.put_feedback(&service.settings, rows, mode)?;
    service.metrics.written(written.added.len());
    for event in &written.added {
        if service.settings.is_positive(&event.feedback_type, event.value)
            && let Some(group) = shop.shown_by(&event.user_id, &event.item_id)
        {
            service.metrics.liked(&group);
        }
    }
    Ok(())
}

/// Lists feedback, of all types or of one.
pub(super) async fn list(visitor: Visitor) -> Answer {
    let (_, n) = visitor.place()?;
    let kind = visitor.optional("kind")?;
    let cursor = visitor.params.cursor().map(cursor::decode).transpose()?;
    let parse = |text: String| serde_json::from_str::<FeedbackKey>(&text).map_err(Refused::failed);
    let start = cursor.map(parse).transpose()?.or_else(|| {
        let feedback_type = kind.clone()?;
        Some(FeedbackKey { feedback_type, ..FeedbackKey::default() })
    });
    let mut feedback = visitor
        .block(move |_, shop| {
            let now = Timestamp::now();
            let is_last =
                |row: &Feedback| kind.as_ref().is_some_and(|kind| *kind != row.feedback_type);
            let rows = shop.tenant.all_feedback(start.as_ref());
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
pub(super) async fn of_pair(visitor: Visitor) -> Answer {
    let (user, item) = (visitor.path("user")?, visitor.path("item")?);
    let rows = visitor.block(move |_, shop| Ok(shop.tenant.feedback_of_pair(&user, &item)?));
    Ok(HttpResponse::Ok().json(visible(rows.await?)))
}

/// What a user did with an item, in one way; the text `{}` if nothing.
pub(super) async fn get(visitor: Visitor) -> Answer {
    let (kind, user, item) = (visitor.path("kind")?, visitor.path("user")?, visitor.path("item")?);
    let row = visitor.block(move |_, shop| Ok(shop.tenant.feedback(&kind, &user, &item)?));
    Ok(match row.await? {
        Some(row) => HttpResponse::Ok().json(row),
        None => {
            HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body("{}")
        }
    })
}

/// Removes what a user did with an item, in all ways or in one.
pub(super) async fn delete(visitor: Visitor) -> Answer {
    let (user, item) = (visitor.path("user")?, visitor.path("item")?);
    let kind = visitor.optional("kind")?;
    let count = visitor.block(move |service, shop| {
        Ok(shop.delete_feedback(&service.settings, kind.as_deref(), (&user, &item))?)
    });
    success(count.await?)
}

/// What a user did, in all ways or as an expression says.
pub(super) async fn of_user(visitor: Visitor) -> Answer {
    let user = visitor.path("user")?;
    let wanted = expression(&visitor)?;
    let rows = visitor.block(move |_, shop| {
        let kind = wanted.as_ref().map(|wanted| wanted.kind.as_str());
        let mut rows = shop.tenant.feedback_of_user(&user, kind)?;
        rows.retain(|row| holds(wanted.as_ref(), row));
        Ok(rows)
    });
    Ok(HttpResponse::Ok().json(visible(rows.await?)))
}

/// What was done with an item, in all ways or as an expression says.
pub(super) async fn of_item(visitor: Visitor) -> Answer {
    let item = visitor.path("item")?;
    let wanted = expression(&visitor)?;
    let rows = visitor.block(move |_, shop| {
        let kind = wanted.as_ref().map(|wanted| wanted.kind.as_str());
        let mut rows = shop.tenant.feedback_of_item(&item, kind)?;
        rows.retain(|row| holds(wanted.as_ref(), row));
        Ok(rows)
    });
    Ok(HttpResponse::Ok().json(visible(rows.await?)))
}

fn expression(visitor: &Visitor) -> Result<Option<Expression>, Refused> {
    let kind = visitor.optional("kind")?;
    kind.map(|kind| kind.parse().map_err(Refused::invalid)).transpose()
}

fn holds(wanted: Option<&Expression>, row: &Feedback) -> bool {
    wanted.is_none_or(|wanted| wanted.holds(&row.feedback_type, row.value))
}

/// The rows whose time has come.
fn visible(mut rows: Vec<Feedback>) -> Vec<Feedback> {
    let now = Timestamp::now();
    rows.retain(|row| row.timestamp <= now);
    rows
}
