//! Payments, their refunds and their links to invoices: from these follows the loss of an invoice.

use std::collections::{BTreeMap, BTreeSet};

use super::disputes::{CreditNoteFacts, DisputeFacts, DisputeState};
use super::facts::{PaymentFacts, RefundFacts, RefundState};
use super::ids::{CreditNoteId, DisputeId, InvoiceId, PaymentId, RefundId};
use super::money::{Currency, MoneyError, narrow, share_floor};

/// `amount_paid` of an invoice in minor units; `None` while the invoice is not known as paid.
pub type AmountPaid<'a> = dyn Fn(&InvoiceId) -> Option<i64> + 'a;

/// What was taken from an invoice: 0 ≤ refunds ≤ total ≤ `amount_paid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss {
    /// R: by refunds and credit notes alone.
    pub refunds_minor: i64,
    /// L: by disputes too.
    pub total_minor: i64,
}

impl Loss {
    /// L − R: what disputes took beyond refunds and credit notes.
    pub const fn disputes_minor(&self) -> i64 {
        self.total_minor.saturating_sub(self.refunds_minor)
    }
}

/// The payments that a transaction touches, everything that takes from them, and what they pay.
///
/// Rows are kept as they were named; [`PaymentGraph::resolve`] maps a charge to its payment intent, so that facts
/// keyed by either count for one payment, whenever the connection between the two becomes known.
#[derive(Debug, Clone, Default)]
pub struct PaymentGraph {
    payments: BTreeMap<PaymentId, PaymentFacts>,
    charges_of: BTreeMap<PaymentId, BTreeSet<PaymentId>>,
    refunds: BTreeMap<RefundId, RefundFacts>,
    refunds_of: BTreeMap<PaymentId, BTreeSet<RefundId>>,
    disputes: BTreeMap<DisputeId, DisputeFacts>,
    credit_notes: BTreeMap<CreditNoteId, CreditNoteFacts>,
    links: BTreeMap<InvoiceId, BTreeMap<PaymentId, Option<i64>>>,
    invoices_of: BTreeMap<PaymentId, BTreeSet<InvoiceId>>,
}

impl PaymentGraph {
    /// The row of a payment as named, if known.
    pub fn payment(&self, payment: &PaymentId) -> Option<&PaymentFacts> {
        self.payments.get(payment)
    }

    /// A refund, if known.
    pub fn refund(&self, refund: &RefundId) -> Option<&RefundFacts> {
        self.refunds.get(refund)
    }

    /// A dispute, if known.
    pub fn dispute(&self, dispute: &DisputeId) -> Option<&DisputeFacts> {
        self.disputes.get(dispute)
    }

    /// A credit note, if known.
    pub fn credit_note(&self, credit_note: &CreditNoteId) -> Option<&CreditNoteFacts> {
        self.credit_notes.get(credit_note)
    }

    /// The link of an invoice and a payment as named: `Some(None)` is a link whose amount is not known.
    pub fn link(&self, invoice: &InvoiceId, payment: &PaymentId) -> Option<Option<i64>> {
        self.links.get(invoice)?.get(payment).copied()
    }

    /// Merges a whole payment row. True when something changed.
    pub fn merge_payment(&mut self, payment: &PaymentId, facts: PaymentFacts) -> bool {
        let row = self.payments.entry(payment.clone()).or_default();
        let before = row.clone();
        row.merge_totals(&facts);
        row.no_invoice |= facts.no_invoice;
        if let Some(payment_intent) = facts.payment_intent {
            row.merge_payment_intent(payment_intent);
        }
        let changed = *row != before;
        if before.payment_intent != row.payment_intent {
            if let Some(old) = &before.payment_intent
                && let Some(charges) = self.charges_of.get_mut(old)
            {
                charges.remove(payment);
            }
            if let Some(new) = row.payment_intent.clone() {
                self.charges_of.entry(new).or_default().insert(payment.clone());
            }
        }
        changed
    }

    /// Merges a refund. True when something changed.
    pub fn merge_refund(&mut self, refund: &RefundId, facts: RefundFacts) -> bool {
        let Some(known) = self.refunds.get_mut(refund) else {
            self.refunds_of.entry(facts.payment.clone()).or_default().insert(refund.clone());
            self.refunds.insert(refund.clone(), facts);
            return true;
        };
        let before = known.clone();
        known.merge(facts);
        let (changed, after) = (*known != before, known.payment.clone());
        if after != before.payment {
            if let Some(refunds) = self.refunds_of.get_mut(&before.payment) {
                refunds.remove(refund);
            }
            self.refunds_of.entry(after).or_default().insert(refund.clone());
        }
        changed
    }

    /// Merges a dispute. True when something changed.
    pub fn merge_dispute(&mut self, dispute: &DisputeId, facts: DisputeFacts) -> bool {
        merge_or_insert(&mut self.disputes, dispute, facts, DisputeFacts::merge)
    }

    /// Merges a credit note. True when something changed.
    pub fn merge_credit_note(&mut self, credit_note: &CreditNoteId, facts: CreditNoteFacts) -> bool {
        merge_or_insert(&mut self.credit_notes, credit_note, facts, CreditNoteFacts::merge)
    }

    /// Merges a link: the union of links, the greatest of the amounts told. True when something changed.
    pub fn merge_link(
        &mut self,
        invoice: &InvoiceId,
        payment: &PaymentId,
        amount_minor: Option<i64>,
    ) -> bool {
        self.invoices_of.entry(payment.clone()).or_default().insert(invoice.clone());
        let links = self.links.entry(invoice.clone()).or_default();
        let Some(known) = links.get_mut(payment) else {
            links.insert(payment.clone(), amount_minor);
            return true;
        };
        let merged = (*known).max(amount_minor);
        std::mem::replace(known, merged) != merged
    }

    /// The payment that a name stands for: its payment intent when the charge's is known, else itself.
    pub fn resolve<'a>(&'a self, named: &'a PaymentId) -> &'a PaymentId {
        self.payments.get(named).and_then(|facts| facts.payment_intent.as_ref()).unwrap_or(named)
    }

    /// Every name under which facts of this payment are kept.
    pub fn names_of(&self, named: &PaymentId) -> BTreeSet<PaymentId> {
        let payment = self.resolve(named);
        let charges = self.charges_of.get(payment).into_iter().flatten().cloned();
        charges.chain([payment.clone()]).collect()
    }

    /// The invoices that a payment is linked to.
    pub fn invoices_of(&self, named: &PaymentId) -> BTreeSet<InvoiceId> {
        let all_names = self.names_of(named);
        all_names.iter().filter_map(|name| self.invoices_of.get(name)).flatten().cloned().collect()
    }

    /// True when a charge shows that a payment has paid no invoice, and no link says otherwise.
    pub fn has_no_invoice(&self, named: &PaymentId) -> bool {
        let payment = self.resolve(named);
        self.rows_of(payment).any(|row| row.no_invoice) && self.invoices_of(payment).is_empty()
    }

    /// The payments that an invoice is linked to, resolved.
    pub fn payments_of(&self, invoice: &InvoiceId) -> BTreeSet<PaymentId> {
        let named = self.links.get(invoice).into_iter().flat_map(BTreeMap::keys);
        named.map(|name| self.resolve(name).clone()).collect()
    }

    /// All invoices whose loss may change when one of these invoices or payments changes: the invoices of the
    /// payments of all of them, since a link without an amount weighs what the other links leave of its invoice, and
    /// at most what was captured of its payment.
    pub fn affected(
        &self,
        invoices: &BTreeSet<InvoiceId>,
        payments: &BTreeSet<PaymentId>,
    ) -> BTreeSet<InvoiceId> {
        let mut affected = invoices.clone();
        affected.extend(payments.iter().flat_map(|payment| self.invoices_of(payment)));
        let shared: BTreeSet<PaymentId> =
            affected.iter().flat_map(|invoice| self.payments_of(invoice)).collect();
        affected.extend(shared.iter().flat_map(|payment| self.invoices_of(payment)));
        affected
    }

    /// What was taken from an invoice; nothing from one that is not known as paid.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] when a sum does not fit.
    pub fn loss(
        &self,
        invoice: &InvoiceId,
        currency: Currency,
        amount_paid: &AmountPaid<'_>,
    ) -> Result<Loss, MoneyError> {
        let Some(paid_minor) = amount_paid(invoice) else { return Ok(Loss::default()) };
        let notes = self.credit_notes_of(invoice);
        let credited: i128 = notes.map(|(_, note)| i128::from(note.taken_minor())).sum();
        let (mut refunded, mut total) = (credited, credited);
        for payment in self.payments_of(invoice) {
            let weight = self.weight(invoice, &payment, amount_paid)?;
            let share = self.share_of_loss(&payment, weight, currency, amount_paid)?;
            refunded = refunded.checked_add(i128::from(share.refunds_minor)).ok_or(MoneyError::Overflow)?;
            total = total.checked_add(i128::from(share.total_minor)).ok_or(MoneyError::Overflow)?;
        }
        let capped = |loss: i128| narrow(loss.min(i128::from(paid_minor)));
        Ok(Loss { refunds_minor: capped(refunded)?, total_minor: capped(total)? })
    }

    /// The part of what was taken from `payment` that falls on a link of this weight, for an invoice in `currency`.
    fn share_of_loss(
        &self,
        payment: &PaymentId,
        weight_minor: i64,
        currency: Currency,
        amount_paid: &AmountPaid<'_>,
    ) -> Result<Loss, MoneyError> {
        let mut linked: i128 = 0;
        for invoice in self.invoices_of(payment) {
            let weight = self.weight(&invoice, payment, amount_paid)?;
            linked = linked.checked_add(i128::from(weight)).ok_or(MoneyError::Overflow)?;
        }
        let linked_minor = narrow(linked)?;
        let captured_minor = self.captured(payment).unwrap_or(linked_minor);
        let taken = self.taken(payment, captured_minor, currency)?;
        let share = |taken_minor| match taken_minor {
            0 => Ok(0),
            all if all == captured_minor => Ok(weight_minor),
            part => share_floor(part, weight_minor, captured_minor.max(linked_minor)),
        };
        Ok(Loss { refunds_minor: share(taken.refunds_minor)?, total_minor: share(taken.total_minor)? })
    }

    /// min(captured, Σ refunds not failed + what `amount_refunded` tells beyond all known refunds), and in total
    /// + Σ disputes that take. The release of what was not captured is no refund.
    fn taken(
        &self,
        payment: &PaymentId,
        captured_minor: i64,
        currency: Currency,
    ) -> Result<Loss, MoneyError> {
        let (mut counted, mut known): (i128, i128) = (0, 0);
        let release = self.release_of(payment);
        for (_, refund) in self.refunds_of_payment(payment).filter(|(id, _)| Some(*id) != release) {
            counted = counted.checked_add(i128::from(refund.taken_minor())).ok_or(MoneyError::Overflow)?;
            known = known.checked_add(i128::from(refund.amount_minor)).ok_or(MoneyError::Overflow)?;
        }
        let untold =
            i128::from(self.amount_refunded(payment)).checked_sub(known).ok_or(MoneyError::Overflow)?.max(0);
        let refunded = counted.checked_add(untold).ok_or(MoneyError::Overflow)?;
        let mut total = refunded;
        for (_, dispute) in self.disputes_of_payment(payment) {
            let part = dispute.taken_minor(currency, captured_minor)?;
            total = total.checked_add(i128::from(part)).ok_or(MoneyError::Overflow)?;
        }
        let capped = |taken: i128| narrow(taken.min(i128::from(captured_minor)));
        Ok(Loss { refunds_minor: capped(refunded)?, total_minor: capped(total)? })
    }

    /// The amount of a link; one without an amount weighs `amount_paid` less the invoice's links of known amount, at least
    /// 0 and at most what was captured of its payment, where that is known, and 0 while the invoice is not known.
    fn weight(
        &self,
        invoice: &InvoiceId,
        payment: &PaymentId,
        amount_paid: &AmountPaid<'_>,
    ) -> Result<i64, MoneyError> {
        let mut amounts: BTreeMap<&PaymentId, Option<i64>> = BTreeMap::new();
        for (named, amount) in self.links.get(invoice).into_iter().flatten() {
            let known = amounts.entry(self.resolve(named)).or_default();
            *known = (*known).max(*amount);
        }
        if let Some(Some(amount_minor)) = amounts.get(payment) {
            return Ok(*amount_minor);
        }
        let Some(paid_minor) = amount_paid(invoice) else { return Ok(0) };
        let known: i128 = amounts.values().flatten().map(|amount| i128::from(*amount)).sum();
        let left = i128::from(paid_minor).checked_sub(known).ok_or(MoneyError::Overflow)?;
        let captured_minor = self.captured(payment).unwrap_or(i64::MAX);
        narrow(left.min(i128::from(captured_minor)).max(0))
    }

    /// True when an open dispute takes from a payment of this invoice in `currency`.
    pub fn has_open_dispute(&self, invoice: &InvoiceId, currency: Currency) -> bool {
        let payments = self.payments_of(invoice);
        let takes = |dispute: &DisputeFacts| {
            let taken = dispute.taken_minor(currency, i64::MAX);
            dispute.state == DisputeState::Open && taken.is_ok_and(|minor| minor > 0)
        };
        payments.iter().any(|payment| self.disputes_of_payment(payment).any(|(_, dispute)| takes(dispute)))
    }

    /// The refunds of a payment, resolved.
    pub fn refunds_of_payment<'a>(
        &'a self,
        payment: &'a PaymentId,
    ) -> impl Iterator<Item = (&'a RefundId, &'a RefundFacts)> {
        let charges = self.charges_of.get(payment).into_iter().flatten();
        let ids = charges.chain([payment]).filter_map(|name| self.refunds_of.get(name)).flatten();
        ids.filter_map(|id| self.refunds.get_key_value(id))
    }

    /// The refund that releases what was not captured of a payment, resolved: the first one, by (created, id), of exactly
    /// that rest that has not failed. It takes nothing.
    pub fn release_of<'a>(&'a self, payment: &'a PaymentId) -> Option<&'a RefundId> {
        let released = self.rows_of(payment).filter_map(|row| row.released).max()?;
        let candidates = self.refunds_of_payment(payment).filter(|(_, refund)| {
            refund.state != RefundState::Failed && refund.amount_minor == released.rest_minor
        });
        let order =
            |(id, refund): &(&'a RefundId, &'a RefundFacts)| (refund.created.is_none(), refund.created, *id);
        candidates.min_by_key(order).map(|(id, _)| id)
    }

    /// The disputes of a payment, resolved.
    pub fn disputes_of_payment<'a>(
        &'a self,
        payment: &'a PaymentId,
    ) -> impl Iterator<Item = (&'a DisputeId, &'a DisputeFacts)> {
        self.disputes.iter().filter(move |(_, dispute)| self.resolve(&dispute.payment) == payment)
    }

    /// The credit notes of an invoice.
    pub fn credit_notes_of<'a>(
        &'a self,
        invoice: &'a InvoiceId,
    ) -> impl Iterator<Item = (&'a CreditNoteId, &'a CreditNoteFacts)> {
        self.credit_notes.iter().filter(move |(_, note)| note.invoice == *invoice)
    }

    /// The greatest `amount_refunded` told of a payment, resolved.
    pub fn amount_refunded(&self, payment: &PaymentId) -> i64 {
        self.rows_of(payment).map(|row| row.amount_refunded_minor).max().unwrap_or(0)
    }

    /// What was captured of a payment, resolved, where that is known: > 0.
    fn captured(&self, payment: &PaymentId) -> Option<i64> {
        self.rows_of(payment).map(|row| row.captured_minor).max().filter(|captured_minor| *captured_minor > 0)
    }

    fn rows_of<'a>(&'a self, payment: &'a PaymentId) -> impl Iterator<Item = &'a PaymentFacts> {
        let charges = self.charges_of.get(payment).into_iter().flatten();
        charges.chain([payment]).filter_map(|name| self.payments.get(name))
    }
}

/// Merges facts into those that are known under a key, or keeps them as the first. True when something changed.
fn merge_or_insert<K: Ord + Clone, V: Clone + PartialEq>(
    known: &mut BTreeMap<K, V>,
    key: &K,
    facts: V,
    merge: fn(&mut V, V),
) -> bool {
    let Some(present) = known.get_mut(key) else {
        known.insert(key.clone(), facts);
        return true;
    };
    let before = present.clone();
    merge(present, facts);
    *present != before
}

#[cfg(test)]
mod tests;
