//! The plan of every statement that the API and the hot path send: none reads all of a table that grows. A daemon that logs
//! its statements lives through a long story (`story.rs`); each statement that it logged is then explained by its
//! database (`planner.rs`). Nor is there an index that none of them uses. `verify` reads everything and is not asked.

mod double;
mod planner;
mod story;

use std::collections::BTreeSet;

use crate::support::World;
use planner::Plans;

/// The tables that grow with what Stripe tells and with who is referred. The others grow with what operators set up.
pub const GROWING: [&str; 20] = [
    "claim",
    "claim_used_up",
    "commission",
    "credit_note",
    "customer_email",
    "dispute",
    "event",
    "event_payload",
    "invoice",
    "ledger_entry",
    "line_lookup",
    "payment",
    "payment_link",
    "redemption",
    "referral",
    "refund",
    "review",
    "stripe_customer",
    "subscription",
    "unread_discounts",
];

/// Fewer than this on either database, and the story has not been told or its statements were not seen.
const STATEMENTS_AT_LEAST: usize = 100;

async fn every_plan_reads_by_key(world: World) {
    let (world, logged) = story::told_on(world).await;
    let statements: BTreeSet<&String> = logged.iter().filter(|sql| is_about_growing(sql)).collect();
    println!("{} statements", statements.len());
    assert!(statements.len() >= STATEMENTS_AT_LEAST, "only {} statements", statements.len());
    for table in GROWING {
        let is_written = format!("INSERT INTO {table} ");
        assert!(statements.iter().any(|sql| sql.contains(&is_written)), "nobody writes {table}");
        let is_read = |sql: &&&String| {
            sql.contains(&format!("FROM {table} ")) || sql.contains(&format!("FROM \"{table}\" "))
        };
        assert!(statements.iter().any(|sql| is_read(&sql)), "nobody reads {table}");
    }
    let Plans { scans, unused } = planner::plans(&world, &logged).await;
    assert!(unused.is_empty(), "nobody reads these indexes, or the story does not: {unused:?}");
    let told: Vec<String> = scans.iter().map(|(step, sql)| format!("{step}\n    {sql}\n")).collect();
    assert!(told.is_empty(), "{} of {} statements:\n{}", told.len(), statements.len(), told.join("\n"));
}

/// True when a statement names a table that grows.
fn is_about_growing(sql: &str) -> bool {
    GROWING.iter().any(|table| names(sql, table))
}

/// True when a statement names a table, and not only a longer word.
fn names(sql: &str, table: &str) -> bool {
    sql.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|word| word == table)
}

on_both_databases! {
    async fn no_query_of_the_api_or_the_hot_path_reads_all_of_a_growing_table(world: World) {
        every_plan_reads_by_key(world).await;
    }
}
