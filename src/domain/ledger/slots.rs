//! Giving reward slots: who is rewarded where a program limits the rewarded referrals of a promoter.

use super::assessor::Qualifying;
use super::unit::UnitOfWork;
use super::values::RewardSlot;
use crate::domain::{Customer, MoneyError};

impl UnitOfWork {
    /// Finds the qualifying invoice of a customer anew, and gives its referral the slot that follows from it. True when
    /// somebody's slot may have moved by it.
    pub(super) fn give_slot(&mut self, customer: &Customer) -> Result<bool, MoneyError> {
        let referral = self.state.referrals.get(customer).filter(|referral| !referral.void);
        let group = referral.map(|referral| (referral.promoter.clone(), referral.program.clone()));
        let qualified = match referral {
            Some(referral) => self.state.qualified(referral)?,
            None => None,
        };
        if let Some(group) = &group
            && let Some(first) = self.state.missing_rivals(group)
        {
            self.missing.slots.insert(group.clone(), first);
        }
        if let Some(Qualifying::Lost) = qualified {
            self.require_all_of(customer);
        }
        let qualified = qualified.and_then(Qualifying::qualified);
        if let Some(referral) = self.state.referrals.get_mut(customer)
            && referral.qualified != qualified
        {
            referral.qualified.clone_from(&qualified);
            self.changed.referrals.insert(customer.clone());
        }
        if self.state.slots.is_empty() {
            return Ok(false);
        }
        let limit =
            self.state.referrals.get(customer).and_then(|referral| referral.terms.max_rewards_per_promoter);
        let slot = qualified.map(|qualified| RewardSlot { qualified, limit });
        for slots_of_group in self.state.slots.values_mut() {
            slots_of_group.remove(customer);
        }
        if let (Some(group), Some(slot)) = (group, slot)
            && let Some(slots_of_group) = self.state.slots.get_mut(&group)
        {
            slots_of_group.insert(customer.clone(), slot);
        }
        Ok(true)
    }
}
