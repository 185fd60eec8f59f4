//! Parked refunds that are settled by asking Stripe, which is played by a server of the test.

use std::time::Duration;

use crate::support::events::*;
use crate::support::{Daemon, World, eventually, post_event};
use referrald::domain::PaymentId;
use referrald::stripe::{ApiError, InvoiceLink, StripeApi};
use secrecy::SecretString;
use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const KEY: &str = "sk_test_canary_0123456789";

/// An object of Stripe's list of invoice payments, with what a later version may add.
fn invoice_payment_of(status: &str, invoice: &str, payment: &str, amount: i64) -> Value {
    json!({
        "id": format!("inpay_{invoice}"), "object": "invoice_payment", "amount_paid": amount,
        "currency": "usd", "invoice": invoice, "livemode": false, "novelty": { "of": ["next", "year"] },
        "payment": { "type": "payment_intent", "payment_intent": payment }, "status": status,
    })
}

fn paid(invoice: &str, payment: &str, amount: i64) -> Value {
    invoice_payment_of("paid", invoice, payment, amount)
}

pub fn page(objects: &[Value], has_more: bool) -> ResponseTemplate {
    let list = json!({ "object": "list", "has_more": has_more, "data": objects });
    ResponseTemplate::new(200).set_body_json(list)
}

/// What Stripe says with a status that is not 200. The text must never come up in a log.
fn refusal(status: u16) -> ResponseTemplate {
    let error = json!({ "error": { "type": "api_error", "message": "canary of the body" } });
    ResponseTemplate::new(status).insert_header("Retry-After", "1").set_body_json(error)
}

/// The next answer about a payment.
async fn once(stripe: &MockServer, payment: &str, answer: ResponseTemplate) {
    about(payment).respond_with(answer).up_to_n_times(1).mount(stripe).await;
}

/// Every further answer about a payment.
pub async fn always(stripe: &MockServer, payment: &str, answer: ResponseTemplate) {
    about(payment).respond_with(answer).mount(stripe).await;
}

fn about(payment: &str) -> wiremock::MockBuilder {
    let list = Mock::given(method("GET")).and(path("/v1/invoice_payments"));
    list.and(query_param("payment[type]", "payment_intent"))
        .and(query_param("payment[payment_intent]", payment))
        .and(query_param("limit", "100"))
}

/// A daemon beside that of the world that asks this Stripe every second; it knows of no refunds, if nobody has said so.
pub async fn asking(world: &World, stripe: &MockServer, more: &[(&str, &str)]) -> Daemon {
    let refunds = Mock::given(method("GET")).and(path("/v1/refunds")).respond_with(page(&[], false));
    refunds.with_priority(250).mount(stripe).await;
    let base = stripe.uri();
    let mut settings = vec![
        ("STRIPE_SECRET_KEY", KEY),
        ("REFERRALD_STRIPE__API_BASE", base.as_str()),
        ("REFERRALD_STRIPE__API_TIMEOUT_MS", "4000"),
        ("REFERRALD_REDRIVE__INTERVAL_S", "1"),
        ("REFERRALD_REDRIVE__OLDER_THAN_S", "1"),
    ];
    settings.extend_from_slice(more);
    Daemon::start(&world.url, &settings)
}

/// How often it was asked for the invoices of a payment, or for a charge.
async fn asked(stripe: &MockServer) -> usize {
    let requests = stripe.received_requests().await.unwrap();
    requests.iter().filter(|request| request.url.path() != "/v1/refunds").count()
}

/// $100.00 paid by customer `cus_1` at 10 %, and a refund of half of it that names a payment nobody has linked.
async fn half_refunded(world: &World) {
    world.with_anna("10").await;
    world.refer("ANNA", "cus_1").await;
    world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
    world.expect("parked", &charge_refunded("pi_1", "cus_1", 10_000, 5_000)).await;
    world.expect("parked", &refund("refund.created", "re_1", "pi_1", 5_000, "succeeded")).await;
}

async fn settles(world: &World, invoice: &str, sums: (i64, i64)) {
    eventually(invoice, async || world.sums(invoice).await == sums).await;
}

/// The key and the bodies of answers must not come up anywhere.
fn keeps_secrets(text: &str) {
    assert!(!text.contains("canary"), "{text}");
}

/// After one such answer the next one settles the refund, although only one attempt is granted: a failure of Stripe is
/// not an attempt.
async fn is_not_an_attempt(world: &World, failure: ResponseTemplate) {
    half_refunded(world).await;
    let stripe = MockServer::start().await;
    once(&stripe, "pi_1", failure).await;
    always(&stripe, "pi_1", page(&[paid("in_1", "pi_1", 10_000)], false)).await;
    let daemon = asking(world, &stripe, &[("REFERRALD_REDRIVE__MAX_ATTEMPTS", "1")]).await;
    settles(world, "in_1", (1_000, -500)).await;
    assert_eq!(asked(&stripe).await, 2);
    let log = daemon.log();
    assert_eq!(log.matches("WARN").count() - log.matches("slow threshold").count(), 1, "{log}");
    assert!(log.contains("waits for the next round"), "{log}");
    keeps_secrets(&log);
}

on_both_databases! {
    async fn a_refund_whose_payment_no_event_has_linked_is_settled_by_asking(world: World) {
        half_refunded(&world).await;
        let stripe = MockServer::start().await;
        let first = [
            invoice_payment_of("canceled", "in_0", "pi_1", 10_000),
            json!({ "id": "inpay_novel", "status": "half_paid", "payment": "unheard of" }),
        ];
        let first_page = about("pi_1").and(query_param_is_missing("starting_after"));
        first_page.respond_with(page(&first, true)).expect(1).mount(&stripe).await;
        let second_page = about("pi_1").and(query_param("starting_after", "inpay_novel"));
        let second = page(&[paid("in_1", "pi_1", 10_000)], false);
        second_page.respond_with(second).expect(1).mount(&stripe).await;

        let daemon = asking(&world, &stripe, &[]).await;
        settles(&world, "in_1", (1_000, -500)).await;
        assert_eq!(world.parked().await, 0, "both events of the refund are settled");
        for request in stripe.received_requests().await.unwrap() {
            assert_eq!(request.headers["authorization"], format!("Bearer {KEY}"));
        }
        let told = async || daemon.log().matches("settled by what Stripe").count() == 1;
        eventually("one line tells of it", told).await;
        keeps_secrets(&daemon.log());
        let entries = world.entries_of("in_1").await;
        let refund = entries.iter().find(|entry| entry["kind"] == "refund").unwrap();
        assert!(refund["cause"].as_str().unwrap().starts_with("evt_"), "{refund}");
    }

    async fn a_looked_up_payment_has_its_refunds_listed_by_id(world: World) {
        half_refunded(&world).await;
        let stripe = MockServer::start().await;
        always(&stripe, "pi_1", page(&[paid("in_1", "pi_1", 10_000)], false)).await;
        let refund = |id: &str, amount: i64, status: &str| {
            json!({ "id": id, "object": "refund", "amount": amount, "charge": "ch_1",
                "payment_intent": "pi_1", "status": status })
        };
        // The one that the events told of has failed since, and another was never told.
        let list = page(&[refund("re_1", 5_000, "failed"), refund("re_2", 1_000, "succeeded")], false);
        let listed = Mock::given(path("/v1/refunds")).and(query_param("payment_intent", "pi_1"));
        listed.respond_with(list).expect(1).mount(&stripe).await;
        let _daemon = asking(&world, &stripe, &[]).await;
        settles(&world, "in_1", (1_000, -100)).await;
    }

    async fn a_key_that_may_not_list_refunds_settles_by_what_events_told(world: World) {
        half_refunded(&world).await;
        let stripe = MockServer::start().await;
        always(&stripe, "pi_1", page(&[paid("in_1", "pi_1", 10_000)], false)).await;
        let refused = Mock::given(method("GET")).and(path("/v1/refunds")).respond_with(refusal(403));
        refused.expect(1).mount(&stripe).await;
        let daemon = asking(&world, &stripe, &[]).await;
        settles(&world, "in_1", (1_000, -500)).await;
        assert!(daemon.log().contains("may not read refunds"), "{}", daemon.log());
        keeps_secrets(&daemon.log());
    }

    async fn what_is_not_paid_yet_is_asked_for_again(world: World) {
        half_refunded(&world).await;
        let stripe = MockServer::start().await;
        once(&stripe, "pi_1", page(&[invoice_payment_of("open", "in_1", "pi_1", 0)], false)).await;
        once(&stripe, "pi_1", page(&[invoice_payment_of("open", "in_1", "pi_1", 0)], false)).await;
        always(&stripe, "pi_1", page(&[paid("in_1", "pi_1", 10_000)], false)).await;
        let _daemon = asking(&world, &stripe, &[]).await;
        settles(&world, "in_1", (1_000, -500)).await;
        assert_eq!(asked(&stripe).await, 3);
    }

    async fn what_has_no_invoice_at_stripe_is_ignored_at_once_and_settled_should_one_come(world: World) {
        half_refunded(&world).await;
        let stripe = MockServer::start().await;
        always(&stripe, "pi_1", page(&[], false)).await;
        let daemon = asking(&world, &stripe, &[]).await;
        eventually("both are given up", async || world.parked().await == 0).await;
        assert_eq!(world.sums("in_1").await, (1_000, 0));
        assert!(daemon.log().contains("Stripe knows of no invoice"), "{}", daemon.log());
        // Another event of the same payment is looked up by itself.
        world.expect("parked", &refund("refund.updated", "re_1", "pi_1", 5_000, "succeeded")).await;
        eventually("it is given up, too", async || world.parked().await == 0).await;
        assert_eq!(asked(&stripe).await, 2);
        world.expect("posted", &invoice_payment("in_1", "pi_1", 10_000)).await;
        assert_eq!(world.sums("in_1").await, (1_000, -500));
        assert_eq!(world.all_of("/v1/events?outcome=ignored&limit=9").await.len(), 0);
    }

    async fn too_many_requests_are_not_an_attempt(world: World) {
        is_not_an_attempt(&world, refusal(429)).await;
    }

    async fn a_failure_of_stripe_is_not_an_attempt(world: World) {
        is_not_an_attempt(&world, refusal(500)).await;
    }

    async fn an_answer_that_is_late_is_not_an_attempt(world: World) {
        is_not_an_attempt(&world, page(&[], false).set_delay(Duration::from_mins(1))).await;
    }

    async fn the_error_page_of_a_proxy_is_not_an_attempt(world: World) {
        is_not_an_attempt(&world, ResponseTemplate::new(502).set_body_string("<html>canary</html>")).await;
    }

    async fn a_wrong_key_is_not_an_attempt(world: World) {
        is_not_an_attempt(&world, refusal(401)).await;
    }

    async fn two_invoices_of_one_payment_share_its_refund(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        world.expect("posted", &invoice_paid("in_1", "cus_1", 6_000)).await;
        world.expect("posted", &invoice_paid("in_2", "cus_1", 4_000)).await;
        world.expect("parked", &charge_refunded("pi_1", "cus_1", 10_000, 5_000)).await;
        let stripe = MockServer::start().await;
        let both = [paid("in_1", "pi_1", 6_000), paid("in_2", "pi_1", 4_000)];
        always(&stripe, "pi_1", page(&both, false)).await;
        let _daemon = asking(&world, &stripe, &[]).await;
        settles(&world, "in_1", (600, -300)).await;
        settles(&world, "in_2", (400, -200)).await;
        assert_eq!(asked(&stripe).await, 1);
    }

    async fn without_a_key_or_when_it_is_turned_off_nobody_is_asked(world: World) {
        half_refunded(&world).await;
        let stripe = MockServer::start().await;
        let keyless = asking(&world, &stripe, &[("STRIPE_SECRET_KEY", "")]).await;
        let turned_off = asking(&world, &stripe, &[("REFERRALD_REDRIVE__ENABLED", "false")]).await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(asked(&stripe).await, 0);
        assert_eq!(world.parked().await, 2);
        for daemon in [keyless, turned_off] {
            assert!(!daemon.log().contains("more than an hour"), "{}", daemon.log());
        }
    }

    async fn without_a_key_the_operator_is_reminded_of_what_is_parked_for_long(world: World) {
        world.park_an_old_event("pi_old").await;
        let daemon = world.replica();
        let told = async || daemon.log().matches("parked for more than an hour").count() == 1;
        eventually("the reminder", told).await;
    }

    async fn attempts_end_and_the_late_event_still_settles(world: World) {
        half_refunded(&world).await;
        let stripe = MockServer::start().await;
        always(&stripe, "pi_1", page(&[invoice_payment_of("open", "in_1", "pi_1", 0)], false)).await;
        let daemon = asking(&world, &stripe, &[("REFERRALD_REDRIVE__MAX_ATTEMPTS", "2")]).await;
        let told = async || daemon.log().contains("its events stay parked");
        eventually("it is given up", told).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(asked(&stripe).await, 2);
        assert_eq!(daemon.log().matches("its events stay parked").count(), 1);
        assert_eq!(world.parked().await, 2);
        world.expect("posted", &invoice_payment("in_1", "pi_1", 10_000)).await;
        assert_eq!(world.sums("in_1").await, (1_000, -500));
    }

    async fn a_link_to_an_invoice_that_is_not_paid_yet_waits_for_it(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        world.expect("parked", &charge_refunded("pi_1", "cus_1", 10_000, 5_000)).await;
        let stripe = MockServer::start().await;
        always(&stripe, "pi_1", page(&[paid("in_1", "pi_1", 10_000)], false)).await;
        let _daemon = asking(&world, &stripe, &[]).await;
        eventually("the link", async || world.payment_links().await == 1).await;
        assert_eq!(world.parked().await, 1);
        world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
        assert_eq!(world.sums("in_1").await, (1_000, -500));
        assert_eq!(world.parked().await, 0);
    }

    async fn a_payment_that_stripe_fails_at_does_not_hold_up_the_others(world: World) {
        half_refunded(&world).await;
        world.expect("posted", &invoice_paid("in_2", "cus_1", 4_000)).await;
        world.expect("parked", &charge_refunded("pi_2", "cus_1", 4_000, 4_000)).await;
        world.expect("posted", &invoice_paid("in_3", "cus_1", 2_000)).await;
        world.expect("parked", &charge_refunded("pi_3", "cus_1", 2_000, 2_000)).await;
        let stripe = MockServer::start().await;
        always(&stripe, "pi_1", refusal(500)).await;
        always(&stripe, "pi_2", refusal(404)).await;
        always(&stripe, "pi_3", page(&[paid("in_3", "pi_3", 2_000)], false)).await;
        let _daemon = asking(&world, &stripe, &[("REFERRALD_REDRIVE__BATCH", "1")]).await;
        settles(&world, "in_3", (200, -200)).await;
        assert_eq!(world.parked().await, 3);
        assert_eq!(world.lookups("pi_1").await, 0);
    }

    async fn a_charge_is_asked_for_its_payment_intent(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
        let mut refund = charge_refunded("pi_1", "cus_1", 10_000, 10_000);
        refund["data"]["object"]["payment_intent"] = Value::Null;
        world.expect("parked", &refund).await;
        let stripe = MockServer::start().await;
        let charge = json!({ "id": "ch_1", "object": "charge", "payment_intent": "pi_1" });
        let charge = ResponseTemplate::new(200).set_body_json(charge);
        Mock::given(path("/v1/charges/ch_1")).respond_with(charge).mount(&stripe).await;
        always(&stripe, "pi_1", page(&[paid("in_1", "pi_1", 10_000)], false)).await;
        let _daemon = asking(&world, &stripe, &[]).await;
        settles(&world, "in_1", (1_000, -1_000)).await;
        assert_eq!(world.parked().await, 0);
    }

    async fn two_replicas_that_ask_at_once_post_once(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let stripe = MockServer::start().await;
        let answer = |request: &Request| {
            let payment = request.url.query_pairs().find(|(name, _)| name == "payment[payment_intent]");
            let payment = payment.unwrap().1.into_owned();
            page(&[paid(&payment.replacen("pi_", "in_", 1), &payment, 1_000)], false)
        };
        Mock::given(path("/v1/invoice_payments")).respond_with(answer).mount(&stripe).await;
        let daemons = [asking(&world, &stripe, &[]).await, asking(&world, &stripe, &[]).await];
        for number in 0..20 {
            let (invoice, payment) = (format!("in_{number}"), format!("pi_{number}"));
            let daemon = &daemons[number % 2];
            for event in [invoice_paid(&invoice, "cus_1", 1_000), charge_refunded(&payment, "cus_1", 1_000, 500)] {
                assert_eq!(post_event(&world.client, daemon, &event).await.0, 200);
            }
        }
        eventually("all are settled", async || world.parked().await == 0).await;
        assert_eq!(world.entries().await.len(), 40, "one commission and one refund each");
        assert_eq!(world.earned("anna").await, 20 * (100 - 50));
    }

    async fn a_stop_does_not_wait_for_stripe(world: World) {
        half_refunded(&world).await;
        let stripe = MockServer::start().await;
        always(&stripe, "pi_1", page(&[], false).set_delay(Duration::from_mins(1))).await;
        let mut daemon = asking(&world, &stripe, &[("REFERRALD_STRIPE__API_TIMEOUT_MS", "60000")]).await;
        eventually("Stripe is asked", async || asked(&stripe).await == 1).await;
        let (code, took) = daemon.signal("-TERM");
        assert_eq!(code, Some(0), "{}", daemon.log());
        assert!(took < Duration::from_secs(30), "{took:?}");
    }
}

fn api(stripe: &MockServer) -> StripeApi {
    StripeApi::new(&SecretString::from(KEY), &stripe.uri(), Duration::from_secs(1), Some("acct_1")).unwrap()
}

async fn ask(stripe: &MockServer) -> Result<Vec<InvoiceLink>, ApiError> {
    api(stripe).invoices_of(&PaymentId::new("pi_1")).await.map(|found| found.links)
}

#[tokio::test]
async fn links_of_another_payment_and_amounts_that_are_not_told() {
    let stripe = MockServer::start().await;
    let mut untold = paid("in_1", "pi_1", 0);
    untold["amount_paid"] = Value::Null;
    untold["invoice"] = json!({ "id": "in_1", "object": "invoice" });
    always(&stripe, "pi_1", page(&[paid("in_2", "pi_2", 5), untold], false)).await;
    let links = ask(&stripe).await.unwrap();
    let links: Vec<_> = links.iter().map(|link| (link.invoice.as_str(), link.amount_minor)).collect();
    assert_eq!(links, [("in_1", None)]);
    let requests = stripe.received_requests().await.unwrap();
    assert_eq!(requests[0].headers["stripe-account"], "acct_1");
}

#[tokio::test]
async fn a_list_without_an_end_is_an_error() {
    let stripe = MockServer::start().await;
    always(&stripe, "pi_1", page(&[paid("in_1", "pi_1", 5)], true)).await;
    assert!(matches!(ask(&stripe).await, Err(ApiError::Endless { pages: 20 })));
}

#[tokio::test]
async fn no_error_tells_the_key_or_a_body() {
    let wrong =
        json!({ "object": "list", "data": [{ "id": "inpay_1", "status": "paid", "invoice": "canary" }] });
    for (answer, expected) in [
        (refusal(429), "asked too often"),
        (refusal(503), "in trouble (status 503)"),
        (refusal(401), "refuses the request (status 401)"),
        (ResponseTemplate::new(200).set_body_json(wrong), "cannot be read"),
        (ResponseTemplate::new(200).set_body_string("canary"), "cannot be reached"),
    ] {
        let stripe = MockServer::start().await;
        always(&stripe, "pi_1", answer).await;
        let error = ask(&stripe).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        keeps_secrets(&format!("{error} {error:?}"));
    }
    let stripe = MockServer::start().await;
    let gone = api(&stripe);
    drop(stripe);
    keeps_secrets(&format!("{gone:?}"));
    assert!(matches!(gone.invoices_of(&PaymentId::new("pi_1")).await, Err(ApiError::Unreachable(_))));
}
