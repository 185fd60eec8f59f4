//! Choosing the referral of a customer from its claims, and what is given to it then: a redemption of the code and a
//! referral number.

use super::judge::Judged;
use super::unit::UnitOfWork;
use crate::domain::attribution::Redemption;
use crate::domain::{Claim, Code, Customer, Referral, ReferralId};

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
            let Some(referral_number) = self.redeem(customer, &claim, &code) else {
                // A claim that is refused for good is not judged valid any more: the next one is.
                if self.state.used_up.contains(&claim.id) {
                    continue;
                }
                return None;
            };
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

    /// The number of the referral that this code makes; the customer redeems the code unless it has done so before. `None`
    /// when no use is left: the claim is then refused.
    fn redeem(&mut self, customer: &Customer, claim: &Claim, code: &Code) -> Option<u32> {
        let owner = self.state.codes.get(code)?.owner.clone();
        let key = (owner.promoter.clone(), owner.program.clone());
        let known_number = self.state.referral_number_of(customer, &owner.promoter, &owner.program);
        if self.state.redemption(customer, code).is_some() {
            return known_number;
        }
        let facts = self.state.codes.get_mut(code)?;
        if facts.is_used_up() && claim.moved_at.is_none() {
            self.state.used_up.insert(claim.id.clone());
            self.changed.used_up.insert(claim.id.clone());
            return None;
        }
        facts.uses = facts.uses.saturating_add(1);
        let next = || self.state.last_referral_numbers.get(&key).copied().unwrap_or(0).saturating_add(1);
        let referral_number = known_number.unwrap_or_else(next);
        let last = self.state.last_referral_numbers.entry(key).or_default();
        *last = (*last).max(referral_number);
        self.changed.redemptions.insert((customer.clone(), code.clone()));
        let redemption = Redemption { promoter: owner.promoter, program: owner.program, referral_number };
        self.state.redemptions.entry(customer.clone()).or_default().insert(code.clone(), redemption);
        Some(referral_number)
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
