//! Who is who, and who referred whom: `semantics.md` §5. Everything is looked up in the whole list of what was told;
//! only uses of codes and ordinals are kept as they were given, since they go by arrival.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use referrald::domain::attribution::{Ruling, Verdict};
use referrald::domain::codes::CodeVersion;
use referrald::domain::{
    Claim, ClaimId, ClaimSource, Code, CodeFacts, CustomerId, EmailHash, NoCommission, Party, ProgramKey,
    PromoterId, Terms, TermsVersion, Timestamp, UserId,
};

use crate::setup::{LATE, LATE_PROMOTION, PROMOTION_CODES, Setup};

pub struct People<'a> {
    setup: &'a Setup,
    /// (account, customer).
    pub same: Vec<(&'a CustomerId, &'a CustomerId)>,
    bonds: Vec<(&'a CustomerId, &'a UserId)>,
    claims: Vec<&'a Claim>,
    /// As the party was named.
    pub emails: Vec<(Party, EmailHash)>,
    pub emails_of_promoters: Vec<(&'a PromoterId, EmailHash)>,
    pub rulings: Vec<(&'a Party, &'a PromoterId, &'a Ruling)>,
    pub versions: Vec<&'a TermsVersion>,
    pub code_versions: Vec<(&'a Code, &'a CodeVersion)>,
    pub late_code: bool,
    grants: Vec<Grant<'a>>,
    used_up: BTreeSet<&'a ClaimId>,
}

/// One use of a code.
struct Grant<'a> {
    /// As the party was named then.
    party: Party,
    code: &'a Code,
    group: (&'a PromoterId, &'a ProgramKey),
    ordinal: u32,
}

/// The referral of a party.
#[derive(Clone)]
pub struct Referral<'a> {
    pub claim: &'a Claim,
    pub code: &'a Code,
    pub promoter: &'a PromoterId,
    pub program: &'a ProgramKey,
    pub terms: &'a Terms,
    /// They are not the first terms of the program.
    pub later_terms: bool,
    pub ordinal: u32,
    /// The party looks like its own promoter.
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
            rulings: Vec::new(),
            versions: setup.versions.iter().collect(),
            code_versions: Vec::new(),
            late_code: false,
            grants: Vec::new(),
            used_up: BTreeSet::new(),
        }
    }

    pub fn claim(&mut self, claim: &'a Claim) {
        if let (Some(customer), Some(user)) = (&claim.customer, &claim.user) {
            self.bind(customer, user);
        }
        self.claims.push(claim);
    }

    pub fn bind(&mut self, customer: &'a CustomerId, user: &'a UserId) {
        self.bonds.push((customer, user));
    }

    /// An account is the customer that it was named beside.
    fn customer<'n>(&self, name: &'n CustomerId) -> &'n CustomerId
    where
        'a: 'n,
    {
        let same = self.same.iter().find(|(account, _)| *account == name);
        same.map_or(name, |(_, customer)| *customer)
    }

    /// The party that a customer, by whatever name, is of.
    pub fn party_of(&self, name: &CustomerId) -> Party {
        let customer = self.customer(name);
        match self.bonds.iter().find(|(bound, _)| self.customer(bound) == customer) {
            Some((_, user)) => Party::User(UserId::clone(user)),
            None => Party::Customer(customer.clone()),
        }
    }

    /// The party that is meant by one of its names.
    fn present(&self, named: &Party) -> Party {
        match named {
            Party::User(_) => named.clone(),
            Party::Customer(name) => self.party_of(name),
        }
    }

    fn party_of_claim(&self, claim: &Claim) -> Option<Party> {
        let of_user = claim.user.clone().map(Party::User);
        of_user.or_else(|| claim.customer.as_ref().map(|customer| self.party_of(customer)))
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

    fn verdict(&self, party: &Party, promoter: &PromoterId) -> Option<Verdict> {
        let ruling =
            self.rulings.iter().find(|(named, about, _)| *about == promoter && self.present(named) == *party);
        ruling.map(|(_, _, ruling)| ruling.verdict)
    }

    /// The party and the promoter are one user, or one of the e-mails ever known of them is of both.
    fn is_own(&self, party: &Party, promoter: &PromoterId) -> bool {
        let facts = &self.setup.promoters[promoter];
        let is_of_promoter = |email: &EmailHash| {
            facts.emails.contains(email) || self.emails_of_promoters.contains(&(promoter, *email))
        };
        *party == Party::User(facts.user.clone())
            || self.emails.iter().any(|(named, email)| self.present(named) == *party && is_of_promoter(email))
    }

    /// Why a claim makes no referral; the first reason that fits.
    fn refusal(
        &self,
        party: &Party,
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
        let refused = self.verdict(party, &facts.owner.promoter) == Some(Verdict::Refused);
        refused.then_some(NoCommission::Refused)
    }

    /// The referral of a party, or why there is none: the reason of its strongest claim.
    pub fn referral(&self, party: &Party) -> Result<Referral<'a>, NoCommission> {
        let about = |claim: &&Claim| self.party_of_claim(claim).as_ref() == Some(party);
        let mut claims: Vec<&Claim> = self.claims.iter().copied().filter(about).collect();
        claims.sort_by(|one, other| strength(one).cmp(&strength(other)));
        let mut reasons = Vec::new();
        for claim in claims {
            let Some((code, facts)) = self.code_of(claim) else {
                reasons.extend(Some(NoCommission::UnknownCode).filter(|_| !names_promotion_code(claim)));
                continue;
            };
            if let Some(reason) = self.refusal(party, claim, code, facts) {
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
                ordinal: self.ordinal(party, (promoter, program)).unwrap_or(0),
                is_own: self.is_own(party, promoter),
                released: self.verdict(party, promoter) == Some(Verdict::Released),
            });
        }
        Err(reasons.first().copied().unwrap_or(NoCommission::NotReferred))
    }

    /// The smallest ordinal of the names of a party.
    fn ordinal(&self, party: &Party, group: (&PromoterId, &ProgramKey)) -> Option<u32> {
        let own = self.grants.iter().filter(|grant| self.present(&grant.party) == *party);
        own.filter(|grant| grant.group == group).map(|grant| grant.ordinal).min()
    }

    /// After a whole step: gives a use of its code, and an ordinal, to every referral that was made by it. Where a step
    /// makes several, users come before customers, and each by name.
    pub fn give(&mut self) {
        let parties: BTreeSet<Party> =
            self.claims.iter().filter_map(|claim| self.party_of_claim(claim)).collect();
        for party in parties {
            while let Ok(referral) = self.referral(&party) {
                let own = self.grants.iter().filter(|grant| self.present(&grant.party) == party);
                if own.into_iter().any(|grant| grant.code == referral.code) {
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
                let of_group = self.grants.iter().filter(|grant| grant.group == group);
                let next = of_group.map(|grant| grant.ordinal).max().unwrap_or(0) + 1;
                let ordinal = self.ordinal(&party, group).unwrap_or(next);
                self.grants.push(Grant { party, code: referral.code, group, ordinal });
                break;
            }
        }
    }

    /// How many uses of a code were given.
    pub fn uses(&self, code: &Code) -> u32 {
        u32::try_from(self.grants.iter().filter(|grant| grant.code == code).count()).unwrap()
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
        ClaimSource::OlderSubscriptionMetadata(key) => (6, key),
        ClaimSource::InvoiceMetadata(key) => (7, key),
        ClaimSource::CustomerDiscount => (8, 0),
        ClaimSource::CheckoutDiscount(place) => (9, place),
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
