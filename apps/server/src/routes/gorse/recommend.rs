//! `/recommend` and `/session/recommend`

use actix_web::{HttpResponse, http::header::HeaderName, web};
use dragoman_store::{Event, Feedback, Timestamp};
use serde::Serialize;

use super::{
    context::RequestContext,
    feedback,
    record::Record,
    reply::{Answer, Refused, Score, modified_now, scores},
};
use crate::recommend::{
    Audience, Because, Fallback, List, ListRequest, Place, Recommender, Scored, Why,
};

/// Says in which group a user is.
const GROUP: HeaderName = HeaderName::from_static("x-recommend-group");

/// Items of a list at most that are written back as feedback: a GET is no import.
const MAX_WRITTEN: usize = 1000;

/// Users whose lists are made in one call at most.
const MAX_USERS: usize = 1000;

/// The answer with `explain=true`, which Gorse does not have.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Explained {
    group: String,
    segments: Vec<Weight>,
    segment: Option<&'static str>,
    blend: Vec<Weight>,
    items: Vec<ExplainedItem>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Weight {
    name: String,
    weight: f32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ExplainedItem {
    #[serde(flatten)]
    score: Score,
    title: String,
    categories: Vec<String>,
    because: Vec<Reason>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reason {
    item_id: String,
    title: String,
    feedback_type: String,
    timestamp: Timestamp,
    share: f32,
}

/// Recommends to a user: identifiers, or with `X-API-Version: 2` scores.
pub(super) async fn recommend(context: RequestContext) -> Answer {
    let version = context.request.headers().get("X-API-Version");
    let with_scores = version.is_some_and(|version| version.as_bytes() == b"2");
    let user = context.path("user")?;
    let is_written = context.params.get("write-back-type").is_some();
    let most = if is_written { MAX_WRITTEN } else { usize::MAX };
    let list = list(&context, Audience::User(user.clone()), most).await?;
    write_back(&context, user, &list.items).await?;
    let mut reply = HttpResponse::Ok();
    reply.insert_header(modified_now());
    if let Ok(group) = actix_web::http::header::HeaderValue::from_str(&list.group) {
        reply.insert_header((GROUP, group));
    }
    if let Some(why) = list.why {
        return Ok(reply.json(explained(list.group, list.items, why)));
    }
    if with_scores {
        return Ok(reply.json(list.items.into_iter().map(Score::from).collect::<Vec<_>>()));
    }
    Ok(reply.json(list.items.into_iter().map(|item| item.id).collect::<Vec<_>>()))
}

/// The list of a user, among those of many.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct OfUser {
    user_id: String,
    group: String,
    items: Vec<Score>,
}

/// Recommends to each user that the body names, with the parameters of a single list but for explanations and what is
/// written back.
pub(super) async fn many(context: RequestContext, payload: web::Payload) -> Answer {
    for name in ["explain", "write-back-type", "write-back-delay"] {
        if context.params.get(name).is_some() {
            return Err(Refused::invalid(format!(
                "`{name}` is for single lists; ask for them with `GET /api/recommend/USER`"
            )));
        }
    }
    let body = context.body(payload).await?;
    let users: Vec<String> = serde_json::from_slice(&body).map_err(|error| {
        Refused::invalid(format!("the body must be a list of identifiers of users: {error}"))
    })?;
    if users.len() > MAX_USERS {
        let count = users.len();
        return Err(Refused::invalid(format!(
            "these are {count} users; at most {MAX_USERS} are taken at once"
        )));
    }
    let mut lists = Vec::with_capacity(users.len());
    for user in users {
        let list = list(&context, Audience::User(user.clone()), MAX_WRITTEN).await?;
        let items = list.items.into_iter().map(Score::from).collect();
        lists.push(OfUser { user_id: user, group: list.group, items });
    }
    Ok(HttpResponse::Ok().json(lists))
}

/// Recommends to a user, always with scores.
pub(super) async fn scored(context: RequestContext) -> Answer {
    scores(list_of(&context, None).await?)
}

/// The list of the user of the path, by `recommender` or by what the parameters say.
pub(super) async fn list_of(
    context: &RequestContext,
    recommender: Option<String>,
) -> Result<Vec<Scored>, Refused> {
    let user = context.path("user")?;
    let recommender = recommender.as_deref().or(context.params.get("recommender"));
    let settings = &context.service.settings;
    // What is no recommender of whole lists may be one that fills them.
    let fallback = recommender.filter(|name| Recommender::parse(name).is_none());
    if let Some(fallback) = fallback.and_then(|name| Fallback::parse(name, settings)) {
        let (filter, place) = (context.filter()?, context.place()?);
        let list = context.block(move |service, index| {
            Ok(service.by_fallback(index, &fallback, (&user, &filter), place)?)
        });
        return list.await;
    }
    Ok(list_by(context, Audience::User(user), usize::MAX, recommender).await?.items)
}

/// Recommends to somebody of whom only the body is known.
pub(super) async fn session(context: RequestContext, payload: web::Payload) -> Answer {
    let rows = context.rows(payload, Record::feedback).await?;
    let mut events: Vec<Event> = rows.into_iter().map(event_of).collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.time));
    let list = list(&context, Audience::Session(events), usize::MAX).await?;
    match list.why {
        Some(why) => Ok(HttpResponse::Ok().json(explained(list.group, list.items, why))),
        None => scores(list.items),
    }
}

/// The list for `audience`, of `most` items at most.
async fn list(context: &RequestContext, audience: Audience, most: usize) -> Result<List, Refused> {
    list_by(context, audience, most, context.params.get("recommender")).await
}

async fn list_by(
    context: &RequestContext,
    audience: Audience,
    most: usize,
    recommender: Option<&str>,
) -> Result<List, Refused> {
    let params = &context.params;
    let Place { offset, n } = context.place()?;
    let recommender = match recommender {
        None => None,
        Some(name) => {
            let found = Recommender::parse(name);
            let found = found.filter(|found| context.service.settings.knows(*found));
            Some(found.ok_or_else(|| {
                let known =
                    "`model`, `live`, `popular`, `latest` and `external/NAME` of the settings";
                Refused::invalid(format!("there is no recommender `{name}`; there are {known}"))
            })?)
        }
    };
    let request = ListRequest {
        audience,
        filter: context.filter()?,
        offset,
        n: n.min(most),
        boost: params.read("boost")?,
        caps: params.read("cap")?,
        diversity: params.fraction("diversity", 1.0)?,
        explore: params.fraction("explore", 10.0)?,
        seed: params.number("seed")?.map(|seed| seed as u64),
        explain: params.flag("explain"),
        recommender,
    };
    context.block(move |service, index| Ok(service.recommend(index, &request)?)).await
}

/// Notes as feedback that the items were shown, if the call asks for it.
async fn write_back(
    context: &RequestContext,
    user: String,
    items: &[Scored],
) -> Result<(), Refused> {
    let delay = context.params.duration("write-back-delay")?;
    let Some(kind) = context.params.get("write-back-type") else { return Ok(()) };
    let timestamp = Timestamp::now().plus_nanos(delay);
    let row = |item: &Scored| Feedback {
        feedback_type: kind.to_owned(),
        user_id: user.clone(),
        item_id: item.id.clone(),
        timestamp,
        ..Feedback::default()
    };
    let rows: Vec<Feedback> = items.iter().map(row).collect();
    context.block(move |service, index| feedback::store_shown(service, index, &rows)).await
}

fn event_of(row: Feedback) -> Event {
    let time = if row.timestamp.is_zero() { Timestamp::now() } else { row.timestamp };
    let Feedback { feedback_type, user_id, item_id, value, .. } = row;
    Event { user_id, item_id, feedback_type, value, time }
}

fn explained(group: String, items: Vec<Scored>, why: Why) -> Explained {
    let weight = |(name, weight)| Weight { name, weight };
    let reason = |because: Because| Reason {
        item_id: because.item,
        title: because.title,
        feedback_type: because.kind,
        timestamp: because.time,
        share: because.share,
    };
    let (mut about, mut because) = (why.about.into_iter(), why.because.into_iter());
    let item = |scored: Scored| {
        let (title, categories) = about.next().unwrap_or_default();
        let because = because.next().unwrap_or_default().into_iter().map(reason).collect();
        ExplainedItem { score: scored.into(), title, categories, because }
    };
    Explained {
        group,
        segments: why.segments.into_iter().map(weight).collect(),
        segment: why.segment,
        blend: why.blend.into_iter().map(weight).collect(),
        items: items.into_iter().map(item).collect(),
    }
}
