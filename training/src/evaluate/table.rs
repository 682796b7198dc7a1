//! An evaluation as people read it: aligned text, Markdown, JSON.

use std::fmt;

use super::{Evaluation, TranslationScores};

/// Columns, with the text of a cell.
type Column = (&'static str, fn(&TranslationScores) -> String);

const COLUMNS: [Column; 11] = [
    ("pair", TranslationScores::label),
    ("sentences", |row| row.sentences.to_string()),
    ("BLEU", |row| score(&row.bleu)),
    ("chrF", |row| score(&row.chrf)),
    ("chrF++", |row| score(&row.chrf_plus_plus)),
    ("off-target %", |row| percent(row.off_target_rate)),
    ("of references %", |row| percent(row.reference_off_target_rate)),
    ("length ratio", |row| format!("{:.3}", row.length_ratio)),
    ("repeats %", |row| percent(Some(row.loop_rate))),
    ("copies %", |row| percent(Some(row.copy_rate))),
    ("sentences/s", |row| {
        row.sentences_per_second.map_or("–".into(), |rate| format!("{rate:.1}"))
    }),
];

/// Scores that are summarised below a table.
type Measure = (&'static str, fn(&TranslationScores) -> f64);

const MEASURES: [Measure; 3] = [
    ("BLEU", |row| row.bleu.score),
    ("chrF", |row| row.chrf.score),
    ("chrF++", |row| row.chrf_plus_plus.score),
];

impl Evaluation {
    /// The table in Markdown, with a summary and the signatures below.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        let mut push_row = |cells: Vec<String>| text += &format!("| {} |\n", cells.join(" | "));
        push_row(COLUMNS.iter().map(|(title, _)| (*title).to_owned()).collect());
        push_row((0..COLUMNS.len()).map(|i| if i == 0 { ":--" } else { "--:" }.into()).collect());
        for row in &self.rows {
            push_row(COLUMNS.iter().map(|(_, cell)| cell(row)).collect());
        }
        for line in self.summaries() {
            text += &format!("\n{line}\n");
        }
        for signature in self.signatures() {
            text += &format!("\n`{signature}`\n");
        }
        text
    }

    /// All numbers as JSON, for other programs.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("scores are plain numbers and strings")
    }

    /// One line for each score: its mean, its best and worst pair, and the spread between them.
    fn summaries(&self) -> Vec<String> {
        let lines = MEASURES.iter().filter_map(|(name, measure)| {
            let summary = self.summary(measure)?;
            let ((best, high), (worst, low)) = (&summary.best, &summary.worst);
            let (mean, spread) = (summary.mean, summary.spread);
            Some(format!(
                "{name}: mean {mean:.2}, best {high:.2} ({best}), worst {low:.2} ({worst}), \
                 spread {spread:.2}"
            ))
        });
        lines.collect()
    }

    /// Every signature once, in order of appearance.
    fn signatures(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for row in &self.rows {
            let scores = [&row.bleu, &row.chrf, &row.chrf_plus_plus];
            for ((name, _), score) in MEASURES.iter().zip(scores) {
                let line = format!("{name}|{}", score.signature);
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
        lines.sort_by_key(|line| !line.starts_with("BLEU"));
        lines
    }
}

/// Aligned for the terminal.
impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = COLUMNS.map(|(title, _)| title.to_owned());
        let rows = self.rows.iter().map(|row| COLUMNS.map(|(_, cell)| cell(row)));
        let table: Vec<_> = [titles].into_iter().chain(rows).collect();
        let width = |column: usize| {
            table.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0)
        };
        for cells in &table {
            write!(f, "{:<width$}", cells[0], width = width(0))?;
            for (column, cell) in cells.iter().enumerate().skip(1) {
                write!(f, "  {cell:>width$}", width = width(column))?;
            }
            writeln!(f)?;
        }
        writeln!(f)?;
        self.summaries().iter().try_for_each(|line| writeln!(f, "{line}"))?;
        writeln!(f)?;
        self.signatures().iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A score, and half the width of its interval where there is one.
fn score(score: &super::Score) -> String {
    match score.interval {
        Some(interval) => {
            format!("{:.2} ± {:.2}", score.score, (interval.high - interval.low) / 2.0)
        }
        None => format!("{:.2}", score.score),
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or("–".into(), |share| format!("{:.2}", 100.0 * share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Result, evaluate::score_translations};

    fn evaluation() -> Result<Evaluation> {
        let row = |pair: &str, hypothesis| {
            let references = ["Where is the station, please?"];
            score_translations(&pair.parse()?, &[hypothesis], &references, &["Wo?"], 0.5)
        };
        let rows = vec![
            row("de-en", "Where is the station, please?")?,
            row("nl-en", "Where was that station, please?")?,
        ];
        Ok(Evaluation { rows })
    }

    #[test]
    fn the_columns_of_the_terminal_are_aligned() -> Result<()> {
        let text = evaluation()?.to_string();
        let lines: Vec<_> = text.lines().collect();
        let width = lines[0].chars().count();
        assert!(lines[..3].iter().all(|line| line.chars().count() == width), "{text}");
        assert!(lines[1].starts_with("de-en") && lines[1].contains("100.00"), "{text}");
        assert!(text.contains("worst") && text.contains("(nl-en), spread"), "{text}");
        Ok(())
    }

    #[test]
    fn markdown_holds_each_signature_once() -> Result<()> {
        let text = evaluation()?.to_markdown();
        assert_eq!(text.matches("tok:13a").count(), 1, "{text}");
        assert_eq!(text.matches("nw:2").count(), 1, "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with('|')).count(), 4, "{text}");
        Ok(())
    }

    #[test]
    fn json_reads_back_as_it_was() -> anyhow::Result<()> {
        let evaluation = evaluation()?;
        assert_eq!(serde_json::from_str::<Evaluation>(&evaluation.to_json())?, evaluation);
        Ok(())
    }
}
