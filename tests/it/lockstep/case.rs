//! One payment: the two facts of it that are told in lock-step, the others, and the figures worked out by hand.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::events::*;

/// A request that tells something.
pub enum Told {
    Event(Value),
    Referral(Value),
}

/// `invoice.paid` of $100.00, of a subscription of its own.
pub fn sale(invoice: &str, customer: &str) -> Value {
    let mut event = invoice_paid(invoice, customer, 10_000);
    event["data"]["object"]["parent"]["subscription_details"]["subscription"] =
        json!(format!("sub_{invoice}"));
    event
}

/// What is told of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `invoice.paid`.
    Sale,
    /// `invoice_payment.paid`.
    Link,
    /// `refund.created`.
    Refund,
    /// `charge.refunded`, which tells the sum of the refunds.
    Charge,
    /// `charge.dispute.created`, of a dispute that takes.
    Dispute,
    /// `POST /v1/referrals`.
    Referral,
    /// `checkout.session.completed` with a reference of the host.
    Checkout,
}

use Kind::{Charge, Checkout, Dispute, Link, Referral, Refund, Sale};

/// A kind, and false for the first of its kind, true for the second.
pub type Fact = (Kind, bool);
/// Σ by (invoice, promoter, kind).
pub type Sums = BTreeMap<(String, String, String), i64>;

/// One payment, and the two facts of it that are told at once.
pub struct Case {
    pub id: String,
    pub pair: [Fact; 2],
}

impl Case {
    /// Every kind with every kind, in both orders; a kind with itself as two objects of that kind.
    pub fn all() -> Vec<Self> {
        let kinds = [Sale, Link, Refund, Charge, Dispute, Referral, Checkout];
        let pairs = kinds.iter().flat_map(|first| kinds.map(|second| (*first, second)));
        let case = |(first, second)| Self {
            id: format!("{first:?}_{second:?}"),
            pair: [(first, false), (second, first == second)],
        };
        pairs.map(case).collect()
    }

    /// Everything that is told: a sale of $100.00 or two, paid by one payment, $30.02 refunded and $20.02 disputed; the
    /// second refund and the second dispute are of $10.02. Whoever sees one and not the other is a cent off: 20 % of
    /// each are 600 and 400 (and 200), of $50.04 they are 1001, of $40.04 801.
    fn facts(&self) -> Vec<Fact> {
        let mut facts = vec![(Sale, false), (Link, false), (Refund, false), (Dispute, false)];
        facts.extend(self.pair);
        if facts.contains(&(Sale, true)) || facts.contains(&(Link, true)) {
            facts.extend([(Sale, true), (Link, true)]);
        }
        if !facts.iter().any(|(kind, _)| matches!(kind, Referral | Checkout)) {
            facts.push((Checkout, false));
        }
        facts.sort_unstable();
        facts.dedup();
        facts
    }

    pub fn rest(&self) -> Vec<Fact> {
        self.facts().into_iter().filter(|fact| !self.pair.contains(fact)).collect()
    }

    fn name(&self, prefix: &str, is_second: bool) -> String {
        format!("{prefix}_{}{}", self.id, if is_second { "_2" } else { "" })
    }

    /// Seconds ago, promoter, percent of what claims: of two the earlier one wins, however late it arrives.
    fn claimed((kind, is_second): Fact) -> Option<(i64, &'static str, i64)> {
        match (kind, is_second) {
            (Referral, false) => Some((60, "anna", 10)),
            (Referral, true) | (Checkout, false) => Some((120, "bert", 20)),
            (Checkout, true) => Some((180, "anna", 10)),
            (Sale | Link | Refund | Charge | Dispute, _) => None,
        }
    }

    /// The request that tells a fact: its path and body.
    pub fn told(&self, fact: Fact) -> Told {
        let (kind, is_second) = fact;
        let (cus, pi) = (self.name("cus", false), self.name("pi", false));
        let name = |prefix| self.name(prefix, is_second);
        let (ago, promoter, _) = Self::claimed(fact).unwrap_or_default();
        let (code, claimed_at) = (promoter.to_uppercase(), created() - ago);
        Told::Event(match kind {
            Sale => sale(&name("in"), &cus),
            Link => invoice_payment(&name("in"), &pi, 10_000),
            Refund => {
                let amount = if is_second { 1_002 } else { 3_002 };
                refund("refund.created", &name("re"), &pi, amount, "succeeded")
            }
            Charge => charge_refunded(&pi, &cus, 10_000, if is_second { 4_004 } else { 3_002 }),
            Dispute => {
                let amount = if is_second { 1_002 } else { 2_002 };
                let mut event = dispute(&name("du"), &pi, amount, "usd", "needs_response");
                event["type"] = json!("charge.dispute.created");
                event
            }
            Referral => {
                let claim = json!({ "code": code, "customer": cus, "claimed_at": claimed_at });
                return Told::Referral(claim);
            }
            Checkout => {
                let session = json!({ "id": name("cs"), "object": "checkout.session", "customer": cus,
                    "client_reference_id": code, "metadata": {}, "status": "complete" });
                let mut event = event("checkout.session.completed", session);
                event["created"] = json!(claimed_at);
                event
            }
        })
    }

    /// The sums: 10 % of $100.00 are 1000 for anna, 20 % are 2000 for bert, and half a cent is rounded up.
    pub fn expected(&self) -> Sums {
        let facts = self.facts();
        let has = |fact: Fact| facts.contains(&fact);
        let invoices = if has((Sale, true)) { 2 } else { 1 };
        let refunded = if has((Refund, true)) || has((Charge, true)) { 4_004 } else { 3_002 };
        let disputed = if has((Dispute, true)) { 3_004 } else { 2_002 };
        let (_, promoter, percent) = facts.iter().filter_map(|fact| Self::claimed(*fact)).max().unwrap();
        let of = |amount: i64| (amount * percent + 50) / 100;
        let (refund, loss) = (of(refunded / invoices), of((refunded + disputed) / invoices));
        let sums = [("commission", of(10_000)), ("refund", -refund), ("dispute", refund - loss)];
        let names = [false, true].into_iter().filter(|is_second| has((Sale, *is_second)));
        names
            .map(|is_second| self.name("in", is_second))
            .flat_map(|invoice| {
                sums.map(|(kind, sum)| ((invoice.clone(), promoter.into(), kind.into()), sum))
            })
            .collect()
    }
}
