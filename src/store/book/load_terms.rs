//! Filling a book with what claims are judged by: codes, terms and promoters; and with who competes for places.

use std::collections::{BTreeMap, BTreeSet};

use entity::{
    claim, code, code_version, ordinal, program_version, promoter, promoter_email, promotion_code, referral,
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::loader::{Loader, Unread};
use super::wanted::Wanted;
use crate::domain::book::{Group, PromoterFacts, Seat};
use crate::domain::{Claim, Code, EmailHash, Party, ProgramKey, PromoterId, UserId};
use crate::store::ask::{Answers, Ask, Place};
use crate::store::error::StoreError;
use crate::store::rows;
use crate::store::select::one_of;

impl Loader<'_> {
    /// Claims that a code's making or change decides about.
    pub(super) async fn claims_to_judge(&mut self, wanted: &Wanted) -> Result<(), StoreError> {
        let mut named = Condition::any();
        if !wanted.judged.is_empty() {
            named = named.add(one_of(self.txn, claim::Column::Code, wanted.judged.iter().map(Code::as_str)));
        }
        if let Some(since) = wanted.judged_since {
            named = named.add(claim::Column::ClaimedAt.gte(since.unix()));
        }
        if !named.is_empty() {
            self.take_claims(claim::Entity::find().filter(named).all(self.txn).await?)?;
        }
        if let Some((code, facts)) = &wanted.new_code {
            self.book.codes.insert(code.clone(), facts.clone());
        }
        Ok(())
    }

    /// The codes that claims name, in one statement with their terms, ordinals and promoters, and what the referrals that
    /// were found are frozen to. A code that does not exist is a key, so that its making waits for us.
    pub(super) async fn terms(&mut self, new_claims: &[Claim]) -> Result<(), StoreError> {
        let unread = self.unread(new_claims);
        if unread != Unread::default() {
            let mut ask = Ask::new(self.txn);
            let places = OfCodes::ask(&mut ask, &unread);
            let answers = ask.send(self.txn).await?;
            self.take_codes(&answers, places, unread)?;
        }
        let is_unknown = |code: &Code| !self.book.codes.contains_key(code);
        let is_nobodys = |name: &Code| !self.book.promotion_codes.contains_key(name);
        let (named, promotions) = self.named(new_claims);
        let mut unknown: Vec<Code> = promotions.into_iter().filter(|name| is_nobodys(name)).collect();
        unknown.extend(named.into_iter().filter(|code| is_unknown(code)));
        self.keys.codes.extend(unknown);
        for row in std::mem::take(&mut self.referrals) {
            if let Some(referral) = rows::referral(row, &self.book.versions)? {
                self.book.referrals.insert(referral.party.clone(), referral);
            }
        }
        Ok(())
    }

    /// The codes and promotion codes that claims name.
    fn named(&self, new_claims: &[Claim]) -> (BTreeSet<Code>, BTreeSet<Code>) {
        let claims = self.book.parties.claims().chain(new_claims);
        let (promotions, plain): (Vec<&Claim>, Vec<&Claim>) =
            claims.partition(|claim| claim.source.names_promotion_code());
        let named = |claims: Vec<&Claim>| claims.into_iter().map(|claim| claim.code.clone()).collect();
        (named(plain), named(promotions))
    }

    /// What claims and the referrals at hand name and was not read yet.
    pub(super) fn unread(&self, new_claims: &[Claim]) -> Unread {
        let book = &self.book;
        let (mut codes, mut promotions) = self.named(new_claims);
        let asked = &self.asked;
        codes.retain(|code| !book.codes.contains_key(code) && !asked.codes.contains(code));
        promotions
            .retain(|name| !book.promotion_codes.contains_key(name) && !asked.promotions.contains(name));
        let known: BTreeSet<i64> = book.versions.iter().map(|version| version.id).collect();
        let of_referrals = self.referrals.iter().map(|row| row.program_version_id);
        let versions = of_referrals.filter(|id| !known.contains(id)).collect();
        let known: BTreeSet<&ProgramKey> = book.versions.iter().map(|version| &version.program).collect();
        let owners = || book.codes.values().map(|facts| &facts.owner);
        let programs = owners().map(|owner| &owner.program);
        let programs = programs.filter(|program| !known.contains(program)).cloned().collect();
        let of_referrals = self.referrals.iter().map(|row| PromoterId::new(&row.promoter_id));
        let promoters = owners().map(|owner| owner.promoter.clone()).chain(of_referrals);
        let is_unread = |id: &PromoterId| !book.promoters.contains_key(id) && !asked.promoters.contains(id);
        let promoters = promoters.filter(is_unread).collect();
        Unread { codes, promotions, programs, versions, promoters }
    }

    pub(super) fn take_codes(
        &mut self,
        answers: &Answers,
        places: OfCodes,
        asked: Unread,
    ) -> Result<(), StoreError> {
        self.asked.codes.extend(asked.codes);
        self.asked.promotions.extend(asked.promotions);
        self.asked.promoters.extend(asked.promoters);
        for row in answers.take(places.promotions)? {
            self.book.promotion_codes.insert(Code::new(row.id), Code::new(row.code));
        }
        for row in answers.take(places.codes)? {
            let (code, facts) = rows::code(row)?;
            self.book.codes.insert(code, facts);
        }
        for row in answers.take(places.code_versions)? {
            if let Some(facts) = self.book.codes.get_mut(&Code::new(&row.code)) {
                facts.versions.push(rows::code_version(&row));
            }
        }
        let mut known: BTreeSet<i64> = self.book.versions.iter().map(|version| version.id).collect();
        for row in answers.take(places.versions)? {
            if known.insert(row.id) {
                self.book.versions.push(rows::terms_version(row)?);
            }
        }
        for row in answers.take(places.ordinals)? {
            let last =
                u32::try_from(row.last).or(Err(rows::corrupt("ordinal", &row.promoter_id, &row.last)))?;
            let group = (PromoterId::new(row.promoter_id), ProgramKey::new(row.program_key));
            self.book.last_ordinals.insert(group, last);
        }
        for row in answers.take(places.promoters)? {
            let facts = PromoterFacts { user: UserId::new(row.user_id), emails: BTreeSet::new() };
            self.book.promoters.insert(PromoterId::new(row.id), facts);
        }
        for row in answers.take(places.emails)? {
            if let Some(facts) = self.book.promoters.get_mut(&PromoterId::new(row.promoter_id)) {
                facts.emails.extend(EmailHash::of(&row.email));
            }
        }
        Ok(())
    }

    /// Who competes for rewarded places in the programs that limit them: as many of the first as the limits and the
    /// parties at hand can move, and the parties at hand.
    pub(super) async fn standings(&mut self) -> Result<(), StoreError> {
        let owners = self.book.codes.values().map(|facts| &facts.owner);
        let mut groups: BTreeSet<Group> =
            owners.map(|owner| (owner.promoter.clone(), owner.program.clone())).collect();
        let of_referrals = self.book.referrals.values();
        groups.extend(of_referrals.map(|known| (known.promoter.clone(), known.program.clone())));
        groups.retain(|group| self.book.limits_rewards(group));
        let parties = self.keys.customers.len().saturating_add(self.keys.users.len());
        for group in groups {
            self.keys.promoters.insert(group.0.clone());
            let seats = self.seats(&group, parties).await?;
            let is_stranger = |party: &&Party| match party {
                Party::User(user) => !self.keys.users.contains(user),
                Party::Customer(customer) => !self.keys.customers.contains(customer),
            };
            let strangers: Vec<Party> = seats.keys().filter(is_stranger).cloned().collect();
            self.book.strangers.extend(strangers);
            self.book.take_standing(group, seats);
        }
        Ok(())
    }

    async fn seats(&self, group: &Group, parties: usize) -> Result<BTreeMap<Party, Seat>, StoreError> {
        use referral::Column;
        let (promoter, program) = group;
        let versions = || self.book.versions.iter().filter(|version| version.program == *program);
        let limits = versions().filter_map(|version| version.terms.max_rewards_per_promoter);
        let first = u64::from(limits.max().unwrap_or(0));
        let limit = first.saturating_add(u64::try_from(parties).unwrap_or(u64::MAX)).saturating_add(1);
        let rows = referral::Entity::find()
            .filter(Column::PromoterId.eq(promoter.as_str()))
            .filter(Column::ProgramKey.eq(program.as_str()))
            .filter(Column::QualifiedAt.is_not_null())
            .filter(Column::Party.is_not_null())
            .order_by_asc(Column::QualifiedAt)
            .order_by_asc(Column::QualifiedBy)
            .limit(limit);
        let mut seats = BTreeMap::new();
        for row in rows.all(self.txn).await? {
            if let Some(known) = rows::referral(row, &self.book.versions)?
                && let Some(qualified) = known.qualified
            {
                seats.insert(known.party, Seat { qualified, limit: known.terms.max_rewards_per_promoter });
            }
        }
        for known in self.book.referrals.values() {
            let is_of_group = known.promoter == *promoter && known.program == *program && !known.void;
            if let Some(qualified) = known.qualified.clone().filter(|_| is_of_group) {
                let limit = known.terms.max_rewards_per_promoter;
                seats.insert(known.party.clone(), Seat { qualified, limit });
            }
        }
        Ok(seats)
    }
}

pub(super) struct OfCodes {
    promotions: Place<promotion_code::Model>,
    codes: Place<code::Model>,
    code_versions: Place<code_version::Model>,
    versions: Place<program_version::Model>,
    ordinals: Place<ordinal::Model>,
    promoters: Place<promoter::Model>,
    emails: Place<promoter_email::Model>,
}

impl OfCodes {
    /// Of each code at hand all versions of the terms of its program, and the promoter with all ordinals.
    pub(super) fn ask(ask: &mut Ask, unread: &Unread) -> Self {
        let codes = ask.texts(unread.codes.iter().map(Code::as_str));
        let promotions = ask.texts(unread.promotions.iter().map(Code::as_str));
        let programs = ask.texts(unread.programs.iter().map(ProgramKey::as_str));
        let versions = ask.numbers(unread.versions.iter().copied());
        let promoters = ask.texts(unread.promoters.iter().map(PromoterId::as_str));
        let promoted = format!("SELECT code FROM promotion_code WHERE {}", ask.is_in("id", promotions));
        let is_code = format!("{} OR {}", ask.is_in("code", codes), ask.is_among("code", &promoted));
        let of_codes = |ask: &Ask, column: &str, of_code: &str| {
            ask.is_among(column, &format!("SELECT {of_code} FROM code WHERE {is_code}"))
        };
        let is_program = of_codes(ask, "program_key", "program_key");
        let is_version = [is_program, ask.is_in("program_key", programs), ask.is_in("id", versions)];
        let is_promoter = |ask: &Ask, column: &str| {
            format!("{} OR {}", of_codes(ask, column, "promoter_id"), ask.is_in(column, promoters))
        };
        let (is_promoter, of_promoter) = (is_promoter(ask, "id"), is_promoter(ask, "promoter_id"));
        Self {
            promotions: ask.rows_in::<promotion_code::Entity>(promotion_code::Column::Id, promotions),
            codes: ask.rows::<code::Entity>(&is_code),
            code_versions: ask.rows::<code_version::Entity>(&is_code),
            versions: ask.rows::<program_version::Entity>(&is_version.join(" OR ")),
            ordinals: ask.rows::<ordinal::Entity>(&of_promoter),
            promoters: ask.rows::<promoter::Entity>(&is_promoter),
            emails: ask.rows::<promoter_email::Entity>(&of_promoter),
        }
    }
}
