//! `dragoman expert list` and `show`

use anyhow::bail;
use clap::Args;
use dragoman_core::register::{ExpertEntry, Register};

use crate::models::ModelFolder;

/// List the experts and routes of a model
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    model: ModelFolder,
}

/// Show all that the register says about one expert
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Name of the expert, such as `pair.en-de`
    name: String,

    #[command(flatten)]
    model: ModelFolder,
}

impl List {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let register = self.model.files()?.register()?;
        println!("{:<16} {:<9} {:>6}  layers", "expert", "kind", "d_ff");
        for ExpertEntry { name, kind, layers, d_ff, lora, .. } in &register.experts {
            let kind = format!("{kind:?}").to_lowercase();
            let width = lora.map_or(d_ff.to_string(), |rank| format!("r {rank}"));
            println!("{name:<16} {kind:<9} {width:>6}  {}", layers.join(", "));
        }
        println!("\n{:<16} group", "route");
        for (i, route) in register.routes.iter().enumerate() {
            let domains: Vec<&str> = register.domains_of(i).map(|e| e.short_name()).collect();
            let domains = match domains.is_empty() {
                true => String::new(),
                false => format!("; domains {}", domains.join(", ")),
            };
            let rule = route.rule.as_ref().map(|rule| format!("; {rule}")).unwrap_or_default();
            println!("{:<16} {}{domains}{rule}", route.name, route.group.join(", "));
        }
        Ok(())
    }
}

impl Show {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let register: Register = self.model.files()?.register()?;
        let Some(expert) = register.expert(&self.name) else {
            let known: Vec<&str> = register.experts.iter().map(|e| e.name.as_str()).collect();
            bail!("no expert `{}`; this model has {}", self.name, known.join(", "));
        };
        println!("{}", serde_json::to_string_pretty(expert)?);
        Ok(())
    }
}
