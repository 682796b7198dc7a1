//! Leaves out of test sets what a model was given to learn.

use std::{collections::HashSet, path::Path};

use super::{TestSet, test_set::read_lines};
use crate::Result;

/// Texts that a test should not ask for, compared by letters and digits alone: `Good morning!`
/// gives `good morning` away.
#[derive(Debug, Clone, Default)]
pub struct KnownTexts(HashSet<String>);

impl KnownTexts {
    /// Adds every cell of the file, whose cells are separated by tabs.
    pub fn read(&mut self, path: &Path) -> Result<()> {
        let lines = read_lines(path)?;
        self.0.extend(lines.iter().flat_map(|line| line.split('\t')).map(key));
        Ok(())
    }

    /// Takes the pairs out of `set` whose source or reference is known, and counts them.
    pub fn leave_out(&self, set: &mut TestSet) -> usize {
        let before = set.sources.len();
        let pairs = set.sources.drain(..).zip(set.references.drain(..));
        let kept = pairs.filter(|(source, reference)| {
            !self.0.contains(&key(source)) && !self.0.contains(&key(reference))
        });
        let (sources, references) = kept.collect::<(Vec<_>, Vec<_>)>();
        *set = TestSet { sources, references, name: set.name.clone(), pair: set.pair.clone() };
        before - set.sources.len()
    }
}

fn key(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::LanguagePair;

    #[test]
    fn what_is_known_on_either_side_is_left_out() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("phrases.tsv");
        fs_err::write(&path, "en\tde\tfr\nGood morning!\tGuten Morgen!\tBonjour !\n")?;
        let mut known = KnownTexts::default();
        known.read(&path)?;
        let texts = |texts: [&str; 3]| texts.map(str::to_owned).to_vec();
        let mut set = TestSet {
            name: "test".into(),
            pair: LanguagePair { source: "en".into(), target: "fr".into() },
            sources: texts(["good morning", "Hello.", "Good evening."]),
            references: texts(["Bien le bonjour.", "Bonjour.", "Bonsoir."]),
        };
        assert_eq!(known.leave_out(&mut set), 2);
        assert_eq!(
            (set.sources, set.references),
            (vec!["Good evening.".into()], vec!["Bonsoir.".into()])
        );
        Ok(())
    }
}
