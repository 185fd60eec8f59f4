//! Printing data: tables for people, JSON for programs.

use clap::ValueEnum;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde_json::Value;

use crate::domain::Currency;
use crate::domain::entries::PostedEntry;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people.
    Table,
    /// JSON for programs.
    Json,
}

/// Rows under a head.
pub fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(head);
    for row in rows {
        table.add_row(row);
    }
    table
}

/// Prints rows as a table, or as a JSON list of objects with the head as keys.
pub fn print<const N: usize>(format: Format, head: [&str; N], rows: Vec<[String; N]>) {
    match format {
        Format::Table => println!("{}", table(head, rows)),
        Format::Json => {
            let object = |row: [String; N]| -> Value {
                head.into_iter().map(str::to_owned).zip(row.into_iter().map(Value::from)).collect()
            };
            let list: Vec<Value> = rows.into_iter().map(object).collect();
            println!("{}", Value::from(list));
        }
    }
}

/// Prints what a command has made: a sentence, or JSON.
pub fn made(format: Format, text: &str, json: &Value) {
    match format {
        Format::Table => println!("{text}"),
        Format::Json => println!("{json}"),
    }
}

/// The amount with its sign, as a ledger shows it.
pub fn signed(currency: Currency, amount_minor: i64) -> String {
    let sign = if amount_minor > 0 { "+" } else { "" };
    format!("{sign}{}", currency.display(amount_minor))
}

/// Entries of the ledger as a table.
pub fn ledger(entries: &[PostedEntry]) -> Table {
    let rows = entries.iter().map(|entry| {
        [
            entry.promoter.to_string(),
            entry.invoice.as_ref().map(ToString::to_string).unwrap_or_default(),
            entry.kind.as_str().to_owned(),
            signed(entry.currency, entry.amount_minor),
            entry.available_at.to_string(),
            entry.cause.to_string(),
        ]
    });
    table(["promoter", "invoice", "kind", "amount", "available at", "cause"], rows)
}
