//! Merging facts into a book.

use std::collections::BTreeSet;

use super::{Book, Claim, CustomerId, InvoiceId, Party, PaymentId, RefundId, Touched, UserId};
use crate::domain::{
    CreditNoteFacts, CreditNoteId, DisputeFacts, DisputeId, Fact, PaidClaim, PaidInvoice, PaymentFacts,
    RefundFacts, time::Timestamp,
};

impl Book {
    /// Merges facts, then chooses the referrals of everyone that they are about.
    pub(super) fn merge(&mut self, facts: &[Fact]) -> Touched {
        let mut touched = Touched::default();
        for fact in facts {
            self.merge_fact(fact.clone(), &mut touched);
        }
        self.attribute_touched(&mut touched);
        touched
    }

    fn merge_fact(&mut self, fact: Fact, touched: &mut Touched) {
        match fact {
            Fact::InvoicePaid { invoice, claim, paid_at } => {
                self.merge_invoice(invoice, claim, paid_at, touched);
            }
            Fact::PaymentLink { invoice, payment, amount_minor } => {
                self.merge_link(invoice, payment, amount_minor, touched);
            }
            Fact::ChargeOf { charge, payment_intent } => {
                let facts = PaymentFacts { payment_intent: Some(payment_intent), ..PaymentFacts::default() };
                self.merge_payment(charge, facts, touched);
            }
            Fact::Payment { payment, captured_minor, amount_refunded_minor } => {
                let facts = PaymentFacts { payment_intent: None, captured_minor, amount_refunded_minor };
                self.merge_payment(payment, facts, touched);
            }
            Fact::Refund { refund, facts } => self.merge_refund(refund, facts, touched),
            Fact::Dispute { dispute, facts } => self.merge_dispute(dispute, facts, touched),
            Fact::CreditNote { credit_note, facts } => self.merge_credit_note(credit_note, facts, touched),
            Fact::Claim(claim) => self.merge_claim(claim, touched),
            Fact::Email { party, email } => {
                if self.parties.add_email(party.clone(), email) {
                    self.changes.emails.insert((party.clone(), email));
                    touched.named.insert(party);
                }
            }
            Fact::SameCustomer { account, customer } => self.merge_same(account, &customer, touched),
            Fact::Subscription { subscription, customer, ended } => {
                let told = self.changes.subscriptions.entry(subscription).or_insert((customer, ended));
                told.1 |= ended;
            }
        }
    }

    fn merge_invoice(&mut self, id: InvoiceId, claim: PaidClaim, paid_at: Timestamp, touched: &mut Touched) {
        if let Some(customer) = &claim.customer {
            self.invoices_of.entry(customer.clone()).or_default().insert(id.clone());
        }
        let customer = claim.customer.clone();
        let changed = match self.invoices.get_mut(&id) {
            None => {
                self.invoices.insert(id.clone(), PaidInvoice::new(claim, paid_at));
                true
            }
            Some(invoice) => {
                let before = invoice.clone();
                invoice.merge(claim, paid_at);
                let changed = *invoice != before;
                touched.customers.extend(before.claim.customer.filter(|_| changed));
                changed
            }
        };
        if changed {
            touched.customers.extend(customer);
            touched.paid.insert(id.clone());
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

    fn merge_claim(&mut self, claim: Claim, touched: &mut Touched) {
        if self.parties.claim(&claim.id).is_some() || self.is_redundant(&claim) {
            return;
        }
        if let (Some(customer), Some(user)) = (&claim.customer, &claim.user) {
            self.merge_bond(customer, user.clone(), touched);
        }
        // A claim behind another one leaves the reason as it is, should it make no referral.
        if self.is_strongest(&claim) {
            touched.claimed.extend(claim.named_party());
        } else {
            touched.named.extend(claim.named_party());
        }
        self.changes.claims.insert(claim.id.clone());
        self.parties.add(claim);
        touched.changed = true;
    }

    pub(super) fn merge_bond(&mut self, customer: &CustomerId, user: UserId, touched: &mut Touched) {
        let former = self.parties.party_of(customer);
        if self.parties.bind(customer.clone(), user) {
            self.changes.customers.insert(customer.clone());
            self.who_is_who_changed(&[Party::Customer(customer.clone())], &[former], touched);
        }
    }

    fn merge_same(&mut self, account: CustomerId, customer: &CustomerId, touched: &mut Touched) {
        let told_before = self.parties.told_customer(&account).cloned();
        let mut names = vec![Party::Customer(account.clone()), Party::Customer(customer.clone())];
        names.extend(told_before.map(Party::Customer));
        let former: Vec<Party> = names.iter().map(|name| self.parties.present(name)).collect();
        if self.parties.identify(&account, customer) {
            self.changes.customers.insert(account);
            self.who_is_who_changed(&names, &former, touched);
        }
    }

    /// Referrals follow the parties that these names are of now; all invoices of the parties that they were and are of are
    /// looked at again.
    fn who_is_who_changed(&mut self, names: &[Party], former: &[Party], touched: &mut Touched) {
        touched.changed = true;
        touched.parties.extend(names.iter().map(|name| self.parties.present(name)));
        for party in former {
            self.move_referral(party);
            touched.parties.extend([party.clone(), self.parties.present(party)]);
        }
    }

    /// Chooses the referrals of all parties about which something new was told. The invoices of those that change are
    /// touched, and those of a party with a new claim that makes no referral: they have another reason now.
    pub(super) fn attribute_touched(&mut self, touched: &mut Touched) {
        let present = |party: &Party| self.parties.present(party);
        let claimed: BTreeSet<Party> = touched.claimed.iter().map(present).collect();
        let named = touched.named.iter().chain(&touched.parties).map(present);
        let parties: BTreeSet<Party> = named.chain(claimed.iter().cloned()).collect();
        for party in parties {
            let before = self.referrals.get(&party).cloned();
            self.attribute(&party);
            let after = self.referrals.get(&party);
            let earns = after.is_some_and(|referral| !referral.void);
            if after != before.as_ref() || (claimed.contains(&party) && !earns) {
                touched.changed = true;
                touched.parties.insert(party);
            }
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
