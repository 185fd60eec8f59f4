//! What was told about money, and how it fits together: `semantics.md` §3. What follows from it is in `taken.rs`.

use std::collections::{BTreeMap, BTreeSet};

use crate::told::{Charge, Dispute, Event, Invoice, Line, PaidBy, Refund, Said};

/// What was told about money, as it was told.
#[derive(Default)]
pub struct Money<'a> {
    pub invoices: BTreeMap<&'a str, PaidInvoice<'a>>,
    /// Links as they were named.
    pub links: Vec<(&'a str, &'a str, Option<i64>)>,
    /// (charge, payment intent) as often as told.
    pub charges: Vec<(&'a str, &'a str)>,
    /// Whether before basil, the payment as named, and what was told.
    pub totals: Vec<(bool, &'a str, &'a Charge)>,
    /// As its payment was named.
    pub refunds_told: Vec<(&'a str, &'a Refund)>,
    /// With the time of the event.
    pub disputes_told: Vec<(i64, &'a Dispute)>,
    /// Payments, as named, of which a charge shows that they have paid no invoice.
    pub without_invoice: BTreeSet<&'a str>,
    /// All lines of an invoice, as they were read from Stripe's API.
    pub lines_read: BTreeMap<&'a str, &'a [Line]>,
    /// (void, amount, invoice).
    pub credit_notes: BTreeMap<&'a str, (bool, i64, &'a str)>,
    /// What follows from it, worked out anew after every step: links by payment, with the greatest amount told; refunds
    /// and disputes by id.
    pub merged_links: BTreeMap<(&'a str, &'a str), Option<i64>>,
    pub refunds: BTreeMap<&'a str, MergedRefund<'a>>,
    pub disputes: BTreeMap<&'a str, MergedDispute<'a>>,
}

/// The snapshot in use, and what comes of all of them.
pub struct PaidInvoice<'a> {
    rank: (i64, bool, &'a str, &'a str),
    pub told: &'a Invoice,
    pub paid_at: i64,
    essences: BTreeSet<(Option<&'a str>, &'a str, i64)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefundState {
    Pending,
    Succeeded,
    Failed,
}

/// The greatest telling.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MergedRefund<'a> {
    pub state: RefundState,
    pub amount: i64,
    pub payment: &'a str,
    pub created: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DisputeState {
    Inquiry,
    Open,
    /// Told at that time.
    Final(i64, Outcome),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Returned,
    Lost,
}

/// The greatest telling, and the balance transactions of all: (currency, amount) by id.
pub struct MergedDispute<'a> {
    pub telling: (DisputeState, i64, &'a str, &'a str),
    pub transactions: BTreeMap<&'a str, (&'a str, i64)>,
}

impl<'a> Money<'a> {
    pub fn take_in(&mut self, event: &'a Event) {
        match &event.said {
            Said::Invoice(invoice) if invoice.is_paid() => self.take_in_invoice(event, invoice),
            Said::Link(link) if link.is_paid => {
                let payment = link.record.as_ref().or_else(|| link.by.name());
                self.links
                    .extend(payment.map(|payment| (link.invoice.as_str(), payment.as_str(), link.amount)));
            }
            Said::Charge(charge) => self.take_in_charge(event, charge),
            Said::Refund(refund) => self.take_in_refund(refund),
            Said::Dispute(dispute) => {
                self.name(&dispute.by);
                self.disputes_told.push((event.created, dispute));
            }
            Said::CreditNote(note) => {
                let told = (note.void, note.out_of_band + note.of_records, note.invoice.as_str());
                let known = self.credit_notes.entry(&note.id).or_insert(told);
                *known = (*known).max(told);
            }
            Said::Invoice(_)
            | Said::Link(_)
            | Said::Customer(_)
            | Said::Checkout(_)
            | Said::Discount { .. }
            | Said::Subscription(_) => {}
        }
    }

    /// An object that names a charge and a payment intent says that they are one.
    fn name(&mut self, by: &'a PaidBy) {
        if let (Some(charge), Some(intent)) = (&by.charge, &by.intent) {
            self.charges.push((charge, intent));
        }
    }

    fn take_in_invoice(&mut self, event: &'a Event, invoice: &'a Invoice) {
        let paid_at = invoice.paid_at.unwrap_or(event.created);
        let rank = (invoice.amount_paid, invoice.excluding_tax.is_some(), event.id.as_str(), event.version);
        let new = PaidInvoice { rank, told: invoice, paid_at, essences: BTreeSet::new() };
        let known = self.invoices.entry(&invoice.id).or_insert(new);
        known.paid_at = known.paid_at.min(paid_at);
        if rank > known.rank {
            (known.rank, known.told) = (rank, invoice);
        }
        let customer = invoice.named.name().map(String::as_str);
        known.essences.insert((customer, invoice.currency, invoice.amount_paid));
        self.name(&invoice.paid_by);
        let payment = invoice.paid_by.name();
        self.links.extend(payment.map(|payment| (invoice.id.as_str(), payment.as_str(), None)));
    }

    fn take_in_charge(&mut self, event: &'a Event, charge: &'a Charge) {
        let payment = charge.intent.as_ref().unwrap_or(&charge.id);
        self.charges.extend(charge.intent.as_ref().map(|intent| (charge.id.as_str(), intent.as_str())));
        self.totals.push((event.is_before_basil(), payment, charge));
        let says_none = charge.says_no_invoice && event.is_before_basil();
        if charge.invoice.is_none() && (says_none || !charge.customer) {
            self.without_invoice.insert(payment);
        }
        let invoice = charge.invoice.as_ref().filter(|_| charge.succeeded);
        self.links.extend(invoice.map(|invoice| (invoice.as_str(), payment.as_str(), None)));
        self.refunds_told.extend(charge.refunds.iter().map(|refund| (payment.as_str(), refund)));
    }

    fn take_in_refund(&mut self, refund: &'a Refund) {
        self.name(&refund.by);
        let payment = refund.by.name();
        self.refunds_told.extend(payment.map(|payment| (payment.as_str(), refund)));
    }

    /// Finds out once more which payments are one, what pays for what, and what of each refund and dispute holds.
    pub fn connect(&mut self) {
        self.refunds.clear();
        for (payment, refund) in &self.refunds_told {
            let state = match refund.status {
                "succeeded" => RefundState::Succeeded,
                "failed" | "canceled" => RefundState::Failed,
                _ => RefundState::Pending,
            };
            let told = MergedRefund { state, amount: refund.amount, payment, created: refund.created };
            let known = self.refunds.entry(&refund.id).or_insert(told);
            *known = (*known).max(told);
            // A refund takes from one payment, so a charge and a payment intent that it was told by belong together.
            for (other, of_other) in &self.refunds_told {
                let is_pair = refund.id == of_other.id && !is_intent(payment) && is_intent(other);
                if is_pair && !self.charges.contains(&(*payment, *other)) {
                    self.charges.push((*payment, *other));
                }
            }
        }
        self.disputes.clear();
        for (told_at, dispute) in &self.disputes_told {
            let Some(payment) = dispute.by.name() else { continue };
            let state = match dispute.status {
                status if status.starts_with("warning_") => DisputeState::Inquiry,
                "won" | "prevented" | "charge_refunded" => DisputeState::Final(*told_at, Outcome::Returned),
                "lost" => DisputeState::Final(*told_at, Outcome::Lost),
                _ => DisputeState::Open,
            };
            let telling = (state, dispute.amount, payment.as_str(), dispute.currency);
            let new = MergedDispute { telling, transactions: BTreeMap::new() };
            let known = self.disputes.entry(&dispute.id).or_insert(new);
            known.telling = known.telling.max(telling);
            for (id, amount, currency) in &dispute.transactions {
                // Of two tellings of one transaction the one that takes more.
                let told = (*currency, *amount);
                let known = known.transactions.entry(id).or_insert(told);
                *known = (*known).min(told);
            }
        }
        let mut merged_links: BTreeMap<(&str, &str), Option<i64>> = BTreeMap::new();
        for (invoice, named, amount) in &self.links {
            let merged = merged_links.entry((*invoice, self.payment(named))).or_default();
            *merged = (*merged).max(*amount);
        }
        self.merged_links = merged_links;
    }

    /// The payment that a name stands for. Of two payment intents told for one charge the smaller one holds.
    pub fn payment<'n>(&self, named: &'n str) -> &'n str
    where
        'a: 'n,
    {
        let told = self.charges.iter().filter(|(charge, _)| *charge == named);
        told.map(|(_, payment_intent)| *payment_intent).min().unwrap_or(named)
    }

    pub fn pays_a_known_invoice(&self, named: &str) -> bool {
        let payment = self.payment(named);
        self.merged_links
            .keys()
            .any(|(invoice, pays)| *pays == payment && self.invoices.contains_key(invoice))
    }

    /// True when it was told that a payment has paid no invoice, and no link says otherwise.
    pub fn has_no_invoice(&self, named: &str) -> bool {
        let payment = self.payment(named);
        self.without_invoice.iter().any(|named| self.payment(named) == payment)
            && !self.merged_links.keys().any(|(_, pays)| *pays == payment)
    }

    /// The daemon asks for them where an event has not shown all.
    pub fn read_lines(&mut self, invoice: &'a str, lines: &'a [Line]) {
        if self.invoices.contains_key(invoice) {
            self.lines_read.insert(invoice, lines);
        }
    }

    /// All lines of an invoice, where they are known.
    pub fn lines_of(&self, invoice: &str) -> Option<&'a [Line]> {
        let told = self.invoices[invoice].told;
        let seen = Some(told.lines.as_slice()).filter(|_| !told.more_lines);
        self.lines_read.get(invoice).copied().or(seen)
    }

    pub fn has_read(&self, invoice: &str) -> bool {
        self.lines_read.contains_key(invoice)
    }

    pub fn is_linked(&self, invoice: &str, payment: &str) -> bool {
        self.merged_links.keys().any(|(of, by)| *of == invoice && *by == payment)
    }

    /// True when one payment pays both.
    pub fn share_a_payment(&self, one: &str, other: &str) -> bool {
        let payments = self.merged_links.keys().map(|(_, payment)| payment);
        payments.into_iter().any(|payment| self.is_linked(one, payment) && self.is_linked(other, payment))
    }
}

impl PaidInvoice<'_> {
    /// Its snapshots contradict each other.
    pub fn is_in_conflict(&self) -> bool {
        self.essences.len() > 1
    }
}

fn is_intent(payment: &str) -> bool {
    payment.starts_with("pi_")
}
