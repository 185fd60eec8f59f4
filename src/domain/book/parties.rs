//! Who is who among the customers of the host, and who claims what about them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Claim, ClaimId, CustomerId, Party, UserId};
use crate::domain::EmailHash;

/// Customers, users, claims and e-mails at hand, found by party.
///
/// A name (`acct_…`, `cus_…`, a user) is never changed; which party it is of follows from what has been told: an
/// account is the customer that it was named beside, a customer is the user that the API named with it.
#[derive(Debug, Default)]
pub struct Parties {
    /// Account → the smallest customer that it was named beside.
    customer_of: BTreeMap<CustomerId, CustomerId>,
    accounts_of: BTreeMap<CustomerId, BTreeSet<CustomerId>>,
    users: BTreeMap<CustomerId, UserId>,
    customers: BTreeMap<UserId, BTreeSet<CustomerId>>,
    claims: BTreeMap<ClaimId, Claim>,
    claims_about: BTreeMap<Party, BTreeSet<ClaimId>>,
    emails: BTreeMap<Party, BTreeSet<EmailHash>>,
}

impl Parties {
    /// A Stripe customer belongs to a user; the first bond stays. True when it is new.
    pub fn bind(&mut self, customer: CustomerId, user: UserId) -> bool {
        if self.users.contains_key(&customer) {
            return false;
        }
        self.customers.entry(user.clone()).or_default().insert(customer.clone());
        self.users.insert(customer, user);
        true
    }

    /// An account is a customer; contradicting tellings resolve to the smallest id. True when something changed.
    pub fn identify(&mut self, account: &CustomerId, customer: &CustomerId) -> bool {
        let known = self.customer_of.get(account);
        if known.is_some_and(|known| known <= customer) {
            return false;
        }
        if let Some(accounts) = known.and_then(|known| self.accounts_of.get_mut(known)) {
            accounts.remove(account);
        }
        self.accounts_of.entry(customer.clone()).or_default().insert(account.clone());
        self.customer_of.insert(account.clone(), customer.clone());
        true
    }

    /// The user that was told for exactly this name, if any.
    pub fn bound_user(&self, name: &CustomerId) -> Option<&UserId> {
        self.users.get(name)
    }

    /// The customer that an account was told to be, if any.
    pub fn told_customer(&self, account: &CustomerId) -> Option<&CustomerId> {
        self.customer_of.get(account)
    }

    /// The user that a Stripe customer belongs to, if known: told for the customer itself, else for one of its accounts.
    pub fn user_of(&self, name: &CustomerId) -> Option<&UserId> {
        let customer = self.customer_of.get(name).unwrap_or(name);
        let of_accounts = || {
            let accounts = self.accounts_of.get(customer).into_iter().flatten();
            accounts.filter_map(|account| self.users.get(account)).min()
        };
        self.users.get(customer).or_else(of_accounts)
    }

    /// The customer of the host that a Stripe customer is.
    pub fn party_of(&self, name: &CustomerId) -> Party {
        match self.user_of(name) {
            Some(user) => Party::User(user.clone()),
            None => Party::Customer(self.customer_of.get(name).unwrap_or(name).clone()),
        }
    }

    /// The customer of the host that a party is by now.
    pub fn present(&self, party: &Party) -> Party {
        match party {
            Party::User(_) => party.clone(),
            Party::Customer(customer) => self.party_of(customer),
        }
    }

    /// The Stripe customers of a party, under all their names.
    pub fn customers_of(&self, party: &Party) -> BTreeSet<CustomerId> {
        let told = match party {
            Party::Customer(customer) => BTreeSet::from([customer.clone()]),
            Party::User(user) => self.customers.get(user).cloned().unwrap_or_default(),
        };
        let mut names = BTreeSet::new();
        for name in told {
            let customer = self.customer_of.get(&name).unwrap_or(&name);
            names.extend(self.accounts_of.get(customer).into_iter().flatten().cloned());
            names.extend([customer.clone(), name]);
        }
        names.retain(|name| self.party_of(name) == *party);
        names
    }

    /// All names under which anything is kept about a party.
    pub fn names_of(&self, party: &Party) -> BTreeSet<Party> {
        let customers = self.customers_of(party).into_iter().map(Party::Customer);
        customers.chain([party.clone()]).collect()
    }

    /// Adds a claim.
    pub fn add(&mut self, claim: Claim) {
        if let Some(named) = claim.named_party() {
            self.claims_about.entry(named).or_default().insert(claim.id.clone());
            self.claims.insert(claim.id.clone(), claim);
        }
    }

    /// A claim, if known.
    pub fn claim(&self, id: &ClaimId) -> Option<&Claim> {
        self.claims.get(id)
    }

    /// All claims at hand.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.claims.values()
    }

    /// The claims that name exactly this party.
    pub fn claims_about(&self, named: &Party) -> impl Iterator<Item = &Claim> {
        self.claims_about.get(named).into_iter().flatten().filter_map(|id| self.claims.get(id))
    }

    /// The claims about a party: of a user also those about its customers.
    pub fn claims_of(&self, party: &Party) -> impl Iterator<Item = &Claim> {
        let names = self.names_of(party).into_iter();
        let ids = names.filter_map(|name| self.claims_about.get(&name)).flatten();
        ids.filter_map(|id| self.claims.get(id))
    }

    /// Keeps an e-mail of a party, as it was named. True when it is new.
    pub fn add_email(&mut self, named: Party, email: EmailHash) -> bool {
        self.emails.entry(named).or_default().insert(email)
    }

    /// The e-mails ever known of a party.
    pub fn emails_of(&self, party: &Party) -> impl Iterator<Item = &EmailHash> {
        self.names_of(party).into_iter().filter_map(|name| self.emails.get(&name)).flatten()
    }
}
