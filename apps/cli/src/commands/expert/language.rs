//! `dragoman expert add language.xx`: both directions of a language, one after the other.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use dragoman_data::corpus::Corpus;
use dragoman_training::{control::Control, evaluate::LanguagePair, experts::AddRequest};

use super::{add::Add, learning::learn};

impl Add {
    /// Adds an expert for each direction between the language `code` and those of the corpora.
    pub(super) fn add_language(self, code: &str, control: &Control) -> anyhow::Result<()> {
        ensure!(self.lora.is_none(), "`--lora` is for domains");
        let pairs = self.pairs_of(code)?;
        let budget = self.learning.budget()?;
        let known = self.model.open()?.register().clone();
        let (old, new): (Vec<_>, Vec<_>) =
            pairs.into_iter().partition(|pair| known.route(&pair.source, &pair.target).is_some());
        for pair in old {
            println!("the model translates {pair} already");
        }
        ensure!(!new.is_empty(), "there is nothing to add");
        let work = self.learning.work(&self.name);
        let is_dry_run = self.learning.dry_run;
        let count = new.len();
        for pair in new {
            let name = format!("pair.{pair}");
            let mut learning = self.learning.clone();
            learning.work = Some(work.join(&name));
            let mut request = learning.request(&name)?;
            request.budget.minutes = budget.minutes / count as f64;
            let width = self.width.map(|width| width as usize);
            let request = AddRequest { parent: self.parent.clone(), width, ..request };
            learn(self.model.open()?, &request, is_dry_run, control)
                .with_context(|| format!("adding `{name}`"))?;
        }
        Ok(())
    }

    /// The directions to add, into the language first: its tag comes with that expert.
    fn pairs_of(&self, code: &str) -> anyhow::Result<Vec<LanguagePair>> {
        let mut pairs = self.pairs.clone();
        if pairs.is_empty() {
            for path in &self.learning.data {
                if path.contains("{pair}") {
                    bail!("say with `--pairs en-{code},{code}-en` what `{{pair}}` stands for");
                }
                let Corpus { source, target, .. } = Corpus::from_name(Path::new(path))?;
                let pair = LanguagePair { source, target };
                pairs.extend([pair.reversed(), pair]);
            }
        }
        if let Some(pair) = pairs.iter().find(|pair| pair.source != code && pair.target != code) {
            bail!("{pair} has nothing to do with the language `{code}`");
        }
        ensure!(
            !pairs.is_empty(),
            "nothing to learn from: name a corpus with `--data en-{code}.tsv`"
        );
        pairs.sort_by_key(|pair| (pair.target != code, pair.to_string()));
        pairs.dedup();
        Ok(pairs)
    }
}
