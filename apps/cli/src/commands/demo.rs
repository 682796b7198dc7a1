//! `dragoman demo`

use std::{
    io::Write,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use clap::{Args, Subcommand};
use dragoman_core::recommend;
use dragoman_data::shop::{Shop, ShopConfig};
use dragoman_store::{DEFAULT_TENANT, Store, Timestamp};
use serde_json::{Map, Value, json};

use crate::recalled::default_store;

/// Have something to look at
#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Recommend(Recommend),
}

/// Fill a store with a generated shop, whose customers are new, do much, follow trends or stay with
/// what they know
#[derive(Debug, Args)]
struct Recommend {
    /// Folder of the store of a server that does not run [default: in the user's data directory]
    #[arg(long, value_name = "DIR", env = "DRAGOMAN_STORE", hide_env_values = true)]
    store: Option<PathBuf>,

    /// Address of a running server, such as `http://127.0.0.1:5000`, in place of a folder
    #[arg(long, conflicts_with = "store")]
    url: Option<String>,

    /// Key that the server asks for
    #[arg(long, requires = "url")]
    key: Option<String>,

    /// Tenant to fill
    #[arg(long, value_name = "NAME", default_value = DEFAULT_TENANT)]
    tenant: String,

    /// Write the shop to the standard output instead, one JSON object a line
    #[arg(long, conflicts_with_all = ["store", "url"])]
    print: bool,

    /// Seed of everything
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Things on offer
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    items: u32,

    /// Customers
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    users: u32,

    /// Things that are shown beside each one that is taken, and passed over, as feedback of the type
    /// `shown`
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    impressions: u32,

    /// Second since 1970 at which the shop ends [default: now]
    #[arg(long, value_name = "SECONDS")]
    end: Option<i64>,
}

impl Demo {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Recommend(command) => command.run(),
        }
    }
}

impl Recommend {
    fn run(self) -> anyhow::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let end = self.end.unwrap_or(i64::try_from(now)?);
        let (items, users) = (self.items as usize, self.users as usize);
        let impressions = self.impressions as usize;
        let shop = ShopConfig { seed: self.seed, items, users, end, impressions }.generate();
        if self.print {
            let mut out = std::io::stdout().lock();
            for rows in ["users", "items", "feedback"] {
                out.write_all(lines(&shop, rows).as_bytes())?;
            }
            return Ok(());
        }
        match &self.url {
            Some(url) => self.send(url, &shop)?,
            None => self.write(&shop)?,
        }
        let (customers, things) = (shop.log.users.len(), shop.log.items.len());
        eprintln!("{customers} customers, {things} things, {} events", shop.log.len());
        Ok(())
    }

    /// Writes the shop into the folder of a store.
    fn write(&self, shop: &Shop) -> anyhow::Result<()> {
        let folder = self.store.clone().map_or_else(default_store, Ok)?;
        let store = Store::open(&folder).context("opening the store")?;
        for rows in ["users", "items", "feedback"] {
            store.import_into(&self.tenant, lines(shop, rows).as_bytes())?;
        }
        Ok(())
    }

    /// Sends the shop to a running server.
    fn send(&self, url: &str, shop: &Shop) -> anyhow::Result<()> {
        let api = match self.tenant.as_str() {
            DEFAULT_TENANT => format!("{}/api", url.trim_end_matches('/')),
            name => format!("{}/t/{name}/api", url.trim_end_matches('/')),
        };
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent: ureq::Agent = config.build().into();
        for rows in ["users", "items", "feedback"] {
            let url = format!("{api}/bulk/{rows}");
            let mut request = agent.post(&url).content_type("application/jsonl");
            if let Some(key) = &self.key {
                request = request.header("X-API-Key", key);
            }
            let mut reply =
                request.send(lines(shop, rows)).with_context(|| format!("sending to {url}"))?;
            let status = reply.status();
            let text = reply.body_mut().read_to_string()?;
            anyhow::ensure!(status.is_success(), "{url} answers {status}: {text}");
        }
        Ok(())
    }
}

/// Rows of the shop as the server takes them, one a line.
fn lines(shop: &Shop, rows: &str) -> String {
    let lines: Vec<Value> = match rows {
        "users" => (0..shop.log.users.len()).map(|user| user_row(shop, user)).collect(),
        "items" => shop.log.items.iter().map(item_row).collect(),
        _ => feedback_rows(shop),
    };
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A customer; the comment says what it was made to be, where no model sees it.
fn user_row(shop: &Shop, user: usize) -> Value {
    let comment = format!("{} ({})", shop.names[user], shop.planted[user].name());
    json!({ "UserId": shop.log.users[user].id, "Comment": comment })
}

fn item_row(item: &recommend::Item) -> Value {
    let pair = |label: &String| {
        let (name, value) = label.split_once(':')?;
        Some((name.to_owned(), json!(value)))
    };
    let labels: Map<String, Value> = item.labels.iter().filter_map(pair).collect();
    json!({
        "ItemId": item.id, "Categories": item.categories, "Labels": labels,
        "Timestamp": Timestamp::from_seconds(item.time), "Comment": item.title,
    })
}

fn feedback_rows(shop: &Shop) -> Vec<Value> {
    let mut rows = Vec::new();
    for (user, history) in shop.log.users.iter().zip(&shop.log.histories) {
        for event in history {
            rows.push(json!({
                "FeedbackType": shop.log.kinds[usize::from(event.kind)],
                "UserId": user.id,
                "ItemId": shop.log.items[event.item as usize].id,
                "Value": event.value,
                "Timestamp": Timestamp::from_seconds(event.time),
            }));
        }
    }
    rows
}
