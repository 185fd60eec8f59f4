//! What depends on what: which facts must be loaded before events and acts can be applied. This is the one place that
//! knows it; the store only fetches what [`Needs`] names.
//!
//! - A payment depends on its other names, its refunds and disputes, and the invoices that it pays; an invoice on its
//!   payments, its credit notes, its customer and what is posted for it.
//! - A Stripe customer depends on its accounts and its user, a user on its Stripe customers; a customer on its claims,
//!   a claim on its code, a code on the terms of its program and on its promoter.
//! - Where the terms of a referral count invoices or limit the rewarded referrals, one invoice depends on all invoices of
//!   the customer; a new claim that may change a referral moves all of them.
//! - A reward slot depends on its rivals.

use std::collections::{BTreeMap, BTreeSet};

use super::fetched::Fetched;
use super::needs::Needs;
use super::state::State;
use super::values::{Group, RewardSlot};
use crate::domain::{
    Claim, Code, CodeFacts, Customer, Extracted, Fact, StripeCustomerId, TermsVersion, UserId,
};

impl Needs {
    /// What the facts of an event are about.
    pub fn of(extracted: &Extracted) -> Self {
        let mut needs = Self::default();
        needs.add(extracted);
        needs
    }

    /// Adds what the facts of one more event are about.
    pub fn add(&mut self, extracted: &Extracted) {
        self.payments.extend(extracted.waits_for.clone());
        for fact in &extracted.facts {
            self.add_fact(fact);
        }
    }

    /// Adds a claim that is about to be made.
    pub fn add_claim(&mut self, claim: &Claim) {
        self.customers.extend(claim.stripe_customer.clone().map(Customer::Stripe));
        self.customers.extend(claim.user.clone().map(Customer::User));
        self.new_claims.push(claim.clone());
    }

    fn add_fact(&mut self, fact: &Fact) {
        match fact {
            Fact::InvoicePaid { invoice, snapshot, .. } => {
                self.invoices.insert(invoice.clone());
                self.customers.extend(snapshot.stripe_customer.clone().map(Customer::Stripe));
            }
            Fact::InvoiceLines { invoice, .. } => {
                self.invoices.insert(invoice.clone());
            }
            Fact::PaymentLink { invoice, payment, .. } => {
                self.invoices.insert(invoice.clone());
                self.payments.insert(payment.clone());
            }
            Fact::ChargeOf { charge, payment_intent } => {
                self.payments.extend([charge.clone(), payment_intent.clone()]);
            }
            Fact::Payment { payment, .. } | Fact::NoInvoice { payment } => {
                self.payments.insert(payment.clone());
            }
            Fact::Refund { refund, facts } => {
                self.refunds.insert(refund.clone());
                self.payments.insert(facts.payment.clone());
            }
            Fact::Dispute { dispute, facts } => {
                self.disputes.insert(dispute.clone());
                self.payments.insert(facts.payment.clone());
            }
            Fact::CreditNote { credit_note, facts } => {
                self.credit_notes.insert(credit_note.clone());
                self.invoices.insert(facts.invoice.clone());
            }
            Fact::Claim(claim) => self.add_claim(claim),
            Fact::Email { customer, .. } => {
                self.customers.insert(customer.clone());
            }
            Fact::SameCustomer { account, stripe_customer } => {
                self.customers.extend([account.clone(), stripe_customer.clone()].map(Customer::Stripe));
            }
            Fact::Subscription { subscription, stripe_customer, .. } => {
                self.subscriptions.insert((stripe_customer.clone(), subscription.clone()));
            }
            // Written without having been read: what was noted stays noted.
            Fact::UnreadDiscounts(_) => {}
        }
    }

    fn follow_claim(&mut self, claim: &Claim) {
        self.customers.extend(claim.stripe_customer.clone().map(Customer::Stripe));
        self.customers.extend(claim.user.clone().map(Customer::User));
        if claim.source.names_promotion_code() {
            self.promotion_codes.insert(claim.code.clone());
        } else {
            self.codes.insert(claim.code.clone());
        }
    }
}

impl State {
    /// Notes what is needed; [`Self::next_needs`] then says what to fetch.
    pub fn require(&mut self, mut needs: Needs) {
        for claim in needs.new_claims.drain(..) {
            self.wanted.follow_claim(&claim);
            self.new_claims.push(claim);
        }
        self.wanted.extend(needs);
    }

    /// What is to be fetched next; `None` when everything is loaded that the loaded facts depend on.
    pub fn next_needs(&mut self) -> Option<Needs> {
        let steps = [Self::take_wanted, Self::whole_customers, Self::rivals];
        for step in steps {
            let mut needs = step(self);
            needs.subtract(&self.fetched);
            if !needs.is_empty() {
                self.fetched.extend(needs.clone());
                return Some(needs);
            }
        }
        None
    }

    fn take_wanted(&mut self) -> Needs {
        let mut needs = std::mem::take(&mut self.wanted);
        // Everything about a customer is needed before all its invoices are.
        needs.customers.extend(needs.all_invoices_of.iter().cloned());
        needs
    }

    /// The customers whose invoices depend on each other, and those whose referral a new claim may change.
    fn whole_customers(&mut self) -> Needs {
        let mut whole: BTreeSet<Customer> = self.fetched.all_invoices_of.clone();
        for claim in self.new_claims.iter().filter(|claim| self.may_change_referral(claim)) {
            whole.extend(claim.named_customer());
            whole.extend(claim.stripe_customer.clone().map(Customer::Stripe));
        }
        let counted = self.referrals.values().filter(|referral| self.needs_all_invoices(referral));
        whole.extend(counted.map(|referral| referral.customer.clone()));
        let present: BTreeSet<Customer> =
            whole.iter().map(|customer| self.customers.present(customer)).collect();
        let names = present.iter().flat_map(|customer| self.customers.names_of(customer));
        Needs { all_invoices_of: names.chain(whole.iter().cloned()).collect(), ..Needs::default() }
    }

    /// Who competes for reward slots with the loaded customers: as many of the first as the limits and the loaded
    /// customers can move.
    fn rivals(&mut self) -> Needs {
        let owners =
            self.codes.values().map(|facts| (facts.owner.promoter.clone(), facts.owner.program.clone()));
        let of_referrals =
            self.referrals.values().map(|known| (known.promoter.clone(), known.program.clone()));
        let groups: BTreeSet<Group> = owners.chain(of_referrals).collect();
        let slots =
            groups.into_iter().filter_map(|group| self.missing_rivals(&group).map(|first| (group, first)));
        Needs { slots: slots.collect(), ..Needs::default() }
    }

    /// How many of the first rivals of a group must be loaded, when fewer are. An act that makes a code or changes terms
    /// asks again after it has.
    pub(super) fn missing_rivals(&self, group: &Group) -> Option<u32> {
        if self.is_whole || !self.limits_rewards(group) {
            return None;
        }
        let loaded = u32::try_from(self.fetched.customers.len()).unwrap_or(u32::MAX);
        let of_program = self.versions.iter().filter(|version| version.program == group.1);
        let limits = of_program.filter_map(|version| version.terms.max_rewards_per_promoter);
        let first = limits.max().unwrap_or(0).saturating_add(loaded).saturating_add(1);
        self.fetched.slots.get(group).is_none_or(|fetched| *fetched < first).then_some(first)
    }

    /// Takes in what was fetched, and notes what it leads to.
    pub fn supply(&mut self, needs: &Needs, fetched: Fetched) {
        for telling in &needs.events {
            self.inbox.entry(telling.clone()).or_default();
        }
        self.inbox.extend(fetched.inbox.into_iter().map(|(telling, event_type)| (telling, Some(event_type))));
        self.supply_catalog(fetched.codes, fetched.promotion_codes, fetched.versions);
        self.promoters.extend(fetched.promoters);
        self.last_referral_numbers.extend(fetched.last_referral_numbers);
        for (id, facts) in fetched.payments {
            self.wanted.payments.extend(facts.payment_intent.clone());
            self.wanted.payments.insert(id.clone());
            self.payments.merge_payment(&id, facts);
        }
        for (id, facts) in fetched.refunds {
            self.wanted.payments.insert(facts.payment.clone());
            self.payments.merge_refund(&id, facts);
        }
        for (id, facts) in fetched.disputes {
            self.wanted.payments.insert(facts.payment.clone());
            self.payments.merge_dispute(&id, facts);
        }
        for (id, facts) in fetched.credit_notes {
            self.wanted.invoices.insert(facts.invoice.clone());
            self.payments.merge_credit_note(&id, facts);
        }
        for (telling, payment) in fetched.parked {
            self.parked.entry(payment).or_default().insert(telling);
        }
        for (telling, payment) in fetched.no_invoice {
            self.no_invoice.entry(payment).or_default().insert(telling);
        }
        for (invoice, payment, amount_minor) in fetched.links {
            self.payments.merge_link(&invoice, &payment, amount_minor);
            self.wanted.invoices.insert(invoice);
            self.wanted.payments.insert(payment);
        }
        for (id, invoice) in fetched.invoices {
            self.wanted.customers.extend(invoice.snapshot.stripe_customer.clone().map(Customer::Stripe));
            let of_whole = invoice.snapshot.stripe_customer.clone().map(Customer::Stripe);
            if of_whole.is_some_and(|customer| needs.all_invoices_of.contains(&customer)) {
                // With all invoices of a customer comes everything about them.
                self.fetched.invoices.insert(id.clone());
                self.fetched.postings.insert(id.clone());
            }
            self.wanted.postings.insert(id.clone());
            self.add_invoice(id, invoice);
        }
        for (invoice, key, sum_minor) in fetched.posted {
            self.posted.entry(invoice).or_default().insert(key, sum_minor);
        }
        self.commissions.extend(fetched.commissions);
        for (id, user, customer) in fetched.stripe_customers {
            self.supply_stripe_customer(id, user, customer);
        }
        let subscriptions = fetched.subscriptions.into_iter();
        self.subscriptions.extend(subscriptions.map(|(of, id, ended)| ((of, id), ended)));
        self.wanted.customers.extend(fetched.customers_of);
        for claim in fetched.claims {
            self.wanted.follow_claim(&claim);
            self.customers.add(claim);
        }
        self.used_up.extend(fetched.used_up);
        for (customer, email, told_by) in fetched.emails {
            self.customers.add_email(customer, email, &told_by);
        }
        for (customer, code) in fetched.redemptions {
            self.redemptions.entry(customer).or_default().insert(code);
        }
        for (customer, group, number) in fetched.referral_numbers {
            self.referral_numbers.entry(customer).or_default().insert(group, number);
        }
        for (customer, promoter, review) in fetched.reviews {
            self.reviews.insert((customer, promoter), review);
        }
        for referral in fetched.referrals {
            self.wanted.programs.insert(referral.program.clone());
            self.wanted.promoters.insert(referral.promoter.clone());
            self.referrals.insert(referral.customer.clone(), referral);
        }
        for (group, rivals) in fetched.slots {
            self.supply_slots(group, rivals);
        }
    }

    fn supply_stripe_customer(
        &mut self,
        id: StripeCustomerId,
        user: Option<UserId>,
        customer: Option<StripeCustomerId>,
    ) {
        self.wanted.customers.insert(Customer::Stripe(id.clone()));
        if let Some(customer) = customer {
            self.customers.identify(&id, &customer);
            self.wanted.customers.insert(Customer::Stripe(customer));
        }
        if let Some(user) = user {
            self.wanted.customers.insert(Customer::User(user.clone()));
            self.customers.bind(id, user);
        }
    }

    fn supply_catalog(
        &mut self,
        codes: Vec<(Code, CodeFacts)>,
        promotion_codes: Vec<(Code, Code)>,
        versions: Vec<TermsVersion>,
    ) {
        for (promotion, code) in promotion_codes {
            self.wanted.codes.insert(code.clone());
            self.promotion_codes.insert(promotion, code);
        }
        for (code, facts) in codes {
            self.wanted.programs.insert(facts.owner.program.clone());
            self.wanted.promoters.insert(facts.owner.promoter.clone());
            self.codes.insert(code, facts);
        }
        let is_known = |known: &[TermsVersion], new: &TermsVersion| {
            known.iter().any(|version| (&version.program, version.id) == (&new.program, new.id))
        };
        for version in versions {
            if !is_known(&self.versions, &version) {
                self.versions.push(version);
            }
        }
    }

    /// The stored slots, and those of the loaded referrals, which may come after the first ones.
    fn supply_slots(&mut self, group: Group, mut slots: BTreeMap<Customer, RewardSlot>) {
        for known in self.referrals.values().filter(|known| !known.void) {
            let is_of_group = (&known.promoter, &known.program) == (&group.0, &group.1);
            if let Some(qualified) = known.qualified.clone().filter(|_| is_of_group) {
                let limit = known.terms.max_rewards_per_promoter;
                slots.insert(known.customer.clone(), RewardSlot { qualified, limit });
            }
        }
        self.add_slots(group, slots);
    }
}
