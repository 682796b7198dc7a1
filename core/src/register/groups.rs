//! What the routes of a model that recommends lead to: groups of users, and catalogues.

use super::{ExpertEntry, ExpertKind, Register, Route};
use crate::recommend::{behaviour::Behaviour, rule::Rule};

impl Register {
    /// Index of the route of a user: the first one whose rule matches, in the order in which they
    /// came, so that a later route takes no user from an earlier one; else that of all users.
    pub fn route_of_user(&self, behaviour: &Behaviour, labels: &[String]) -> usize {
        let is_meant = |rule: &Rule| rule.matches(behaviour, labels);
        let is_taken = |route: &Route| route.rule.as_ref().is_some_and(is_meant);
        self.routes.iter().position(is_taken).unwrap_or(0)
    }

    /// Names of the catalogues beside the first one, such as `books`.
    pub fn catalogues(&self) -> impl Iterator<Item = &str> {
        let of_catalogues = |expert: &&ExpertEntry| expert.kind == ExpertKind::Catalogue;
        self.experts.iter().filter(of_catalogues).map(ExpertEntry::short_name)
    }

    /// The part that the first catalogue of a model that recommends needs.
    #[must_use]
    pub fn of_first_catalogue(&self) -> Self {
        let is_other = |name: &String| {
            self.expert(name).is_some_and(|expert| expert.kind == ExpertKind::Catalogue)
        };
        let mut register = self.clone();
        register.routes.retain(|route| !route.group.iter().any(is_other));
        register.experts.retain(|expert| expert.kind != ExpertKind::Catalogue);
        register
    }

    /// The part that the catalogue `name` needs, if there is one: its route, and the experts there.
    pub fn of_catalogue(&self, name: &str) -> Option<Self> {
        let is_own = |expert: &&ExpertEntry| {
            expert.kind == ExpertKind::Catalogue && expert.short_name() == name
        };
        let expert = self.experts.iter().find(is_own)?;
        let mut register = self.clone();
        register.routes.retain(|route| route.group.contains(&expert.name));
        let group = register.routes.first().map(|route| route.group.clone()).unwrap_or_default();
        register.experts.retain(|expert| group.contains(&expert.name));
        Some(register)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_matches_takes_the_user() -> Result<(), String> {
        let mut register = Register::for_segments(&["segment.new"], 8, &["layers.0".into()]);
        for (name, rule) in [("many", "events >= 50"), ("few", "events >= 10")] {
            let route = Route { name: name.into(), rule: Some(rule.parse()?), ..Route::default() };
            register.routes.push(route);
        }
        register.check()?;
        let route = |events| {
            let behaviour = Behaviour { events, ..Behaviour::default() };
            register.route_of_user(&behaviour, &[])
        };
        assert_eq!([route(9), route(10), route(50)], [0, 2, 1]);
        register.routes.swap(0, 1);
        assert!(register.check().is_err_and(|reason| reason.contains("`many`")));
        Ok(())
    }

    #[test]
    fn each_catalogue_sees_its_own_part() {
        let layers = ["layers.0".to_string()];
        let mut register = Register::for_segments(&["segment.new", "segment.power"], 8, &layers);
        let whole = register.clone();
        let books = ExpertEntry::new("catalogue.books".into(), ExpertKind::Catalogue, &layers, 8);
        register.experts.push(books);
        let group = [&whole.routes[0].group[..], &["catalogue.books".to_string()]].concat();
        register.routes.push(Route { name: "books".into(), group, ..Route::default() });
        assert_eq!(register.catalogues().collect::<Vec<_>>(), ["books"]);
        assert_eq!(register.of_first_catalogue(), whole);
        let books = register.of_catalogue("books").expect("there is one");
        assert_eq!((books.experts.len(), books.routes.len()), (3, 1));
        assert_eq!(register.of_catalogue("films"), None);
    }
}
