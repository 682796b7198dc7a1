//! `dragoman expert quantise`, `prune` and `merge`: smaller models, measured before they are taken.

use clap::{Args, ValueEnum};
use dragoman_core::directory::Bits;
use dragoman_training::experts::{self, By, Judgement, Merged, Pruned, Quantised, Wanted};

use super::Changed;

/// What a change may cost.
#[derive(Debug, Args)]
struct Judged {
    /// Sets to measure on, as files with `{pair}` or folders of `en.txt`; may be repeated
    #[arg(long, value_name = "FILE")]
    dev: Vec<String>,

    /// By how much mean chrF++ may fall; a change that costs more is not made
    #[arg(long, value_name = "POINTS", default_value_t = 0.5)]
    max_drop: f64,

    /// Domains that are on while measuring, such as `it`; may be repeated
    #[arg(long, value_name = "NAME")]
    domain: Vec<String>,
}

impl Judged {
    fn judgement(self) -> Judgement {
        Judgement { dev: self.dev, domains: self.domain, max_drop: self.max_drop }
    }
}

/// In how many bits experts are stored.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Size {
    Int8,
    Int4,
    /// For each expert the least that its loss allows
    Auto,
}

/// Store the experts of a model in fewer bits
#[derive(Debug, Args)]
pub(super) struct Quantise {
    /// How many
    #[arg(long, value_name = "BITS", default_value = "int8")]
    experts: Size,

    #[command(flatten)]
    model: Changed,

    #[command(flatten)]
    judged: Judged,
}

/// What is weighed together.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Weighed {
    /// Each route by itself
    Route,
    /// All routes together
    Model,
}

/// Leave the experts that a route hardly uses out of its group
#[derive(Debug, Args)]
pub(super) struct Prune {
    /// Share of each group to keep, at least one expert more than a token visits
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    keep: f64,

    /// What is weighed together
    #[arg(long, value_name = "WHAT", default_value = "route")]
    by: Weighed,

    #[command(flatten)]
    model: Changed,

    #[command(flatten)]
    judged: Judged,
}

/// Make one expert of two that are alike, weighted by their use; it takes the name of the first
#[derive(Debug, Args)]
pub(super) struct Merge {
    /// The expert that stays
    first: String,

    /// The expert that goes
    second: String,

    #[command(flatten)]
    model: Changed,

    #[command(flatten)]
    judged: Judged,
}

impl Quantise {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let wanted = match self.experts {
            Size::Int8 => Wanted::All(Bits::Eight),
            Size::Int4 => Wanted::All(Bits::Four),
            Size::Auto => Wanted::Chosen,
        };
        let Quantised { bits, bytes, chrf } =
            experts::quantise(self.model.open()?, wanted, &self.judged.judgement())?;
        for (name, bits) in bits {
            println!("{name:<16} {}", if bits == Bits::Four { "int4" } else { "int8" });
        }
        let [before, after] = bytes.map(|bytes| bytes as f64 / 1e6);
        println!("experts: {before:.2} MB before, {after:.2} MB after; {}", change(chrf));
        Ok(())
    }
}

impl Prune {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let by = match self.by {
            Weighed::Route => By::Route,
            Weighed::Model => By::Model,
        };
        let judgement = self.judged.judgement();
        let pruned = experts::prune(self.model.open()?, self.keep, by, &judgement)?;
        let Pruned { groups, removed, chrf } = pruned;
        for (route, group) in groups {
            println!("{route:<16} {}", group.join(", "));
        }
        let removed = if removed.is_empty() { "none".into() } else { removed.join(", ") };
        println!("experts that no route uses any more: {removed}; {}", change(chrf));
        Ok(())
    }
}

impl Merge {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (first, second) = (&self.first, &self.second);
        let Merged { share, chrf } =
            experts::merge(self.model.open()?, first, second, &self.judged.judgement())?;
        let theirs = 1.0 - share;
        println!(
            "`{first}` is now {share:.2} of itself and {theirs:.2} of `{second}`; {}",
            change(chrf)
        );
        Ok(())
    }
}

fn change([before, after]: [f64; 2]) -> String {
    format!("mean chrF++ {before:.2} before, {after:.2} after")
}
