//! Claims, and the referral that follows from them.

use std::collections::BTreeSet;

use super::{Book, Claim, CustomerId, InvoiceId, Party, Referral, ReferralId, Touched};
use crate::domain::{NoCommission, terms::version_at};

impl Book {
    /// True when this claim cannot change anything: an earlier claim about the same party names the same code, known
    /// or not, and the claim binds no customer to a user.
    pub fn is_redundant(&self, claim: &Claim) -> bool {
        let binds = match (&claim.customer, &claim.user) {
            (Some(customer), Some(user)) => self.parties.user_of(customer) != Some(user),
            (Some(_) | None, _) => false,
        };
        let party = self.parties.party_of_claim(claim);
        let earlier = |known: &Claim| known.code == claim.code && known.order() <= claim.order();
        !binds && self.parties.claims_of(&party).any(earlier)
    }

    /// The invoices of a party that are at hand.
    pub(super) fn invoices_of_party(&self, party: &Party) -> BTreeSet<InvoiceId> {
        let customers = self.parties.customers_of(party);
        customers.iter().filter_map(|customer| self.invoices_of.get(customer)).flatten().cloned().collect()
    }

    pub(super) fn merge_claim(&mut self, claim: Claim, touched: &mut Touched) {
        if self.parties.claim(&claim.id).is_some() || self.is_redundant(&claim) {
            return;
        }
        if let (Some(customer), Some(user)) = (&claim.customer, &claim.user)
            && self.parties.user_of(customer).is_none()
        {
            self.parties.bind(customer.clone(), user.clone());
            self.changes.customers.insert(customer.clone());
            self.merge_referral_of(customer, &Party::User(user.clone()));
        }
        let party = self.parties.party_of_claim(&claim);
        self.changes.claims.insert(claim.id.clone());
        self.parties.add(claim);
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
        let Some(party) = customer.map(|customer| self.parties.party_of(customer)) else {
            return Err(NoCommission::NotReferred);
        };
        match self.referrals.get(&party) {
            Some(referral) => Ok(referral),
            None if self.parties.claims_of(&party).next().is_some() => Err(NoCommission::UnknownCode),
            None => Err(NoCommission::NotReferred),
        }
    }

    /// The referral that the earliest claim with a known code makes.
    pub fn winner(&self, party: &Party) -> Option<Referral> {
        let claims = self.parties.claims_of(party);
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
