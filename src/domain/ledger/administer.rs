//! What operators set up and change: programs, promoters, codes. Claims that this concerns are judged again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::merge::Touched;
use super::unit::UnitOfWork;
use super::values::PromoterFacts;
use crate::domain::catalog::{NewCode, NewPromoter};
use crate::domain::codes::CodeVersion;
use crate::domain::{
    Cause, Claim, ClaimId, Code, Customer, EmailHash, MoneyError, ProgramKey, PromoterId, Terms,
    TermsVersion, Timestamp,
};

impl UnitOfWork {
    /// Makes a program with its first terms, which count for all earlier times, too. False when it exists.
    pub fn create_program(&mut self, key: &ProgramKey, terms: Terms) -> bool {
        if self.state.versions.iter().any(|version| version.program == *key) {
            return false;
        }
        self.changed.catalog.programs.push(key.clone());
        let valid_from = self.now();
        self.push_version(TermsVersion { id: 1, program: key.clone(), valid_from, terms: Arc::new(terms) });
        true
    }

    /// Adds a version to the terms of a program, valid from now on, and judges the claims that were made since.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the unit is then half-done and must be thrown away.
    pub fn add_terms(&mut self, key: &ProgramKey, terms: Terms) -> Result<(), MoneyError> {
        let of_program = self.state.versions.iter().filter(|version| version.program == *key);
        let last = of_program.map(|version| (version.id, version.valid_from)).max();
        let (id, valid_from) = last.unwrap_or((0, self.now()));
        // Another replica's clock may be ahead of ours: the last version that was added is the one that holds.
        let valid_from = valid_from.max(self.now());
        let version = TermsVersion {
            id: id.saturating_add(1),
            program: key.clone(),
            valid_from,
            terms: Arc::new(terms),
        };
        self.push_version(version);
        self.judge_since(valid_from)?;
        Ok(())
    }

    fn push_version(&mut self, version: TermsVersion) {
        self.changed.catalog.versions.push(version.clone());
        self.state.versions.push(version);
    }

    /// Makes a user of the host a promoter. False when it is one already.
    pub fn create_promoter(&mut self, promoter: NewPromoter) -> bool {
        if self.state.promoters.values().any(|known| known.user == promoter.user) {
            return false;
        }
        let emails = promoter.email.as_deref().and_then(EmailHash::of).into_iter().collect();
        let facts = PromoterFacts { user: promoter.user.clone(), emails };
        self.state.promoters.insert(promoter.id.clone(), facts);
        self.changed.catalog.promoters.push(promoter);
        true
    }

    /// Gives a promoter another e-mail; those that it had before still count.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the unit is then half-done and must be thrown away.
    pub fn change_promoter_email(&mut self, promoter: &PromoterId, email: &str) -> Result<(), MoneyError> {
        self.changed.catalog.promoter_emails.push((promoter.clone(), email.to_owned()));
        match EmailHash::of(email) {
            Some(hash) => self.learn_of_promoter(promoter, hash),
            None => Ok(()),
        }
    }

    /// Makes a code, with a promotion code that it carries from the start, and judges the claims that waited for either.
    /// How many referrals came of it; `None` when the code exists.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the unit is then half-done and must be thrown away.
    pub fn create_code(
        &mut self,
        new: NewCode,
        promotion: Option<&Code>,
    ) -> Result<Option<usize>, MoneyError> {
        if self.state.codes.contains_key(&new.code) {
            return Ok(None);
        }
        let code = new.code.clone();
        self.state.codes.insert(code.clone(), new.facts.clone());
        self.changed.catalog.codes.push(new);
        if let Some(promotion) = promotion {
            self.carry(promotion, &code);
        }
        self.judge_again(&code).map(Some)
    }

    /// Makes a code carry a promotion code of Stripe, for good. False when another code carries it. The claims that name
    /// it are judged with [`Self::judge_again`].
    pub fn carry(&mut self, promotion: &Code, code: &Code) -> bool {
        if let Some(carrier) = self.state.promotion_codes.get(promotion) {
            return carrier == code;
        }
        self.state.promotion_codes.insert(promotion.clone(), code.clone());
        self.changed.catalog.promotion_codes.push((promotion.clone(), code.clone()));
        true
    }

    /// Sets how many referrals a code may make.
    pub fn limit_code(&mut self, code: &Code, max_uses: Option<u32>) {
        if let Some(facts) = self.state.codes.get_mut(code)
            && facts.max_uses != max_uses
        {
            facts.max_uses = max_uses;
            self.changed.catalog.code_limits.push((code.clone(), max_uses));
        }
    }

    /// Adds a version to a code, valid from now on, when it differs from the one that holds; judges the claims that were
    /// made since.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the unit is then half-done and must be thrown away.
    pub fn add_code_version(
        &mut self,
        code: &Code,
        active: Option<bool>,
        expires_at: Option<Option<Timestamp>>,
    ) -> Result<(), MoneyError> {
        let now = self.now();
        let Some(facts) = self.state.codes.get_mut(code) else { return Ok(()) };
        let latest = facts.version_at(Timestamp::from_unix(i64::MAX)).copied();
        let (known_active, known_expiry) =
            latest.map_or((true, None), |known| (known.active, known.expires_at));
        let last = facts.versions.iter().map(|version| version.id).max().unwrap_or(0);
        let version = CodeVersion {
            id: last.saturating_add(1),
            // Another replica's clock may be ahead of ours: the last version that was added is the one that holds.
            valid_from: latest.map_or(now, |latest| now.max(latest.valid_from)),
            active: active.unwrap_or(known_active),
            expires_at: expires_at.unwrap_or(known_expiry),
        };
        if (version.active, version.expires_at) == (known_active, known_expiry) {
            return Ok(());
        }
        facts.versions.push(version);
        self.changed.catalog.code_versions.push((code.clone(), version));
        self.judge_since(version.valid_from)?;
        Ok(())
    }

    /// Judges claims again, after a code that they name was made, changed, or given a promotion code. Returns how many
    /// referrals came of it or changed.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the unit is then half-done and must be thrown away.
    pub fn judge_again(&mut self, code: &Code) -> Result<usize, MoneyError> {
        self.judge_all(self.state.claims_naming(code))
    }

    /// Judges claims again that were made then or later: what they are judged by has a new version from then on.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the unit is then half-done and must be thrown away.
    pub fn judge_since(&mut self, since: Timestamp) -> Result<usize, MoneyError> {
        let later = self.state.customers.claims().filter(|claim| claim.claimed_at >= since);
        let named = later.filter_map(|claim| Some((claim.named_customer()?, claim.id.clone())));
        let claims =
            named.map(|(customer, claim)| (self.state.customers.present(&customer), claim)).collect();
        self.judge_all(claims)
    }

    fn judge_all(&mut self, claims: Vec<(Customer, ClaimId)>) -> Result<usize, MoneyError> {
        let mut of_customer: BTreeMap<Customer, BTreeSet<ClaimId>> = BTreeMap::new();
        for (customer, claim) in claims {
            of_customer.entry(customer).or_default().insert(claim);
        }
        let state = &self.state;
        let first = |(customer, claims): (Customer, BTreeSet<ClaimId>)| {
            let winner = state.winner(&customer).filter(|winner| claims.contains(&winner.id));
            let known = claims.iter().filter_map(|claim| state.customers.claim(claim));
            let claim = winner.or_else(|| known.min_by_key(|claim| claim.order()))?.clone();
            Some((customer, claim))
        };
        let mut concerned: Vec<(Customer, Claim)> = of_customer.into_iter().filter_map(first).collect();
        // Those who claimed first are served first.
        concerned.sort_by(|(_, one), (_, other)| one.turn().cmp(&other.turn()));
        let before = self.changed.referrals.len();
        let (mut of_all, mut of_each) = (Touched::default(), Vec::new());
        for (customer, Claim { id: claim, .. }) in concerned {
            let mut touched = Touched { changed: true, ..Touched::default() };
            // The reason of an invoice changes even where no referral comes of it.
            touched.customers.insert(customer.clone());
            touched.named.insert(customer);
            self.attribute_touched(&mut touched);
            of_all.customers.extend(touched.customers.iter().cloned());
            of_each.push((touched, Cause::Claim(claim)));
        }
        // Slots and numbers are of the whole call: nobody earns for a moment because another one is served later.
        let (_, others) = self.give(&of_all)?;
        if let Some((first, _)) = of_each.first_mut() {
            first.invoices.extend(others);
        }
        for (touched, cause) in of_each {
            self.settle(&touched, &cause)?;
        }
        Ok(self.changed.referrals.len().saturating_sub(before))
    }
}
