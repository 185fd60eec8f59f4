//! Two replicas in lock-step on PostgreSQL: what is told of one payment while a transaction about the same payment
//! stands still at a chosen point, with everything read and nothing committed. No difference may get lost, and no
//! deadlock may come up.

mod case;
mod replicas;

use self::case::{Case, Sums, Told, sale};
use self::replicas::{Point, Replicas};
use crate::support::events::*;
use futures_util::future::join_all;
use serde_json::json;

/// When everything is told that is not of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Before,
    After,
}

async fn every_pair(rest: Rest, point: Point) {
    let replicas = Replicas::start().await;
    let cases = Case::all();
    let rest_of_all = || {
        let rest = cases.iter().map(|case| case.rest().into_iter().map(|fact| case.told(fact)));
        rest.flatten().collect()
    };
    if rest == Rest::Before {
        replicas.tell_all(rest_of_all()).await;
    }
    let mut wrong = Vec::new();
    for case in &cases {
        wrong.extend(replicas.tell_in_lock_step(case, point).await);
    }
    if rest == Rest::After {
        replicas.tell_all(rest_of_all()).await;
    }
    let expected = cases.iter().flat_map(Case::expected).collect();
    replicas.end_with(&expected, wrong).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_told_last_while_the_first_is_about_to_write_loses_nothing() {
    every_pair(Rest::Before, Point::FirstWrite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_told_last_while_the_first_is_about_to_commit_loses_nothing() {
    every_pair(Rest::Before, Point::Commit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_told_before_all_else_while_the_first_is_about_to_write_loses_nothing() {
    every_pair(Rest::After, Point::FirstWrite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_told_before_all_else_while_the_first_is_about_to_commit_loses_nothing() {
    every_pair(Rest::After, Point::Commit).await;
}

/// Forty rounds of three payments of two customers. One replica hears everything in one order, the other in the reverse.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_that_hear_the_same_in_opposite_orders_never_deadlock() {
    let replicas = Replicas::start().await;
    let mut expected = Sums::new();
    for round in 0..40 {
        let mut told = Vec::new();
        for number in 0..3 {
            let id = |prefix: &str| format!("{prefix}_{round}_{number}");
            let (invoice, pi, customer) = (id("in"), id("pi"), format!("cus_{round}_{}", number % 2));
            told.extend([
                Told::Event(refund("refund.created", &id("re"), &pi, 3_000, "succeeded")),
                Told::Event(sale(&invoice, &customer)),
                Told::Event(dispute(&id("du"), &pi, 2_000, "usd", "needs_response")),
                Told::Event(invoice_payment(&invoice, &pi, 10_000)),
            ]);
            if number < 2 {
                told.push(Told::Referral(json!({ "code": "ANNA", "customer": customer })));
            }
            let sums = [("commission", 1_000), ("refund", -300), ("dispute", -200)];
            let sums = sums.map(|(kind, sum)| ((invoice.clone(), "anna".into(), kind.into()), sum));
            expected.extend(sums);
        }
        let here = told.iter().map(|told| replicas.tell(&replicas.world.daemon, told));
        let mut answers: Vec<_> = here.collect();
        answers.extend(told.iter().rev().map(|told| replicas.tell(&replicas.there, told)));
        for status in join_all(answers).await {
            assert!(matches!(status.unwrap(), 200 | 201), "round {round}");
        }
        assert!(!replicas.has_logged_a_deadlock(), "round {round}");
    }
    replicas.end_with(&expected, Vec::new()).await;
}
