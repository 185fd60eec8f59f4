//! Histories with their figures, worked out by hand: whatever the order and repetition of the steps, the ledger must
//! end with these sums.

mod claims;
mod combined;
mod earnings;
mod inbox;
mod money;
mod rules;

use serde_json::{Value, json};

use super::events::*;

/// What the histories want: program, promoter, code, and the terms as arguments of `program create`.
pub const PROGRAMS: [(&str, &str, &str, &str); 10] = [
    ("default", "anna", "ANNA", "--rate 10"),
    ("other", "bert", "BERT", "--rate 20"),
    ("once", "cara", "CARA", "--rate 50 --one-time"),
    ("few", "dora", "DORA", "--rate 10 --max-rewards-per-promoter 1"),
    ("month", "emil", "EMIL", "--rate 10 --months 1"),
    ("new", "nina", "NINA", "--rate 10 --new-customers-only"),
    ("sold", "fred", "FRED", "--rate 10 --product-rates prod_new:20,prod_old:5"),
    ("flat", "gina", "GINA", "--flat 500 --currency usd"),
    ("capped", "hugo", "HUGO", "--rate 10 --cap usd:50000"),
    ("goods", "ines", "INES", "--rate 10 --exclude-shipping"),
];

/// One step of a history.
#[derive(Debug, Clone)]
pub enum Step {
    /// A signed event.
    Event(Value),
    /// `POST /v1/referrals`: code, customer, user, seconds ago.
    Claim(&'static str, Option<String>, Option<String>, i64),
    /// The code `LATE` of promoter `anna` is made.
    MakeLateCode,
}

/// A history.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub name: &'static str,
    pub steps: Vec<Step>,
    /// (invoice, promoter, Σ commission, Σ refund); promoters without a row of an invoice have 0 of it.
    pub expected: Vec<(String, &'static str, i64, i64)>,
    /// (invoice, promoter, Σ dispute), where there are any.
    pub disputed: Vec<(String, &'static str, i64)>,
    /// It cannot share its promoter with other histories.
    pub alone: bool,
}

impl Scenario {
    /// The same history with these sums of disputes.
    fn disputed(mut self, invoice: &str, promoter: &'static str, dispute: i64) -> Self {
        self.disputed.push((invoice.to_owned(), promoter, dispute));
        self
    }
}

/// All histories; `tag` makes their ids unique. `anna` earns 10 % by `ANNA`, `bert` 20 % by `BERT`, which carries
/// `promo_bert`; `nina` 10 % of new customers by `NINA`; `cara` earns 50 % of a first invoice by `CARA`, `emil` 10 % for
/// one month by `EMIL`, and `dora` 10 % of the invoices of one referral by `DORA`. The others are of the histories in
/// `earnings`.
pub fn scenarios(tag: &str) -> Vec<Scenario> {
    let mut all = losses_and_claims(tag);
    all.extend(rules::scenarios(tag));
    all.extend(claims::scenarios(tag));
    all.extend(inbox::scenarios(tag));
    all.extend(money::scenarios(tag));
    all.extend(earnings::scenarios(tag));
    all.extend(combined::scenarios(tag));
    all
}

fn losses_and_claims(tag: &str) -> Vec<Scenario> {
    let id = |name: &str| format!("{name}_{tag}");
    let [cus, pi, pi2] = ["cus_1", "pi_1", "pi_2"].map(id);
    let [in1, in2, re1, re2, user] = ["in_1", "in_2", "re_1", "re_2", "u1"].map(id);
    let claim = |code, ago| Step::Claim(code, Some(cus.clone()), None, ago);
    let event = Step::Event;
    let net = |commission, refund| vec![(in1.clone(), "anna", commission, refund)];
    let sale = || event(invoice_paid(&in1, &cus, 10_000));
    let link = |amount| event(invoice_payment(&in1, &pi, amount));
    let charge = |refunded| event(charge_refunded(&pi, &cus, 10_000, refunded));
    let refunded = |id: &str, amount, status| event(refund("refund.updated", id, &pi, amount, status));
    let mut charge_of_other_tax = invoice_paid(&in1, &cus, 10_000);
    charge_of_other_tax["data"]["object"]["total_excluding_tax"] = Value::Null;
    let by_charge_only = || {
        let mut event = refund("refund.created", &re1, &pi, 4_000, "succeeded");
        event["data"]["object"]["payment_intent"] = Value::Null;
        event
    };
    let alias = super::events::event(
        "charge.updated",
        json!({ "id": pi.replacen("pi_", "ch_", 1), "object": "charge", "amount": 10_000,
            "amount_captured": 10_000, "amount_refunded": 0, "currency": "usd", "customer": cus,
            "payment_intent": pi, "status": "succeeded" }),
    );
    let old_invoice = {
        let mut event = invoice_paid(&in2, &cus, 10_000);
        event["data"]["object"]["status_transitions"]["paid_at"] = json!(created() - 3 * 86_400);
        event
    };
    let second = created() - 60;
    let same_second = |mut event: Value| {
        event["created"] = json!(second);
        event
    };
    let scenario =
        |name, steps, expected| Scenario { name, steps, expected, disputed: Vec::new(), alone: false };
    let du1 = id("du_1");
    let disputed = |status, amount| event(same_second(dispute(&du1, &pi, amount, "usd", status)));
    vec![
        scenario(
            "the documented example",
            vec![claim("ANNA", 0), sale(), link(10_000), charge(5_000), refunded(&re1, 5_000, "succeeded")],
            net(1_000, -500),
        ),
        scenario(
            "an older version, refunded in two steps",
            vec![
                claim("ANNA", 0),
                event(legacy_invoice_paid(&in1, &cus, 10_000, &pi)),
                event(legacy_charge_refunded(&pi, &cus, &in1, 10_000, &[(&re1, 1_005)])),
                event(legacy_charge_refunded(&pi, &cus, &in1, 10_000, &[(&re1, 1_005), (&re2, 8_995)])),
            ],
            net(1_000, -1_000),
        ),
        scenario(
            "one refund fails after it succeeded, the other stays",
            vec![
                claim("ANNA", 0),
                sale(),
                link(10_000),
                refunded(&re1, 2_000, "succeeded"),
                refunded(&re1, 2_000, "failed"),
                refunded(&re2, 1_000, "succeeded"),
            ],
            net(1_000, -100),
        ),
        scenario(
            "the total of the charge includes a refund that failed",
            vec![
                claim("ANNA", 0),
                sale(),
                link(10_000),
                charge(3_000),
                refunded(&re1, 3_000, "pending"),
                refunded(&re1, 3_000, "canceled"),
            ],
            net(1_000, 0),
        ),
        scenario(
            "one payment pays two invoices",
            vec![
                claim("ANNA", 0),
                event(invoice_paid(&in1, &cus, 3_000)),
                event(invoice_paid(&in2, &cus, 1_000)),
                event(invoice_payment(&in1, &pi, 3_000)),
                event(invoice_payment(&in2, &pi, 1_000)),
                event(charge_refunded(&pi, &cus, 4_000, 2_000)),
            ],
            vec![(in1.clone(), "anna", 300, -150), (in2.clone(), "anna", 100, -50)],
        ),
        scenario(
            "two payments pay one invoice, one of them without an amount",
            vec![
                claim("ANNA", 0),
                event(legacy_invoice_paid(&in1, &cus, 10_000, &pi)),
                event(invoice_payment(&in1, &pi2, 3_000)),
                event(charge_refunded(&pi, &cus, 7_000, 7_000)),
                event(charge_refunded(&pi2, &cus, 3_000, 1_000)),
            ],
            net(1_000, -800),
        ),
        scenario(
            "the earlier of two claims wins",
            vec![claim("ANNA", 60), claim("BERT", 600), sale(), link(10_000), charge(5_000)],
            vec![(in1.clone(), "bert", 2_000, -1_000)],
        ),
        scenario(
            "the API wins over the metadata of the same second, which is not later",
            vec![
                claim("BERT", 60),
                event(invoice_paid_with_code(&in1, &cus, 10_000, "ANNA")),
                event(invoice_paid_with_code(&in2, &cus, 5_000, "ANNA")),
            ],
            vec![(in1.clone(), "bert", 2_000, 0), (in2.clone(), "bert", 1_000, 0)],
        ),
        scenario(
            "a user, and later a customer of that user",
            vec![
                Step::Claim("ANNA", None, Some(user.clone()), 60),
                Step::Claim("ANNA", Some(cus.clone()), Some(user.clone()), 0),
                sale(),
                link(10_000),
                charge(2_500),
            ],
            net(1_000, -250),
        ),
        scenario(
            "the customer's claim and the user's are of different promoters",
            vec![
                Step::Claim("BERT", Some(cus.clone()), None, 30),
                Step::Claim("ANNA", None, Some(user.clone()), 60),
                Step::Claim("BERT", Some(cus.clone()), Some(user), 0),
                sale(),
                link(10_000),
            ],
            net(1_000, 0),
        ),
        scenario(
            "a refund names only the charge",
            vec![claim("ANNA", 0), event(by_charge_only()), event(alias), sale(), link(10_000)],
            net(1_000, -400),
        ),
        scenario(
            "a refund is told once by its charge and once by its payment intent",
            vec![
                claim("ANNA", 0),
                event(by_charge_only()),
                event({
                    let mut event = refund("refund.updated", &re1, &pi, 4_000, "pending");
                    event["data"]["object"]["charge"] = Value::Null;
                    event
                }),
                sale(),
                link(10_000),
            ],
            net(1_000, -400),
        ),
        scenario(
            "events contradict each other about the amount",
            vec![
                claim("ANNA", 0),
                sale(),
                event(invoice_paid(&in1, &cus, 12_000)),
                event(invoice_paid(&in1, &cus, 11_000)),
                link(12_000),
                event(charge_refunded(&pi, &cus, 12_000, 6_000)),
            ],
            net(1_200, -600),
        ),
        scenario(
            "told thrice, once without its net amount",
            vec![
                claim("ANNA", 0),
                sale(),
                event(charge_of_other_tax),
                event(super::events::event("invoice.payment_succeeded", basil_invoice(&in1, &cus, 10_000))),
                link(10_000),
            ],
            net(1_000, 0),
        ),
        scenario(
            "a zero invoice and one from before the referral",
            vec![claim("ANNA", 0), event(invoice_paid(&in1, &cus, 0)), event(old_invoice)],
            vec![(in1.clone(), "anna", 0, 0), (in2.clone(), "anna", 0, 0)],
        ),
        scenario(
            "the code is made after it was named",
            vec![
                event(invoice_paid_with_code(&in1, &cus, 10_000, "LATE")),
                Step::MakeLateCode,
                link(10_000),
                charge(1_000),
            ],
            net(1_000, -100),
        ),
        scenario(
            "more is refunded than was captured",
            vec![claim("ANNA", 0), sale(), link(10_000), charge(10_000), refunded(&re1, 25_000, "succeeded")],
            net(1_000, -1_000),
        ),
        scenario(
            "a dispute is won in the end",
            vec![
                claim("ANNA", 0),
                sale(),
                link(10_000),
                disputed("warning_needs_response", 10_000),
                disputed("needs_response", 10_000),
                disputed("won", 10_000),
            ],
            net(1_000, 0),
        ),
        scenario(
            "a dispute ends as lost, although funds were reinstated in part",
            vec![
                claim("ANNA", 0),
                sale(),
                link(10_000),
                disputed("under_review", 10_000),
                disputed("lost", 6_000),
                disputed("won", 10_000),
            ],
            net(1_000, 0),
        )
        .disputed(&in1, "anna", -600),
        scenario(
            "a refund beside an open dispute",
            vec![
                claim("ANNA", 0),
                sale(),
                link(10_000),
                disputed("needs_response", 10_000),
                refunded(&re1, 50, "succeeded"),
            ],
            net(1_000, -5),
        )
        .disputed(&in1, "anna", -995),
        scenario(
            "a dispute in another currency takes the whole payment",
            vec![claim("ANNA", 0), sale(), link(10_000), event(dispute(&du1, &pi, 17, "jpy", "lost"))],
            net(1_000, 0),
        )
        .disputed(&in1, "anna", -1_000),
        scenario(
            "a credit note paid back outside Stripe, and one that is void",
            vec![
                claim("ANNA", 0),
                sale(),
                event(credit_note("credit_note.created", &id("cn_1"), &in1, 2_000, "issued")),
                event(credit_note("credit_note.created", &id("cn_2"), &in1, 3_000, "issued")),
                event(credit_note("credit_note.voided", &id("cn_2"), &in1, 3_000, "void")),
                link(10_000),
                charge(1_000),
            ],
            net(1_000, -300),
        ),
        scenario(
            "the older place of the metadata counts beside an empty newer one",
            vec![
                event({
                    let mut event = invoice_paid(&in1, &cus, 10_000);
                    event["data"]["object"]["subscription_details"] =
                        json!({ "metadata": { "referral_code": "BERT" } });
                    event["created"] = json!(created() - 60);
                    event
                }),
                claim("ANNA", 0),
            ],
            vec![(in1.clone(), "bert", 2_000, 0)],
        ),
        scenario(
            "checkout, customer and subscription name a code in the same second",
            vec![
                event({
                    let object = json!({ "id": id("cs_1"), "object": "checkout.session", "customer": cus,
                        "client_reference_id": "BERT", "metadata": { "ref": "ANNA" } });
                    same_second(super::events::event("checkout.session.completed", object))
                }),
                event({
                    let object = json!({ "id": cus, "object": "customer", "metadata": { "ref": "ANNA" } });
                    same_second(super::events::event("customer.created", object))
                }),
                event(same_second(invoice_paid_with_code(&in1, &cus, 10_000, "ANNA"))),
            ],
            vec![(in1.clone(), "bert", 2_000, 0)],
        ),
    ]
}
