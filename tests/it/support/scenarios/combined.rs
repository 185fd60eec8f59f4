//! Histories in which several rules meet: two tellings of one event, sources against each other, what was paid before, and
//! payments of which it first looks as if they had no invoice.

use serde_json::{Value, json};

use super::{Scenario, Step};
use crate::support::events::*;
use crate::support::people::{ago, checkout, customer, discount, subscription, with};

const DAY_S: i64 = 86_400;

pub fn scenarios(tag: &str) -> Vec<Scenario> {
    let mut all = tellings(tag);
    all.extend(sources(tag));
    all
}

fn scenario(
    name: &'static str,
    steps: Vec<Step>,
    expected: Vec<(String, &'static str, i64, i64)>,
) -> Scenario {
    Scenario { name, steps, expected, disputed: Vec::new(), alone: false }
}

/// The same event in the shape of another version, with another object.
fn told_again(first: &Value, mut again: Value) -> Value {
    again["id"] = first["id"].clone();
    again["created"] = first["created"].clone();
    again
}

fn tellings(tag: &str) -> Vec<Scenario> {
    let id = |name: &str| format!("{name}_{tag}");
    let [in1, in2, cus, pi, re1] = ["in_1", "in_2", "cus_1", "pi_1", "re_1"].map(id);
    let event = Step::Event;
    let claim = || Step::Claim("ANNA", Some(cus.clone()), None, 60);
    let refunded = charge_refunded(&pi, &cus, 10_000, 5_000);
    let older_refunded = legacy_charge_refunded(&pi, &cus, &in1, 10_000, &[(&re1, 5_000)]);
    let paid = with(invoice_paid(&in1, &cus, 10_000), "/data/object/total_excluding_tax", json!(8_000));
    let older_paid = legacy_invoice_paid(&in1, &cus, 10_000, &pi);
    let older_paid = with(older_paid, "/data/object/total_excluding_tax", json!(9_000));
    let without_customer =
        with(charge_refunded(&pi, &cus, 10_000, 2_500), "/data/object/customer", Value::Null);
    let of_no_invoice = legacy_charge_refunded(&pi, &cus, &in1, 10_000, &[]);
    let of_no_invoice = with(of_no_invoice, "/data/object/invoice", Value::Null);
    let of_no_invoice = with(of_no_invoice, "/data/object/amount_refunded", json!(2_500));
    vec![
        scenario(
            "only the older telling of a refund names the invoice",
            vec![
                claim(),
                event(invoice_paid(&in1, &cus, 10_000)),
                event(refunded.clone()),
                event(told_again(&refunded, older_refunded)),
            ],
            vec![(in1.clone(), "anna", 1_000, -500)],
        ),
        scenario(
            "of two tellings of a sale the newer is used, and the older still names its payment",
            vec![
                claim(),
                event(paid.clone()),
                event(told_again(&paid, older_paid)),
                event(refund("refund.created", &re1, &pi, 5_000, "succeeded")),
            ],
            vec![(in1.clone(), "anna", 800, -400)],
        ),
        scenario(
            "a charge without a customer has an invoice after all",
            vec![
                claim(),
                event(without_customer),
                event(invoice_payment(&in1, &pi, 10_000)),
                event(invoice_paid(&in1, &cus, 10_000)),
            ],
            vec![(in1.clone(), "anna", 1_000, -250)],
        ),
        scenario(
            "an older charge names no invoice, and its refunds find one",
            vec![
                claim(),
                event(of_no_invoice),
                event(refund("refund.created", &re1, &pi, 2_500, "pending")),
                event(invoice_payment(&in2, &pi, 10_000)),
                event(invoice_paid(&in2, &cus, 10_000)),
            ],
            vec![(in2.clone(), "anna", 1_000, -250)],
        ),
    ]
}

fn sources(tag: &str) -> Vec<Scenario> {
    let id = |name: &str| format!("{name}_{tag}");
    let [in1, in2, cus, acct, user, sub] = ["in_1", "in_2", "cus_1", "acct_1", "u1", "sub_1"].map(id);
    let event = Step::Event;
    let code = |code: &str| json!({ "referral_code": code });
    let subscribed = |code_of: &str, seconds| {
        let subscribed = subscription("created", &sub, &cus, "active");
        ago(with(subscribed, "/data/object/metadata", code(code_of)), seconds)
    };
    let second = created() - 30;
    let same_second = |event: Value| with(event, "/created", json!(second));
    let sale = |invoice: &str, seconds| ago(invoice_paid(invoice, &cus, 10_000), seconds);
    let by_hand = json!({ "paid_out_of_band": true, "amount_remaining": 10_000, "total": 10_000 });
    let mut paid_by_hand = ago(legacy_invoice_paid(&in1, &cus, 0, &id("pi_1")), 2 * DAY_S);
    for (field, value) in by_hand.as_object().unwrap() {
        paid_by_hand["data"]["object"][field] = value.clone();
    }
    let below = |seconds| with(sale(&in1, seconds), "/data/object/amount_paid", json!(0));
    vec![
        scenario(
            "a subscription that was made before the call wins over it",
            vec![
                event(subscribed("bert", 90)),
                Step::Claim("ANNA", Some(cus.clone()), None, 60),
                event(sale(&in1, 0)),
            ],
            vec![(in1.clone(), "bert", 2_000, 0)],
        ),
        scenario(
            "in one second the metadata of a subscription come before a promotion code, after those of the customer",
            vec![
                event(same_second(subscribed("CARA", 0))),
                event(same_second(discount(&cus, "promo_bert"))),
                event(same_second(with(
                    customer("customer.updated", &cus, "c@example.com"),
                    "/data/object/metadata",
                    code("anna"),
                ))),
                event(sale(&in1, 0)),
            ],
            vec![(in1.clone(), "anna", 1_000, 0)],
        ),
        scenario(
            "an unknown reference of the host hides neither the metadata of its session nor the promotion code",
            vec![
                event(checkout(
                    &cus,
                    json!({ "client_reference_id": "host-17", "discounts": [{ "promotion_code": "promo_bert" }] }),
                )),
                event(sale(&in1, 0)),
            ],
            vec![(in1.clone(), "bert", 2_000, 0)],
        ),
        scenario(
            "a subscription names the account, the sale the customer, and one event both",
            vec![
                event(with(
                    with(subscribed("ANNA", 60), "/data/object/customer", Value::Null),
                    "/data/object/customer_account",
                    json!(acct),
                )),
                event(sale(&in1, 0)),
                event(with(sale(&in2, 0), "/data/object/customer_account", json!(acct))),
            ],
            vec![(in1.clone(), "anna", 1_000, 0), (in2.clone(), "anna", 1_000, 0)],
        ),
        scenario(
            "what was paid by hand long before is a purchase, too",
            vec![Step::Claim("NINA", Some(cus.clone()), None, 0), event(paid_by_hand), event(sale(&in2, 0))],
            Vec::new(),
        ),
        scenario(
            "an earlier claim makes an existing customer a new one",
            vec![
                Step::Claim("NINA", Some(cus.clone()), None, 0),
                event(subscribed("NINA", DAY_S + 60)),
                event(sale(&in1, 2 * DAY_S)),
                event(sale(&in2, 0)),
            ],
            vec![(in1.clone(), "nina", 1_000, 0), (in2.clone(), "nina", 1_000, 0)],
        ),
        scenario(
            "a user of whom nothing was paid before, by either customer",
            vec![
                Step::Claim("NINA", Some(cus.clone()), Some(user), 0),
                event(below(2 * DAY_S)),
                event(sale(&in2, 0)),
            ],
            vec![(in2.clone(), "nina", 1_000, 0)],
        ),
        scenario(
            "a code that waits, in other letters, and a promotion code beside it",
            vec![
                event(subscribed(" Late ", 60)),
                event(ago(discount(&cus, "promo_bert"), 30)),
                Step::MakeLateCode,
                event(sale(&in1, 0)),
            ],
            vec![(in1.clone(), "anna", 1_000, 0)],
        ),
    ]
}
