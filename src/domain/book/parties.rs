//! Who is who among the customers of the host, and who claims what about them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Claim, ClaimId, CustomerId, Party, UserId};

/// Customers, users and claims at hand, found by party.
#[derive(Debug, Default)]
pub struct Parties {
    users: BTreeMap<CustomerId, UserId>,
    customers: BTreeMap<UserId, BTreeSet<CustomerId>>,
    claims: BTreeMap<ClaimId, Claim>,
    about_users: BTreeMap<UserId, BTreeSet<ClaimId>>,
    about_customers: BTreeMap<CustomerId, BTreeSet<ClaimId>>,
}

impl Parties {
    /// A Stripe customer belongs to a user; the first bond stays.
    pub fn bind(&mut self, customer: CustomerId, user: UserId) {
        if !self.users.contains_key(&customer) {
            self.customers.entry(user.clone()).or_default().insert(customer.clone());
            self.users.insert(customer, user);
        }
    }

    /// The user that a Stripe customer belongs to, if known.
    pub fn user_of(&self, customer: &CustomerId) -> Option<&UserId> {
        self.users.get(customer)
    }

    /// The customer of the host that a Stripe customer is.
    pub fn party_of(&self, customer: &CustomerId) -> Party {
        match self.users.get(customer) {
            Some(user) => Party::User(user.clone()),
            None => Party::Customer(customer.clone()),
        }
    }

    /// The customer of the host that a claim is about; a claim that names a user is about that user.
    pub fn party_of_claim(&self, claim: &Claim) -> Party {
        match (&claim.user, &claim.customer) {
            (Some(user), _) => Party::User(user.clone()),
            (None, Some(customer)) => self.party_of(customer),
            // The makers of claims refuse one that is about nobody; an empty customer has no invoices.
            (None, None) => Party::Customer(CustomerId::new("")),
        }
    }

    /// The Stripe customers of a party.
    pub fn customers_of(&self, party: &Party) -> BTreeSet<CustomerId> {
        match party {
            Party::Customer(customer) => BTreeSet::from([customer.clone()]),
            Party::User(user) => self.customers.get(user).cloned().unwrap_or_default(),
        }
    }

    /// Adds a claim.
    pub fn add(&mut self, claim: Claim) {
        match (&claim.user, &claim.customer) {
            (Some(user), _) => self.about_users.entry(user.clone()).or_default().insert(claim.id.clone()),
            (None, Some(customer)) => {
                self.about_customers.entry(customer.clone()).or_default().insert(claim.id.clone())
            }
            (None, None) => false,
        };
        self.claims.insert(claim.id.clone(), claim);
    }

    /// A claim, if known.
    pub fn claim(&self, id: &ClaimId) -> Option<&Claim> {
        self.claims.get(id)
    }

    /// All claims at hand.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.claims.values()
    }

    /// The claims about a party: of a user also those about its customers.
    pub fn claims_of(&self, party: &Party) -> impl Iterator<Item = &Claim> {
        let about_user = match party {
            Party::User(user) => self.about_users.get(user),
            Party::Customer(_) => None,
        };
        let customers = self.customers_of(party);
        let about_customers =
            customers.into_iter().filter_map(|customer| self.about_customers.get(&customer));
        let ids = about_user.into_iter().chain(about_customers).flatten();
        ids.filter_map(|id| self.claims.get(id))
    }
}
