//! Terms that a translation is to use, and how a beam is shared between hypotheses that have more or
//! less of them: lexically constrained search with dynamic allocation of the beam (Post and Vilar,
//! 2018).
//!
//! A term is given as one or several sequences of tokens, its forms. At every step the tokens that
//! begin a missing term, or go on with one, are candidates whatever the model thinks of them. A beam
//! that compared all hypotheses would drop those that have paid for a term early, or all others; so
//! hypotheses are compared with those that have as many tokens of terms, and each of these banks gets
//! a share of the beam.

/// The terms that a sentence is to use.
#[derive(Debug, Clone, PartialEq)]
pub struct Bias {
    /// The forms of each term; one of them is enough.
    terms: Vec<Vec<Vec<u32>>>,
}

impl Bias {
    /// Wants `terms`, each in one of its forms; forms without tokens are left out.
    pub fn new(terms: Vec<Vec<Vec<u32>>>) -> Self {
        let filled = |forms: Vec<Vec<u32>>| -> Vec<Vec<u32>> {
            forms.into_iter().filter(|form| !form.is_empty()).collect()
        };
        let terms = terms.into_iter().map(filled).filter(|forms| !forms.is_empty()).collect();
        Self { terms }
    }

    /// The tokens that begin a missing term, or go on with one, behind `tokens`; each once.
    pub fn after(&self, tokens: &[u32]) -> Vec<u32> {
        let begun: Vec<(usize, u32)> =
            self.missing(tokens).flatten().filter_map(|form| next_of(tokens, form)).collect();
        let longest = begun.iter().map(|(length, _)| *length).max();
        let mut next: Vec<u32> = match longest {
            Some(longest) => {
                let nexts = begun.iter().filter(|(length, _)| *length == longest);
                nexts.map(|(_, token)| *token).collect()
            }
            None => self.missing(tokens).flatten().map(|form| form[0]).collect(),
        };
        next.sort_unstable();
        next.dedup();
        next
    }

    /// How much of the terms is in `tokens`: a thousand for each that is there, and the share of the
    /// one that has begun.
    pub fn progress(&self, tokens: &[u32]) -> usize {
        let there = self.terms.len() - self.missing(tokens).count();
        let begun = self
            .missing(tokens)
            .flatten()
            .filter_map(|form| next_of(tokens, form).map(|(length, _)| 1000 * length / form.len()));
        1000 * there + begun.max().unwrap_or(0)
    }

    /// Whether all terms are in `tokens`.
    pub fn is_met(&self, tokens: &[u32]) -> bool {
        self.missing(tokens).next().is_none()
    }

    /// The terms that are not in `tokens`.
    fn missing<'a>(&'a self, tokens: &'a [u32]) -> impl Iterator<Item = &'a Vec<Vec<u32>>> {
        self.terms.iter().filter(move |forms| !forms.iter().any(|form| holds(tokens, form)))
    }
}

/// Chooses `count` of hypotheses that are sorted by score, given the progress of each: in turn the
/// best of those with most progress, with less, and so on. Returns their places, in their order.
pub(super) fn allocate(progress: &[usize], count: usize) -> Vec<usize> {
    let mut banks: Vec<(usize, Vec<usize>)> = Vec::new();
    for (place, progress) in progress.iter().enumerate() {
        match banks.iter_mut().find(|(known, _)| known == progress) {
            Some((_, places)) => places.push(place),
            None => banks.push((*progress, vec![place])),
        }
    }
    banks.sort_by_key(|(progress, _)| usize::MAX - progress);
    let longest = banks.iter().map(|(_, places)| places.len()).max().unwrap_or(0);
    let turns = (0..longest)
        .flat_map(|rank| banks.iter().filter_map(move |(_, places)| places.get(rank).copied()));
    let mut chosen: Vec<usize> = turns.take(count).collect();
    chosen.sort_unstable();
    chosen
}

/// Whether `form` is in `tokens`.
fn holds(tokens: &[u32], form: &[u32]) -> bool {
    tokens.windows(form.len()).any(|window| window == form)
}

/// How much of `form` the end of `tokens` is, if anything, and the token that comes next.
fn next_of(tokens: &[u32], form: &[u32]) -> Option<(usize, u32)> {
    let longest = (form.len() - 1).min(tokens.len());
    let length = (1..=longest).rev().find(|&n| tokens[tokens.len() - n..] == form[..n])?;
    Some((length, form[length]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_wanted_until_it_is_there() {
        let bias = Bias::new(vec![vec![vec![5, 6], vec![5, 7]], vec![vec![9]], vec![vec![]]]);
        assert_eq!(bias.after(&[]), [5, 9]);
        assert_eq!(bias.after(&[1, 5]), [6, 7]);
        assert_eq!(bias.after(&[1, 5, 6]), [9]);
        assert_eq!(bias.after(&[1, 5, 2]), [5, 9]);
        assert!(bias.after(&[9, 1, 5, 7]).is_empty() && bias.is_met(&[9, 1, 5, 7]));
        let progress = [&[][..], &[5], &[5, 7], &[5, 7, 9]].map(|tokens| bias.progress(tokens));
        assert_eq!(progress, [0, 500, 1000, 2000]);
    }

    #[test]
    fn each_bank_has_a_share_of_the_beam() {
        assert_eq!(allocate(&[0, 0, 0, 1000, 0, 500], 3), [0, 3, 5]);
        assert_eq!(allocate(&[0, 0, 0, 1000, 0, 500], 4), [0, 1, 3, 5]);
        assert_eq!(allocate(&[0, 0], 4), [0, 1]);
        assert!(allocate(&[], 4).is_empty());
    }
}
