//! Merging facts into the state, by rules that depend neither on order nor on repetition.

use std::collections::BTreeSet;

use super::unit::UnitOfWork;
use crate::domain::lines::Weights;
use crate::domain::{
    Claim, CreditNoteFacts, CreditNoteId, Customer, DisputeFacts, DisputeId, Fact, InvoiceId,
    InvoiceSnapshot, PaidInvoice, PaymentFacts, PaymentId, RefundFacts, RefundId, StripeCustomerId,
    SubscriptionId, Timestamp, UserId,
};

/// What one event or act touches.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// Invoices whose own facts or links changed.
    pub(super) invoices: BTreeSet<InvoiceId>,
    /// Payments with changed facts.
    pub(super) payments: BTreeSet<PaymentId>,
    /// Invoices that became known as paid, or were told again with a difference.
    pub(super) paid: BTreeSet<InvoiceId>,
    /// The Stripe customers that those are and were of.
    pub(super) stripe_customers: BTreeSet<StripeCustomerId>,
    /// Customers, as they are named, about which there is a new claim that may be the strongest.
    pub(super) claimed: BTreeSet<Customer>,
    /// Customers, as they are named, about which something else was told.
    pub(super) named: BTreeSet<Customer>,
    /// Customers whose referral changed, or who they are.
    pub(super) customers: BTreeSet<Customer>,
    /// Something changed at all.
    pub(super) changed: bool,
}

impl UnitOfWork {
    /// Merges facts, then chooses the referrals of everyone that they are about. `told_by` is the event or claim that tells
    /// them, for the evidence of a held referral.
    pub(super) fn merge(&mut self, facts: &[Fact], told_by: &str) -> Touched {
        let mut touched = Touched::default();
        for fact in facts {
            self.merge_fact(fact.clone(), told_by, &mut touched);
        }
        self.attribute_touched(&mut touched);
        touched
    }

    fn merge_fact(&mut self, fact: Fact, told_by: &str, touched: &mut Touched) {
        match fact {
            Fact::InvoicePaid { invoice, snapshot, paid_at } => {
                self.merge_invoice(invoice, snapshot, paid_at, touched);
            }
            Fact::InvoiceLines { invoice, weights } => self.merge_lines(&invoice, weights, touched),
            Fact::UnreadDiscounts(unread) => {
                self.changed.unread_discounts.insert(unread);
            }
            Fact::PaymentLink { invoice, payment, amount_minor } => {
                self.merge_link(invoice, payment, amount_minor, touched);
            }
            Fact::ChargeOf { charge, payment_intent } => {
                let facts = PaymentFacts { payment_intent: Some(payment_intent), ..PaymentFacts::default() };
                self.merge_payment(charge, facts, touched);
            }
            Fact::Payment { payment, captured_minor, amount_refunded_minor, released } => {
                let facts = PaymentFacts {
                    captured_minor,
                    amount_refunded_minor,
                    released,
                    ..PaymentFacts::default()
                };
                self.merge_payment(payment, facts, touched);
            }
            Fact::NoInvoice { payment } => {
                let facts = PaymentFacts { no_invoice: true, ..PaymentFacts::default() };
                self.merge_payment(payment, facts, touched);
            }
            Fact::Refund { refund, facts } => self.merge_refund(refund, facts, touched),
            Fact::Dispute { dispute, facts } => self.merge_dispute(dispute, facts, touched),
            Fact::CreditNote { credit_note, facts } => self.merge_credit_note(credit_note, facts, touched),
            Fact::Claim(claim) => self.merge_claim(claim, touched),
            Fact::Email { customer, email } => {
                if self.state.customers.add_email(customer.clone(), email, told_by) {
                    self.changed.emails.insert((customer.clone(), email));
                    touched.named.insert(customer);
                }
            }
            Fact::SameCustomer { account, stripe_customer } => {
                self.merge_same(account, &stripe_customer, touched);
            }
            Fact::Subscription { subscription, stripe_customer, ended } => {
                self.merge_subscription((stripe_customer, subscription), ended);
            }
        }
    }

    /// What a customer's later sales say again is not written again.
    fn merge_subscription(&mut self, key: (StripeCustomerId, SubscriptionId), ended: bool) {
        let known = self.state.subscriptions.get(&key).copied();
        let ended = ended || known == Some(true);
        if known != Some(ended) {
            self.state.subscriptions.insert(key.clone(), ended);
            self.changed.subscriptions.insert(key);
        }
    }

    fn merge_invoice(
        &mut self,
        id: InvoiceId,
        snapshot: InvoiceSnapshot,
        paid_at: Timestamp,
        touched: &mut Touched,
    ) {
        touched.stripe_customers.extend(snapshot.stripe_customer.clone());
        let before = self.state.remove_invoice(&id);
        let invoice = match before.clone() {
            None => PaidInvoice::new(snapshot, paid_at),
            Some(mut known) => {
                known.merge(snapshot, paid_at);
                known
            }
        };
        let changed = before.as_ref() != Some(&invoice);
        self.state.add_invoice(id.clone(), invoice);
        if changed {
            touched.stripe_customers.extend(before.and_then(|before| before.snapshot.stripe_customer));
            touched.paid.insert(id.clone());
            self.changed.invoices.insert(id.clone());
            touched.changed = true;
        }
        touched.invoices.insert(id);
    }

    /// Lines are read of invoices that are known as paid; of another one they say nothing yet.
    fn merge_lines(&mut self, id: &InvoiceId, weights: Weights, touched: &mut Touched) {
        let Some(before) = self.state.remove_invoice(id) else { return };
        let mut invoice = before.clone();
        invoice.merge_lines(weights);
        if invoice != before {
            self.changed.invoices.insert(id.clone());
            touched.invoices.insert(id.clone());
            touched.changed = true;
        }
        self.state.add_invoice(id.clone(), invoice);
    }

    fn merge_link(
        &mut self,
        invoice: InvoiceId,
        payment: PaymentId,
        amount_minor: Option<i64>,
        touched: &mut Touched,
    ) {
        if self.state.payments.merge_link(&invoice, &payment, amount_minor) {
            self.changed.links.insert((invoice.clone(), payment.clone()));
            touched.changed = true;
        }
        touched.invoices.insert(invoice);
        touched.payments.insert(payment);
    }

    fn merge_payment(&mut self, payment: PaymentId, facts: PaymentFacts, touched: &mut Touched) {
        // A charge that moves from one payment intent to another moves the loss of the invoices of both.
        touched.payments.insert(self.state.payments.resolve(&payment).clone());
        if self.state.payments.merge_payment(&payment, facts) {
            self.changed.payments.insert(payment.clone());
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
        touched.payments.extend(self.state.payments.refund(&refund).map(|known| known.payment.clone()));
        if self.state.payments.merge_refund(&refund, facts) {
            self.changed.refunds.insert(refund);
            touched.changed = true;
        }
        touched.payments.insert(payment);
    }

    fn merge_dispute(&mut self, dispute: DisputeId, facts: DisputeFacts, touched: &mut Touched) {
        touched.payments.insert(facts.payment.clone());
        touched.payments.extend(self.state.payments.dispute(&dispute).map(|known| known.payment.clone()));
        if self.state.payments.merge_dispute(&dispute, facts) {
            self.changed.disputes.insert(dispute);
            touched.changed = true;
        }
    }

    fn merge_credit_note(&mut self, id: CreditNoteId, facts: CreditNoteFacts, touched: &mut Touched) {
        touched.invoices.insert(facts.invoice.clone());
        touched.invoices.extend(self.state.payments.credit_note(&id).map(|known| known.invoice.clone()));
        if self.state.payments.merge_credit_note(&id, facts) {
            self.changed.credit_notes.insert(id);
            touched.changed = true;
        }
    }

    fn merge_claim(&mut self, claim: Claim, touched: &mut Touched) {
        if self.state.customers.claim(&claim.id).is_some() || self.state.is_redundant(&claim) {
            return;
        }
        if let (Some(stripe_customer), Some(user)) = (&claim.stripe_customer, &claim.user) {
            self.merge_bond(stripe_customer, user.clone(), touched);
        }
        // A claim behind another one leaves the reason as it is, should it make no referral.
        if self.state.is_strongest(&claim) {
            touched.claimed.extend(claim.named_customer());
        } else {
            touched.named.extend(claim.named_customer());
        }
        self.changed.claims.insert(claim.id.clone());
        self.state.customers.add(claim);
        touched.changed = true;
    }

    pub(super) fn merge_bond(
        &mut self,
        stripe_customer: &StripeCustomerId,
        user: UserId,
        touched: &mut Touched,
    ) {
        let former = self.state.customers.customer_named(stripe_customer);
        if self.state.customers.bind(stripe_customer.clone(), user) {
            self.changed.stripe_customers.insert(stripe_customer.clone());
            self.who_is_who_changed(&[Customer::Stripe(stripe_customer.clone())], &[former], touched);
        }
    }

    fn merge_same(
        &mut self,
        account: StripeCustomerId,
        stripe_customer: &StripeCustomerId,
        touched: &mut Touched,
    ) {
        let told_before = self.state.customers.alias_of(&account).cloned();
        let mut names = vec![Customer::Stripe(account.clone()), Customer::Stripe(stripe_customer.clone())];
        names.extend(told_before.map(Customer::Stripe));
        let former: Vec<Customer> = names.iter().map(|name| self.state.customers.present(name)).collect();
        if self.state.customers.identify(&account, stripe_customer) {
            self.changed.stripe_customers.insert(account);
            self.who_is_who_changed(&names, &former, touched);
        }
    }

    /// Referrals follow the customers that these names are of now; all invoices of the customers that they were and are
    /// of are assessed again.
    fn who_is_who_changed(&mut self, names: &[Customer], former: &[Customer], touched: &mut Touched) {
        touched.changed = true;
        touched.customers.extend(names.iter().map(|name| self.state.customers.present(name)));
        for customer in former {
            self.move_referral(customer);
            touched.customers.extend([customer.clone(), self.state.customers.present(customer)]);
        }
    }

    /// Chooses the referrals of all customers about which something new was told. The invoices of those that change are
    /// touched, and those of a customer with a new claim that makes no referral: they have another reason now.
    pub(super) fn attribute_touched(&mut self, touched: &mut Touched) {
        let present = |customer: &Customer| self.state.customers.present(customer);
        let claimed: BTreeSet<Customer> = touched.claimed.iter().map(present).collect();
        let named = touched.named.iter().chain(&touched.customers).map(present);
        let customers: BTreeSet<Customer> = named.chain(claimed.iter().cloned()).collect();
        let mut customers: Vec<Customer> = customers.into_iter().collect();
        if customers.len() > 1 {
            customers.sort_by_cached_key(|customer| self.state.winner(customer).map(Claim::turn));
        }
        for customer in customers {
            let before = self.state.referrals.get(&customer).cloned();
            self.attribute(&customer);
            let after = self.state.referrals.get(&customer);
            let earns = after.is_some_and(|referral| !referral.void);
            if after != before.as_ref() || (claimed.contains(&customer) && !earns) {
                touched.changed = true;
                touched.customers.insert(customer);
            }
        }
    }

    /// A refund takes from one payment: told once by its charge and once by its payment intent, it connects the two.
    fn names_of_one_payment(&self, refund: &RefundId, named: &PaymentId) -> Option<(PaymentId, PaymentId)> {
        let known = &self.state.payments.refund(refund)?.payment;
        match (known.is_payment_intent(), named.is_payment_intent()) {
            (true, false) => Some((named.clone(), known.clone())),
            (false, true) => Some((known.clone(), named.clone())),
            (true, true) | (false, false) => None,
        }
    }
}
