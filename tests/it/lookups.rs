//! What events do not show of invoices is read from Stripe, which is played by a server of the test: lines beyond the tenth,
//! and promotion codes of discounts that are named by id only.

use crate::support::events::*;
use crate::support::people::{ago, with};
use crate::support::{Daemon, World, eventually};
use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

const KEY: &str = "sk_test_canary_0123456789";
const TERMS: &str = "--rate 10 --product-rates prod_new:20,prod_old:5";

fn line(number: usize, product: &str, amount: i64) -> Value {
    json!({ "id": format!("il_{number}"), "object": "line_item", "amount": amount,
        "pricing": { "type": "price_details", "price_details": { "price": "price_x", "product": product } } })
}

/// A sale of 100.00 whose event shows only lines of `prod_old`.
fn sale_with_more_lines(invoice: &str, customer: &str) -> Value {
    let shown = json!({ "object": "list", "has_more": true, "data": [line(1, "prod_old", 5_000)] });
    with(invoice_paid(invoice, customer, 10_000), "/data/object/lines", shown)
}

fn list(data: &[Value], has_more: bool) -> ResponseTemplate {
    let list = json!({ "object": "list", "has_more": has_more, "data": data });
    ResponseTemplate::new(200).set_body_json(list)
}

/// Two pages: half of `prod_old`, half of `prod_new`.
async fn has_two_pages(stripe: &MockServer, invoice: &str) {
    let lines = || Mock::given(method("GET")).and(path(format!("/v1/invoices/{invoice}/lines")));
    let first = lines().and(query_param("limit", "100")).and(query_param_is_missing("starting_after"));
    first.respond_with(list(&[line(1, "prod_old", 5_000)], true)).mount(stripe).await;
    let second = lines().and(query_param("starting_after", "il_1"));
    second.respond_with(list(&[line(2, "prod_new", 5_000)], false)).mount(stripe).await;
}

/// What Stripe says with a status that is not 200. The text must never come up in a log.
fn refusal(status: u16) -> ResponseTemplate {
    let error = json!({ "error": { "type": "api_error", "message": "canary of the body" } });
    ResponseTemplate::new(status).set_body_json(error)
}

fn asking(world: &World, stripe: &MockServer) -> Daemon {
    let base = stripe.uri();
    let settings = [
        ("STRIPE_SECRET_KEY", KEY),
        ("REFERRALD_STRIPE__API_BASE", base.as_str()),
        ("REFERRALD_STRIPE__API_TIMEOUT_MS", "4000"),
        ("REFERRALD_REDRIVE__INTERVAL_S", "1"),
        ("REFERRALD_REDRIVE__MAX_ATTEMPTS", "2"),
    ];
    Daemon::start(&world.url, &settings)
}

async fn with_products(world: &World) {
    world.program("sold", TERMS).await;
    world.promoter("anna").await;
    world.code("ANNA", "anna", "sold").await;
    for customer in ["cus_1", "cus_2", "cus_3"] {
        world.refer("ANNA", customer).await;
    }
}

async fn becomes(world: &World, invoice: &str, sums: (i64, i64)) {
    eventually(invoice, async || world.sums(invoice).await == sums).await;
}

/// A sale whose discounts are named by id only, so many seconds ago.
fn discounted(invoice: &str, customer: &str, seconds: i64) -> Value {
    ago(
        with(invoice_paid(invoice, customer, 10_000), "/data/object/discounts", json!(["di_1", "di_2"])),
        seconds,
    )
}

async fn shows_discounts(stripe: &MockServer, invoice: &str, answer: ResponseTemplate) {
    let asked = Mock::given(method("GET")).and(path(format!("/v1/invoices/{invoice}")));
    asked.and(query_param("expand[0]", "discounts")).respond_with(answer).mount(stripe).await;
}

fn invoice_with(promotion: &str) -> ResponseTemplate {
    let discounts = json!([{ "id": "di_1", "object": "discount", "promotion_code": null },
        { "id": "di_2", "object": "discount", "promotion_code": promotion }]);
    ResponseTemplate::new(200)
        .set_body_json(json!({ "id": "in", "object": "invoice", "discounts": discounts }))
}

on_both_databases! {
    async fn lines_that_an_event_did_not_show_are_read_and_the_difference_is_posted(world: World) {
        with_products(&world).await;
        world.expect("posted", &sale_with_more_lines("in_1", "cus_1")).await;
        world.expect("recorded", &invoice_payment("in_1", "pi_1", 10_000)).await;
        world.expect("posted", &charge_refunded("pi_1", "cus_1", 10_000, 5_000)).await;
        assert_eq!(world.sums("in_1").await, (500, -250));
        assert_eq!(world.get("/v1/commissions/in_1").await["unseen_lines"], true);
        let stripe = MockServer::start().await;
        has_two_pages(&stripe, "in_1").await;
        let daemon = asking(&world, &stripe);
        // 5 % of one half, 20 % of the other.
        becomes(&world, "in_1", (1_250, -625)).await;
        assert_eq!(world.get("/v1/commissions/in_1").await["unseen_lines"], false);
        // Another telling of the invoice brings no lines of its own back, also one that is preferred.
        let again = with(sale_with_more_lines("in_1", "cus_1"), "/data/object/amount_paid", json!(10_001));
        world.send(&again).await;
        let row = world.get("/v1/commissions/in_1").await;
        assert_eq!((&row["amount"], &row["unseen_lines"]), (&json!(1_250), &json!(false)));
        let asked = stripe.received_requests().await.unwrap().len();
        assert_eq!(asked, 2, "once for each page");
        assert!(!daemon.log().contains("canary"), "{}", daemon.log());
    }

    async fn an_invoice_that_stripe_fails_at_does_not_hold_up_the_others(world: World) {
        with_products(&world).await;
        for (invoice, customer) in [("in_1", "cus_1"), ("in_2", "cus_2"), ("in_3", "cus_3")] {
            world.expect("posted", &sale_with_more_lines(invoice, customer)).await;
        }
        let stripe = MockServer::start().await;
        for (invoice, status) in [("in_1", 404), ("in_2", 500)] {
            let lines = Mock::given(path(format!("/v1/invoices/{invoice}/lines")));
            lines.respond_with(refusal(status)).mount(&stripe).await;
        }
        has_two_pages(&stripe, "in_3").await;
        let daemon = asking(&world, &stripe);
        becomes(&world, "in_3", (1_250, 0)).await;
        let given_up = async || daemon.log().contains("not asked about this invoice any more");
        eventually("the first is given up", given_up).await;
        assert_eq!((world.sums("in_1").await, world.sums("in_2").await), ((500, 0), (500, 0)));
        assert!(!daemon.log().contains("canary"), "{}", daemon.log());
    }

    async fn lines_that_matter_to_nobody_are_not_read(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        world.expect("posted", &sale_with_more_lines("in_1", "cus_1")).await;
        world.expect("recorded", &sale_with_more_lines("in_2", "cus_of_nobody")).await;
        world.expect("recorded", &discounted("in_3", "cus_of_nobody", 0)).await;
        let stripe = MockServer::start().await;
        let _daemon = asking(&world, &stripe);
        tokio::time::sleep(std::time::Duration::from_secs(4)).await;
        assert_eq!(stripe.received_requests().await.unwrap().len(), 0, "nor discounts, where no code carries any");
    }

    async fn a_promotion_code_behind_the_id_of_a_discount_is_a_claim_of_that_event(world: World) {
        world.with_anna("10").await;
        world.with_promoter("bert", "default").await;
        world.change("/v1/codes/BERT", json!({ "promotion_code": "promo_bert" })).await;
        world.expect("recorded", &discounted("in_1", "cus_1", 300)).await;
        // Claimed later, so it loses to the discount once that is read.
        world.refer_ago("ANNA", "cus_2", 100).await;
        world.expect("posted", &discounted("in_2", "cus_2", 200)).await;
        world.refer_ago("ANNA", "cus_3", 1_000).await;
        world.expect("posted", &discounted("in_3", "cus_3", 200)).await;
        let stripe = MockServer::start().await;
        for invoice in ["in_1", "in_2", "in_3"] {
            shows_discounts(&stripe, invoice, invoice_with("promo_bert")).await;
        }
        let daemon = asking(&world, &stripe);
        becomes(&world, "in_1", (1_000, 0)).await;
        let of = async |invoice: &str| world.get(&format!("/v1/commissions/{invoice}")).await["promoter"].clone();
        let bert = of("in_1").await;
        eventually("the referral moves", async || of("in_2").await == bert).await;
        let all_read = async || daemon.log().contains("was read from Stripe's API");
        eventually("all are read", all_read).await;
        assert_ne!(of("in_3").await, bert, "an earlier claim holds");
        let referral = world.get(&format!("/v1/referrals?customer={}", "cus_1")).await;
        assert_eq!(referral["data"][0]["source"], "invoice_discount");
        let asked = stripe.received_requests().await.unwrap().len();
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        assert_eq!((asked, stripe.received_requests().await.unwrap().len()), (3, 3), "each once");
    }
}
