//! What one transaction has loaded from the ledger.

use std::collections::{BTreeMap, BTreeSet};

use super::customers::Customers;
use super::needs::Needs;
use super::values::{Group, PromoterFacts, RewardSlot, Sums};
use crate::domain::attribution::Review;
use crate::domain::inbox::Telling;
use crate::domain::payments::Loss;
use crate::domain::{
    Claim, ClaimId, Code, CodeFacts, Commission, Customer, InvoiceId, MoneyError, PaidInvoice, PaymentGraph,
    PaymentId, PromoterId, Referral, StripeCustomerId, SubscriptionId, TermsVersion,
};

/// How much of a customer is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loaded {
    /// At most its reward slot.
    SlotOnly,
    /// Who it is, its claims and its referral, and those of its invoices that were asked for.
    Touched,
    /// All of that, and all of its invoices.
    All,
}

/// The loaded part of the ledger. Applying never changes what was loaded: a [`super::UnitOfWork`] works on a copy.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Payments, refunds, disputes, credit notes, and what they pay.
    pub payments: PaymentGraph,
    /// Stripe's customers, users, and all claims about them.
    pub customers: Customers,
    /// The codes that claims name, where they exist.
    pub codes: BTreeMap<Code, CodeFacts>,
    /// Stripe's promotion codes that claims name, and the codes that carry them.
    pub promotion_codes: BTreeMap<Code, Code>,
    /// The terms of the programs of those codes, and of the referrals that are loaded.
    pub versions: Vec<TermsVersion>,
    /// The promoters of those codes and referrals.
    pub promoters: BTreeMap<PromoterId, PromoterFacts>,
    /// The greatest referral number given to a promoter's referrals in a program.
    pub last_referral_numbers: BTreeMap<Group, u32>,
    /// Claims that were refused for good, because their code had no use left.
    pub used_up: BTreeSet<ClaimId>,
    /// The codes that customers have redeemed, when these made referrals of them, as they were named then.
    pub redemptions: BTreeMap<Customer, BTreeSet<Code>>,
    /// The referral numbers that were given to customers, from 1, as they were named then.
    pub referral_numbers: BTreeMap<Customer, BTreeMap<Group, u32>>,
    /// What operators said of (customer, promoter), as the customer was named then.
    pub reviews: BTreeMap<(Customer, PromoterId), Review>,
    /// The referrals of the loaded customers.
    pub referrals: BTreeMap<Customer, Referral>,
    /// The subscriptions of Stripe customers, true where one has ended: an ended one stays ended.
    pub subscriptions: BTreeMap<(StripeCustomerId, SubscriptionId), bool>,
    /// What is posted for the loaded invoices.
    pub posted: BTreeMap<InvoiceId, Sums>,
    /// The stored commissions of the loaded invoices.
    pub commissions: BTreeMap<InvoiceId, Commission>,
    /// Parked events by the payment, as it was named, that they wait for.
    pub parked: BTreeMap<PaymentId, BTreeSet<Telling>>,
    /// Events ignored as those of a payment without an invoice, by that payment, as it was named. An invoice that comes
    /// later settles them, too.
    pub no_invoice: BTreeMap<PaymentId, BTreeSet<Telling>>,
    /// What the inbox says of the tellings that it was asked about: their types, and nothing of new ones.
    pub inbox: BTreeMap<Telling, Option<String>>,
    /// Invoices known as paid.
    pub(super) invoices: BTreeMap<InvoiceId, PaidInvoice>,
    /// By the customer that they are of now.
    pub(super) invoices_of: BTreeMap<StripeCustomerId, BTreeSet<InvoiceId>>,
    /// Who competes for the reward slots of a promoter, in programs that limit them: the first ones, as many as the
    /// limits and the loaded customers can move.
    pub(super) slots: BTreeMap<Group, BTreeMap<Customer, RewardSlot>>,
    /// Of these the customers that come too late for a slot.
    pub(super) exhausted: BTreeSet<Customer>,
    /// What was fetched so far.
    pub(super) fetched: Needs,
    /// What that leads to.
    pub(super) wanted: Needs,
    /// Claims that are about to be made.
    pub(super) new_claims: Vec<Claim>,
    /// This is a whole ledger, kept in memory: nothing is ever missing.
    pub(super) is_whole: bool,
}

impl State {
    /// A ledger that is kept in memory as a whole, for histories that run without a database.
    pub fn whole() -> Self {
        Self { is_whole: true, ..Self::default() }
    }

    /// Adds who competes for the reward slots of a group.
    pub fn add_slots(&mut self, group: Group, slots: BTreeMap<Customer, RewardSlot>) {
        self.slots.insert(group, slots);
        self.exhausted = self.find_exhausted();
    }

    /// Adds an invoice as it is stored.
    pub fn add_invoice(&mut self, id: InvoiceId, invoice: PaidInvoice) {
        if let Some(stripe_customer) = &invoice.snapshot.stripe_customer {
            self.invoices_of.entry(stripe_customer.clone()).or_default().insert(id.clone());
        }
        self.invoices.insert(id, invoice);
    }

    /// Takes out an invoice that is about to be added again with what one more event says of it.
    pub(super) fn remove_invoice(&mut self, id: &InvoiceId) -> Option<PaidInvoice> {
        let invoice = self.invoices.remove(id)?;
        let stripe_customer = invoice.snapshot.stripe_customer.as_ref();
        if let Some(own) = stripe_customer.and_then(|of| self.invoices_of.get_mut(of)) {
            own.remove(id);
        }
        Some(invoice)
    }

    /// An invoice, if it is known as paid.
    pub fn invoice(&self, id: &InvoiceId) -> Option<&PaidInvoice> {
        self.invoices.get(id)
    }

    /// The ids of all loaded invoices.
    pub fn invoice_ids(&self) -> impl Iterator<Item = &InvoiceId> {
        self.invoices.keys()
    }

    /// The customer of the host that an invoice is of now.
    pub fn customer_of_invoice(&self, id: &InvoiceId) -> Option<Customer> {
        let stripe_customer = self.invoices.get(id)?.snapshot.stripe_customer.as_ref()?;
        Some(self.customers.customer_named(stripe_customer))
    }

    /// The loaded invoices of a customer.
    pub(super) fn invoices_of_customer(&self, customer: &Customer) -> BTreeSet<InvoiceId> {
        let names = self.customers.stripe_customers_of(customer);
        names.iter().filter_map(|name| self.invoices_of.get(name)).flatten().cloned().collect()
    }

    /// The loaded paid invoices of a customer, by (`paid_at`, id).
    pub fn paid_invoices_of(&self, customer: &Customer) -> Vec<(&InvoiceId, &PaidInvoice)> {
        let ids = self.invoices_of_customer(customer).into_iter();
        let mut paid: Vec<_> = ids.filter_map(|id| self.invoices.get_key_value(&id)).collect();
        paid.sort_by_key(|(id, invoice)| (invoice.paid_at, *id));
        paid
    }

    /// What was taken from an invoice; nothing from one that is not known as paid.
    ///
    /// # Errors
    /// [`MoneyError`] when a sum does not fit.
    pub fn loss_of(&self, id: &InvoiceId) -> Result<Loss, MoneyError> {
        let Some(invoice) = self.invoice(id) else { return Ok(Loss::default()) };
        let amount_paid = |id: &InvoiceId| self.invoice(id).map(|invoice| invoice.snapshot.amount_paid_minor);
        self.payments.loss(id, invoice.snapshot.currency, &amount_paid)
    }

    /// True when a payment is linked to an invoice that is known as paid.
    pub fn pays_a_known_invoice(&self, payment: &PaymentId) -> bool {
        self.payments.invoices_of(payment).iter().any(|invoice| self.invoices.contains_key(invoice))
    }

    /// How much of a customer is loaded, under the least loaded of its names.
    pub fn loaded(&self, customer: &Customer) -> Loaded {
        if self.is_whole {
            return Loaded::All;
        }
        let names = self.customers.names_of(customer);
        let is_all = |name: &Customer| match name {
            Customer::User(_) => self.fetched.customers.contains(name),
            Customer::Stripe(_) => self.fetched.all_invoices_of.contains(name),
        };
        if names.iter().all(is_all) {
            Loaded::All
        } else if names.iter().all(|name| self.fetched.customers.contains(name)) {
            Loaded::Touched
        } else {
            Loaded::SlotOnly
        }
    }

    /// True when a program limits the rewarded referrals of a promoter, in any of its versions: referrals of other
    /// versions take slots, too.
    pub fn limits_rewards(&self, group: &Group) -> bool {
        let mut versions = self.versions.iter().filter(|version| version.program == group.1);
        versions.any(|version| version.terms.max_rewards_per_promoter.is_some())
    }

    /// True when the invoices of a referral cannot be assessed one by one: its terms count them, or the promoter's
    /// reward slots are limited.
    pub fn needs_all_invoices(&self, referral: &Referral) -> bool {
        let group = (referral.promoter.clone(), referral.program.clone());
        referral.terms.counts_invoices() || self.limits_rewards(&group)
    }

    /// The customers that compete for a reward slot and come too late: each is judged by the limit of its own terms.
    pub(super) fn find_exhausted(&self) -> BTreeSet<Customer> {
        let mut exhausted = BTreeSet::new();
        for slots in self.slots.values() {
            let mut in_order: Vec<(&Customer, &RewardSlot)> = slots.iter().collect();
            in_order.sort_by_key(|(_, slot)| &slot.qualified);
            for (before, (customer, slot)) in (0_u32..).zip(in_order) {
                if slot.limit.is_some_and(|limit| before >= limit) {
                    exhausted.insert(customer.clone());
                }
            }
        }
        exhausted
    }
}
