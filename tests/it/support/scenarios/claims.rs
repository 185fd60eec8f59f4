//! Histories of who referred whom: the sources of claims, existing customers, people who refer themselves.

use serde_json::{Value, json};

use super::{Scenario, Step};
use crate::support::events::*;
use crate::support::people::{ago, checkout, customer, subscription, with};

const DAY_S: i64 = 86_400;

pub fn scenarios(tag: &str) -> Vec<Scenario> {
    let id = |name: &str| format!("{name}_{tag}");
    let [in1, in2, in3, cus, cus2, user, sub] =
        ["in_1", "in_2", "in_3", "cus_1", "cus_2", "u1", "sub_1"].map(id);
    let event = Step::Event;
    let claim = |code, customer: &str, ago| Step::Claim(code, Some(customer.to_owned()), None, ago);
    let sale = |invoice: &str, customer: &str, seconds| {
        let sale = with(invoice_paid(invoice, customer, 10_000), "/data/object/customer_email", Value::Null);
        ago(sale, seconds)
    };
    let subscribed = |kind, code: &str| {
        with(
            subscription(kind, &sub, &cus, "active"),
            "/data/object/metadata",
            json!({ "referral_code": code }),
        )
    };
    let second = created() - 30;
    let same_second = |event: Value| with(event, "/created", json!(second));
    let scenario =
        |name, steps, expected| Scenario { name, steps, expected, disputed: Vec::new(), alone: false };
    let nothing = Vec::new;
    let earns = |code: &'static str, commission| vec![(in1.clone(), code, commission, 0)];
    let snapshot = |newer: &str, older: &str| {
        let invoice = invoice_paid_with_code(&in1, &cus, 10_000, newer);
        let details = json!({ "metadata": { "referral_code": older } });
        with(invoice, "/data/object/subscription_details", details)
    };
    vec![
        scenario(
            "the subscription alone names the code, before and after its first invoice",
            vec![
                event(ago(subscribed("created", "ANNA"), 60)),
                event(sale(&in1, &cus, 90)),
                event(sale(&in2, &cus, 0)),
            ],
            vec![(in1.clone(), "anna", 1_000, 0), (in2.clone(), "anna", 1_000, 0)],
        ),
        scenario(
            "an updated subscription names another code than it was created with",
            vec![
                event(ago(subscribed("created", "BERT"), 60)),
                event(ago(subscribed("updated", "anna"), 30)),
                event(sale(&in1, &cus, 0)),
            ],
            earns("bert", 2_000),
        ),
        scenario(
            "what else happens to a subscription names nobody",
            vec![
                event(subscribed("deleted", "ANNA")),
                event(subscribed("paused", "ANNA")),
                event(sale(&in1, &cus, 0)),
            ],
            nothing(),
        ),
        scenario(
            "in one second the subscription comes before its snapshot on the invoice",
            vec![
                event(same_second(subscribed("created", "BERT"))),
                event(same_second(invoice_paid_with_code(&in1, &cus, 10_000, "ANNA"))),
            ],
            earns("bert", 2_000),
        ),
        scenario(
            "both forms of a snapshot are one place, so the smaller code wins",
            vec![event(snapshot("BERT", "ANNA"))],
            earns("anna", 1_000),
        ),
        scenario(
            "the host's own user id in a checkout session refers nobody and hides nothing",
            vec![
                event(checkout(&cus, json!({ "client_reference_id": "user-4711" }))),
                event(sale(&in1, &cus, 0)),
                event(ago(checkout(&cus2, json!({ "client_reference_id": "user-4712" })), 60)),
                event(invoice_paid_with_code(&in2, &cus2, 10_000, "ANNA")),
            ],
            vec![(in2.clone(), "anna", 1_000, 0)],
        ),
        scenario(
            "an invoice's own discount shows a promotion code, in the older form",
            vec![event({
                let discount =
                    json!({ "id": id("di_1"), "object": "discount", "promotion_code": "promo_bert" });
                with(legacy_invoice_paid(&in1, &cus, 10_000, &id("pi_1")), "/data/object/discount", discount)
            })],
            earns("bert", 2_000),
        ),
        scenario(
            "an invoice's discounts show promotion codes where they were expanded",
            vec![event({
                let discounts =
                    json!([id("di_1"), { "id": id("di_2"), "promotion_code": { "id": "promo_bert" } }]);
                with(invoice_paid(&in1, &cus, 10_000), "/data/object/discounts", discounts)
            })],
            earns("bert", 2_000),
        ),
        scenario(
            "who paid before the lookback is no new customer, however late that is told",
            vec![
                claim("NINA", &cus, 0),
                event(sale(&in1, &cus, 2 * DAY_S)),
                event(sale(&in2, &cus, 0)),
                event(with(sale(&in3, &cus2, 2 * DAY_S), "/data/object/amount_paid", json!(0))),
                claim("NINA", &cus2, 0),
                event(sale(&id("in_4"), &cus2, 0)),
            ],
            vec![(id("in_4"), "nina", 1_000, 0)],
        ),
        scenario(
            "an older invoice of another customer of the same user makes it an existing customer",
            vec![
                Step::Claim("NINA", Some(cus.clone()), Some(user.clone()), 60),
                Step::Claim("NINA", Some(cus2.clone()), Some(user.clone()), 60),
                event(sale(&in1, &cus2, 2 * DAY_S)),
                event(sale(&in2, &cus, 0)),
            ],
            nothing(),
        ),
        scenario(
            "a tag on the promoter's own e-mail does not make another person of it",
            vec![
                claim("ANNA", &cus, 60),
                event(customer("customer.updated", &cus, "Anna+shop@Example.com")),
                event(sale(&in1, &cus, 0)),
            ],
            nothing(),
        ),
        scenario(
            "a code in other letters is the code, wherever it stands",
            vec![
                event(invoice_paid_with_code(&in1, &cus, 10_000, " aNNa ")),
                event(ago(checkout(&cus2, json!({ "client_reference_id": "bert" })), 10)),
                event(sale(&in2, &cus2, 0)),
            ],
            vec![(in1.clone(), "anna", 1_000, 0), (in2.clone(), "bert", 2_000, 0)],
        ),
        scenario(
            "a payment that leaves a rest open says nothing: no claim, no e-mail, no link",
            vec![
                event({
                    let open = legacy_invoice_paid(&in1, &cus, 10_000, &id("pi_1"));
                    let open = with(open, "/data/object/status", json!("open"));
                    let open = with(open, "/data/object/metadata", json!({ "referral_code": "ANNA" }));
                    with(open, "/type", json!("invoice.payment_succeeded"))
                }),
                event(sale(&in2, &cus, 0)),
            ],
            nothing(),
        ),
    ]
}
