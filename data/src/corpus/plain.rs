//! Two files, line by line.

use super::{Line, Pair, input::Input};
use crate::Result;

pub(super) fn lines(
    mut source: Input,
    mut target: Input,
) -> impl Iterator<Item = Result<Line>> + Send {
    std::iter::from_fn(move || {
        let (number, pair) = match (source.next(), target.next()) {
            (None, None) => return None,
            (Some((number, source)), Some((_, target))) => match (source, target) {
                (Ok(Some(source)), Ok(Some(target))) => {
                    (number, Ok(Pair { source, target, set: None }))
                }
                (Err(error), _) | (_, Err(error)) => return Some(Err(error.into())),
                _ => (number, Err("not UTF-8".to_owned())),
            },
            (Some((number, Err(error))), _) | (_, Some((number, Err(error)))) => {
                tracing::debug!(number, "reading stopped");
                return Some(Err(error.into()));
            }
            (Some((number, _)), None) => (number, Err("the target file has no such line".into())),
            (None, Some((number, _))) => (number, Err("the source file has no such line".into())),
        };
        Some(Ok(Line { number, pair }))
    })
}
