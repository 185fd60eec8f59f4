//! Histories of the rules that look at more than one invoice, or at who is who.

use serde_json::{Value, json};

use super::{Scenario, Step};
use crate::support::events::*;

const DAY_S: i64 = 86_400;

pub fn scenarios(tag: &str) -> Vec<Scenario> {
    let id = |name: &str| format!("{name}_{tag}");
    let [in1, in2, in3, in4, cus, cus2] = ["in_1", "in_2", "in_3", "in_4", "cus_1", "cus_2"].map(id);
    let [acct, user, pi, re1, du1] = ["acct_1", "u1", "pi_1", "re_1", "du_1"].map(id);
    let claim = |code, customer: &str, ago| Step::Claim(code, Some(customer.to_owned()), None, ago);
    let sale = |invoice: &str, customer: &str, amount, ago| {
        let mut event = invoice_paid(invoice, customer, amount);
        event["data"]["object"]["status_transitions"]["paid_at"] = json!(created() - ago);
        Step::Event(event)
    };
    let scenario =
        |name, steps, expected| Scenario { name, steps, expected, disputed: Vec::new(), alone: false };
    let of_user = |customer: &str| Step::Claim("CARA", Some(customer.to_owned()), Some(user.clone()), 60);
    vec![
        scenario(
            "only the first invoice earns, which is neither of nothing nor from before the referral",
            vec![
                claim("CARA", &cus, 100),
                sale(&in1, &cus, 0, 50),
                sale(&in2, &cus, 10_000, 40),
                sale(&in3, &cus, 20_000, 30),
                sale(&in4, &cus, 30_000, 3 * DAY_S),
            ],
            vec![(in2.clone(), "cara", 5_000, 0)],
        ),
        scenario(
            "an earlier invoice becomes the first, refunded by half",
            vec![
                claim("CARA", &cus, 100),
                sale(&in1, &cus, 10_000, 10),
                sale(&in2, &cus, 10_000, 20),
                Step::Event(invoice_payment(&in2, &pi, 10_000)),
                Step::Event(charge_refunded(&pi, &cus, 10_000, 5_000)),
            ],
            vec![(in2.clone(), "cara", 5_000, -2_500)],
        ),
        scenario(
            "two customers of one user have one first invoice",
            vec![of_user(&cus), of_user(&cus2), sale(&in1, &cus, 10_000, 10), sale(&in2, &cus2, 4_000, 20)],
            vec![(in2.clone(), "cara", 2_000, 0)],
        ),
        scenario(
            "one month from the first invoice",
            vec![
                claim("EMIL", &cus, 60 * DAY_S),
                sale(&in1, &cus, 10_000, 50 * DAY_S),
                sale(&in2, &cus, 10_000, 49 * DAY_S),
                sale(&in3, &cus, 10_000, 0),
            ],
            vec![(in1.clone(), "emil", 1_000, 0), (in2.clone(), "emil", 1_000, 0)],
        ),
        Scenario {
            alone: true,
            ..scenario(
                "the one rewarded place goes to whoever paid first, and a refund does not free it",
                vec![
                    claim("DORA", &cus, 100),
                    claim("DORA", &cus2, 90),
                    sale(&in1, &cus, 10_000, 10),
                    sale(&in2, &cus2, 10_000, 20),
                    Step::Event(invoice_payment(&in2, &pi, 10_000)),
                    Step::Event(charge_refunded(&pi, &cus2, 10_000, 10_000)),
                ],
                vec![(in2.clone(), "dora", 1_000, -1_000)],
            )
        },
        scenario(
            "a customer account is its customer",
            vec![
                claim("ANNA", &cus, 60),
                Step::Event({
                    let mut event = invoice_paid(&in1, &cus, 10_000);
                    event["data"]["object"]["customer"] = Value::Null;
                    event["data"]["object"]["customer_account"] = json!(acct);
                    event
                }),
                Step::Event({
                    let mut event = invoice_paid(&in2, &cus, 5_000);
                    event["data"]["object"]["customer_account"] = json!(acct);
                    event
                }),
            ],
            vec![(in1.clone(), "anna", 1_000, 0), (in2.clone(), "anna", 500, 0)],
        ),
        scenario(
            "an account that is named beside two customers is the one with the smaller id",
            vec![
                claim("ANNA", &acct, 60),
                Step::Event(with_account(invoice_paid(&in1, &cus2, 10_000), &acct)),
                Step::Event(with_account(invoice_paid(&in2, &cus, 5_000), &acct)),
            ],
            vec![(in2.clone(), "anna", 500, 0)],
        ),
        scenario(
            "a customer leaves a user when its account turns out to be another's",
            vec![
                Step::Claim("ANNA", Some(acct.clone()), Some(user.clone()), 60),
                Step::Event(with_account(invoice_paid(&in1, &cus2, 10_000), &acct)),
                Step::Event(event(
                    "customer.updated",
                    json!({ "id": cus, "object": "customer", "customer_account": acct, "metadata": {} }),
                )),
                sale(&in2, &cus, 5_000, 0),
            ],
            vec![(in2.clone(), "anna", 500, 0)],
        ),
        scenario(
            "a promotion code that a code carries, and one that none does",
            vec![
                Step::Event(discount(&id("di_1"), &cus, "promo_nobody", 120)),
                Step::Event(discount(&id("di_2"), &cus, "promo_bert", 60)),
                claim("ANNA", &cus, 0),
                sale(&in1, &cus, 10_000, 0),
            ],
            vec![(in1.clone(), "bert", 2_000, 0)],
        ),
        scenario(
            "a customer with the e-mail of its promoter earns nothing",
            vec![
                claim("BERT", &cus, 60),
                sale(&in1, &cus, 10_000, 10),
                Step::Event(event(
                    "customer.updated",
                    json!({ "id": cus, "object": "customer", "email": " Bert@Example.com", "metadata": {} }),
                )),
            ],
            Vec::new(),
        ),
        scenario(
            "what a refund has taken a dispute does not take again",
            vec![
                claim("ANNA", &cus, 60),
                sale(&in1, &cus, 10_000, 10),
                Step::Event(invoice_payment(&in1, &pi, 10_000)),
                Step::Event(refund("refund.created", &re1, &pi, 6_000, "succeeded")),
                Step::Event(dispute(&du1, &pi, 6_000, "usd", "lost")),
            ],
            vec![(in1.clone(), "anna", 1_000, -600)],
        )
        .disputed(&in1, "anna", -400),
    ]
}

/// The same event, which names the account of its customer, too.
fn with_account(mut event: Value, account: &str) -> Value {
    event["data"]["object"]["customer_account"] = json!(account);
    event
}

/// `customer.discount.created` by a promotion code, so many seconds ago.
fn discount(discount: &str, customer: &str, promotion: &str, ago: i64) -> Value {
    let object =
        json!({ "id": discount, "object": "discount", "customer": customer, "promotion_code": promotion });
    let mut event = event("customer.discount.created", object);
    event["created"] = json!(created() - ago);
    event
}
