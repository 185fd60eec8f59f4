//! Every reward rule with worked figures, through the front door, on both databases.
//!
//! One program a case: programs, promoters and codes of one name. What an invoice holds is compared as a text, see
//! [`held`].

mod amounts;
mod base;
mod calendar;
mod places;
mod products;
mod refunds;
mod tiers;
mod versions;

use crate::support::World;
use crate::support::events::*;
use crate::support::people::ago;
use serde_json::{Value, json};

/// When the programs of these tests were made.
const MADE: &str = "2025-01-01T00:00:00Z";
/// When the customers of these tests were referred; invoices of the day before count, too.
const CLAIMED: &str = "2025-01-10T00:00:00Z";
/// Some time after it.
const PAID: &str = "2025-01-15T12:00:00Z";

/// Unix seconds of a time in UTC such as `2025-01-31T12:00:00Z`.
fn unix(time: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(time).unwrap().timestamp()
}

/// So many seconds before now, as `2025-01-31T12:00:00Z`.
fn seconds_ago(seconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp(created() - seconds, 0).unwrap();
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// A program with these terms, its promoter and its code; all three have this name.
async fn program(world: &World, name: &str, terms: &str) {
    world.program(name, &format!("{terms} --now {MADE}")).await;
    world.promoter(name).await;
    world.code(name, name, name).await;
}

/// The customer was referred by the code at that time.
async fn claim(world: &World, code: &str, customer: &str, claimed_at: &str) -> Value {
    claim_by(world, json!({ "code": code, "customer": customer, "claimed_at": unix(claimed_at) })).await
}

async fn claim_by(world: &World, body: Value) -> Value {
    let (status, answer) = world.post_referral(&body).await;
    assert!(status == 200 || status == 201, "{body}: {status} {answer}");
    answer
}

/// `invoice.paid`, paid at that time; without tax.
fn sale(invoice: &str, customer: &str, amount: i64, paid_at: &str) -> Value {
    with(
        invoice_paid(invoice, customer, amount),
        json!({ "status_transitions": { "paid_at": unix(paid_at) }, "customer_email": null }),
    )
}

/// The event with these fields of its object instead of its own; `null` takes a field away.
fn with(mut event: Value, fields: Value) -> Value {
    let object = event["data"]["object"].as_object_mut().unwrap();
    let Value::Object(fields) = fields else { panic!("not fields: {fields}") };
    for (name, value) in fields {
        if value.is_null() {
            object.remove(&name);
        } else {
            object.insert(name, value);
        }
    }
    event
}

fn in_currency(event: Value, currency: &str) -> Value {
    with(event, json!({ "currency": currency }))
}

/// Sends a sale and says what its invoice holds then.
async fn sell(world: &World, sale: &Value) -> String {
    world.send(sale).await;
    held(world, sale["data"]["object"]["id"].as_str().unwrap()).await
}

/// What the ledger holds for an invoice: `1000` for a commission, `1000 -250` after a refund, the reason when there is
/// none; a reason beside posted sums shows both.
async fn held(world: &World, invoice: &str) -> String {
    let row = world.get(&format!("/v1/commissions/{invoice}")).await;
    let sum = |kind: &str| {
        let entries = row["entries"].as_array().unwrap().iter().filter(|entry| entry["kind"] == kind);
        entries.map(|entry| entry["amount"].as_i64().unwrap()).sum::<i64>()
    };
    let reason = row["reason"].as_str().unwrap_or_default();
    let row = format!("{} {} {reason}", sum("commission"), sum("refund"));
    match row.split(' ').collect::<Vec<_>>()[..] {
        ["0", "0", reason] if !reason.is_empty() => reason.to_owned(),
        [commission, "0", ""] => commission.to_owned(),
        [commission, refund, ""] => format!("{commission} {refund}"),
        _ => row,
    }
}

/// Compares what invoices hold.
async fn expect_held(world: &World, when: &str, expected: &[(&str, &str)]) {
    let mut found = Vec::new();
    for (invoice, _) in expected {
        found.push((*invoice, held(world, invoice).await));
    }
    let found: Vec<_> = found.iter().map(|(invoice, held)| (*invoice, held.as_str())).collect();
    assert_eq!(found, expected, "{when}");
}

/// Why the last entry of an invoice was posted.
async fn last_cause(world: &World, invoice: &str) -> String {
    let entries = world.entries_of(invoice).await;
    entries.last().unwrap()["cause"].as_str().unwrap().to_owned()
}

/// A field of the commission of an invoice as text; `null` is "".
async fn shown(world: &World, field: &str, invoice: &str) -> String {
    match &world.get(&format!("/v1/commissions/{invoice}")).await[field] {
        Value::Null => String::new(),
        value => value.to_string(),
    }
}

/// The payment `pi_X` that paid the invoice `in_X`.
fn payment_of(invoice: &str) -> String {
    invoice.replacen("in_", "pi_", 1)
}

/// The invoice was paid by a payment of its own, and so much of it was refunded in this one refund.
async fn refund_of(world: &World, invoice: &str, paid: i64, refund_id: &str, amount: i64) {
    let payment = payment_of(invoice);
    world.send(&invoice_payment(invoice, &payment, paid)).await;
    world.send(&refund("refund.created", refund_id, &payment, amount, "succeeded")).await;
}

/// Runs a command that must fail with this exit code and one line that names the field.
fn expect_refusal(world: &World, arguments: &str, field: &str) {
    let output = world.cli(&arguments.split_whitespace().collect::<Vec<_>>());
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), told.lines().count()), (Some(1), 1), "{arguments}: {told}");
    assert!(told.contains(&format!("{field}: ")) && output.stdout.is_empty(), "{arguments}: {told}");
}
