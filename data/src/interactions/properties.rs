//! Properties of items that change over time: a row for each value, of RetailRocket or of the events of REES46.
//!
//! The newest value before the end of the log counts: what came later nobody could know.

use std::path::Path;

use ahash::AHashMap;
use dragoman_core::recommend::Item;

use super::{
    build::Builder,
    table::{Separator, column},
    time,
};
use crate::Result;

/// What tells the categories of an item: RetailRocket, and REES46 where the item has no code.
pub(super) const CATEGORY: &str = "categoryid";

/// The code of a category of REES46, such as `electronics.audio.headphone`.
pub(super) const CODE: &str = "category_code";

/// The newest value of each property of each item; properties and values by number.
#[derive(Debug, Default)]
pub(super) struct Properties {
    newest: AHashMap<(u32, u32), Newest>,
    properties: Names,
    values: Names,
    /// The parent of each category that has one.
    parents: AHashMap<String, String>,
}

#[derive(Debug, Clone, Copy)]
struct Newest {
    time: i64,
    value: u32,
}

#[derive(Debug, Default)]
struct Names {
    names: Vec<String>,
    numbers: AHashMap<String, u32>,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }
}

impl Properties {
    /// Notes what a property of `item` is from `time` on; of two of one time the later counts.
    pub(super) fn note(&mut self, item: u32, property: &str, value: &str, time: i64) {
        let key = (item, self.properties.number(property));
        let is_old = self.newest.get(&key).is_some_and(|known| known.time > time);
        if !is_old {
            let value = self.values.number(value);
            self.newest.insert(key, Newest { time, value });
        }
    }

    /// Describes `items`, by number.
    pub(super) fn describe(self, items: &mut [Item]) {
        let mut found: Vec<((u32, u32), u32)> =
            self.newest.iter().map(|(key, newest)| (*key, newest.value)).collect();
        let name = |property: u32| self.properties.names[property as usize].as_str();
        found.sort_unstable_by(|((a, p), _), ((b, q), _)| {
            a.cmp(b).then_with(|| name(*p).cmp(name(*q)))
        });
        for ((item, property), value) in found {
            let (item, value) = (&mut items[item as usize], &self.values.names[value as usize]);
            match name(property) {
                _ if value.is_empty() => {}
                CODE => item.categories = branches(value),
                CATEGORY if item.categories.is_empty() => item.categories = self.ancestors(value),
                CATEGORY => {}
                property => item.labels.push(format!("{property}:{value}")),
            }
        }
    }

    /// A category and those above it, the highest first.
    fn ancestors(&self, category: &str) -> Vec<String> {
        let above = std::iter::successors(Some(category), |one| Some(self.parents.get(*one)?));
        let mut found: Vec<String> = Vec::new();
        for one in above {
            if found.iter().any(|known| known == one) {
                break; // a tree that is none
            }
            found.push(one.to_owned());
        }
        found.reverse();
        found
    }
}

/// `a`, `a.b` and `a.b.c` of `a.b.c`.
fn branches(code: &str) -> Vec<String> {
    let ends = code.match_indices('.').map(|(place, _)| place).chain([code.len()]);
    ends.map(|end| code[..end].to_owned()).collect()
}

/// Reads `item_properties_part1.csv` of RetailRocket: time, item, property and value. Values of several words are
/// texts, and left out.
pub(super) fn read(path: &Path, builder: &mut Builder) -> Result<()> {
    let mut columns: Option<[usize; 4]> = None;
    builder.each_line(path, |builder, _, line| {
        let fields = Separator::Comma.split(line);
        let Some([time, item, property, value]) = columns else {
            let find = |name: &str| column(&fields, &[name]);
            let found = [find("timestamp"), find("itemid"), find("property"), find("value")];
            let [Some(time), Some(item), Some(property), Some(value)] = found else {
                let reason =
                    "its columns are not `timestamp,itemid,property,value`, as of RetailRocket";
                builder.refuse(reason);
                return Err(reason.to_owned());
            };
            columns = Some([time, item, property, value]);
            return Ok(());
        };
        let field = |place: usize| {
            let field = fields.get(place).map(String::as_str);
            field.ok_or_else(|| format!("it has {} columns, too few", fields.len()))
        };
        let (property, value) = (field(property)?, field(value)?);
        let (item, time) = (field(item)?, time::parse(field(time)?)?);
        match value.contains(' ') {
            true => Ok(()),
            false => builder.property(item, property, value, time),
        }
    })
}

/// Reads `category_tree.csv` of RetailRocket: a category and the one above it, or nothing.
pub(super) fn read_tree(path: &Path, builder: &mut Builder) -> Result<()> {
    builder.each_line(path, |builder, _, line| {
        let fields = Separator::Comma.split(line);
        match fields.as_slice() {
            [category, parent, ..] if !category.is_empty() && !parent.is_empty() => {
                builder.properties.parents.insert(category.clone(), parent.clone());
                Ok(())
            }
            [category, ..] if !category.is_empty() => Ok(()),
            _ => Err("it has no category".into()),
        }
    })
}

/// The columns of the events of REES46 that describe their item.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfEvents([(&'static str, Option<usize>); 4]);

impl OfEvents {
    /// The columns among `titles`; none unless categories have a code, as only there.
    pub(super) fn find(titles: &[String]) -> Option<Self> {
        let code = Some(column(titles, &["categorycode"])?);
        let [category, brand, price] =
            ["categoryid", "brand", "price"].map(|name| column(titles, &[name]));
        Some(Self([(CODE, code), (CATEGORY, category), ("brand", brand), ("price", price)]))
    }

    /// The places of the columns.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().filter_map(|(_, place)| *place)
    }

    /// Notes what the line of an event says of its item.
    pub(super) fn note(
        &self,
        fields: &[String],
        (item, time): (&str, i64),
        builder: &mut Builder,
    ) -> Result<(), String> {
        for &(property, place) in &self.0 {
            match place.and_then(|place| fields.get(place)) {
                Some(value) if !value.is_empty() => {
                    builder.property(item, property, value, time)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::super::*;

    fn load(files: &[(&str, &str)]) -> Result<(Interactions, Faults)> {
        let folder = tempfile::tempdir()?;
        for (name, text) in files {
            fs_err::write(folder.path().join(name), text)?;
        }
        Ok(Interactions::load(folder.path())?)
    }

    fn shown(log: &Interactions) -> Vec<String> {
        let line = |item: &Item| {
            format!("{} [{}] {}", item.id, item.categories.join(" > "), item.labels.join(" "))
        };
        log.items.iter().map(line).collect()
    }

    const EVENTS: &str = "timestamp,visitorid,event,itemid,transactionid\n\
                          1433221332117,257597,view,355908,\n1433224214164,992329,view,248676,\n";

    #[test]
    fn the_newest_properties_of_retailrocket_before_the_end_count() -> Result<()> {
        let (log, faults) = load(&[
            ("events.csv", EVENTS),
            ("category_tree.csv", "categoryid,parentid\n1016,213\n213,169\n169,\n9,1691\n1691,9\n"),
            (
                "item_properties_part1.csv",
                "timestamp,itemid,property,value\n1433041200000,355908,categoryid,9\n\
                 1433041200000,355908,790,n32880.000\n1433041200000,355908,888,1116713 960601 n277.200\n\
                 1433041200000,7,available,0\nsoon,355908,790,n1\n",
            ),
            (
                "item_properties_part2.csv",
                "timestamp,itemid,property,value\n1433200000000,355908,categoryid,1016\n\
                 1433200000000,355908,available,1\n1433041200000,355908,available,0\n\
                 1433900000000,355908,790,n1.000\n1433041200000,248676,categoryid,9\n",
            ),
        ])?;
        assert_eq!(faults.count, 1, "{faults:?}");
        assert!(faults.first[0].to_string().contains("soon"), "{faults:?}");
        // A circle of categories ends, and what is later than the last event does not count.
        let expected = [
            "7 [] available:0",
            "248676 [1691 > 9] ",
            "355908 [169 > 213 > 1016] 790:n32880.000 available:1",
        ];
        assert_eq!(shown(&log), expected);
        assert_eq!((log.users.len(), log.len()), (2, 2));
        Ok(())
    }

    #[test]
    fn a_file_of_properties_that_is_none_is_refused() -> Result<()> {
        let error = load(&[("events.csv", EVENTS), ("item_properties.csv", "item,price\n7,9\n")]);
        let error = error.expect_err("there are no properties").to_string();
        assert!(error.contains("timestamp,itemid,property,value"), "{error}");
        Ok(())
    }

    #[test]
    fn events_of_rees46_describe_their_items() -> Result<()> {
        let (log, faults) = load(&[(
            "events.csv",
            "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n\
             2019-10-01 00:00:10 UTC,view,1003,2053,electronics.smartphone,samsung,130.76,541,s\n\
             2019-10-01 00:00:00 UTC,view,1003,2053,electronics.smartphone,apple,150.00,541,s\n\
             2019-10-01 00:00:20 UTC,cart,1003,2053,,,129.90,541,s\n\
             2019-10-01 00:00:30 UTC,view,44600,2103,,,35.79,554,s\n",
        )])?;
        assert_eq!((faults.count, log.len()), (0, 4), "{faults:?}");
        let expected = [
            "1003 [electronics > electronics.smartphone] brand:samsung price:129.90",
            "44600 [2103] price:35.79",
        ];
        assert_eq!(shown(&log), expected);
        assert_eq!(log.kinds, ["view", "cart"]);
        Ok(())
    }

    #[test]
    fn a_brand_alone_makes_no_log_one_of_rees46() -> Result<()> {
        let (log, _) = load(&[("events.csv", "user,item,time,brand,price\nu,i,1700000000,b,3\n")])?;
        assert_eq!(shown(&log), ["i [] "]);
        Ok(())
    }
}
