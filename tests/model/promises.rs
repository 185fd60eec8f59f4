//! What goes by arrival: uses of codes and numbers of referrals. After every step they are given to all who came to be
//! due, as if the step had a transaction of its own.

use std::collections::BTreeMap;

use referrald::domain::{Code, Customer, TiersBy};

use crate::claims::Claim;
use crate::model::Model;
use crate::people::{People, Referral};
use crate::setup::Setup;

/// What was given.
pub struct Promises<'a> {
    limits: BTreeMap<&'static str, Option<u32>>,
    /// Customers as they were named then.
    redemptions: Vec<(Customer, &'static str)>,
    used_up: Vec<Claim<'a>>,
    /// (customer as named then, promoter and program, number).
    numbers: Vec<(Customer, (&'static str, &'static str), u32)>,
}

impl<'a> Promises<'a> {
    pub fn new(setup: &'a Setup) -> Self {
        let limits = setup.codes.iter().map(|(code, facts)| (*code, facts.max_uses)).collect();
        Self { limits, redemptions: Vec::new(), used_up: Vec::new(), numbers: Vec::new() }
    }

    /// The newest limit is the one that counts.
    pub fn limit(&mut self, code: &'static str, max_uses: Option<u32>) {
        self.limits.insert(code, max_uses);
    }

    pub fn is_used_up(&self, claim: &Claim) -> bool {
        // The same claim may have been told twice, in two versions.
        let is_it = |known: &Claim| {
            (known.said_in, known.place, &known.code) == (claim.said_in, claim.place, &claim.code)
        };
        self.used_up.iter().any(is_it)
    }

    fn uses(&self, code: &str) -> u32 {
        u32::try_from(self.redemptions.iter().filter(|(_, of)| *of == code).count()).unwrap()
    }
}

impl<'a> People<'a> {
    /// The smallest number of the names of a customer.
    pub fn referral_number(&self, customer: &Customer, group: (&str, &str)) -> Option<u32> {
        let given = self.promises.numbers.iter().filter(|(_, of, _)| *of == group);
        let own = given.filter(|(named, ..)| self.present(named) == *customer);
        own.map(|(_, _, number)| *number).min()
    }

    fn has_redeemed(&self, customer: &Customer, code: &str) -> bool {
        let redemptions = &self.promises.redemptions;
        redemptions.iter().any(|(named, of)| *of == code && self.present(named) == *customer)
    }

    /// Every known code with its uses.
    pub fn all_uses(&self) -> BTreeMap<Code, u32> {
        let known = self.setup.codes.keys().filter(|code| self.code(&code.to_lowercase()).is_some());
        known.map(|code| (Code::new(*code), self.promises.uses(code))).collect()
    }

    /// Gives a use of its code to every referral that was made by it, one after the other: who claimed first is served first,
    /// and whoever finds no use left may come back with another claim.
    fn redeem(&mut self) {
        loop {
            let mut waiting: Vec<(Customer, Referral<'a>)> = Vec::new();
            for customer in self.claimed() {
                if let Ok(referral) = self.referral(&customer)
                    && !self.has_redeemed(&customer, referral.code)
                {
                    waiting.push((customer, referral));
                }
            }
            waiting.sort_by(|(_, one), (_, other)| one.claim.turn().cmp(&other.claim.turn()));
            let Some((customer, referral)) = waiting.into_iter().next() else { break };
            let limit = self.promises.limits[referral.code];
            let is_left = limit.is_none_or(|max| self.promises.uses(referral.code) < max);
            // A move takes one beyond the limit, too.
            if is_left || referral.claim.moved_at.is_some() {
                self.promises.redemptions.push((customer, referral.code));
            } else {
                self.promises.used_up.push(referral.claim);
            }
        }
    }
}

impl Model<'_> {
    /// After a whole step.
    pub fn give(&mut self) {
        self.people.redeem();
        let referrals = self.referrals();
        let mut due: Vec<(&Customer, &Referral)> = Vec::new();
        for (customer, referral) in &referrals {
            let Ok(referral) = referral else { continue };
            let is_due = match referral.terms.tiers_by {
                TiersBy::Signups => true,
                TiersBy::Customers => self
                    .invoices_of(customer)
                    .iter()
                    .any(|(invoice, _)| self.reason(invoice, customer, referral, &referrals).is_none()),
            };
            if referral.number.is_none() && is_due {
                due.push((customer, referral));
            }
        }
        due.sort_by(|(_, one), (_, other)| one.claim.turn().cmp(&other.claim.turn()));
        let mut given = Vec::new();
        for (customer, referral) in due {
            given.push((customer.clone(), (referral.promoter, referral.program)));
        }
        for (customer, group) in given {
            let numbers = self.people.promises.numbers.iter().filter(|(_, of, _)| *of == group);
            let next = numbers.map(|(_, _, number)| *number).max().unwrap_or(0) + 1;
            self.people.promises.numbers.push((customer, group, next));
        }
    }
}
