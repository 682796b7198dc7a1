//! Figures by day, and how well each group's lists are liked.

use std::collections::{BTreeMap, HashSet};

use actix_web::HttpResponse;
use dragoman_store::{Event, Timestamp};
use serde::Serialize;

use super::{
    context::RequestContext,
    reply::{Answer, Refused},
};
use crate::{
    metrics::recommend::GroupCounts,
    recommend::{Settings, TenantIndex},
};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Days where a call does not say.
const DAYS: i64 = 30;

/// Days of one answer at most.
const MAX_DAYS: i64 = 3660;

/// The figures that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Series {
    /// Users who did something that day.
    Users,
    /// Items that appeared that day.
    Items,
    Feedback,
    PositiveFeedback,
    /// Share of the feedback that is positive.
    PositiveRate,
}

const SERIES: [(&str, Series); 6] = [
    ("users", Series::Users),
    ("items", Series::Items),
    ("feedback", Series::Feedback),
    ("positive_feedback", Series::PositiveFeedback),
    ("positive_feedback_rate", Series::PositiveRate),
    ("positive_feedback_ratio", Series::PositiveRate),
];

/// A figure of one day, as Gorse writes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Point {
    name: String,
    timestamp: Timestamp,
    value: f64,
}

/// How often what a group's recommender showed was liked, since the server started.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct GroupRate {
    group: String,
    lists: u64,
    items: u64,
    liked: u64,
    rate: f64,
    /// Ends of the 95 % interval of the rate.
    low: f64,
    high: f64,
}

/// What one day had.
#[derive(Debug, Clone, Default)]
struct Day {
    users: HashSet<String>,
    items: usize,
    feedback: usize,
    positive: usize,
}

/// A figure for each day from `begin` to `end`, the last thirty where the call does not say.
pub(super) async fn timeseries(context: RequestContext) -> Answer {
    let name = context.path("name")?;
    let series = SERIES.iter().find(|(known, _)| *known == name).map(|(_, series)| *series);
    let series = series.ok_or_else(|| {
        let known: Vec<String> = SERIES.iter().map(|(known, _)| format!("`{known}`")).collect();
        Refused::not_found(format!("there is no series `{name}`; there are {}", known.join(", ")))
    })?;
    let end = time(&context, "end")?.unwrap_or_else(Timestamp::now).seconds.div_euclid(DAY);
    let begin = time(&context, "begin")?.map(|time| time.seconds.div_euclid(DAY));
    let begin = begin.unwrap_or(end - DAYS + 1);
    if begin > end || end - begin >= MAX_DAYS {
        let reason =
            format!("`begin` and `end` must be in order, and {MAX_DAYS} days apart at most");
        return Err(Refused::invalid(reason));
    }
    let points = context.block(move |service, index| {
        let days = days(index, &service.settings, series, (begin, end))?;
        let point = |day: i64| Point {
            name: name.clone(),
            timestamp: Timestamp::from_seconds(day * DAY),
            value: days.get(&day).map_or(0.0, |day| day.value(series)),
        };
        Ok((begin..=end).map(point).collect::<Vec<_>>())
    });
    Ok(HttpResponse::Ok().json(points.await?))
}

/// How well the lists of each group were liked.
pub(super) async fn recommenders(context: RequestContext) -> Answer {
    let groups = context.service.metrics.by_group();
    Ok(HttpResponse::Ok().json(groups.into_iter().map(GroupRate::from).collect::<Vec<_>>()))
}

fn time(context: &RequestContext, name: &str) -> Result<Option<Timestamp>, Refused> {
    let text = context.params.get(name);
    let parse = |text| {
        Timestamp::parse(text).map_err(|error| Refused::invalid(format!("`{name}`: {error}")))
    };
    text.map(parse).transpose()
}

/// What happened on each day from `begin` to `end`, as far as `series` asks.
fn days(
    index: &TenantIndex,
    settings: &Settings,
    series: Series,
    (begin, end): (i64, i64),
) -> Result<BTreeMap<i64, Day>, Refused> {
    let mut days: BTreeMap<i64, Day> = BTreeMap::new();
    if series == Series::Items {
        for entry in index.items().entries().iter().filter(|entry| entry.is_shown) {
            let day = entry.time.div_euclid(DAY);
            if (begin..=end).contains(&day) {
                days.entry(day).or_default().items += 1;
            }
        }
        return Ok(days);
    }
    // The newest events come first.
    for event in index.tenant.events() {
        let event: Event = event?;
        let at = event.time.seconds.div_euclid(DAY);
        if at < begin {
            break;
        }
        if at > end || event.time > Timestamp::now() {
            continue;
        }
        let day = days.entry(at).or_default();
        day.feedback += 1;
        day.positive += usize::from(settings.is_positive(&event.feedback_type, event.value));
        if series == Series::Users {
            day.users.insert(event.user_id);
        }
    }
    Ok(days)
}

impl Day {
    fn value(&self, series: Series) -> f64 {
        match series {
            Series::Users => self.users.len() as f64,
            Series::Items => self.items as f64,
            Series::Feedback => self.feedback as f64,
            Series::PositiveFeedback => self.positive as f64,
            Series::PositiveRate => self.positive as f64 / self.feedback.max(1) as f64,
        }
    }
}

impl From<GroupCounts> for GroupRate {
    fn from(counts: GroupCounts) -> Self {
        let GroupCounts { group, lists, items, liked } = counts;
        let (rate, low, high) = wilson(liked, items);
        Self { group, lists, items, liked, rate, low, high }
    }
}

/// A share with its 95 % interval (Wilson, 1927); all 0 to 1 of nothing.
fn wilson(hits: u64, all: u64) -> (f64, f64, f64) {
    if all == 0 {
        return (0.0, 0.0, 1.0);
    }
    const Z: f64 = 1.959_964;
    let n = all as f64;
    let share = (hits as f64 / n).min(1.0);
    let middle = share + Z * Z / (2.0 * n);
    let width = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (share, ((middle - width) / scale).max(0.0), ((middle + width) / scale).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_books() {
        let (rate, low, high) = wilson(10, 100);
        assert!(
            (rate - 0.1).abs() < 1e-9
                && (low - 0.0552).abs() < 1e-3
                && (high - 0.1744).abs() < 1e-3
        );
        assert_eq!(wilson(0, 0), (0.0, 0.0, 1.0));
        assert!(wilson(0, 5).1 == 0.0 && wilson(5, 5).2 <= 1.0);
    }
}
