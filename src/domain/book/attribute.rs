//! Claims, and the referral that follows from them.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{Book, Claim, ClaimId, Code, InvoiceId, Party, Referral, ReferralId};
use crate::domain::attribution::{Grant, Verdict};
use crate::domain::codes::CodeFacts;
use crate::domain::{NoCommission, ProgramKey, PromoterId, TermsVersion};

/// Hexadecimal digits of a referral's id.
const ID_DIGITS: usize = 32;
/// Equal claims of one customer that wait for their code to be made; a further one changes nothing that can be told.
const WAITING_LIMIT: usize = 64;

/// What a claim comes to.
#[derive(Debug)]
pub enum Judged<'b> {
    /// It makes a referral, unless a stronger one does.
    Valid(&'b Code, &'b CodeFacts, &'b TermsVersion),
    /// It makes none.
    Refused(NoCommission),
    /// A promotion code that no code carries: kept, and no reason.
    Silent,
}

impl Book {
    /// True when this claim cannot change anything: a stronger claim about the same name has the same code and is valid, or
    /// would be if its customer were not refused to that promoter; and this one binds no customer to a user. Beside claims
    /// that wait for their code to be made a later one is kept, since the program may have been inactive at the first;
    /// but not without end.
    pub fn is_redundant(&self, claim: &Claim) -> bool {
        let binds = match (&claim.customer, &claim.user) {
            (Some(customer), Some(user)) => self.parties.user_of(customer) != Some(user),
            (Some(_) | None, _) => false,
        };
        let Some(named) = claim.named_party() else { return true };
        let party = self.parties.present(&named);
        let mut waiting = 0_usize;
        let says_the_same = |known: &Claim| {
            let is_equal = known.code == claim.code
                && known.source.names_promotion_code() == claim.source.names_promotion_code()
                && known.order() <= claim.order();
            is_equal
                && match self.judge(known, &party) {
                    Judged::Valid(..) | Judged::Refused(NoCommission::Refused) => true,
                    Judged::Refused(_) | Judged::Silent => {
                        waiting = waiting.saturating_add(1);
                        waiting >= WAITING_LIMIT
                    }
                }
        };
        !binds && self.parties.claims_about(&named).any(says_the_same)
    }

    /// True when a new claim may change the referral of its party, or the reason for having none: then all invoices of
    /// the party are looked at.
    pub fn may_move(&self, claim: &Claim) -> bool {
        !self.is_redundant(claim) && (self.names_known_code(claim) || self.is_strongest(claim))
    }

    fn names_known_code(&self, claim: &Claim) -> bool {
        if claim.source.names_promotion_code() {
            self.promotion_codes.contains_key(&claim.code)
        } else {
            self.codes.contains_key(&claim.code)
        }
    }

    /// True when no other claim about the party comes before this one; those that are no reason aside.
    pub(super) fn is_strongest(&self, claim: &Claim) -> bool {
        let Some(named) = claim.named_party() else { return false };
        let party = self.parties.present(&named);
        let comes_before = |known: &Claim| {
            known.order() < claim.order() && !matches!(self.judge(known, &party), Judged::Silent)
        };
        !self.parties.claims_of(&party).any(comes_before)
    }

    /// The invoices of a party that are at hand.
    pub(super) fn invoices_of_party(&self, party: &Party) -> BTreeSet<InvoiceId> {
        let customers = self.parties.customers_of(party);
        customers.iter().filter_map(|customer| self.invoices_of.get(customer)).flatten().cloned().collect()
    }

    /// Judges one claim about a party.
    pub fn judge(&self, claim: &Claim, party: &Party) -> Judged<'_> {
        let code = if claim.source.names_promotion_code() {
            match self.promotion_codes.get(&claim.code) {
                Some(code) => code,
                None => return Judged::Silent,
            }
        } else {
            &claim.code
        };
        let Some((code, facts)) = self.codes.get_key_value(code) else {
            return Judged::Refused(NoCommission::UnknownCode);
        };
        let judged = match self.frozen_version(claim, party) {
            Some(version) => Ok(version),
            None => facts.judge(claim, &self.versions),
        };
        match judged {
            Err(reason) => Judged::Refused(reason),
            Ok(_) if self.used_up.contains(&claim.id) => Judged::Refused(NoCommission::CodeUsedUp),
            Ok(_) if self.verdict_on(party, &facts.owner.promoter) == Some(Verdict::Refused) => {
                Judged::Refused(NoCommission::Refused)
            }
            Ok(version) => Judged::Valid(code, facts, version),
        }
    }

    /// The terms that the present referral of a party is frozen to, if this claim has made it: a change of code or program
    /// in the very second of the claim does not reach what exists.
    fn frozen_version(&self, claim: &Claim, party: &Party) -> Option<&TermsVersion> {
        let referral = self.referrals.get(party).filter(|known| !known.void && known.claim == claim.id)?;
        self.versions.iter().find(|version| version.id == referral.terms_version)
    }

    /// Of all valid claims about a party the one that makes its referral. Pure: gives no use of a code.
    pub fn winner(&self, party: &Party) -> Option<&Claim> {
        let valid = |claim: &&Claim| matches!(self.judge(claim, party), Judged::Valid(..));
        self.parties.claims_of(party).filter(valid).min_by_key(|claim| claim.order())
    }

    /// What was given to a party when a code made a referral of it, under any of its names.
    pub fn grant(&self, party: &Party, code: &Code) -> Option<&Grant> {
        let of_code = |name: Party| self.grants.get(&name)?.get(code);
        self.parties.names_of(party).into_iter().filter_map(of_code).min_by_key(|grant| grant.ordinal)
    }

    /// The ordinal that was given to a party in a promoter's program: of several, under several names, the smallest.
    pub fn ordinal_of(&self, party: &Party, promoter: &PromoterId, program: &ProgramKey) -> Option<u32> {
        let names = self.parties.names_of(party).into_iter();
        let grants = names.filter_map(|name| self.grants.get(&name)).flat_map(BTreeMap::values);
        let grants = grants.filter(|grant| grant.promoter == *promoter && grant.program == *program);
        grants.map(|grant| grant.ordinal).min()
    }

    /// What an operator said of (party, promoter). Should both have been said under different names of a party, the
    /// refusal counts.
    pub fn verdict_on(&self, party: &Party, promoter: &PromoterId) -> Option<Verdict> {
        let names = self.parties.names_of(party).into_iter();
        names.filter_map(|name| Some(self.rulings.get(&(name, promoter.clone()))?.verdict)).max()
    }

    /// True when this was said of a party and any promoter.
    pub fn has_verdict(&self, party: &Party, verdict: Verdict) -> bool {
        let names = self.parties.names_of(party);
        self.rulings.iter().any(|((name, _), ruling)| ruling.verdict == verdict && names.contains(name))
    }

    /// True when a party shares its user or an e-mail with a promoter, and no operator has released it.
    pub fn looks_like(&self, party: &Party, promoter: &PromoterId) -> bool {
        let Some(facts) = self.promoters.get(promoter) else { return false };
        let is_user = |name: &Party| match name {
            Party::User(user) => *user == facts.user,
            Party::Customer(customer) => self.parties.bound_user(customer) == Some(&facts.user),
        };
        let looks = self.parties.names_of(party).iter().any(is_user)
            || self.parties.emails_of(party).any(|email| facts.emails.contains(email));
        looks && self.verdict_on(party, promoter) != Some(Verdict::Released)
    }

    /// The referral of a party.
    ///
    /// # Errors
    /// The reason of its strongest claim for making none, else `not_referred`.
    pub fn referral_of_party(&self, party: &Party) -> Result<&Referral, NoCommission> {
        if let Some(referral) = self.referrals.get(party).filter(|referral| !referral.void) {
            return Ok(referral);
        }
        let refused = self.parties.claims_of(party).filter_map(|claim| match self.judge(claim, party) {
            Judged::Refused(reason) => Some((claim.order(), reason)),
            Judged::Valid(..) | Judged::Silent => None,
        });
        Err(refused.min().map_or(NoCommission::NotReferred, |(_, reason)| reason))
    }

    /// Chooses the referral of a party anew from all its claims.
    pub(super) fn attribute(&mut self, party: &Party) {
        let chosen = self.choose(party);
        let known = self.referrals.get(party);
        let referral = match (chosen, known) {
            (Some(chosen), _) => chosen,
            (None, Some(known)) => Referral { void: true, held: false, qualified: None, ..known.clone() },
            (None, None) => return,
        };
        if known != Some(&referral) {
            self.changes.referrals.insert(party.clone());
            self.referrals.insert(party.clone(), referral);
        }
    }

    /// The referral that the winning claim makes, under the id that the party's referral has already. A claim whose code has no use left is refused for good.
    fn choose(&mut self, party: &Party) -> Option<Referral> {
        loop {
            let claim = self.winner(party)?.clone();
            let Judged::Valid(code, facts, version) = self.judge(&claim, party) else { return None };
            let (code, owner) = (code.clone(), facts.owner.clone());
            let (terms_version, terms) = (version.id, version.terms.clone());
            let Some(ordinal) = self.use_code(party, &claim, &code) else { continue };
            let known = self.referrals.get(party);
            return Some(Referral {
                id: known.map_or_else(|| self.new_referral_id(&claim.id, party), |known| known.id.clone()),
                qualified: known.and_then(|known| known.qualified.clone()),
                party: party.clone(),
                held: self.looks_like(party, &owner.promoter),
                claim: claim.id,
                source: claim.source,
                code,
                promoter: owner.promoter,
                program: owner.program,
                terms_version,
                terms,
                ordinal,
                claimed_at: claim.claimed_at,
                lookback_s: claim.lookback_s,
                void: false,
            });
        }
    }

    /// An id that follows from the claim and the party, so that it is the same wherever it is made. A claim may make
    /// referrals of several parties, one after the other, when its customer turns out to be another.
    fn new_referral_id(&self, claim: &ClaimId, party: &Party) -> ReferralId {
        let mut text = format!("{claim} {party}");
        loop {
            let digest = hex::encode(Sha256::digest(text.as_bytes()));
            let id = ReferralId::new(format!("ref_{}", digest.get(..ID_DIGITS).unwrap_or(&digest)));
            if !self.referrals.values().any(|known| known.id == id) {
                return id;
            }
            text.push('+');
        }
    }

    /// The ordinal of the referral that this code makes; gives a use of the code unless the party has one. `None` when
    /// no use is left: the claim is then refused.
    fn use_code(&mut self, party: &Party, claim: &Claim, code: &Code) -> Option<u32> {
        let owner = self.codes.get(code)?.owner.clone();
        let key = (owner.promoter.clone(), owner.program.clone());
        let known_ordinal = self.ordinal_of(party, &owner.promoter, &owner.program);
        if self.grant(party, code).is_some() {
            return known_ordinal;
        }
        let facts = self.codes.get_mut(code)?;
        if facts.is_used_up() && claim.moved_at.is_none() {
            self.used_up.insert(claim.id.clone());
            self.changes.used_up.insert(claim.id.clone());
            return None;
        }
        facts.uses = facts.uses.saturating_add(1);
        let next = || self.last_ordinals.get(&key).copied().unwrap_or(0).saturating_add(1);
        let ordinal = known_ordinal.unwrap_or_else(next);
        let last = self.last_ordinals.entry(key).or_default();
        *last = (*last).max(ordinal);
        self.changes.grants.insert((party.clone(), code.clone()));
        let grant = Grant { promoter: owner.promoter, program: owner.program, ordinal };
        self.grants.entry(party.clone()).or_default().insert(code.clone(), grant);
        Some(ordinal)
    }

    /// Names became one party: a referral that stands under a former party becomes that of the present one, or one with
    /// it.
    pub(super) fn move_referral(&mut self, former: &Party) {
        let present = self.parties.present(former);
        if present == *former {
            return;
        }
        self.changes.referrals.remove(former);
        let Some(mut referral) = self.referrals.remove(former) else { return };
        for standing in self.standings.values_mut() {
            standing.remove(former);
        }
        if let Some(other) = self.referrals.get(&present) {
            self.changes.merged.insert(referral.id, other.id.clone());
        } else {
            referral.party = present.clone();
            self.changes.referrals.insert(present.clone());
            self.referrals.insert(present, referral);
        }
    }

    /// The claim that a code's making or change decides about, for every party that it concerns.
    pub(super) fn claims_naming(&self, code: &Code) -> Vec<(Party, ClaimId)> {
        let names_it = |claim: &&Claim| {
            if claim.source.names_promotion_code() {
                self.promotion_codes.get(&claim.code) == Some(code)
            } else {
                claim.code == *code
            }
        };
        let claims = self.parties.claims().filter(names_it);
        claims
            .filter_map(|claim| Some((self.parties.present(&claim.named_party()?), claim.id.clone())))
            .collect()
    }
}
