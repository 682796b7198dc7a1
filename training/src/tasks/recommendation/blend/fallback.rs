//! Where a mixture does not earn its place, and what takes it.

use dragoman_core::recommend::{Blend, POPULARITY, segments::Segment};

use super::{BlendConfig, Case, ndcg};

/// Takes something simple in the place of the mixture where the mixture does not earn its place, for
/// each segment by rule.
///
/// For users of whom little is known, the mixture must be better than the best simple scorer by more
/// than noise: by [`BlendConfig::margin`] standard errors of the difference. Where there are too few of
/// them to say so, what is popular stays for those without any event; whoever has one is served by the
/// mixture, which knows what it was. For others the mixture stays unless a simple scorer is better.
pub(super) fn fall_back(blend: &mut Blend, cases: &[Case], config: &BlendConfig) {
    let members = |of: &dyn Fn(&Case) -> bool| -> Vec<&Case> {
        cases.iter().filter(|case| of(case)).collect()
    };
    let rules = blend.rules;
    let cold = members(&|case| case.behaviour.events == 0);
    let simple = simpler(blend, &cold, config, Some(config.margin));
    let simple = simple.or_else(|| popular(blend, &cold, config));
    for segment in Segment::ALL {
        let is_new = segment == Segment::New;
        let is_member =
            |case: &Case| rules.segment(&case.behaviour) == segment && case.behaviour.events > 0;
        let of_segment = members(&is_member);
        let margin = is_new.then_some(config.margin);
        if let Some(shares) = simpler(blend, &of_segment, config, margin) {
            blend.fallback.insert(segment, shares);
        }
    }
    blend.cold = simple;
}

/// What is popular, where there are too few `members` to compare anything; none where there are not.
fn popular(blend: &Blend, members: &[&Case], config: &BlendConfig) -> Option<Vec<f32>> {
    let place = blend.scorers.iter().position(|name| name == POPULARITY)?;
    (members.len() < config.fallback_users.max(1)).then(|| alone(blend, place))
}

/// The simple scorer that takes the place of the mixture for `members`, if there is one: the best of
/// them, if the mixture is not better by `margin` standard errors, or without a margin if it is worse.
fn simpler(
    blend: &Blend,
    members: &[&Case],
    config: &BlendConfig,
    margin: Option<f64>,
) -> Option<Vec<f32>> {
    if members.is_empty() || members.len() < config.fallback_users {
        return None;
    }
    let scores = |shares: &dyn Fn(&Case) -> Vec<f32>| -> Vec<f64> {
        members.iter().map(|case| ndcg(case, &shares(case))).collect()
    };
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let mixed = scores(&|case| blend.shares(&case.gates, &case.behaviour));
    let simple = (1..blend.scorers.len()).map(|place| alone(blend, place));
    let simple = simple.map(|shares| (scores(&|_| shares.clone()), shares));
    // Of equals the first, so that what is popular stays in front.
    let (best, shares) =
        simple.reduce(|best, other| if mean(&other.0) > mean(&best.0) { other } else { best })?;
    let differences: Vec<f64> = mixed.iter().zip(&best).map(|(a, b)| a - b).collect();
    let lead = mean(&differences);
    let needed = match margin {
        Some(margin) => margin * standard_error(&differences, lead),
        None => 0.0,
    };
    let is_kept = if margin.is_some() { lead > needed } else { lead >= 0.0 };
    (!is_kept).then_some(shares)
}

/// All weight on one scorer.
fn alone(blend: &Blend, place: usize) -> Vec<f32> {
    let mut shares = vec![0.0; blend.scorers.len()];
    shares[place] = 1.0;
    shares
}

/// Of the mean of `values`.
fn standard_error(values: &[f64], mean: f64) -> f64 {
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let count = values.len() as f64;
    (squares / (count - 1.0).max(1.0) / count).sqrt()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dragoman_core::recommend::behaviour::Behaviour;

    use super::{super::tests::cases, *};

    /// The transformer for all, beside what is popular.
    fn blend() -> Blend {
        Blend {
            scorers: ["transformer", POPULARITY].map(String::from).to_vec(),
            weights: vec![vec![5.0], vec![0.0]],
            ..Blend::default()
        }
    }

    #[test]
    fn a_segment_falls_back_where_something_simple_is_better() {
        let mut blend = blend();
        fall_back(&mut blend, &cases(), &BlendConfig::default());
        assert_eq!(blend.fallback, BTreeMap::from([(Segment::New, vec![0.0, 1.0])]));
        assert_eq!(blend.cold, Some(vec![0.0, 1.0]), "there is nobody without events to ask");
    }

    #[test]
    fn new_users_are_served_what_is_popular_unless_the_mixture_is_better_beyond_noise() {
        let config = BlendConfig::default();
        // Users without events, for `good` of whom the transformer is right, for the others popularity.
        let fallback = |all: usize, good: usize| {
            let peak = |place: usize| -> Vec<f32> {
                (0..30).map(|item| if item == place { 3.0 } else { item as f32 / 30.0 }).collect()
            };
            let case = |i: usize| {
                let places = if i < good { [3, 4] } else { [4, 3] };
                Case {
                    scores: places.map(peak).to_vec(),
                    targets: vec![3],
                    gates: Vec::new(),
                    behaviour: Behaviour::default(),
                }
            };
            let mut blend = blend();
            fall_back(&mut blend, &(0..all).map(case).collect::<Vec<_>>(), &config);
            blend.cold
        };
        let popular = Some(vec![0.0, 1.0]);
        assert_eq!(fallback(40, 10), popular);
        assert_eq!(fallback(40, 21), popular, "a lead of two users of forty is noise");
        assert_eq!(fallback(40, 40), None);
        assert_eq!(fallback(10, 10), popular, "too few to say");
    }
}
