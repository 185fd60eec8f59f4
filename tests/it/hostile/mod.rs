//! Signed by Stripe's secret and yet hostile: never a panic, never a 5xx, nothing lost, nothing posted that the facts
//! do not say.

mod payloads;

use self::payloads::{Case, attributions, envelopes, money, refunds, texts};
use crate::support::events::*;
use crate::support::{World, post_raw};
use serde_json::Value;

const CANARY: &str = "canary@example.com";
const OUTCOMES: [&str; 6] = ["posted", "recorded", "duplicate", "ignored", "parked", "quarantined"];
/// Longer reasons were written by whoever wrote the event.
const REASON_LIMIT: usize = 1_000;

/// Sends one payload and says what is wrong with what became of it.
async fn objections(world: &World, body: &[u8]) -> Vec<String> {
    let answer = post_raw(&world.client, &world.daemon, body).send().await.unwrap();
    let status = answer.status().as_u16();
    let answer: Value = answer.json().await.unwrap();
    let outcome = answer["outcome"].as_str().unwrap_or_default();
    let rows = world.kept_of_body(body).await;
    let mut wrong = Vec::new();
    let mut check = |holds: bool, what: String| wrong.extend((!holds).then_some(what));
    check(status == 200, format!("answered {status} {answer}"));
    check(OUTCOMES.contains(&outcome) && outcome != "duplicate", format!("outcome {outcome:?}"));
    check(rows.len() == 1, format!("kept {} times", rows.len()));
    for (kept, reason) in rows {
        let has_reason = outcome != "posted" && outcome != "recorded";
        check(kept == outcome && reason.is_empty() != has_reason, format!("kept as {kept} ({reason})"));
        check(!reason.contains("canary"), format!("the reason leaks: {reason}"));
        check(reason.len() <= REASON_LIMIT, format!("a reason of {} bytes", reason.len()));
        check(!reason.chars().any(char::is_control), format!("control characters in {reason:?}"));
    }
    wrong
}

on_both_databases! {
    async fn no_payload_harms_the_ledger(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let cases: Vec<Case> =
            [money(), envelopes(), texts(), attributions(), refunds()].into_iter().flatten().collect();
        let mut found = Vec::new();
        for (what, body) in &cases {
            let wrong = objections(&world, body).await;
            found.extend(wrong.into_iter().map(|wrong| format!("{what}: {wrong}")));
        }
        assert!(found.is_empty(), "{} of {} payloads:\n{}", found.len(), cases.len(), found.join("\n"));
        println!("{} payloads", cases.len());
        let rows = i64::try_from(cases.len()).unwrap();
        assert_eq!(world.events().await, rows);
        world.refer("ANNA", "cus_2").await;
        world.expect("posted", &invoice_paid("in_honest", "cus_2", 10_000)).await;
        assert_eq!(world.sums("in_honest").await, (1_000, 0));
        let log = world.daemon.log();
        assert!(!log.contains("panic") && !log.contains("canary"), "{log}");
    }

    async fn honest_events_do_not_suffer_from_hostile_neighbours(world: World) {
        world.with_anna("10").await;
        let hostile: Vec<Case> = [money(), texts(), refunds()].into_iter().flatten().collect();
        let mut sales = Vec::new();
        for number in 0..40 {
            world.refer("ANNA", &format!("cus_honest_{number}")).await;
            let invoice = invoice_paid(&format!("in_honest_{number}"), &format!("cus_honest_{number}"), 10_000);
            sales.push(invoice.to_string().into_bytes());
        }
        let honest = hostile.iter().zip(sales.iter().cycle());
        let bodies = honest.flat_map(|((_, hostile), honest)| [hostile, honest]);
        let send = async |body: &Vec<u8>| {
            let answer = post_raw(&world.client, &world.daemon, body).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        for (status, answer) in futures_util::future::join_all(bodies.map(send)).await {
            assert_eq!(status, 200, "{answer}");
        }
        for number in 0..40 {
            assert_eq!(world.sums(&format!("in_honest_{number}")).await, (1_000, 0));
        }
    }
}
