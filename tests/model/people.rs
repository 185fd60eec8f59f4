//! Who is who, and who referred whom: `semantics.md` §5. Everything is looked up in the whole list of what was told;
//! only uses of codes and referral numbers are kept as they were given, since they go by arrival.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use referrald::domain::attribution::{Review, ReviewDecision};
use referrald::domain::codes::CodeVersion;
use referrald::domain::{
    Claim, ClaimId, ClaimSource, Code, CodeFacts, Customer, EmailHash, NoCommission, ProgramKey, PromoterId,
    StripeCustomerId, Terms, TermsVersion, Timestamp, UserId,
};

use crate::setup::{LATE, LATE_PROMOTION, PROMOTION_CODES, Setup};

pub struct People<'a> {
    setup: &'a Setup,
    /// (account, customer).
    pub same: Vec<(&'a StripeCustomerId, &'a StripeCustomerId)>,
    bonds: Vec<(&'a StripeCustomerId, &'a UserId)>,
    claims: Vec<&'a Claim>,
    /// As the customer was named.
    pub emails: Vec<(Customer, EmailHash)>,
    pub emails_of_promoters: Vec<(&'a PromoterId, EmailHash)>,
    pub reviews: Vec<(&'a Customer, &'a PromoterId, &'a Review)>,
    pub versions: Vec<&'a TermsVersion>,
    pub code_versions: Vec<(&'a Code, &'a CodeVersion)>,
    pub late_code: bool,
    redemptions: Vec<Redemption<'a>>,
    used_up: BTreeSet<&'a ClaimId>,
}

/// One use of a code.
struct Redemption<'a> {
    /// As the customer was named then.
    customer: Customer,
    code: &'a Code,
    group: (&'a PromoterId, &'a ProgramKey),
    referral_number: u32,
}

/// The referral of a customer.
#[derive(Clone)]
pub struct Referral<'a> {
    pub claim: &'a Claim,
    pub code: &'a Code,
    pub promoter: &'a PromoterId,
    pub program: &'a ProgramKey,
    pub terms: &'a Terms,
    /// They are not the first terms of the program.
    pub later_terms: bool,
    pub number: u32,
    /// The customer looks like its own promoter.
    pub is_own: bool,
    pub released: bool,
}

impl<'a> People<'a> {
    pub fn new(setup: &'a Setup) -> Self {
        Self {
            setup,
            same: Vec::new(),
            bonds: Vec::new(),
            claims: Vec::new(),
            emails: Vec::new(),
            emails_of_promoters: Vec::new(),
            reviews: Vec::new(),
            versions: setup.versions.iter().collect(),
            code_versions: Vec::new(),
            late_code: false,
            redemptions: Vec::new(),
            used_up: BTreeSet::new(),
        }
    }

    pub fn claim(&mut self, claim: &'a Claim) {
        if let (Some(stripe_customer), Some(user)) = (&claim.stripe_customer, &claim.user) {
            self.bind(stripe_customer, user);
        }
        self.claims.push(claim);
    }

    pub fn bind(&mut self, stripe_customer: &'a StripeCustomerId, user: &'a UserId) {
        self.bonds.push((stripe_customer, user));
    }

    /// An account is the customer that it was named beside.
    fn stripe_customer<'n>(&self, name: &'n StripeCustomerId) -> &'n StripeCustomerId
    where
        'a: 'n,
    {
        let same = self.same.iter().find(|(account, _)| *account == name);
        same.map_or(name, |(_, stripe_customer)| *stripe_customer)
    }

    /// The customer that a customer, by whatever name, is of.
    pub fn customer_named(&self, name: &StripeCustomerId) -> Customer {
        let stripe_customer = self.stripe_customer(name);
        match self.bonds.iter().find(|(bound, _)| self.stripe_customer(bound) == stripe_customer) {
            Some((_, user)) => Customer::User(UserId::clone(user)),
            None => Customer::Stripe(stripe_customer.clone()),
        }
    }

    /// The customer that is meant by one of its names.
    fn present(&self, named: &Customer) -> Customer {
        match named {
            Customer::User(_) => named.clone(),
            Customer::Stripe(name) => self.customer_named(name),
        }
    }

    fn party_of_claim(&self, claim: &Claim) -> Option<Customer> {
        let of_user = claim.user.clone().map(Customer::User);
        of_user.or_else(|| {
            claim.stripe_customer.as_ref().map(|stripe_customer| self.customer_named(stripe_customer))
        })
    }

    fn code(&self, name: &str) -> Option<(&'a Code, &'a CodeFacts)> {
        let known = self.setup.codes.iter().find(|(code, _)| code.as_str() == name);
        known.filter(|_| name != LATE || self.late_code)
    }

    /// The code that a claim names, or the one that carries the promotion code that it names.
    fn code_of(&self, claim: &Claim) -> Option<(&'a Code, &'a CodeFacts)> {
        if !names_promotion_code(claim) {
            return self.code(claim.code.as_str());
        }
        let carried = PROMOTION_CODES.iter().find(|(promotion, _)| claim.code.as_str() == *promotion);
        carried
            .filter(|(promotion, _)| *promotion != LATE_PROMOTION || self.late_code)
            .and_then(|(_, code)| self.code(code))
    }

    /// The terms of a program at a time, and whether they are its first.
    fn terms(&self, program: &ProgramKey, at: i64) -> (&'a Terms, bool) {
        let mut of_program: Vec<&TermsVersion> =
            self.versions.iter().copied().filter(|version| version.program == *program).collect();
        of_program.sort_by_key(|version| (version.valid_from, version.id));
        let valid = of_program.iter().rfind(|version| version.valid_from.unix() <= at);
        let first = of_program[0];
        let version = valid.copied().unwrap_or(first);
        (version.terms.as_ref(), version.id != first.id)
    }

    fn code_version(&self, code: &Code, facts: &'a CodeFacts, at: i64) -> Option<&'a CodeVersion> {
        let added = self.code_versions.iter().filter(|(of, _)| *of == code).map(|(_, version)| *version);
        let mut versions: Vec<&CodeVersion> = facts.versions.iter().chain(added).collect();
        versions.sort_by_key(|version| (version.valid_from, version.id));
        let valid = versions.iter().rfind(|version| version.valid_from.unix() <= at);
        valid.or(versions.first()).copied()
    }

    fn decision(&self, customer: &Customer, promoter: &PromoterId) -> Option<ReviewDecision> {
        let review = self
            .reviews
            .iter()
            .find(|(named, about, _)| *about == promoter && self.present(named) == *customer);
        review.map(|(_, _, review)| review.decision)
    }

    /// The customer and the promoter are one user, or one of the e-mails ever known of them is of both.
    fn is_own(&self, customer: &Customer, promoter: &PromoterId) -> bool {
        let facts = &self.setup.promoters[promoter];
        let is_of_promoter = |email: &EmailHash| {
            facts.emails.contains(email) || self.emails_of_promoters.contains(&(promoter, *email))
        };
        *customer == Customer::User(facts.user.clone())
            || self
                .emails
                .iter()
                .any(|(named, email)| self.present(named) == *customer && is_of_promoter(email))
    }

    /// Why a claim makes no referral; the first reason that fits.
    fn refusal(
        &self,
        customer: &Customer,
        claim: &'a Claim,
        code: &Code,
        facts: &'a CodeFacts,
    ) -> Option<NoCommission> {
        let at = claim.claimed_at.unix();
        let version = self.code_version(code, facts, at);
        // A move is not judged; but what an operator has refused stays refused.
        let judged = claim.moved_at.is_none();
        if judged && version.is_some_and(|version| !version.active) {
            return Some(NoCommission::CodeInactive);
        }
        let expires_at = version.and_then(|version| version.expires_at);
        if judged && expires_at.is_some_and(|expires_at| expires_at.unix() <= at) {
            return Some(NoCommission::CodeExpired);
        }
        if self.used_up.contains(&claim.id) {
            return Some(NoCommission::CodeUsedUp);
        }
        if judged && !self.terms(&facts.owner.program, at).0.active {
            return Some(NoCommission::ProgramInactive);
        }
        let refused = self.decision(customer, &facts.owner.promoter) == Some(ReviewDecision::Refused);
        refused.then_some(NoCommission::Refused)
    }

    /// The referral of a customer, or why there is none: the reason of its strongest claim.
    pub fn referral(&self, customer: &Customer) -> Result<Referral<'a>, NoCommission> {
        let about = |claim: &&Claim| self.party_of_claim(claim).as_ref() == Some(customer);
        let mut claims: Vec<&Claim> = self.claims.iter().copied().filter(about).collect();
        claims.sort_by(|one, other| strength(one).cmp(&strength(other)));
        let mut reasons = Vec::new();
        for claim in claims {
            let Some((code, facts)) = self.code_of(claim) else {
                reasons.extend(Some(NoCommission::UnknownCode).filter(|_| !names_promotion_code(claim)));
                continue;
            };
            if let Some(reason) = self.refusal(customer, claim, code, facts) {
                reasons.push(reason);
                continue;
            }
            let (promoter, program) = (&facts.owner.promoter, &facts.owner.program);
            let (terms, later_terms) = self.terms(program, claim.claimed_at.unix());
            return Ok(Referral {
                claim,
                code,
                promoter,
                program,
                terms,
                later_terms,
                number: self.referral_number(customer, (promoter, program)).unwrap_or(0),
                is_own: self.is_own(customer, promoter),
                released: self.decision(customer, promoter) == Some(ReviewDecision::Released),
            });
        }
        Err(reasons.first().copied().unwrap_or(NoCommission::NotReferred))
    }

    /// The smallest referral number of the names of a customer.
    fn referral_number(&self, customer: &Customer, group: (&PromoterId, &ProgramKey)) -> Option<u32> {
        let own =
            self.redemptions.iter().filter(|redemption| self.present(&redemption.customer) == *customer);
        own.filter(|redemption| redemption.group == group).map(|redemption| redemption.referral_number).min()
    }

    /// After a whole step: gives a use of its code, and a referral number, to every referral that was made by it. Where a step
    /// makes several, they go by the time and the precedence of their claims, then by name.
    pub fn give(&mut self) {
        let customers: BTreeSet<Customer> =
            self.claims.iter().filter_map(|claim| self.party_of_claim(claim)).collect();
        let mut customers: Vec<Customer> = customers.into_iter().collect();
        let turn = |customer: &Customer| {
            let referral = self.referral(customer).ok()?;
            Some((referral.claim.claimed_at, referral.claim.source.precedence()))
        };
        customers.sort_by_cached_key(turn);
        for customer in customers {
            while let Ok(referral) = self.referral(&customer) {
                let own = self
                    .redemptions
                    .iter()
                    .filter(|redemption| self.present(&redemption.customer) == customer);
                if own.into_iter().any(|redemption| redemption.code == referral.code) {
                    break;
                }
                let is_left =
                    self.setup.codes[referral.code].max_uses.is_none_or(|max| self.uses(referral.code) < max);
                // A move is not judged.
                if !is_left && referral.claim.moved_at.is_none() {
                    self.used_up.insert(&referral.claim.id);
                    continue;
                }
                let group = (referral.promoter, referral.program);
                let of_group = self.redemptions.iter().filter(|redemption| redemption.group == group);
                let next = of_group.map(|redemption| redemption.referral_number).max().unwrap_or(0) + 1;
                let referral_number = self.referral_number(&customer, group).unwrap_or(next);
                self.redemptions.push(Redemption { customer, code: referral.code, group, referral_number });
                break;
            }
        }
    }

    /// How many uses of a code were given.
    pub fn uses(&self, code: &Code) -> u32 {
        u32::try_from(self.redemptions.iter().filter(|redemption| redemption.code == code).count()).unwrap()
    }

    /// Every known code with its uses.
    pub fn all_uses(&self) -> BTreeMap<Code, u32> {
        let known = self.setup.codes.keys().filter(|code| self.code(code.as_str()).is_some());
        known.map(|code| (code.clone(), self.uses(code))).collect()
    }
}

pub fn names_promotion_code(claim: &Claim) -> bool {
    matches!(claim.source, ClaimSource::CustomerDiscount | ClaimSource::CheckoutDiscount(_))
}

/// What of a claim is compared: whether it is a move, when moved, when claimed, source, place, code, id.
type Strength<'c> = (bool, Reverse<Option<i64>>, i64, u8, u16, &'c str, &'c str);

/// The smallest wins: the last move, else the earliest claim. The id of the claim only makes the choice total.
fn strength(claim: &Claim) -> Strength<'_> {
    let (source, place) = match claim.source {
        ClaimSource::Move => (0, 0),
        ClaimSource::Api => (1, 0),
        ClaimSource::CheckoutReference => (2, 0),
        ClaimSource::CheckoutMetadata(key) => (3, key),
        ClaimSource::CustomerMetadata(key) => (4, key),
        ClaimSource::SubscriptionMetadata(key) => (5, key),
        ClaimSource::SubscriptionSnapshot(key) => (6, key),
        ClaimSource::InvoiceMetadata(key) => (7, key),
        ClaimSource::CustomerDiscount => (8, 0),
        ClaimSource::CheckoutDiscount(place) => (9, place),
        ClaimSource::InvoiceDiscount(place) => (10, place),
    };
    let moved_at = claim.moved_at.map(Timestamp::unix);
    (
        moved_at.is_none(),
        Reverse(moved_at),
        claim.claimed_at.unix(),
        source,
        place,
        claim.code.as_str(),
        claim.id.as_str(),
    )
}
