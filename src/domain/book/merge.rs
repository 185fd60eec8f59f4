//! Merging facts into a book.

use super::{Book, InvoiceId, PaymentId, RefundId, Touched};
use crate::domain::{
    CreditNoteFacts, CreditNoteId, DisputeFacts, DisputeId, Fact, PaidClaim, PaidInvoice, PaymentFacts,
    RefundFacts, time::Timestamp,
};

impl Book {
    pub(super) fn merge(&mut self, facts: &[Fact]) -> Touched {
        let mut touched = Touched::default();
        for fact in facts {
            match fact.clone() {
                Fact::InvoicePaid { invoice, claim, paid_at } => {
                    self.merge_invoice(invoice, claim, paid_at, &mut touched);
                }
                Fact::PaymentLink { invoice, payment, amount_minor } => {
                    self.merge_link(invoice, payment, amount_minor, &mut touched);
                }
                Fact::ChargeOf { charge, payment_intent } => {
                    let facts =
                        PaymentFacts { payment_intent: Some(payment_intent), ..PaymentFacts::default() };
                    self.merge_payment(charge, facts, &mut touched);
                }
                Fact::Payment { payment, captured_minor, amount_refunded_minor } => {
                    let facts = PaymentFacts { payment_intent: None, captured_minor, amount_refunded_minor };
                    self.merge_payment(payment, facts, &mut touched);
                }
                Fact::Refund { refund, facts } => self.merge_refund(refund, facts, &mut touched),
                Fact::Dispute { dispute, facts } => self.merge_dispute(dispute, facts, &mut touched),
                Fact::CreditNote { credit_note, facts } => {
                    self.merge_credit_note(credit_note, facts, &mut touched);
                }
                Fact::Claim(claim) => self.merge_claim(claim, &mut touched),
            }
        }
        touched
    }

    fn merge_invoice(&mut self, id: InvoiceId, claim: PaidClaim, paid_at: Timestamp, touched: &mut Touched) {
        if let Some(customer) = &claim.customer {
            self.invoices_of.entry(customer.clone()).or_default().insert(id.clone());
        }
        let changed = match self.invoices.get_mut(&id) {
            None => {
                self.invoices.insert(id.clone(), PaidInvoice::new(claim, paid_at));
                true
            }
            Some(invoice) => {
                let before = invoice.clone();
                invoice.merge(claim, paid_at);
                *invoice != before
            }
        };
        if changed {
            self.changes.invoices.insert(id.clone());
            touched.changed = true;
        }
        touched.invoices.insert(id);
    }

    fn merge_link(
        &mut self,
        invoice: InvoiceId,
        payment: PaymentId,
        amount_minor: Option<i64>,
        touched: &mut Touched,
    ) {
        if self.graph.merge_link(&invoice, &payment, amount_minor) {
            self.changes.links.insert((invoice.clone(), payment.clone()));
            touched.changed = true;
        }
        touched.invoices.insert(invoice);
        touched.payments.insert(payment);
    }

    fn merge_payment(&mut self, payment: PaymentId, facts: PaymentFacts, touched: &mut Touched) {
        // A charge that moves from one payment intent to another moves the loss of the invoices of both.
        touched.payments.insert(self.graph.resolve(&payment).clone());
        if self.graph.merge_payment(&payment, facts) {
            self.changes.payments.insert(payment.clone());
            touched.changed = true;
        }
        touched.payments.insert(payment);
    }

    fn merge_refund(&mut self, refund: RefundId, facts: RefundFacts, touched: &mut Touched) {
        let payment = facts.payment.clone();
        if let Some((charge, payment_intent)) = self.names_of_one_payment(&refund, &payment) {
            let facts = PaymentFacts { payment_intent: Some(payment_intent), ..PaymentFacts::default() };
            self.merge_payment(charge, facts, touched);
        }
        // What it took from the payment that it was told to be of before comes back.
        touched.payments.extend(self.graph.refund(&refund).map(|known| known.payment.clone()));
        if self.graph.merge_refund(&refund, facts) {
            self.changes.refunds.insert(refund);
            touched.changed = true;
        }
        touched.payments.insert(payment);
    }

    fn merge_dispute(&mut self, dispute: DisputeId, facts: DisputeFacts, touched: &mut Touched) {
        touched.payments.insert(facts.payment.clone());
        touched.payments.extend(self.graph.dispute(&dispute).map(|known| known.payment.clone()));
        if self.graph.merge_dispute(&dispute, facts) {
            self.changes.disputes.insert(dispute);
            touched.changed = true;
        }
    }

    fn merge_credit_note(&mut self, id: CreditNoteId, facts: CreditNoteFacts, touched: &mut Touched) {
        touched.invoices.insert(facts.invoice.clone());
        touched.invoices.extend(self.graph.credit_note(&id).map(|known| known.invoice.clone()));
        if self.graph.merge_credit_note(&id, facts) {
            self.changes.credit_notes.insert(id);
            touched.changed = true;
        }
    }

    /// A refund takes from one payment: told once by its charge and once by its payment intent, it connects the two.
    fn names_of_one_payment(&self, refund: &RefundId, named: &PaymentId) -> Option<(PaymentId, PaymentId)> {
        let known = &self.graph.refund(refund)?.payment;
        match (known.is_payment_intent(), named.is_payment_intent()) {
            (true, false) => Some((named.clone(), known.clone())),
            (false, true) => Some((known.clone(), named.clone())),
            (true, true) | (false, false) => None,
        }
    }
}
