//! What claims come to, from the loaded facts.

use super::state::State;
use super::values::Group;
use crate::domain::attribution::{Likeness, Review, ReviewDecision};
use crate::domain::codes::CodeFacts;
use crate::domain::{
    Claim, ClaimId, Code, Customer, NoCommission, PromoterId, Referral, TermsVersion, Timestamp,
};

/// Equal claims of one customer that wait for their code to be made; a further one changes nothing that can be told.
const WAITING_LIMIT: usize = 64;

/// What a claim comes to.
#[derive(Debug)]
pub enum Judged<'s> {
    /// It makes a referral, unless a stronger one does.
    Valid(&'s Code, &'s CodeFacts, &'s TermsVersion),
    /// It makes none.
    Refused(NoCommission),
    /// It does not mean a code of ours: a promotion code that no code carries, or a reference of the host that named no
    /// code at that time. Kept, and no reason.
    NoReason,
}

impl State {
    /// True when this claim cannot change anything: a stronger claim about the same name has the same code and is valid, or
    /// would be if its customer were not refused to that promoter; and this one binds no customer to a user. Beside claims
    /// that wait for their code to be made a later one is kept, since the program may have been inactive at the first;
    /// but not without end.
    pub fn is_redundant(&self, claim: &Claim) -> bool {
        let binds = match (&claim.stripe_customer, &claim.user) {
            (Some(stripe_customer), Some(user)) => self.customers.user_of(stripe_customer) != Some(user),
            (Some(_) | None, _) => false,
        };
        let Some(named) = claim.named_customer() else { return true };
        let customer = self.customers.present(&named);
        let waits = !matches!(self.judge(claim, &customer), Judged::Valid(..));
        let mut waiting = 0_usize;
        let says_the_same = |known: &Claim| {
            let is_equal = known.code == claim.code
                && known.source.names_promotion_code() == claim.source.names_promotion_code()
                && known.order() <= claim.order();
            is_equal
                && match self.judge(known, &customer) {
                    Judged::Valid(..) | Judged::Refused(NoCommission::Refused) => true,
                    // It was valid when it came, and what the same event said beside it was left out: told again, by another
                    // telling of the event, that is left out as well.
                    Judged::Refused(NoCommission::CodeUsedUp) if is_of_one_event(known, claim) => true,
                    Judged::Refused(_) | Judged::NoReason if known.is_reference() == claim.is_reference() => {
                        waiting = waiting.saturating_add(1);
                        waits && waiting >= WAITING_LIMIT
                    }
                    // A reference of the host is judged by another rule, and speaks for nothing else.
                    Judged::Refused(_) | Judged::NoReason => false,
                }
        };
        !binds && self.customers.claims_about(&named).any(says_the_same)
    }

    /// True when a new claim may change the referral of its customer, or the reason for having none: then all invoices of
    /// the customer are looked at.
    pub fn may_change_referral(&self, claim: &Claim) -> bool {
        !self.is_redundant(claim) && (self.names_known_code(claim) || self.is_strongest(claim))
    }

    fn names_known_code(&self, claim: &Claim) -> bool {
        if claim.source.names_promotion_code() {
            self.promotion_codes.contains_key(&claim.code)
        } else {
            self.codes.contains_key(&claim.code)
        }
    }

    /// True when this claim is a reason, and no other one about the customer that is one comes before it.
    pub(super) fn is_strongest(&self, claim: &Claim) -> bool {
        let Some(named) = claim.named_customer() else { return false };
        let customer = self.customers.present(&named);
        if matches!(self.judge(claim, &customer), Judged::NoReason) {
            return false;
        }
        let comes_before = |known: &Claim| {
            known.order() < claim.order() && !matches!(self.judge(known, &customer), Judged::NoReason)
        };
        !self.customers.claims_of(&customer).any(comes_before)
    }

    /// Judges one claim about a customer.
    pub fn judge(&self, claim: &Claim, customer: &Customer) -> Judged<'_> {
        let code = if claim.source.names_promotion_code() {
            match self.promotion_codes.get(&claim.code) {
                Some(code) => code,
                None => return Judged::NoReason,
            }
        } else {
            &claim.code
        };
        let is_reference = claim.is_reference();
        let (code, facts) = match self.codes.get_key_value(code) {
            Some((_, facts)) if is_reference && facts.made_at > claim.claimed_at => return Judged::NoReason,
            Some(known) => known,
            None if is_reference => return Judged::NoReason,
            None => return Judged::Refused(NoCommission::UnknownCode),
        };
        let judged = match self.frozen_version(claim, customer) {
            Some(version) => Ok(version),
            None => facts.judge(claim, &self.versions),
        };
        match judged {
            // What was refused as used up stays so, should the program take no referrals of that time any more.
            Ok(_) | Err(NoCommission::ProgramInactive) if self.used_up.contains(&claim.id) => {
                Judged::Refused(NoCommission::CodeUsedUp)
            }
            Err(reason) => Judged::Refused(reason),
            Ok(_) if self.refuses(claim, customer, &facts.owner.promoter) => {
                Judged::Refused(NoCommission::Refused)
            }
            Ok(version) => Judged::Valid(code, facts, version),
        }
    }

    /// True when the latest review refused this claim's customer to its promoter. A move beats what was said before it.
    fn refuses(&self, claim: &Claim, customer: &Customer, promoter: &PromoterId) -> bool {
        let is_later = |review: &Review| claim.moved_at.is_none_or(|moved_at| review.reviewed_at >= moved_at);
        let latest = self.latest_review(customer, promoter);
        latest.is_some_and(|review| review.decision == ReviewDecision::Refused && is_later(review))
    }

    /// When an operator last moved a customer, or reviewed it for any promoter: what is said next comes later.
    pub fn last_said_at(&self, customer: &Customer) -> Option<Timestamp> {
        let names = self.customers.names_of(customer);
        let reviewed = self.reviews.iter().filter(|((name, _), _)| names.contains(name));
        let reviewed = reviewed.map(|(_, review)| review.reviewed_at);
        let moved = self.customers.claims_of(customer).filter_map(|claim| claim.moved_at);
        reviewed.chain(moved).max()
    }

    /// The terms that the present referral of a customer is frozen to, if this claim has made it: a change of code or program
    /// in the very second of the claim does not reach what exists.
    fn frozen_version(&self, claim: &Claim, customer: &Customer) -> Option<&TermsVersion> {
        let referral = self.referrals.get(customer).filter(|known| !known.void && known.claim == claim.id)?;
        let is_frozen = |version: &&TermsVersion| {
            (&version.program, version.id) == (&referral.program, referral.terms_version)
        };
        self.versions.iter().find(is_frozen)
    }

    /// Of all valid claims about a customer the one that makes its referral. Pure: gives no use of a code.
    pub fn winner(&self, customer: &Customer) -> Option<&Claim> {
        let valid = |claim: &&Claim| matches!(self.judge(claim, customer), Judged::Valid(..));
        self.customers.claims_of(customer).filter(valid).min_by_key(|claim| claim.order())
    }

    /// True when a code has made a referral of a customer, under any of its names.
    pub fn has_redeemed(&self, customer: &Customer, code: &Code) -> bool {
        let mut names = self.customers.names_of(customer).into_iter();
        names.any(|name| self.redemptions.get(&name).is_some_and(|codes| codes.contains(code)))
    }

    /// The referral number that was given to a customer in a promoter's program: of several, under several names, the
    /// smallest.
    pub fn referral_number_of(&self, customer: &Customer, group: &Group) -> Option<u32> {
        let names = self.customers.names_of(customer).into_iter();
        names.filter_map(|name| self.referral_numbers.get(&name)?.get(group).copied()).min()
    }

    /// The latest review of (customer, promoter), under any name of the customer: it holds.
    pub fn latest_review(&self, customer: &Customer, promoter: &PromoterId) -> Option<&Review> {
        let names = self.customers.names_of(customer).into_iter();
        names
            .filter_map(|name| self.reviews.get(&(name, promoter.clone())))
            .max_by_key(|review| review.order())
    }

    /// True when this is what was said last of a customer and any promoter.
    pub fn has_decision(&self, customer: &Customer, decision: ReviewDecision) -> bool {
        let names = self.customers.names_of(customer);
        let mut reviewed = self.reviews.keys().filter(|(name, _)| names.contains(name));
        reviewed.any(|(_, promoter)| {
            self.latest_review(customer, promoter).is_some_and(|said| said.decision == decision)
        })
    }

    /// In which ways a customer looks like a promoter, whatever was said of it.
    pub fn likeness(&self, customer: &Customer, promoter: &PromoterId) -> Likeness {
        let Some(facts) = self.promoters.get(promoter) else { return Likeness::default() };
        let is_user = |name: &Customer| match name {
            Customer::User(user) => *user == facts.user,
            Customer::Stripe(stripe_customer) => {
                self.customers.bound_user(stripe_customer) == Some(&facts.user)
            }
        };
        Likeness {
            user: self.customers.names_of(customer).iter().any(is_user),
            email: self.customers.emails_of(customer).any(|email| facts.emails.contains(email)),
        }
    }

    /// True when a customer shares its user or an e-mail with a promoter, and no operator has released it knowing that.
    pub fn looks_like(&self, customer: &Customer, promoter: &PromoterId) -> bool {
        let likeness = self.likeness(customer, promoter);
        let is_released =
            || self.latest_review(customer, promoter).is_some_and(|review| review.releases(likeness));
        likeness != Likeness::default() && !is_released()
    }

    /// The referral of a customer.
    ///
    /// # Errors
    /// The reason of its strongest claim for making none, else `not_referred`.
    pub fn referral_of(&self, customer: &Customer) -> Result<&Referral, NoCommission> {
        if let Some(referral) = self.referrals.get(customer).filter(|referral| !referral.void) {
            return Ok(referral);
        }
        let refused =
            self.customers.claims_of(customer).filter_map(|claim| match self.judge(claim, customer) {
                Judged::Refused(reason) => Some((claim.order(), reason)),
                Judged::Valid(..) | Judged::NoReason => None,
            });
        Err(refused.min().map_or(NoCommission::NotReferred, |(_, reason)| reason))
    }

    /// The claim that a code's making or change decides about, for every customer that it concerns.
    pub(super) fn claims_naming(&self, code: &Code) -> Vec<(Customer, ClaimId)> {
        let names_it = |claim: &&Claim| {
            if claim.source.names_promotion_code() {
                self.promotion_codes.get(&claim.code) == Some(code)
            } else {
                claim.code == *code
            }
        };
        let claims = self.customers.claims().filter(names_it);
        claims
            .filter_map(|claim| Some((self.customers.present(&claim.named_customer()?), claim.id.clone())))
            .collect()
    }
}

/// True for two claims that the same event made.
fn is_of_one_event(one: &Claim, other: &Claim) -> bool {
    one.id.event().is_some() && one.id.event() == other.id.event()
}
