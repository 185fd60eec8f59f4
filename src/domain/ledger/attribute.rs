//! Choosing the referral of a customer from its claims, and what is given to it then: a redemption of the code and a
//! referral number.

use std::collections::BTreeSet;

use super::judge::Judged;
use super::unit::UnitOfWork;
use super::values::Group;
use crate::domain::{Claim, Code, Customer, InvoiceId, MoneyError, Referral, ReferralId, TiersBy};

impl UnitOfWork {
    /// Chooses the referral of a customer anew from all its claims.
    pub(super) fn attribute(&mut self, customer: &Customer) {
        let chosen = self.choose(customer);
        let known = self.state.referrals.get(customer);
        let referral = match (chosen, known) {
            (Some(chosen), _) => chosen,
            (None, Some(known)) => Referral { void: true, held: false, qualified: None, ..known.clone() },
            (None, None) => return,
        };
        if known != Some(&referral) {
            self.changed.referrals.insert(customer.clone());
            self.state.referrals.insert(customer.clone(), referral);
        }
    }

    /// The referral that the winning claim makes, under the id that the customer's referral has already. A claim whose code
    /// has no use left is refused for good.
    fn choose(&mut self, customer: &Customer) -> Option<Referral> {
        loop {
            let claim = self.state.winner(customer)?.clone();
            let Judged::Valid(code, facts, version) = self.state.judge(&claim, customer) else { return None };
            let (code, owner) = (code.clone(), facts.owner.clone());
            let (terms_version, terms) = (version.id, version.terms.clone());
            if !self.redeem(customer, &claim, &code) {
                // It is refused for good, and not judged valid any more: the next one is.
                continue;
            }
            let group = (owner.promoter.clone(), owner.program.clone());
            let referral_number = self.state.referral_number_of(customer, &group);
            let known = self.state.referrals.get(customer);
            let (known_id, qualified) =
                known.map(|known| (known.id.clone(), known.qualified.clone())).unzip();
            return Some(Referral {
                id: known_id.unwrap_or_else(|| ReferralId::new(self.new_id("ref"))),
                qualified: qualified.flatten(),
                customer: customer.clone(),
                held: self.state.looks_like(customer, &owner.promoter),
                claim: claim.id,
                source: claim.source,
                code,
                promoter: owner.promoter,
                program: owner.program,
                terms_version,
                terms,
                referral_number,
                claimed_at: claim.claimed_at,
                lookback_s: claim.lookback_s,
                void: false,
            });
        }
    }

    /// The customer redeems the code, unless it has done so before. False when no use is left: the claim is then refused.
    fn redeem(&mut self, customer: &Customer, claim: &Claim, code: &Code) -> bool {
        if self.state.has_redeemed(customer, code) {
            return true;
        }
        let Some(facts) = self.state.codes.get_mut(code) else { return true };
        if facts.is_used_up() && claim.moved_at.is_none() {
            self.state.used_up.insert(claim.id.clone());
            self.changed.used_up.insert(claim.id.clone());
            return false;
        }
        facts.uses = facts.uses.saturating_add(1);
        self.changed.redemptions.insert((customer.clone(), code.clone()));
        self.state.redemptions.entry(customer.clone()).or_default().insert(code.clone());
        true
    }

    /// Gives the next number of a group to a customer, for good.
    fn give_number(&mut self, customer: &Customer, group: Group) -> u32 {
        let last = self.state.last_referral_numbers.entry(group.clone()).or_default();
        *last = last.saturating_add(1);
        let number = *last;
        self.state.referral_numbers.entry(customer.clone()).or_default().insert(group.clone(), number);
        self.changed.referral_numbers.insert((customer.clone(), group), number);
        number
    }

    /// Gives numbers to those of these customers that are given one when they are referred, and to the referrals of which one
    /// of these invoices has no reason to earn nothing, in the turn of their claims.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit.
    pub(super) fn give_numbers<'i>(
        &mut self,
        customers: &BTreeSet<Customer>,
        invoices: impl Iterator<Item = &'i InvoiceId>,
    ) -> Result<(), MoneyError> {
        let unnumbered = |customer: &Customer| {
            let referral = self.state.referrals.get(customer).filter(|referral| !referral.void);
            referral.filter(|referral| referral.referral_number.is_none())
        };
        let by_signup = |customer: &&Customer| {
            unnumbered(customer).is_some_and(|referral| referral.terms.tiers_by == TiersBy::Signups)
        };
        let mut due: BTreeSet<Customer> = customers.iter().filter(by_signup).cloned().collect();
        let mut assessor = self.state.assessor();
        for id in invoices {
            let Some(customer) = self.state.customer_of_invoice(id) else { continue };
            if unnumbered(&customer).is_none() {
                continue;
            }
            if assessor.assess(id)?.is_some_and(|(assessment, _)| assessment.reason.is_none()) {
                due.insert(customer);
            }
        }
        let mut in_turn: Vec<Customer> = due.into_iter().collect();
        in_turn.sort_by_cached_key(|customer| {
            let referral = self.state.referrals.get(customer)?;
            self.state.customers.claim(&referral.claim).map(Claim::turn)
        });
        for customer in in_turn {
            let Some(mut referral) = self.state.referrals.remove(&customer) else { continue };
            let group = (referral.promoter.clone(), referral.program.clone());
            referral.referral_number = Some(self.give_number(&customer, group));
            self.state.referrals.insert(customer.clone(), referral);
            self.changed.referrals.insert(customer);
        }
        Ok(())
    }

    /// Names became one customer: the referral of a former customer becomes that of the present one, or one with it.
    pub(super) fn move_referral(&mut self, former: &Customer) {
        let present = self.state.customers.present(former);
        if present == *former {
            return;
        }
        self.changed.referrals.remove(former);
        let Some(mut referral) = self.state.referrals.remove(former) else { return };
        for slots in self.state.slots.values_mut() {
            slots.remove(former);
        }
        if let Some(other) = self.state.referrals.get(&present) {
            self.changed.merged.insert(referral.id, other.id.clone());
        } else {
            referral.customer = present.clone();
            self.changed.referrals.insert(present.clone());
            self.state.referrals.insert(present, referral);
        }
    }
}
