//! `promoter create|list|show`.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::database;
use super::output::{self, Format};
use crate::clock;
use crate::domain::PromoterId;
use crate::domain::entries::PostedEntry;
use crate::service::{promoters, queries};
use crate::settings::Settings;
use crate::store::Database;

/// Entries that `show` prints.
const SHOWN_ENTRIES: u64 = 200;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a user of the host application a promoter; prints the id.
    Create(Create),
    /// List promoters, oldest first.
    List {
        /// The promoter after which to go on.
        #[arg(long, value_name = "PRM")]
        after: Option<String>,
        /// Rows to print.
        #[arg(long, default_value_t = 50)]
        limit: u64,
        /// How to print.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Show codes, balances and entries of a promoter.
    Show {
        /// Its id, or its user id.
        promoter: String,
        /// How to print.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub struct Create {
    /// The promoter as a user of the host application.
    user_id: String,
    /// The promoter's e-mail; a customer with the same one cannot be referred by this promoter.
    #[arg(long)]
    email: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// Runs the command.
pub async fn run(settings: &Settings, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create(create) => {
            let db = database::migrated(settings).await?;
            let email = create.email.as_deref();
            let promoter = promoters::create_promoter(&db, &create.user_id, email, clock::now()).await?;
            let json = json!({ "id": promoter.id.as_str(), "user_id": promoter.user_id });
            output::made(create.format, promoter.id.as_str(), &json);
        }
        Command::List { after, limit, format } => {
            let db = database::existing(settings).await?;
            let promoters = queries::promoters::list(&db, after.map(PromoterId::new).as_ref(), limit).await?;
            let rows = promoters
                .into_iter()
                .map(|promoter| [promoter.id.to_string(), promoter.user_id, promoter.created_at.to_string()]);
            output::print(format, ["promoter", "user_id", "created_at"], rows.collect());
        }
        Command::Show { promoter, format } => {
            show(&database::existing(settings).await?, &promoter, format).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(db: &Database, name: &str, format: Format) -> anyhow::Result<()> {
    let view = queries::promoters::one(db, name, clock::now()).await?;
    let Some(view) = view else { bail!("there is no promoter {name}") };
    let id = &view.promoter.id;
    let entries =
        queries::promoters::entries(db, Some(id.as_str()), 0, SHOWN_ENTRIES.saturating_add(1)).await?;
    if format == Format::Json {
        println!("{}", as_json(&view, &entries));
        return Ok(());
    }
    println!("promoter {id}, user {}", view.promoter.user_id);
    let codes = view.codes.iter().map(|view| [view.code.to_string(), view.facts.owner.program.to_string()]);
    println!("{}", output::table(["code", "program"], codes));
    let balances = view.balances.iter().map(|balance| {
        [balance.earned_minor, balance.held_minor, balance.available_minor()]
            .map(|amount_minor| balance.currency.display(amount_minor))
    });
    println!("{}", output::table(["earned", "held", "available"], balances));
    let shown = usize::try_from(SHOWN_ENTRIES).context("a page is too long")?;
    println!("{}", output::ledger(entries.get(..shown).unwrap_or(&entries)));
    if entries.len() > shown {
        println!("… and more: only the first {shown} entries are shown");
    }
    Ok(())
}

fn as_json(view: &queries::promoters::PromoterView, entries: &[PostedEntry]) -> serde_json::Value {
    let codes: Vec<_> = view
        .codes
        .iter()
        .map(|view| json!({ "code": view.code.as_str(), "program": view.facts.owner.program.as_str() }))
        .collect();
    let balances: Vec<_> = view
        .balances
        .iter()
        .map(|balance| {
            json!({
                "currency": balance.currency.as_str(),
                "earned": balance.earned_minor,
                "held": balance.held_minor,
                "available": balance.available_minor(),
            })
        })
        .collect();
    let entries: Vec<_> = entries
        .iter()
        .map(|entry| {
            json!({
                "id": entry.id,
                "invoice": entry.invoice.as_ref().map(ToString::to_string),
                "kind": entry.kind.as_str(),
                "amount": entry.amount_minor,
                "currency": entry.currency.as_str(),
                "cause": entry.cause.to_string(),
                "available_at": entry.available_at.unix(),
                "posted_at": entry.posted_at.unix(),
            })
        })
        .collect();
    json!({
        "id": view.promoter.id.as_str(),
        "user_id": view.promoter.user_id,
        "codes": codes,
        "balances": balances,
        "entries": entries,
    })
}
