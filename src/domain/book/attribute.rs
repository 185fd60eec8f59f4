//! Claims, and the referral that follows from them.

use std::collections::BTreeSet;

use super::{Book, Claim, CustomerId, InvoiceId, Party, Referral, ReferralId, Touched};
use crate::domain::{NoCommission, terms::version_at};

impl Book {
    /// True when this claim cannot change anything: an earlier valid claim of the same party names the same code,
    /// and the claim binds no customer to a user.
    pub fn is_redundant(&self, claim: &Claim) -> bool {
        let binds = match (&claim.customer, &claim.user) {
            (Some(customer), Some(user)) => self.users.get(customer) != Some(user),
            (Some(_) | None, _) => false,
        };
        let party = self.party_of_claim(claim);
        !binds
            && self.codes.contains_key(&claim.code)
            && self.claims.values().any(|known| {
                known.code == claim.code
                    && known.order() <= claim.order()
                    && self.party_of_claim(known) == party
            })
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
            Party::User(user) => {
                self.users.iter().filter(|(_, of)| *of == user).map(|(id, _)| id.clone()).collect()
            }
        }
    }

    /// The invoices of a party that are at hand.
    pub(super) fn invoices_of_party(&self, party: &Party) -> BTreeSet<InvoiceId> {
        let customers = self.customers_of(party);
        let of_party = self.invoices.iter().filter(|(_, invoice)| {
            invoice.claim.customer.as_ref().is_some_and(|customer| customers.contains(customer))
        });
        of_party.map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn merge_claim(&mut self, claim: Claim, touched: &mut Touched) {
        if self.claims.contains_key(&claim.id) || self.is_redundant(&claim) {
            return;
        }
        if let (Some(customer), Some(user)) = (&claim.customer, &claim.user)
            && !self.users.contains_key(customer)
        {
            self.users.insert(customer.clone(), user.clone());
            self.changes.customers.insert(customer.clone());
            self.merge_referral_of(customer, &Party::User(user.clone()));
        }
        let party = self.party_of_claim(&claim);
        self.changes.claims.insert(claim.id.clone());
        self.claims.insert(claim.id.clone(), claim);
        self.attribute(&party);
        touched.invoices.extend(self.invoices_of_party(&party));
        touched.changed = true;
    }

    /// Chooses the referral of a party anew from all its claims.
    pub(super) fn attribute(&mut self, party: &Party) {
        let Some(winner) = self.winner(party) else { return };
        let mut referral = winner;
        if let Some(known) = self.referrals.get(party) {
            referral.id = known.id.clone();
            if *known == referral {
                return;
            }
        }
        self.changes.referrals.insert(party.clone());
        self.referrals.insert(party.clone(), referral);
    }

    /// The referral of a customer, or the reason why there is none.
    pub(super) fn referral_of(&self, customer: Option<&CustomerId>) -> Result<&Referral, NoCommission> {
        let Some(party) = customer.map(|customer| self.party_of(customer)) else {
            return Err(NoCommission::NotReferred);
        };
        match self.referrals.get(&party) {
            Some(referral) => Ok(referral),
            None if self.claims.values().any(|claim| self.party_of_claim(claim) == party) => {
                Err(NoCommission::UnknownCode)
            }
            None => Err(NoCommission::NotReferred),
        }
    }

    /// The referral that the earliest claim with a known code makes.
    pub fn winner(&self, party: &Party) -> Option<Referral> {
        let claims = self.claims.values().filter(|claim| self.party_of_claim(claim) == *party);
        let valid = claims.filter_map(|claim| Some((claim, self.codes.get(&claim.code)?)));
        let (claim, owner) = valid.min_by_key(|(claim, _)| claim.order())?;
        let version = version_at(self.versions.iter(), &owner.program, claim.claimed_at)?;
        Some(Referral {
            id: ReferralId::new(claim.id.as_str().replacen("clm_", "ref_", 1)),
            party: party.clone(),
            claim: claim.id.clone(),
            source: claim.source,
            code: claim.code.clone(),
            promoter: owner.promoter.clone(),
            program: owner.program.clone(),
            terms_version: version.id,
            terms: version.terms,
            claimed_at: claim.claimed_at,
            lookback_s: claim.lookback_s,
        })
    }

    /// A customer turned out to belong to a user: its referral becomes the user's, or one with the user's.
    fn merge_referral_of(&mut self, customer: &CustomerId, user: &Party) {
        let Some(mut referral) = self.referrals.remove(&Party::Customer(customer.clone())) else { return };
        if let Some(of_user) = self.referrals.get(user) {
            self.changes.merged.insert(referral.id, of_user.id.clone());
        } else {
            referral.party = user.clone();
            self.changes.referrals.insert(user.clone());
            self.referrals.insert(user.clone(), referral);
        }
        self.changes.referrals.remove(&Party::Customer(customer.clone()));
    }
}
