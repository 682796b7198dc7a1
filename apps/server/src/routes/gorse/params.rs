//! What stands behind the question mark.

use std::str::FromStr;

use super::{duration, reply::Refused};
use crate::{
    input::{Plus, decode},
    recommend::Filter,
};

/// The parameters of a query, in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn parse(query: &str) -> Result<Self, Refused> {
        let mut params = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let read = |text: &str| decode(text.as_bytes(), Plus::Space);
            params.push((read(name)?, read(value)?));
        }
        Ok(Self(params))
    }

    /// The first value of `name` that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let named = self.0.iter().find(|(known, value)| known == name && !value.is_empty());
        named.map(|(_, value)| value.as_str())
    }

    /// The values of `name` that are not empty.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(known, value)| known == name && !value.is_empty());
        named.map(|(_, value)| value.as_str())
    }

    /// A number from 0 on.
    pub(super) fn number(&self, name: &str) -> Result<Option<usize>, Refused> {
        let refuse =
            |text| Refused::invalid(format!("`{name}` must be a number from 0 on, not `{text}`"));
        self.get(name).map(|text| text.parse().map_err(|_| refuse(text))).transpose()
    }

    /// A fraction between 0 and `most`; 0 where it is missing.
    pub(super) fn fraction(&self, name: &str, most: f32) -> Result<f32, Refused> {
        let Some(text) = self.get(name) else { return Ok(0.0) };
        let value = text.parse().ok().filter(|value| (0.0..=most).contains(value));
        value.ok_or_else(|| {
            Refused::invalid(format!("`{name}` must be a number from 0 to {most}, not `{text}`"))
        })
    }

    /// What `name` reads as; its default where it is missing.
    pub(super) fn read<T>(&self, name: &str) -> Result<T, Refused>
    where
        T: FromStr<Err = String> + Default,
    {
        let text = self.get(name);
        text.map_or_else(|| Ok(T::default()), |text| text.parse().map_err(Refused::invalid))
    }

    /// Whether `name` is switched on.
    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1" | "yes" | "on"))
    }

    /// A duration as Go writes it, in nanoseconds; 0 where it is missing.
    pub(super) fn duration(&self, name: &str) -> Result<i64, Refused> {
        let text = self.get(name);
        text.map_or(Ok(0), |text| duration::parse(text).map_err(Refused::invalid))
    }

    /// `cursor`, or `Cursor` as the client for JavaScript writes it.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.get("cursor").or_else(|| self.get("Cursor"))
    }

    /// Categories, labels, ranges and exclusions, each value one of them as it is; `category` is one
    /// more category from the path.
    pub(super) fn filter(&self, category: Option<String>) -> Result<Filter, Refused> {
        let list = |name| self.all(name).map(str::to_owned).collect::<Vec<_>>();
        let mut categories = list("category");
        categories.extend(category);
        let ranges = self.all("range").map(|text| text.parse().map_err(Refused::invalid));
        let ranges = ranges.collect::<Result<_, _>>()?;
        let (labels, exclude) = (list("label"), list("exclude"));
        Ok(Filter { categories, labels, ranges, exclude, oldest: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_clients_write_them() -> Result<(), Refused> {
        let params = Params::parse(
            "n=3&category=a%20b&category=c&Cursor=x%3D&exclude=1,2&exclude=3&empty=&f=0.5",
        )?;
        assert_eq!(params.number("n")?, Some(3));
        assert_eq!(params.number("offset")?, None);
        assert_eq!((params.cursor(), params.get("empty")), (Some("x="), None));
        let filter = params.filter(Some("d".into()))?;
        assert_eq!(filter.categories, ["a b", "c", "d"]);
        assert_eq!(filter.exclude, ["1,2", "3"], "identifiers may have commas");
        assert!((params.fraction("f", 1.0)? - 0.5).abs() < f32::EPSILON);
        Ok(())
    }

    #[test]
    fn numbers_out_of_range_are_refused() -> Result<(), Refused> {
        let params = Params::parse("n=-1&offset=x&f=2&g=NaN")?;
        assert!(params.number("n").is_err() && params.number("offset").is_err());
        assert!(params.fraction("f", 1.0).is_err() && params.fraction("g", 1.0).is_err());
        Ok(())
    }
}
