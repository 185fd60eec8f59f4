//! What refunds, disputes and credit notes take from invoices: `semantics.md` §3, from the whole set of facts.

use std::collections::BTreeMap;

use referrald::domain::{
    Currency, DisputeFacts, DisputeState, EventId, Fact, InvoiceId, InvoiceSnapshot, PaymentId, RefundId,
    RefundState,
};

/// Facts about money. A fact with several tellings keeps the greatest of their tuples.
#[derive(Default)]
pub struct Money<'a> {
    pub invoices: BTreeMap<&'a InvoiceId, Invoice<'a>>,
    /// Links as they were named.
    links: Vec<(&'a InvoiceId, &'a PaymentId, Option<i64>)>,
    /// (charge, payment intent) as often as told.
    charges: Vec<(&'a PaymentId, &'a PaymentId)>,
    /// (payment as named, captured, refunded).
    totals: Vec<(&'a PaymentId, i64, i64)>,
    /// Every telling of a refund: (refund, payment as named).
    refunds_told: Vec<(&'a RefundId, &'a PaymentId)>,
    /// (rank, amount, payment as named).
    refunds: BTreeMap<&'a RefundId, (u8, i64, &'a PaymentId)>,
    /// (rank, what it takes, payment as named, currency).
    disputes: BTreeMap<&'a str, (u8, i64, &'a PaymentId, Currency)>,
    /// (void, amount, invoice).
    credit_notes: BTreeMap<&'a str, (bool, i64, &'a InvoiceId)>,
    /// Links by payment, with the greatest amount told.
    merged_links: BTreeMap<(&'a InvoiceId, &'a PaymentId), Option<i64>>,
}

/// A paid invoice: the rank of the claim in use, that claim, and the smallest `paid_at`.
pub struct Invoice<'a> {
    rank: (i64, bool, &'a EventId),
    pub claim: &'a InvoiceSnapshot,
    pub paid_at: i64,
}

impl<'a> Money<'a> {
    pub fn take_in(&mut self, fact: &'a Fact) {
        match fact {
            Fact::InvoicePaid { invoice, snapshot: claim, paid_at } => {
                self.take_in_invoice(invoice, claim, paid_at.unix());
            }
            Fact::PaymentLink { invoice, payment, amount_minor } => {
                self.links.push((invoice, payment, *amount_minor));
            }
            Fact::ChargeOf { charge, payment_intent } => self.charges.push((charge, payment_intent)),
            Fact::Payment { payment, captured_minor, amount_refunded_minor, released: _ } => {
                self.totals.push((payment, *captured_minor, *amount_refunded_minor));
            }
            Fact::Refund { refund, facts } => {
                self.refunds_told.push((refund, &facts.payment));
                let rank = match facts.state {
                    RefundState::Pending => 0,
                    RefundState::Succeeded => 1,
                    RefundState::Failed => 2,
                };
                let told = (rank, facts.amount_minor, &facts.payment);
                let known = self.refunds.entry(refund).or_insert(told);
                *known = (*known).max(told);
            }
            Fact::Dispute { dispute, facts } => {
                let told = ranked(facts);
                let known = self.disputes.entry(dispute.as_str()).or_insert(told);
                *known = (*known).max(told);
            }
            Fact::CreditNote { credit_note, facts } => {
                let told = (facts.void, facts.amount_minor, &facts.invoice);
                let known = self.credit_notes.entry(credit_note.as_str()).or_insert(told);
                *known = (*known).max(told);
            }
            Fact::NoInvoice { .. }
            | Fact::InvoiceLines { .. }
            | Fact::UnreadDiscounts(_)
            | Fact::Claim(_)
            | Fact::Email { .. }
            | Fact::SameCustomer { .. }
            | Fact::Subscription { .. } => {}
        }
    }

    fn take_in_invoice(&mut self, invoice: &'a InvoiceId, claim: &'a InvoiceSnapshot, paid_at: i64) {
        let rank = (claim.amount_paid_minor, claim.total_excluding_tax_minor.is_some(), &claim.event);
        let known = self.invoices.entry(invoice).or_insert(Invoice { rank, claim, paid_at });
        known.paid_at = known.paid_at.min(paid_at);
        if rank > known.rank {
            (known.rank, known.claim) = (rank, claim);
        }
    }

    /// Finds out once more which payments are one, and what pays for what.
    pub fn connect(&mut self) {
        // A refund takes from one payment, so a charge and a payment intent that it was told by belong together.
        for (refund, charge) in &self.refunds_told {
            for (other, payment_intent) in &self.refunds_told {
                if refund == other && !is_intent(charge) && is_intent(payment_intent) {
                    let pair = (*charge, *payment_intent);
                    if !self.charges.contains(&pair) {
                        self.charges.push(pair);
                    }
                }
            }
        }
        let mut merged_links: BTreeMap<(&InvoiceId, &PaymentId), Option<i64>> = BTreeMap::new();
        for (invoice, named, amount) in &self.links {
            let merged = merged_links.entry((*invoice, self.payment(named))).or_default();
            *merged = (*merged).max(*amount);
        }
        self.merged_links = merged_links;
    }

    /// The payment that a name stands for. Of two payment intents told for one charge the smaller one holds.
    fn payment<'n>(&self, named: &'n PaymentId) -> &'n PaymentId
    where
        'a: 'n,
    {
        let told = self.charges.iter().filter(|(charge, _)| *charge == named);
        told.map(|(_, payment_intent)| *payment_intent).min().unwrap_or(named)
    }

    pub fn pays_a_known_invoice(&self, named: &PaymentId) -> bool {
        let payment = self.payment(named);
        self.merged_links
            .keys()
            .any(|(invoice, pays)| *pays == payment && self.invoices.contains_key(invoice))
    }

    /// True when one payment pays both.
    pub fn share_a_payment(&self, one: &InvoiceId, other: &InvoiceId) -> bool {
        let pays = |invoice: &InvoiceId, payment: &PaymentId| {
            self.merged_links.keys().any(|(of, by)| *of == invoice && *by == payment)
        };
        self.merged_links.keys().any(|(_, payment)| pays(one, payment) && pays(other, payment))
    }

    /// What a link weighs.
    fn weight(&self, invoice: &InvoiceId, payment: &PaymentId) -> i128 {
        let mut known = 0;
        for ((of, pays), amount) in &self.merged_links {
            if *of == invoice {
                match amount {
                    Some(amount) if *pays == payment => return i128::from(*amount),
                    Some(amount) => known += i128::from(*amount),
                    None => {}
                }
            }
        }
        let paid = self.invoices.get(invoice);
        paid.map_or(0, |paid| (i128::from(paid.claim.amount_paid_minor) - known).max(0))
    }

    /// What was taken from a payment of which so much was captured; by disputes too, when asked as an invoice of that
    /// currency.
    fn taken(&self, payment: &PaymentId, captured: i128, disputed: Option<Currency>) -> i128 {
        let (mut counted, mut known) = (0, 0);
        for (rank, amount, named) in self.refunds.values() {
            if self.payment(named) == payment {
                let failed = *rank == 2;
                counted += if failed { 0 } else { i128::from(*amount) };
                known += i128::from(*amount);
            }
        }
        let told = self.totals.iter().filter(|(named, _, _)| self.payment(named) == payment);
        let refunded = told.map(|(_, _, refunded)| i128::from(*refunded)).max().unwrap_or(0);
        let mut taken = counted + (refunded - known).max(0);
        for (_, takes, named, currency) in self.disputes.values() {
            // A dispute about nothing takes nothing, in whatever currency.
            if self.payment(named) == payment && disputed.is_some() && *takes > 0 {
                taken += if disputed == Some(*currency) { i128::from(*takes) } else { captured };
            }
        }
        taken.min(captured)
    }

    /// What an invoice lost: L when asked for disputes, else R.
    pub fn loss(&self, invoice: &InvoiceId, with_disputes: bool) -> i128 {
        let claim = self.invoices[invoice].claim;
        let mut loss = 0;
        for (void, amount, of) in self.credit_notes.values() {
            loss += if *of == invoice && !void { i128::from(*amount) } else { 0 };
        }
        for (of, payment) in self.merged_links.keys() {
            if *of != invoice {
                continue;
            }
            let mut linked = 0;
            for (other, pays) in self.merged_links.keys() {
                linked += if pays == payment { self.weight(other, pays) } else { 0 };
            }
            let told = self.totals.iter().filter(|(named, _, _)| self.payment(named) == *payment);
            let captured = match told.map(|(_, captured, _)| i128::from(*captured)).max() {
                Some(captured) if captured > 0 => captured,
                Some(_) | None => linked,
            };
            let taken = self.taken(payment, captured, with_disputes.then_some(claim.currency));
            let weight = self.weight(invoice, payment);
            loss += match taken {
                0 => 0,
                all if all == captured => weight,
                part => part * weight / captured.max(linked),
            };
        }
        loss.min(i128::from(claim.amount_paid_minor))
    }
}

/// The higher rank wins, at equal rank the dispute that takes more.
fn ranked(facts: &DisputeFacts) -> (u8, i64, &PaymentId, Currency) {
    let (rank, takes) = match facts.state {
        DisputeState::Inquiry => (0, 0),
        DisputeState::Open => (1, facts.amount_minor),
        DisputeState::Returned => (2, 0),
        DisputeState::Lost => (2, facts.amount_minor),
    };
    (rank, takes, &facts.payment, facts.currency)
}

fn is_intent(payment: &PaymentId) -> bool {
    payment.as_str().starts_with("pi_")
}
