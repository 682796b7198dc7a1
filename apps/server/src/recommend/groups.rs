//! Splits users into groups that get different recommenders, and stays with its choice.

use super::{rank::hash, upstream::ExternalId};

/// How a list comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Recommender {
    /// The model where there is one, else [`Live`](Self::Live).
    #[default]
    Model,
    /// What stands in for a model: neighbours, content and popularity, as they are now.
    Live,
    /// What is popular now.
    Popular,
    /// What appeared last.
    Latest,
    /// Another service.
    External(ExternalId),
}

/// One group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) recommender: Recommender,
    share: f64,
}

/// All groups; without any, everybody is in one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Groups(Vec<Group>);

/// Groups at most: each is a label of the metrics.
const MAX_GROUPS: usize = 32;

impl Recommender {
    /// Reads a name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "model" => Some(Self::Model),
            "live" => Some(Self::Live),
            "popular" => Some(Self::Popular),
            "latest" => Some(Self::Latest),
            name => ExternalId::parse(name).map(Self::External),
        }
    }
}

impl Groups {
    /// Reads groups written as `name=recommender:share`.
    pub(crate) fn parse(list: &[String]) -> Result<Self, String> {
        let groups: Vec<Group> = list.iter().map(|text| group(text)).collect::<Result<_, _>>()?;
        match groups.len() {
            0..=MAX_GROUPS => Ok(Self(groups)),
            count => {
                Err(format!("`recommend_groups` has {count} groups; take {MAX_GROUPS} at most"))
            }
        }
    }

    /// The recommenders of the groups.
    pub(crate) fn recommenders(&self) -> impl Iterator<Item = Recommender> + '_ {
        self.0.iter().map(|group| group.recommender)
    }

    /// The group of `user`, always the same as long as the groups are.
    pub(crate) fn of(&self, user: &str) -> (&str, Recommender) {
        let total: f64 = self.0.iter().map(|group| group.share).sum();
        let mut at = (hash(1, user) >> 11) as f64 / (1u64 << 53) as f64 * total;
        for group in &self.0 {
            if at < group.share {
                return (&group.name, group.recommender);
            }
            at -= group.share;
        }
        self.0.last().map_or(("all", Recommender::Model), |last| (&last.name, last.recommender))
    }
}

fn group(text: &str) -> Result<Group, String> {
    let refuse = || {
        format!(
            "`recommend_groups`: `{text}` must be `name=recommender:share`, with `model`, `live`, \
             `popular`, `latest` or `external/NAME` and a positive share"
        )
    };
    let (name, rest) = text.split_once('=').ok_or_else(refuse)?;
    let (recommender, share) = rest.split_once(':').unwrap_or((rest, "1"));
    let recommender = Recommender::parse(recommender.trim()).ok_or_else(refuse)?;
    let share: f64 = share.trim().parse().map_err(|_| refuse())?;
    let name = name.trim().to_owned();
    match share > 0.0 && share.is_finite() && !name.is_empty() {
        true => Ok(Group { name, recommender, share }),
        false => Err(refuse()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_fall_into_groups_by_their_shares() -> Result<(), String> {
        let groups = Groups::parse(&["a=model:3".into(), "b=popular:1".into()])?;
        let in_a = (0..1000).filter(|i| groups.of(&format!("user {i}")).0 == "a").count();
        assert!((700..800).contains(&in_a), "{in_a} of 1000 are in the larger group");
        assert_eq!(groups.of("one"), groups.of("one"));
        assert_eq!(Groups::default().of("one"), ("all", Recommender::Model));
        Ok(())
    }

    #[test]
    fn what_is_no_group_is_refused() {
        for text in ["a", "a=magic", "a=model:0", "a=model:x", "=model:1"] {
            assert!(Groups::parse(&[text.into()]).is_err(), "{text}");
        }
    }
}
