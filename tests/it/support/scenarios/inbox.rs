//! Histories of what comes twice, in two shapes, or for an invoice that there is none of.

use serde_json::{Value, json};

use super::{Scenario, Step};
use crate::support::events::*;

pub fn scenarios(tag: &str) -> Vec<Scenario> {
    let id = |name: &str| format!("{name}_{tag}");
    let [in1, cus, pi, re1, du1] = ["in_1", "cus_1", "pi_1", "re_1", "du_1"].map(id);
    let claim = || Step::Claim("ANNA", Some(cus.clone()), None, 60);
    let event = Step::Event;
    let net = |commission, refund| vec![(in1.clone(), "anna", commission, refund)];
    let scenario =
        |name, steps, expected| Scenario { name, steps, expected, disputed: Vec::new(), alone: false };
    let newer = invoice_paid(&in1, &cus, 10_000);
    let mut older = legacy_invoice_paid(&in1, &cus, 10_000, &pi);
    older["id"] = newer["id"].clone();
    let refunded = charge_refunded(&pi, &cus, 10_000, 5_000);
    let mut refunded_older = legacy_charge_refunded(&pi, &cus, &in1, 10_000, &[(&re1, 5_000)]);
    refunded_older["id"] = refunded["id"].clone();
    let without_invoice = |field: &str| {
        let mut refunded = legacy_charge_refunded(&pi, &cus, &in1, 10_000, &[]);
        refunded["data"]["object"]["amount_refunded"] = json!(5_000);
        refunded["data"]["object"]["invoice"] = Value::Null;
        refunded["data"]["object"][field] = Value::Null;
        refunded
    };
    vec![
        scenario(
            "one event id in two API versions, of which only the older has the link",
            vec![claim(), event(newer), event(older), event(charge_refunded(&pi, &cus, 10_000, 5_000))],
            net(1_000, -500),
        ),
        scenario(
            "a refund in two API versions, of which only the older has the link",
            vec![claim(), event(invoice_paid(&in1, &cus, 10_000)), event(refunded), event(refunded_older)],
            net(1_000, -500),
        ),
        scenario(
            "a charge says that it has no invoice, and then it has one",
            vec![
                claim(),
                event(without_invoice("invoice")),
                event(refund("refund.created", &re1, &pi, 5_000, "succeeded")),
                event(invoice_paid(&in1, &cus, 10_000)),
                event(invoice_payment(&in1, &pi, 10_000)),
            ],
            net(1_000, -500),
        ),
        scenario(
            "a charge without customer is refunded and disputed, and then it has an invoice",
            vec![
                claim(),
                event(without_invoice("customer")),
                event(dispute(&du1, &pi, 2_000, "usd", "lost")),
                event(invoice_paid(&in1, &cus, 10_000)),
                event(invoice_payment(&in1, &pi, 10_000)),
            ],
            net(1_000, -500),
        )
        .disputed(&in1, "anna", -200),
    ]
}
