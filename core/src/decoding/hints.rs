//! Tokens that a lexicon favours while a sentence is searched; see [`crate::lexicon`].

/// What the lexicon says of a sentence.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hints {
    /// The words of the source that it knows, in their order.
    pub words: Vec<Hint>,
}

/// What one word of the source may become.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hint {
    /// Its translations as tokens, none of them empty, with the bonus of each in nats.
    pub forms: Vec<(Vec<u32>, f32)>,
}

impl Hints {
    /// The tokens that begin a translation of a word that has none in `tokens`, or go on with one that
    /// has begun at their end, with the greatest bonus of each, by token. `begins` says whether a token
    /// begins a word.
    ///
    /// A word that stands twice in the source is favoured until its translation stands there once: the
    /// model has understood it then.
    pub fn after(&self, tokens: &[u32], begins: &[bool]) -> Vec<(u32, f32)> {
        let mut bonuses: Vec<(u32, f32)> = Vec::new();
        let missing = self
            .words
            .iter()
            .filter(|word| !word.forms.iter().any(|(form, _)| holds(tokens, form, begins)));
        for (form, bonus) in missing.flat_map(|word| &word.forms) {
            let longest = (form.len() - 1).min(tokens.len());
            let begun = (1..=longest).rev().find(|&n| tokens[tokens.len() - n..] == form[..n]);
            let token = form[begun.unwrap_or(0)];
            match bonuses.iter_mut().find(|(known, _)| *known == token) {
                Some((_, greatest)) => *greatest = greatest.max(*bonus),
                None => bonuses.push((token, *bonus)),
            }
        }
        bonuses
    }
}

/// Whether `form` is in `tokens` as a word: another one begins behind it.
fn holds(tokens: &[u32], form: &[u32], begins: &[bool]) -> bool {
    let ends = |next: u32| begins.get(next as usize).copied().unwrap_or(true);
    tokens
        .windows(form.len() + 1)
        .any(|window| window.starts_with(form) && ends(window[form.len()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_favoured_until_it_stands_there_as_a_word() {
        let hint = |forms: &[(&[u32], f32)]| Hint {
            forms: forms.iter().map(|(form, bonus)| (form.to_vec(), *bonus)).collect(),
        };
        let hints =
            Hints { words: vec![hint(&[(&[5, 6], 1.0), (&[7], 2.0)]), hint(&[(&[5], 3.0)])] };
        let mut begins = [true; 10];
        begins[6] = false;
        assert_eq!(hints.after(&[], &begins), [(5, 3.0), (7, 2.0)]);
        assert_eq!(hints.after(&[5], &begins), [(6, 1.0), (7, 2.0), (5, 3.0)]);
        // 5 is a word of its own only where another word begins behind it.
        assert_eq!(hints.after(&[5, 6], &begins), [(5, 3.0), (7, 2.0)]);
        assert_eq!(hints.after(&[5, 6, 8], &begins), [(5, 3.0)]);
        assert_eq!(hints.after(&[7, 5, 8], &begins), []);
    }
}
