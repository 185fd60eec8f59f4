//! Histories of what an invoice earns, and of lists that are none.

use serde_json::{Value, json};

use super::money::{claim, scenario, with};
use super::{Scenario, Step};
use crate::support::events::*;

pub fn scenarios(tag: &str) -> Vec<Scenario> {
    let mut all = rewards(tag);
    all.extend(lists(tag));
    all
}

fn rewards(tag: &str) -> Vec<Scenario> {
    let id = |name: &str| format!("{name}_{tag}");
    let [cus, in1, in2, pi, re1] = ["cus_1", "in_1", "in_2", "pi_1", "re_1"].map(id);
    let event = Step::Event;
    let line = |product: &str, amount, discounts: Value| {
        json!({ "amount": amount, "discount_amounts": discounts,
            "pricing": { "price_details": { "price": "price_x", "product": product } } })
    };
    let off = |amount| json!([{ "amount": amount, "discount": "di_1" }]);
    let lines = |data: Value| json!({ "lines": { "object": "list", "data": data, "has_more": false } });
    let half = || event(refund("refund.created", &re1, &pi, 6_000, "succeeded"));
    let shipped =
        json!({ "shipping_cost": { "amount_subtotal": 2_000, "amount_tax": 0, "amount_total": 2_000 } });
    vec![
        scenario(
            "a line that a discount takes off has no weight",
            vec![
                claim("FRED", &cus),
                event(with(
                    invoice_paid(&in1, &cus, 5_000),
                    lines(json!([
                        line("prod_new", 10_000, off(10_000)),
                        line("prod_old", 5_000, Value::Null)
                    ])),
                )),
            ],
            vec![(in1.clone(), "fred", 250, 0)],
        ),
        scenario(
            "a line weighs what its discounts leave, and never less than nothing",
            vec![
                claim("FRED", &cus),
                // 50.00 at 20 %, 50.00 at 5 %, and one that gives back
                event(with(
                    invoice_paid(&in1, &cus, 8_000),
                    lines(json!([
                        line("prod_new", 10_000, json!([{ "amount": 3_000 }, { "amount": 2_000 }])),
                        line("prod_old", 5_000, json!({})),
                        line("prod_old", -2_000, json!([])),
                        line("prod_new", 10, off(1_000)),
                    ])),
                )),
            ],
            vec![(in1.clone(), "fred", 1_000, 0)],
        ),
        scenario(
            "a flat reward is at most what it is taken of",
            vec![
                claim("GINA", &cus),
                event(invoice_paid(&in1, &cus, 120)),
                event(invoice_paid(&in2, &cus, 500)),
            ],
            vec![(in1.clone(), "gina", 120, 0), (in2.clone(), "gina", 500, 0)],
        ),
        scenario(
            "a cap is of one currency",
            vec![
                claim("HUGO", &cus),
                event(invoice_paid(&in1, &cus, 1_000_000)),
                event(with(invoice_paid(&in2, &cus, 100_000), json!({ "currency": "eur" }))),
            ],
            vec![(in1.clone(), "hugo", 50_000, 0), (in2.clone(), "hugo", 10_000, 0)],
        ),
        scenario(
            "shipping is no part of the base, and a refund takes its share of all",
            vec![
                claim("INES", &cus),
                event(with(invoice_paid(&in1, &cus, 12_000), shipped)),
                event(invoice_payment(&in1, &pi, 12_000)),
                half(),
            ],
            vec![(in1.clone(), "ines", 1_000, -500)],
        ),
        scenario(
            "taxed shipping, half of which was paid with credit",
            vec![
                claim("INES", &cus),
                // 100.00 and 20.00 of shipping, 20 % on both; half of it was paid: 60.00 less 10.00
                event(with(
                    invoice_paid(&in1, &cus, 7_200),
                    json!({ "total": 14_400, "total_excluding_tax": 12_000,
                "shipping_cost": { "amount_subtotal": 2_000, "amount_tax": 400, "amount_total": 2_400 } }),
                )),
            ],
            vec![(in1.clone(), "ines", 500, 0)],
        ),
        scenario(
            "nothing was paid but shipping",
            vec![
                claim("INES", &cus),
                event(with(
                    invoice_paid(&in1, &cus, 2_000),
                    json!({ "shipping_cost": { "amount_total": 2_000 } }),
                )),
            ],
            Vec::new(),
        ),
    ]
}

fn lists(tag: &str) -> Vec<Scenario> {
    let id = |name: &str| format!("{name}_{tag}");
    let [cus, in1, pi, cn1] = ["cus_1", "in_1", "pi_1", "cn_1"].map(id);
    let event = Step::Event;
    let mut all = Vec::new();
    for odd in [json!({}), json!({ "object": "list", "has_more": true }), json!([]), Value::Null] {
        all.push(scenario(
            "lists come without data",
            vec![
                claim("ANNA", &cus),
                event(with(
                    invoice_paid(&in1, &cus, 10_000),
                    json!({ "lines": odd, "total_taxes": odd, "discounts": odd }),
                )),
                event(invoice_payment(&in1, &pi, 10_000)),
                event(with(
                    legacy_charge_refunded(&pi, &cus, &in1, 10_000, &[("re_x", 5_000)]),
                    json!({ "refunds": odd }),
                )),
                event(with(
                    credit_note("credit_note.created", &cn1, &in1, 1_000, "issued"),
                    json!({ "refunds": odd }),
                )),
            ],
            vec![(in1.clone(), "anna", 1_000, -600)],
        ));
    }
    all
}
