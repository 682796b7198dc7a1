//! The words of all items in one piece of memory, for lists that look at every item.

/// Words of an item that are kept here; few items have more.
const INLINE: usize = 6;

/// What most items have been marked with.
#[derive(Debug, Clone, Copy, Default)]
struct Bag {
    words: [u32; INLINE],
    /// How many words the item has, which may be more than are here.
    len: u32,
    is_shown: bool,
}

impl Bag {
    fn words(&self) -> Option<&[u32]> {
        self.words.get(..self.len as usize)
    }
}

/// The words of each item by number, and whether it is shown.
#[derive(Debug, Default)]
pub(super) struct Bags(Vec<Bag>);

impl Bags {
    /// Makes room for `len` items.
    pub(super) fn grow(&mut self, len: usize) {
        self.0.resize(len, Bag::default());
    }

    /// Notes the words of the item `number`: its categories and its labels.
    pub(super) fn put(&mut self, number: u32, parts: [&[u32]; 2], is_shown: bool) {
        let mut bag = Bag { is_shown, ..Bag::default() };
        for &word in parts.into_iter().flatten() {
            if let Some(place) = bag.words.get_mut(bag.len as usize) {
                *place = word;
            }
            bag.len += 1;
        }
        self.0[number as usize] = bag;
    }

    /// Forgets the item `number`.
    pub(super) fn clear(&mut self, number: u32) {
        self.0[number as usize] = Bag::default();
    }

    /// Whether the item `number` is neither hidden nor deleted.
    pub(super) fn is_shown(&self, number: u32) -> bool {
        self.0[number as usize].is_shown
    }

    /// The words of each item, none where they are too many to be here.
    pub(super) fn iter(&self) -> impl Iterator<Item = Option<&[u32]>> {
        self.0.iter().map(Bag::words)
    }

    /// The words of the item `number`, none where they are too many to be here.
    pub(super) fn words(&self, number: u32) -> Option<&[u32]> {
        self.0[number as usize].words()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_words_are_here_and_many_are_not() {
        let mut bags = Bags::default();
        bags.grow(3);
        bags.put(0, [&[4, 7], &[1]], true);
        bags.put(1, [&[1, 2, 3, 4, 5, 6], &[7]], false);
        let words: Vec<Option<&[u32]>> = bags.iter().collect();
        assert_eq!(words, [Some(&[4, 7, 1][..]), None, Some(&[])]);
        assert_eq!((bags.words(0), bags.words(1)), (Some(&[4, 7, 1][..]), None));
        assert!(bags.is_shown(0) && !bags.is_shown(1) && !bags.is_shown(2));
        bags.clear(0);
        assert!(!bags.is_shown(0) && bags.iter().next() == Some(Some(&[])));
    }
}
