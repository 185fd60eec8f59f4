//! What a sale costs in the database: the rows that it adds, on both databases, and the trees that it writes to, on
//! SQLite. A feature that adds to them is seen here; whoever means it changes the lists.

#[path = "../../benches/throughput/log_pages.rs"]
mod log_pages;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use crate::plans::GROWING;
use crate::support::World;
use crate::support::events::{invoice_paid, invoice_paid_with_code};
use crate::support::people::with;
use log_pages::HeldLog;

/// The sales whose cost is told, in order. Ten sales of other customers stand before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sale {
    /// The first of a customer whom nobody has referred.
    Unreferred,
    /// The next one of the same customer.
    UnreferredAgain,
    /// The first of a referred customer.
    Referred,
    /// The next one of the same customer.
    ReferredAgain,
}

const SALES: [Sale; 4] = [Sale::Unreferred, Sale::UnreferredAgain, Sale::Referred, Sale::ReferredAgain];

/// Rows that a sale adds, one of each of these tables.
const fn rows(sale: Sale) -> &'static [&'static str] {
    match sale {
        Sale::Unreferred => &["customer_email", "event", "event_payload", "invoice", "subscription"],
        Sale::UnreferredAgain => &["event", "event_payload", "invoice"],
        Sale::Referred => &[
            "claim",
            "commission",
            "customer_email",
            "event",
            "event_payload",
            "invoice",
            "ledger_entry",
            "redemption",
            "referral",
            "referral_number",
            "subscription",
        ],
        Sale::ReferredAgain => &["commission", "event", "event_payload", "invoice", "ledger_entry"],
    }
}

/// Trees of SQLite that a sale writes to, beside the page of the file's header (`sqlite_schema`): a page of each, and more
/// where one was full.
const fn trees(sale: Sale) -> &'static [&'static str] {
    match sale {
        Sale::Unreferred => &[
            "customer_email",
            "event",
            "event_payload",
            "invoice",
            "invoice_stripe_customer",
            "ledger_head",
            "sqlite_autoindex_event_1",
            "sqlite_autoindex_invoice_1",
            "subscription",
            "subscription_id",
        ],
        Sale::UnreferredAgain => &[
            "event",
            "event_payload",
            "invoice",
            "invoice_stripe_customer",
            "ledger_head",
            "sqlite_autoindex_event_1",
            "sqlite_autoindex_invoice_1",
        ],
        Sale::Referred => &[
            "claim",
            "claim_code",
            "claim_stripe_customer",
            "code",
            "commission",
            "commission_program",
            "commission_promoter",
            "customer_email",
            "event",
            "event_payload",
            "invoice",
            "invoice_stripe_customer",
            "ledger_entry",
            "ledger_entry_invoice",
            "ledger_entry_promoter",
            "ledger_head",
            "redemption",
            "referral",
            "referral_counter",
            "referral_number",
            "referral_program",
            "referral_promoter",
            "referral_slot",
            "sqlite_autoindex_claim_1",
            "sqlite_autoindex_event_1",
            "sqlite_autoindex_invoice_1",
            "sqlite_autoindex_referral_1",
            "sqlite_autoindex_referral_2",
            "subscription",
            "subscription_id",
        ],
        Sale::ReferredAgain => &[
            "commission",
            "commission_program",
            "commission_promoter",
            "event",
            "event_payload",
            "invoice",
            "invoice_stripe_customer",
            "ledger_entry",
            "ledger_entry_invoice",
            "ledger_entry_promoter",
            "ledger_head",
            "sqlite_autoindex_event_1",
            "sqlite_autoindex_invoice_1",
        ],
    }
}

async fn send(world: &World, sale: Sale, number: usize) {
    let is_referred = matches!(sale, Sale::Referred | Sale::ReferredAgain);
    let whose = if is_referred { "ref" } else { "own" };
    let invoice = format!("in_{number:02}");
    let event = if is_referred {
        invoice_paid_with_code(&invoice, &format!("cus_{whose}"), 10_000, "ANNA")
    } else {
        invoice_paid(&invoice, &format!("cus_{whose}"), 10_000)
    };
    let event = with(event, "/data/object/customer_email", json!(format!("{whose}@example.com")));
    let details = "/data/object/parent/subscription_details/subscription";
    world
        .expect(
            if is_referred { "posted" } else { "recorded" },
            &with(event, details, json!(format!("sub_{whose}"))),
        )
        .await;
}

/// A ledger with some sales.
async fn set_up(world: &World) {
    world.with_anna("10").await;
    for number in 0..5 {
        let (own, referred) = (format!("cus_a{number}"), format!("cus_b{number}"));
        world.send(&invoice_paid(&format!("in_a{number}"), &own, 10_000)).await;
        world.send(&invoice_paid_with_code(&format!("in_b{number}"), &referred, 10_000, "ANNA")).await;
    }
}

on_both_databases! {
    async fn a_sale_adds_these_rows_and_no_others(world: World) {
        set_up(&world).await;
        let mut tables = GROWING.to_vec();
        tables.extend(["referral_counter", "referral_number", "code", "code_click", "promoter"]);
        tables.sort_unstable();
        for (number, sale) in SALES.into_iter().enumerate() {
            let before = world.counts(&tables).await;
            send(&world, sale, number).await;
            let after = world.counts(&tables).await;
            let added = tables.iter().zip(before.iter().zip(after));
            let added: Vec<(&str, i64)> =
                added.map(|(table, (before, after))| (*table, after - before)).filter(|(_, more)| *more != 0).collect();
            let expected: Vec<(&str, i64)> = rows(sale).iter().map(|table| (*table, 1)).collect();
            assert_eq!(added, expected, "{sale:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_writes_to_these_trees_and_no_others() {
    let world = World::sqlite();
    set_up(&world).await;
    let file = world.url.strip_prefix("sqlite://").unwrap();
    let log = HeldLog::start(Path::new(file)).await.unwrap();
    let before = log.transactions().await.unwrap().len();
    for (number, sale) in SALES.into_iter().enumerate() {
        send(&world, sale, number).await;
    }
    let mut transactions = log.transactions().await.unwrap().split_off(before);
    log.release().await.unwrap();
    transactions.retain(|trees| trees.contains_key("event"));
    assert_eq!(transactions.len(), SALES.len());
    let mut found = BTreeMap::new();
    for (sale, mut written) in SALES.into_iter().zip(transactions) {
        // The file's header.
        written.remove("sqlite_schema");
        found.insert(sale, written.into_keys().collect::<Vec<_>>());
    }
    let expected = SALES.map(|sale| (sale, trees(sale).iter().map(|tree| (*tree).to_owned()).collect()));
    assert_eq!(found, BTreeMap::from(expected));
}
