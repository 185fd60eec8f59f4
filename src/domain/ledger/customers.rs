//! Who is who among the customers of the host, and who claims what about them.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Claim, ClaimId, Customer, EmailHash, StripeCustomerId, UserId};

/// The loaded Stripe customers, users, claims and e-mails, found by customer.
///
/// A name (`acct_…`, `cus_…`, a user) is never changed; which customer it is of follows from what has been told: an
/// account is the customer that it was named beside, a customer is the user that the API named with it.
#[derive(Debug, Clone, Default)]
pub struct Customers {
    /// Account → the smallest customer that it was named beside.
    alias_of: BTreeMap<StripeCustomerId, StripeCustomerId>,
    accounts_of: BTreeMap<StripeCustomerId, BTreeSet<StripeCustomerId>>,
    users: BTreeMap<StripeCustomerId, UserId>,
    names_of_user: BTreeMap<UserId, BTreeSet<StripeCustomerId>>,
    claims: BTreeMap<ClaimId, Claim>,
    claims_about: BTreeMap<Customer, BTreeSet<ClaimId>>,
    /// By what told each of them first.
    emails: BTreeMap<Customer, BTreeMap<EmailHash, String>>,
}

impl Customers {
    /// A Stripe customer belongs to a user; the first bond stays. True when it is new.
    pub fn bind(&mut self, stripe_customer: StripeCustomerId, user: UserId) -> bool {
        if self.users.contains_key(&stripe_customer) {
            return false;
        }
        self.names_of_user.entry(user.clone()).or_default().insert(stripe_customer.clone());
        self.users.insert(stripe_customer, user);
        true
    }

    /// An account is a customer; contradicting tellings resolve to the smallest id. True when something changed.
    pub fn identify(&mut self, account: &StripeCustomerId, stripe_customer: &StripeCustomerId) -> bool {
        let known = self.alias_of.get(account);
        if known.is_some_and(|known| known <= stripe_customer) {
            return false;
        }
        if let Some(accounts) = known.and_then(|known| self.accounts_of.get_mut(known)) {
            accounts.remove(account);
        }
        self.accounts_of.entry(stripe_customer.clone()).or_default().insert(account.clone());
        self.alias_of.insert(account.clone(), stripe_customer.clone());
        true
    }

    /// The user that was told for exactly this name, if any.
    pub fn bound_user(&self, name: &StripeCustomerId) -> Option<&UserId> {
        self.users.get(name)
    }

    /// The customer that an account was named beside, if any.
    pub fn alias_of(&self, account: &StripeCustomerId) -> Option<&StripeCustomerId> {
        self.alias_of.get(account)
    }

    /// The user that a Stripe customer belongs to, if known: told for the customer itself, else for one of its accounts.
    pub fn user_of(&self, name: &StripeCustomerId) -> Option<&UserId> {
        let stripe_customer = self.alias_of.get(name).unwrap_or(name);
        let of_accounts = || {
            let accounts = self.accounts_of.get(stripe_customer).into_iter().flatten();
            accounts.filter_map(|account| self.users.get(account)).min()
        };
        self.users.get(stripe_customer).or_else(of_accounts)
    }

    /// The customer of the host that a Stripe customer is.
    pub fn customer_named(&self, name: &StripeCustomerId) -> Customer {
        match self.user_of(name) {
            Some(user) => Customer::User(user.clone()),
            None => Customer::Stripe(self.alias_of.get(name).unwrap_or(name).clone()),
        }
    }

    /// The customer of the host that a customer is by now.
    pub fn present(&self, customer: &Customer) -> Customer {
        match customer {
            Customer::User(_) => customer.clone(),
            Customer::Stripe(stripe_customer) => self.customer_named(stripe_customer),
        }
    }

    /// The Stripe customers of a customer, under all their names.
    pub fn stripe_customers_of(&self, customer: &Customer) -> BTreeSet<StripeCustomerId> {
        let told = match customer {
            Customer::Stripe(stripe_customer) => BTreeSet::from([stripe_customer.clone()]),
            Customer::User(user) => self.names_of_user.get(user).cloned().unwrap_or_default(),
        };
        let mut names = BTreeSet::new();
        for name in told {
            let stripe_customer = self.alias_of.get(&name).unwrap_or(&name);
            names.extend(self.accounts_of.get(stripe_customer).into_iter().flatten().cloned());
            names.extend([stripe_customer.clone(), name]);
        }
        names.retain(|name| self.customer_named(name) == *customer);
        names
    }

    /// All names under which anything is kept about a customer.
    pub fn names_of(&self, customer: &Customer) -> BTreeSet<Customer> {
        let stripe_customers = self.stripe_customers_of(customer).into_iter().map(Customer::Stripe);
        stripe_customers.chain([customer.clone()]).collect()
    }

    /// Adds a claim.
    pub fn add(&mut self, claim: Claim) {
        if let Some(named) = claim.named_customer() {
            self.claims_about.entry(named).or_default().insert(claim.id.clone());
            self.claims.insert(claim.id.clone(), claim);
        }
    }

    /// A claim, if known.
    pub fn claim(&self, id: &ClaimId) -> Option<&Claim> {
        self.claims.get(id)
    }

    /// All claims loaded.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.claims.values()
    }

    /// The claims that name exactly this customer.
    pub fn claims_about(&self, named: &Customer) -> impl Iterator<Item = &Claim> {
        self.claims_about.get(named).into_iter().flatten().filter_map(|id| self.claims.get(id))
    }

    /// The claims about a customer: of a user also those about its customers.
    pub fn claims_of(&self, customer: &Customer) -> impl Iterator<Item = &Claim> {
        let names = self.names_of(customer).into_iter();
        let ids = names.filter_map(|name| self.claims_about.get(&name)).flatten();
        ids.filter_map(|id| self.claims.get(id))
    }

    /// Keeps an e-mail of a customer, as it was named, and the event or claim that told it first. True when it is new.
    pub fn add_email(&mut self, named: Customer, email: EmailHash, told_by: &str) -> bool {
        let emails = self.emails.entry(named).or_default();
        if emails.contains_key(&email) {
            return false;
        }
        emails.insert(email, told_by.to_owned());
        true
    }

    /// What told an e-mail of a customer, as it was named, first.
    pub fn email_told_by(&self, named: &Customer, email: &EmailHash) -> Option<&str> {
        self.emails.get(named)?.get(email).map(String::as_str)
    }

    /// The e-mails ever known of a customer.
    pub fn emails_of(&self, customer: &Customer) -> impl Iterator<Item = &EmailHash> {
        self.names_of(customer).into_iter().filter_map(|name| self.emails.get(&name)).flat_map(BTreeMap::keys)
    }
}
