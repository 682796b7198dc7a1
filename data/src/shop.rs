//! A generated shop, whose customers behave by segments that are known: something to show, and a
//! check of what a gate learns.
//!
//! [`ShopConfig::generate`] is a function of its seed and its end. There are twelve kinds of thing,
//! each with some brands and prices, and series within a kind, whose next part is often taken after
//! one. Things appear over two years; one in eight is a hit, and talked of for some weeks. Of the
//! customers
//! - *new* ones came in the last two weeks and did one to four things;
//! - *power* ones did a hundred and more, over the whole time and of all kinds, many of them the
//!   next part of a series;
//! - *trend* ones take what is talked of at the time;
//! - *consistent* ones stay with one or two kinds and one brand, and go through the series.
//!
//! With [`impressions`](ShopConfig::impressions) other things are shown whenever a customer takes one: what is
//! talked of more often than the rest, whoever the customer is. Where the customer would rather have
//! taken one of them it is not among those that are passed over: a thing of weight `w` is, with the
//! probability `w⁺ / (w⁺ + w)` where `w⁺` is the weight of what was taken (Bradley and Terry 1952).

mod names;

use dragoman_core::recommend::{Event, Item, segments::Segment};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::interactions::{Interactions, User};

use names::{ADJECTIVES, BRANDS, COLOURS, FIRST, KINDS, LAST};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Days over which things appear and customers come.
const DAYS: i64 = 730;

/// One thing in so many is a hit.
const HITS: usize = 8;

/// Days in which what people talk of a new thing halves.
const HYPE: f64 = 21.0;

/// Parts of a series.
const SERIES: usize = 5;

/// What kind of shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShopConfig {
    /// Seed of everything.
    pub seed: u64,
    /// Things on offer.
    pub items: usize,
    /// Customers.
    pub users: usize,
    /// The last second, since 1970.
    pub end: i64,
    /// Things that are shown beside each one that is taken; all else is the same with any number.
    pub impressions: usize,
}

/// A shop and who its customers are meant to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Shop {
    /// What happened. Kinds are `view` and `buy`, and `shown` where there are impressions.
    pub log: Interactions,
    /// Names of the customers, by user.
    pub names: Vec<String>,
    /// Segments of the customers, by user.
    pub planted: Vec<Segment>,
}

/// How many customers of a hundred are of each segment.
const MIX: [(Segment, usize); 4] =
    [(Segment::New, 25), (Segment::Power, 15), (Segment::Trend, 30), (Segment::Consistent, 30)];

/// A thing on offer, as the generator knows it.
struct Thing {
    kind: usize,
    brand: usize,
    /// Its place in the series.
    part: usize,
    /// Day on which it appeared.
    day: i64,
    /// How much people talk of it on that day.
    hype: f64,
}

impl Default for ShopConfig {
    fn default() -> Self {
        Self { seed: 1, items: 300, users: 400, end: 1_767_225_600, impressions: 0 }
    }
}

impl ShopConfig {
    /// Generates the shop.
    pub fn generate(self) -> Shop {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut shown_by = ChaCha8Rng::seed_from_u64(self.seed);
        shown_by.set_stream(1);
        let things: Vec<Thing> = (0..self.items).map(|i| thing(i, &mut rng)).collect();
        let start = self.end - DAYS * DAY;
        let items = (0..self.items).map(|i| describe(i, &things[i], start, &mut rng)).collect();

        let mut users = Vec::new();
        let (mut names, mut planted, mut events) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..self.users {
            let segment = segment_of(number);
            let customer = Customer::new(segment, &things, &mut rng);
            let done = customer.life(&things, &mut rng);
            for (place, &(day, item, is_bought)) in done.iter().enumerate() {
                let time = start + day * DAY + rng.random_range(6 * 3600..23 * 3600);
                let user = u32::try_from(number).unwrap_or(u32::MAX);
                let visit = Visit { day, before: &done[..place] };
                for _ in 0..self.impressions {
                    let item = customer.passes_over(item, visit, &things, &mut shown_by);
                    let shown = |item| Event { item, kind: 2, value: 1.0, time: time - 60 };
                    events.extend(item.map(|item| (user, shown(item as u32))));
                }
                for kind in 0..=u16::from(is_bought) {
                    let time = (time + i64::from(kind) * 600).min(self.end);
                    events.push((user, Event { item: item as u32, kind, value: 1.0, time }));
                }
            }
            let name = format!("{} {}", pick(&FIRST, &mut rng), pick(&LAST, &mut rng));
            users.push(User { id: format!("u{number:04}"), labels: Vec::new() });
            names.push(name);
            planted.push(segment);
        }
        let mut kinds = vec!["view".into(), "buy".into()];
        if self.impressions > 0 {
            kinds.push("shown".into());
        }
        Shop { log: Interactions::new(users, items, kinds, events), names, planted }
    }
}

/// Assigns segments to users by [`MIX`], evenly mixed.
fn segment_of(number: usize) -> Segment {
    let mut place = number * 37 % 100; // 37 and 100 have no common divisor: each place comes once
    for (segment, share) in MIX {
        if place < share {
            return segment;
        }
        place -= share;
    }
    Segment::New
}

fn thing(number: usize, rng: &mut ChaCha8Rng) -> Thing {
    let series = number / SERIES;
    Thing {
        kind: series % KINDS.len(),
        brand: series / KINDS.len() % BRANDS.len(),
        part: number % SERIES,
        day: rng.random_range(0..DAYS - 30),
        hype: match number * 5 % HITS {
            0 => rng.random_range(0.7..1.0),
            _ => rng.random_range(0.0..0.1),
        },
    }
}

fn describe(number: usize, thing: &Thing, start: i64, rng: &mut ChaCha8Rng) -> Item {
    let (category, nouns) = KINDS[thing.kind];
    let noun = nouns[thing.part % nouns.len()];
    let (adjective, colour) = (pick(&ADJECTIVES, rng), pick(&COLOURS, rng));
    let brand = BRANDS[thing.brand];
    let price = ["low", "middle", "high"][(thing.brand + thing.part) % 3];
    Item {
        id: format!("i{number:04}"),
        title: format!("{brand} {adjective} {noun}"),
        categories: vec![category.into()],
        labels: vec![
            format!("brand:{brand}"),
            format!("colour:{colour}"),
            format!("price:{price}"),
        ],
        time: start + thing.day * DAY,
    }
}

/// A customer: of which segment, and with which taste.
struct Customer {
    segment: Segment,
    count: usize,
    /// The days of the first and the last visit, about.
    days: (i64, i64),
    kinds: [usize; 2],
    brand: usize,
}

/// A day on which a customer comes, and what was taken before: day, item, and whether it was bought.
#[derive(Clone, Copy)]
struct Visit<'a> {
    day: i64,
    before: &'a [(i64, usize, bool)],
}

impl Customer {
    fn new(segment: Segment, things: &[Thing], rng: &mut ChaCha8Rng) -> Self {
        let (count, first, last) = match segment {
            Segment::New => (rng.random_range(1..=3), DAYS - 14, DAYS - 1),
            Segment::Power => (rng.random_range(110..=180), rng.random_range(0..120), DAYS - 1),
            _ => (rng.random_range(12..=40), rng.random_range(0..DAYS - 200), DAYS - 1),
        };
        let favourite = things[rng.random_range(0..things.len())].kind;
        let kinds = [favourite, (favourite + rng.random_range(0..2) * 5) % KINDS.len()];
        let brand = rng.random_range(0..BRANDS.len());
        Self { segment, count, days: (first, last), kinds, brand }
    }

    /// What the customer does: day, item, and whether it is bought after a look.
    fn life(&self, things: &[Thing], rng: &mut ChaCha8Rng) -> Vec<(i64, usize, bool)> {
        let (first, last) = self.days;
        let mut days: Vec<i64> = (0..self.count).map(|_| rng.random_range(first..=last)).collect();
        days.sort_unstable();

        let mut done: Vec<(i64, usize, bool)> = Vec::new();
        for day in days {
            let before = done.last().map(|&(_, item, _)| item);
            let next = before.and_then(|item| next_part(item, things, day));
            let next = next.filter(|item| done.iter().all(|(_, known, _)| known != item));
            let follows = rng.random_bool(match self.segment {
                Segment::Power => 0.4,
                Segment::Consistent => 0.6,
                _ => 0.05,
            });
            let visit = Visit { day, before: &done };
            let item = match next.filter(|_| follows) {
                Some(item) => Some(item),
                None => draw(things.len(), |item| self.weight(item, visit, things), rng),
            };
            let is_bought = self.segment != Segment::New && rng.random_bool(0.3);
            done.extend(item.map(|item| (day, item, is_bought)));
        }
        done
    }

    /// How much the customer wants `item`.
    fn weight(&self, item: usize, visit: Visit<'_>, things: &[Thing]) -> f64 {
        let thing = &things[item];
        let age = (visit.day - thing.day) as f64;
        let talk = thing.talk(visit.day);
        let is_known = visit.before.iter().any(|&(_, known, _)| known == item);
        let again = if is_known { 0.02 } else { 1.0 };
        again
            * match self.segment {
                _ if age < 0.0 => 0.0,
                Segment::Consistent if self.kinds.contains(&thing.kind) => {
                    if thing.brand == self.brand { 3.0 } else { 1.0 }
                }
                Segment::Consistent => 0.002,
                Segment::Trend => 50.0 * talk * talk + 1e-4,
                Segment::New => talk + 0.02,
                _ => 1.0 + talk,
            }
    }

    /// A thing that is shown when `taken` is, if the customer passes it over.
    fn passes_over(
        &self,
        taken: usize,
        visit: Visit<'_>,
        things: &[Thing],
        rng: &mut ChaCha8Rng,
    ) -> Option<usize> {
        let is_there = |item: usize| things[item].day <= visit.day && item != taken;
        let exposure = |item: usize| {
            if is_there(item) { 0.2 + things[item].talk(visit.day) } else { 0.0 }
        };
        let shown = draw(things.len(), exposure, rng)?;
        let weight = |item| self.weight(item, visit, things);
        let (other, own) = (weight(shown), weight(taken));
        rng.random_bool(own / (own + other)).then_some(shown)
    }
}

impl Thing {
    /// How much people talk of it on a day after it appeared.
    fn talk(&self, day: i64) -> f64 {
        self.hype * (-((day - self.day) as f64) / HYPE).exp2()
    }
}

/// The next part of the series of `item`, if it has appeared by `day`.
fn next_part(item: usize, things: &[Thing], day: i64) -> Option<usize> {
    let next = item + 1;
    let is_next = !next.is_multiple_of(SERIES) && things.get(next)?.day <= day;
    is_next.then_some(next)
}

/// Draws a number below `count` by weight; none if all weights are 0.
fn draw(count: usize, weight: impl Fn(usize) -> f64, rng: &mut impl Rng) -> Option<usize> {
    let sum: f64 = (0..count).map(&weight).sum();
    let mut at = rng.random_range(0.0..1.0) * sum;
    (0..count).find(|&i| {
        at -= weight(i);
        at < 0.0
    })
}

fn pick<'a>(list: &[&'a str], rng: &mut impl Rng) -> &'a str {
    list[rng.random_range(0..list.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shop_is_a_function_of_its_seed() {
        let config = ShopConfig { users: 40, ..ShopConfig::default() };
        assert_eq!(config.generate(), config.generate());
        assert_ne!(config.generate().log, ShopConfig { seed: 2, ..config }.generate().log);
    }

    #[test]
    fn nothing_is_taken_before_it_appears_or_after_the_end() {
        let shop = ShopConfig::default().generate();
        for event in shop.log.events() {
            let appeared = shop.log.items[event.item as usize].time;
            assert!((appeared..=ShopConfig::default().end).contains(&event.time));
        }
        assert!(shop.log.len() > 10_000, "{} events", shop.log.len());
    }

    #[test]
    fn what_is_shown_and_passed_over_leaves_all_else_as_it_is() {
        let config = ShopConfig { users: 60, ..ShopConfig::default() };
        let with = ShopConfig { impressions: 3, ..config }.generate();
        let shown = with.log.events().filter(|event| event.kind == 2).count();
        let visits = with.log.events().filter(|event| event.kind == 0).count();
        assert!((visits..3 * visits).contains(&shown), "{shown} shown at {visits} visits");
        let log = with.log.with_read_feedback(&["shown".into()]);
        assert_eq!(log.reads.iter().map(Vec::len).sum::<usize>(), shown);
        assert!(
            log.reads
                .iter()
                .flatten()
                .all(|event| log.items[event.item as usize].time <= event.time)
        );
        let plain = config.generate();
        assert_eq!(Interactions { reads: Vec::new(), ..log }, plain.log);
    }

    /// The rules that an evaluation draws from behaviour alone, which know nothing of the plan.
    #[test]
    fn rules_find_the_planted_segments_again() {
        let shop = ShopConfig::default().generate();
        let found = shop.log.describe(ShopConfig::default().end).segments;
        for segment in Segment::WITH_EXPERT {
            let pairs =
                || shop.planted.iter().zip(&found).filter(|(planted, _)| **planted == segment);
            let right = pairs().filter(|(planted, found)| planted == found).count();
            let share = right as f64 / pairs().count() as f64;
            assert!(share > 0.75, "of the {segment:?} customers {share:.2} are found again");
        }
    }
}
