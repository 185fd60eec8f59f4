//! Histories of amounts: what pays an invoice, and what takes from it.

use serde_json::{Value, json};

use super::{Scenario, Step};
use crate::support::events::*;

/// What a version before 2025-03-31 is called: a date, or nothing at all.
const OLD: &str = "2020-08-27";

pub fn scenarios(tag: &str) -> Vec<Scenario> {
    let mut all = payments(tag);
    all.extend(partial_captures(tag));
    all.extend(disputes(tag));
    all
}

pub(super) fn scenario(
    name: &'static str,
    steps: Vec<Step>,
    expected: Vec<(String, &'static str, i64, i64)>,
) -> Scenario {
    Scenario { name, steps, expected, disputed: Vec::new(), alone: false }
}

pub(super) fn claim(code: &'static str, customer: &str) -> Step {
    Step::Claim(code, Some(customer.to_owned()), None, 0)
}

/// `charge.succeeded`, `captured` or `refunded` of an older version, of a charge without payment intent.
fn old_charge(kind: &str, charge: &str, invoice: &str, amounts: [i64; 3]) -> Value {
    let [amount, captured, refunded] = amounts;
    let object = json!({ "id": charge, "object": "charge", "amount": amount, "amount_captured": captured,
        "amount_refunded": refunded, "currency": "usd", "customer": "cus_of_charge", "invoice": invoice,
        "payment_intent": null, "status": "succeeded" });
    event_of_version(OLD, &format!("charge.{kind}"), object)
}

/// `invoice.paid` of an older version that names one charge and no payment intent.
fn old_invoice(invoice: &str, customer: &str, amount: i64, charge: Option<&str>) -> Value {
    let mut event = legacy_invoice_paid(invoice, customer, amount, "pi_none");
    event["data"]["object"]["payment_intent"] = Value::Null;
    event["data"]["object"]["charge"] = json!(charge);
    event
}

/// The same event with other fields of its object.
pub(super) fn with(mut event: Value, fields: Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        event["data"]["object"][name] = value.clone();
    }
    event
}

/// The same event without a version, as the oldest accounts have it.
fn without_version(mut event: Value) -> Value {
    event["api_version"] = Value::Null;
    event
}

/// The same event, made so many days before now.
fn days_ago(mut event: Value, days: i64) -> Value {
    event["created"] = json!(created() - days * 86_400);
    event
}

fn payments(tag: &str) -> Vec<Scenario> {
    let id = |name: &str| format!("{name}_{tag}");
    let [cus, in1, in2, ch1, ch2, du1] = ["cus_1", "in_1", "in_2", "ch_1", "ch_2", "du_1"].map(id);
    let event = Step::Event;
    let net = |commission, refund| vec![(in1.clone(), "anna", commission, refund)];
    // 100.00 in two parts, of which nothing says how much of the invoice they pay.
    let two_parts = |last: Value| {
        vec![
            claim("ANNA", &cus),
            event(old_invoice(&in1, &cus, 10_000, Some(&ch2))),
            event(old_charge("succeeded", &ch1, &in1, [4_000, 4_000, 0])),
            event(old_charge("succeeded", &ch2, &in1, [6_000, 6_000, 0])),
            event(last),
        ]
    };
    let refunded = |amount| old_charge("refunded", &ch1, &in1, [4_000, 4_000, amount]);
    let lost = with(
        dispute(&du1, "pi_none", 4_000, "usd", "lost"),
        json!({ "charge": ch1, "payment_intent": null }),
    );
    let by_hand = json!({ "paid_out_of_band": true, "amount_remaining": 10_000 });
    let by_hand_in_part = json!({ "paid_out_of_band": true, "amount_remaining": 6_000 });
    vec![
        scenario(
            "two charges pay an old invoice, the first is refunded in full",
            two_parts(refunded(4_000)),
            net(1_000, -400),
        ),
        scenario(
            "two charges pay an old invoice, the first is refunded but for a cent",
            two_parts(refunded(3_999)),
            net(1_000, -400),
        ),
        scenario(
            "two charges pay an old invoice, the second is refunded by half",
            two_parts(old_charge("refunded", &ch2, &in1, [6_000, 6_000, 3_000])),
            net(1_000, -300),
        ),
        scenario(
            "two charges pay an old invoice, of the first a dispute is lost",
            two_parts(lost),
            net(1_000, 0),
        )
        .disputed(&in1, "anna", -400),
        scenario(
            "one charge pays two old invoices",
            vec![
                claim("ANNA", &cus),
                event(old_invoice(&in1, &cus, 3_000, Some(&ch1))),
                event(old_invoice(&in2, &cus, 1_000, Some(&ch1))),
                event(old_charge("refunded", &ch1, &in2, [4_000, 4_000, 2_000])),
            ],
            vec![(in1.clone(), "anna", 300, -150), (in2.clone(), "anna", 100, -50)],
        ),
        scenario(
            "an old invoice is marked paid by hand",
            vec![
                claim("ANNA", &cus),
                event(with(old_invoice(&in1, &cus, 0, None), with_total(by_hand.clone()))),
            ],
            net(1_000, 0),
        ),
        scenario(
            "an old invoice without a version is marked paid by hand, and told by a new version too",
            vec![
                claim("ANNA", &cus),
                event(without_version(with(old_invoice(&in1, &cus, 0, None), with_total(by_hand.clone())))),
                event(with(invoice_paid(&in1, &cus, 10_000), by_hand)),
                event(credit_note("credit_note.created", &id("cn_1"), &in1, 2_500, "issued")),
            ],
            net(1_000, -250),
        ),
        scenario(
            "the rest of an old invoice is marked paid by hand",
            vec![
                claim("ANNA", &cus),
                event(with(old_invoice(&in1, &cus, 4_000, Some(&ch1)), with_total(by_hand_in_part))),
                event(old_charge("refunded", &ch1, &in1, [4_000, 4_000, 2_000])),
            ],
            net(1_000, -200),
        ),
        scenario(
            "by hand, and nothing says how much was open",
            vec![
                claim("ANNA", &cus),
                event(with(
                    old_invoice(&in1, &cus, 0, None),
                    with_total(json!({ "paid_out_of_band": true })),
                )),
            ],
            net(0, 0),
        ),
    ]
}

/// These fields of an invoice of 100.00.
fn with_total(mut fields: Value) -> Value {
    fields["total"] = json!(10_000);
    fields
}

/// 206.75 were authorized and 203.00 captured; the rest of 3.75 is told as refunded.
fn partial_captures(tag: &str) -> Vec<Scenario> {
    let id = |name: &str| format!("{name}_{tag}");
    let [cus, in1, ch1, re1, re2] = ["cus_1", "in_1", "ch_1", "re_1", "re_2"].map(id);
    let event = Step::Event;
    let net = |refund| vec![(in1.clone(), "anna", 2_030, refund)];
    let told = |refunded| old_charge("refunded", &ch1, &in1, [20_675, 20_300, refunded]);
    // The charge lists its refunds only in the oldest versions; the refund is also told by itself, in any version.
    let object = |re: &str, amount, created: i64| {
        json!({ "id": re, "object": "refund", "amount": amount, "charge": ch1, "payment_intent": null,
            "currency": "usd", "status": "succeeded", "created": created })
    };
    let release = object(&re1, 375, 1_700_000_000);
    let real = |amount| object(&re2, amount, 1_700_000_100);
    let by_new_version =
        |refund: &Value| event(super::super::events::event("refund.created", refund.clone()));
    let by_old_version =
        |refund: &Value| event(event_of_version(OLD, "charge.refund.updated", refund.clone()));
    let sold = |more: Vec<Step>| {
        let sale = event(old_invoice(&in1, &cus, 20_300, Some(&ch1)));
        [claim("ANNA", &cus), sale].into_iter().chain(more).collect::<Vec<_>>()
    };
    let lists = |refunded, refunds: &[&Value]| {
        event(with(
            told(refunded),
            json!({ "refunds": { "object": "list", "data": refunds, "has_more": false } }),
        ))
    };
    vec![
        scenario("a rest that was not captured is released", sold(vec![event(told(375))]), net(0)),
        scenario(
            "a released rest and its refund",
            sold(vec![
                event(old_charge("captured", &ch1, &in1, [20_675, 20_300, 0])),
                event(told(375)),
                by_new_version(&release),
            ]),
            net(0),
        ),
        scenario(
            "a released rest, listed by a charge without a version",
            sold(vec![
                event(old_charge("succeeded", &ch1, &in1, [20_675, 0, 0])),
                event(without_version(with(told(375), json!({ "refunds": { "data": [release] } })))),
            ]),
            net(0),
        ),
        scenario(
            "a real refund of half beside a released rest",
            sold(vec![
                event(told(375)),
                by_new_version(&release),
                event(told(10_525)),
                by_old_version(&real(10_150)),
            ]),
            net(-1_015),
        ),
        scenario(
            "a real refund of half, of which only the total tells",
            sold(vec![by_old_version(&release), lists(375, &[&release]), event(told(10_525))]),
            net(-1_015),
        ),
        scenario(
            "a real refund of exactly the released rest",
            sold(vec![by_new_version(&real(375)), by_new_version(&release), event(told(750))]),
            net(-38),
        ),
        scenario(
            "both refunds of the same amount are listed, one of them twice",
            sold(vec![lists(750, &[&real(375), &release]), by_old_version(&real(375))]),
            net(-38),
        ),
        scenario(
            "two endpoints tell a released rest, and a refund of all that was captured",
            sold(vec![
                event(told(375)),
                event(with(
                    charge_refunded(&ch1, "cus_of_charge", 20_300, 20_300),
                    json!({ "payment_intent": null, "amount": 20_675 }),
                )),
                by_new_version(&release),
                by_new_version(&real(20_300)),
            ]),
            net(-2_030),
        ),
    ]
}

fn disputes(tag: &str) -> Vec<Scenario> {
    let id = |name: &str| format!("{name}_{tag}");
    let [cus, in1, pi, du1] = ["cus_1", "in_1", "pi_1", "du_1"].map(id);
    let sold = |more: Vec<Step>| {
        let sale = Step::Event(invoice_paid(&in1, &cus, 10_000));
        let link = Step::Event(invoice_payment(&in1, &pi, 10_000));
        [claim("ANNA", &cus), sale, link].into_iter().chain(more).collect::<Vec<_>>()
    };
    let told = |status, days| days_ago(dispute(&du1, &pi, 10_000, "usd", status), days);
    let moved = |status, days, moved: Value| {
        Step::Event(with(told(status, days), json!({ "balance_transactions": moved })))
    };
    let txn = |name: &str, amount, currency| json!({ "id": id(name), "object": "balance_transaction", "amount": amount, "currency": currency, "fee": 1_500 });
    let net = || vec![(in1.clone(), "anna", 1_000, 0)];
    vec![
        scenario(
            "a dispute is lost, and a day later the bank reverses itself",
            sold(vec![
                Step::Event(told("lost", 3)),
                Step::Event(told("won", 2)),
                Step::Event(told("needs_response", 1)),
            ]),
            net(),
        ),
        scenario(
            "a dispute is won, and a day later it is lost",
            sold(vec![
                Step::Event(told("won", 3)),
                Step::Event(told("lost", 2)),
                Step::Event(told("under_review", 1)),
            ]),
            net(),
        )
        .disputed(&in1, "anna", -1_000),
        scenario(
            "a lost dispute gives back in part",
            sold(vec![moved("lost", 1, json!([txn("txn_1", -10_000, "usd"), txn("txn_2", 4_000, "usd")]))]),
            net(),
        )
        .disputed(&in1, "anna", -600),
        scenario(
            "what a lost dispute moved is told bit by bit, whatever its status then",
            sold(vec![
                moved(
                    "needs_response",
                    3,
                    json!({ "object": "list", "data": [txn("txn_1", -10_000, "usd")] }),
                ),
                moved("lost", 2, json!(["txn_1", null])),
                moved("under_review", 1, json!([txn("txn_1", -10_000, "usd"), txn("txn_2", 4_000, "usd")])),
            ]),
            net(),
        )
        .disputed(&in1, "anna", -600),
        scenario(
            "a won dispute takes nothing, whatever it moved",
            sold(vec![
                moved("won", 2, json!([txn("txn_1", -10_000, "usd"), txn("txn_2", 4_000, "usd")])),
                moved("needs_response", 3, json!([])),
            ]),
            net(),
        ),
        scenario(
            "what a dispute moved in another currency says nothing",
            sold(vec![moved("lost", 2, json!([txn("txn_1", -9_000, "eur"), txn("txn_2", 9_000, "eur")]))]),
            net(),
        )
        .disputed(&in1, "anna", -1_000),
        scenario(
            "one movement is told with two amounts",
            sold(vec![
                moved("lost", 2, json!([txn("txn_1", -3_000, "usd")])),
                moved("lost", 2, json!([txn("txn_1", -2_000, "usd")])),
            ]),
            net(),
        )
        .disputed(&in1, "anna", -300),
    ]
}
