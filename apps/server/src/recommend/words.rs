//! Numbers for categories and labels, which are given back when no item has the word any more.

use std::{collections::HashMap, sync::Arc};

/// Words by number.
#[derive(Debug, Default)]
pub(super) struct Words {
    numbers: HashMap<Arc<str>, u32>,
    /// The word of each number, and how many items have it.
    uses: Vec<(Arc<str>, u32)>,
    free: Vec<u32>,
}

impl Words {
    /// The numbers of `words` for one more item, ascending, each once.
    pub(super) fn acquire(&mut self, words: impl IntoIterator<Item = String>) -> Box<[u32]> {
        let mut numbers: Vec<u32> = words.into_iter().map(|word| self.intern(word)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.iter().for_each(|&number| self.uses[number as usize].1 += 1);
        numbers.into()
    }

    /// Takes `numbers` back from an item; a word that nobody has is forgotten.
    pub(super) fn release(&mut self, numbers: &[u32]) {
        for &number in numbers {
            let (word, uses) = &mut self.uses[number as usize];
            *uses -= 1;
            if *uses == 0 {
                self.numbers.remove(word);
                *word = Arc::default();
                self.free.push(number);
            }
        }
    }

    fn intern(&mut self, word: String) -> u32 {
        if let Some(&number) = self.numbers.get(word.as_str()) {
            return number;
        }
        let word: Arc<str> = word.into();
        let number = match self.free.pop() {
            Some(number) => {
                self.uses[number as usize] = (Arc::clone(&word), 0);
                number
            }
            None => {
                self.uses.push((Arc::clone(&word), 0));
                u32::try_from(self.uses.len() - 1).expect("fewer than 4 billion words")
            }
        };
        self.numbers.insert(word, number);
        number
    }

    /// The number of `word`, if an item has it.
    pub(super) fn get(&self, word: &str) -> Option<u32> {
        self.numbers.get(word).copied()
    }

    /// The word of a number.
    pub(super) fn name(&self, number: u32) -> &str {
        &self.uses[number as usize].0
    }

    /// Numbers are below this.
    pub(super) fn len(&self) -> usize {
        self.uses.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_without_items_are_forgotten_and_their_numbers_given_again() {
        let mut words = Words::default();
        let list = |list: &[&str]| list.iter().map(|word| word.to_string()).collect::<Vec<_>>();
        let a = words.acquire(list(&["x", "y", "x"]));
        let b = words.acquire(list(&["y"]));
        assert_eq!((&*a, &*b), ([0, 1].as_slice(), [1].as_slice()));
        words.release(&a);
        assert_eq!((words.get("x"), words.get("y"), words.len()), (None, Some(1), 2));
        let c = words.acquire(list(&["z"]));
        assert_eq!((&*c, words.name(0), words.len()), ([0].as_slice(), "z", 2));
        for round in 0..1000 {
            let numbers = words.acquire(list(&[&format!("round {round}")]));
            words.release(&numbers);
        }
        assert_eq!(words.len(), 3);
    }
}
