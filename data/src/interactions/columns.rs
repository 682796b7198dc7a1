//! Which column of a table of events is what: by the names that logs use, or by those a caller gives.

use std::str::FromStr;

use super::table::plain_name;

/// What a column of events can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    User,
    Item,
    Kind,
    Value,
    Time,
}

impl Role {
    const ALL: [Self; 5] = [Self::User, Self::Item, Self::Kind, Self::Value, Self::Time];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Item => "item",
            Self::Kind => "kind",
            Self::Value => "value",
            Self::Time => "time",
        }
    }

    /// The plain names of the role in logs, as [`plain_name`] makes them.
    fn known(self) -> &'static [&'static str] {
        match self {
            Self::User => &[
                "user",
                "userid",
                "uid",
                "username",
                "visitor",
                "visitorid",
                "customer",
                "customerid",
                "reviewerid",
                "member",
                "memberid",
            ],
            Self::Item => &[
                "item",
                "itemid",
                "iid",
                "movieid",
                "productid",
                "gameid",
                "bookid",
                "asin",
                "parentasin",
                "product",
                "articleid",
                "trackid",
                "sku",
            ],
            Self::Kind => &["kind", "feedbacktype", "eventtype", "event", "type"],
            Self::Value => &["value", "rating", "weight", "hours", "score", "overall", "stars"],
            Self::Time => &[
                "time",
                "timestamp",
                "date",
                "datetime",
                "eventtime",
                "unixreviewtime",
                "createdat",
            ],
        }
    }
}

/// Names of the columns of events, where they differ from those that are known anyway.
///
/// It is read from a text such as `user=visitor,item=item_id,time=event_time`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnNames(Vec<(Role, String)>);

impl FromStr for ColumnNames {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut names = Vec::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (role, column) = pair.split_once('=').unwrap_or((pair, ""));
            let role = role.trim();
            let found = Role::ALL.into_iter().find(|known| known.name() == role);
            match (found, column.trim()) {
                (Some(role), column) if !column.is_empty() => names.push((role, column.to_owned())),
                (Some(_), _) => {
                    return Err(format!("`{pair}` names no column; write `{role}=NAME`"));
                }
                (None, _) => {
                    let known = Role::ALL.map(Role::name).join(", ");
                    return Err(format!("`{role}` is no part of an event; there are {known}"));
                }
            }
        }
        Ok(Self(names))
    }
}

impl ColumnNames {
    /// The place of the column of `role` among `titles`; a name that was given must be there.
    pub(super) fn find(&self, titles: &[String], role: Role) -> Result<Option<usize>, String> {
        let Some((_, wanted)) = self.0.iter().find(|(known, _)| *known == role) else {
            let is_known = |title: &String| role.known().contains(&plain_name(title).as_str());
            return Ok(titles.iter().position(is_known));
        };
        let is_wanted = |title: &String| title == wanted || plain_name(title) == plain_name(wanted);
        let place = titles.iter().position(is_wanted);
        place.map(Some).ok_or_else(|| {
            format!(
                "there is no column `{wanted}` for the {}; there are {}",
                role.name(),
                listed(titles)
            )
        })
    }

    /// The name of the field of `role` among `names`.
    pub(super) fn is_named(&self, name: &str, role: Role) -> bool {
        match self.0.iter().find(|(known, _)| *known == role) {
            Some((_, wanted)) => name == wanted || plain_name(name) == plain_name(wanted),
            None => role.known().contains(&plain_name(name).as_str()),
        }
    }

    /// Whether `first` is a line of titles: names were given, or it has one that is known and no
    /// number.
    pub(super) fn is_header(&self, first: &[String]) -> bool {
        let is_known = |title: &String| {
            Role::ALL.iter().any(|role| role.known().contains(&plain_name(title).as_str()))
        };
        let has_number = first.iter().any(|field| field.parse::<f64>().is_ok());
        !self.0.is_empty() || (first.iter().any(is_known) && !has_number)
    }

    /// Why a header without the column of `role` cannot be read.
    pub(super) fn missing(&self, titles: &[String], role: Role) -> String {
        let free = |title: &&String| {
            !Role::ALL.into_iter().any(|other| other != role && self.is_named(title, other))
        };
        let like = |title: &&String| {
            let name = plain_name(title);
            role.known().iter().any(|known| {
                known.len() > 2 && (name.contains(known) || known.contains(name.as_str()))
            })
        };
        let role = role.name();
        let suggested = titles.iter().filter(free).find(like).or_else(|| titles.iter().find(free));
        let suggested = suggested.map_or("NAME", String::as_str);
        format!(
            "none of the columns {} is known as the {role}; name it with `--columns {role}={suggested}`",
            listed(titles)
        )
    }

    /// The titles of columns that say nothing of an event, but those at `kept`.
    pub(super) fn unused(&self, titles: &[String], kept: &[usize]) -> Vec<String> {
        let is_used = |title: &str| Role::ALL.into_iter().any(|role| self.is_named(title, role));
        let titles = titles.iter().enumerate();
        let unused = titles.filter(|(place, title)| !kept.contains(place) && !is_used(title));
        unused.map(|(_, title)| title.clone()).collect()
    }
}

fn listed(titles: &[String]) -> String {
    titles.iter().map(|title| format!("`{title}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(line: &str) -> Vec<String> {
        line.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn columns_are_found_by_known_names_and_by_given_ones() -> Result<(), String> {
        let line = titles("event_time,event_type,product_id,user_id");
        let find = |names: &str, role| names.parse::<ColumnNames>()?.find(&line, role);
        assert_eq!(find("", Role::User)?, Some(3));
        assert_eq!(find("", Role::Time)?, Some(0));
        assert_eq!(find("", Role::Value)?, None);
        assert_eq!(find("user=product_id", Role::User)?, Some(2));
        let error = find("user=who", Role::User).expect_err("there is no such column");
        assert!(error.contains("`who`") && error.contains("`product_id`"), "{error}");
        for bad in ["who=x", "user", "user="] {
            assert!(bad.parse::<ColumnNames>().is_err(), "{bad}");
        }
        Ok(())
    }

    #[test]
    fn a_missing_column_is_named_with_a_suggestion() {
        let names = ColumnNames::default();
        let line = titles("timestamp,shop_user_no,itemid");
        assert!(names.is_header(&line));
        let reason = names.missing(&line, Role::User);
        assert!(reason.contains("--columns user=shop_user_no"), "{reason}");
        assert!(!names.is_header(&titles("7,9,5.0,978300760")));
        assert!(!names.is_header(&titles("anna,tea,view")));
        assert_eq!(names.unused(&line, &[]), ["shop_user_no"]);
        assert!(names.unused(&line, &[1]).is_empty());
    }
}
