//! Files with a line for each user: histories, and what came next.

use std::{collections::BTreeMap, io::BufRead, path::Path};

use dragoman_core::recommend::Event;
use dragoman_data::interactions::{Format, Interactions, open};

use crate::{Error, Result};

/// Identifiers of items by the number of their line.
pub(super) fn read(path: &Path) -> Result<BTreeMap<u64, Vec<String>>> {
    let (log, _) = Interactions::load_as(Format::Lines, path)?;
    let id = |event: &Event| log.items[event.item as usize].id.clone();
    let numbered = log.users.iter().zip(&log.histories).filter_map(|(user, history)| {
        Some((user.id.parse().ok()?, history.iter().map(id).collect()))
    });
    Ok(numbered.collect())
}

/// Refuses histories and targets of different length, whose lines would belong to other users. Empty lines at
/// the end do no harm.
pub(super) fn check(histories: &Path, targets: &Path) -> Result<()> {
    if histories.is_dir() || targets.is_dir() {
        return Ok(());
    }
    let (before, after) = (count(histories)?, count(targets)?);
    if before.filled > after.all || after.filled > before.all {
        let (before, after) = (before.all, after.all);
        let (histories, targets) = (histories.display(), targets.display());
        return Err(Error::Recommendation(format!(
            "`{histories}` has {before} lines and `{targets}` has {after}; write the same users in both, one a \
             line, with an empty line for a user without a history"
        )));
    }
    Ok(())
}

/// Lines of a file, and those up to the last that is not empty.
struct Lines {
    all: usize,
    filled: usize,
}

fn count(path: &Path) -> Result<Lines> {
    let mut lines = Lines { all: 0, filled: 0 };
    let mut reader = open(path)?;
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        lines.all += 1;
        if !line.trim_ascii().is_empty() {
            lines.filled = lines.all;
        }
        line.clear();
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_and_targets_are_of_the_same_length() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let [histories, targets] = ["h.txt", "t.txt"].map(|name| folder.path().join(name));
        fs_err::write(&targets, "b\n")?;
        fs_err::write(&histories, "a\nb\nc\n")?;
        let error = check(&histories, &targets).expect_err("3 users and 1").to_string();
        assert!(error.contains("h.txt` has 3 lines") && error.contains("t.txt` has 1"), "{error}");
        assert!(check(&targets, &histories).is_err());
        fs_err::write(&targets, "b\nc\nd")?;
        check(&histories, &targets)?;
        // The last user has no history.
        fs_err::write(&histories, "a\n\n\n\n")?;
        check(&histories, &targets)?;
        Ok(())
    }
}
