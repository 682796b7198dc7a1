//! `dragoman expert`

use anyhow::bail;
use clap::{Args, Subcommand};
use dragoman_core::register::{ExpertEntry, Register};

use crate::models::ModelArgs;

/// See which experts a model has
#[derive(Debug, Args)]
pub(crate) struct Expert {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the experts and routes of a model
    List(List),
    /// Show all that the register says about one expert
    Show(Show),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    model: ModelArgs,
}

#[derive(Debug, Args)]
struct Show {
    /// Name of the expert, such as `pair.en-de`
    name: String,

    #[command(flatten)]
    model: ModelArgs,
}

impl Expert {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::List(command) => list(&command.model.files()?.register()?),
            What::Show(command) => show(&command.model.files()?.register()?, &command.name)?,
        }
        Ok(())
    }
}

fn list(register: &Register) {
    println!("{:<16} {:<8} {:>6}  layers", "expert", "kind", "d_ff");
    for ExpertEntry { name, kind, layers, d_ff, .. } in &register.experts {
        let kind = format!("{kind:?}").to_lowercase();
        println!("{name:<16} {kind:<8} {d_ff:>6}  {}", layers.join(", "));
    }
    println!("\n{:<16} group", "route");
    for route in &register.routes {
        println!("{:<16} {}", route.name, route.group.join(", "));
    }
}

fn show(register: &Register, name: &str) -> anyhow::Result<()> {
    let Some(expert) = register.expert(name) else {
        let known: Vec<&str> = register.experts.iter().map(|expert| expert.name.as_str()).collect();
        bail!("no expert `{name}`; this model has {}", known.join(", "));
    };
    println!("{}", serde_json::to_string_pretty(expert)?);
    Ok(())
}
