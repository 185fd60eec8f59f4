//! Filling a book with who is who, who claims what, and who was promised what.

use std::collections::{BTreeMap, BTreeSet};

use entity::{
    claim, claim_used_up, code, code_use, code_version, customer, ordinal, party_email, program_version,
    promoter, promoter_email, promotion_code, referral, ruling,
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};

use super::load::Loader;
use super::wanted::Wanted;
use crate::domain::book::{Group, PromoterFacts, Seat};
use crate::domain::{Claim, ClaimId, Code, CustomerId, EmailHash, Party, ProgramKey, PromoterId, UserId};
use crate::store::error::StoreError;
use crate::store::rows;
use crate::store::select::{KEYS_PER_STATEMENT, one_of, rows_in};

impl Loader<'_> {
    /// Users, accounts, e-mails, claims, codes, terms and referrals of the customers found so far.
    pub(super) async fn parties(&mut self, new_claims: &[Claim]) -> Result<(), StoreError> {
        let mut parties: Vec<String> = Vec::new();
        loop {
            let customers: Vec<CustomerId> =
                self.keys.customers.difference(&self.done.customers).cloned().collect();
            let users: Vec<UserId> = self.keys.users.difference(&self.done.users).cloned().collect();
            if customers.is_empty() && users.is_empty() {
                break;
            }
            self.customers(&customers, &users).await?;
            let of_customers = customers.iter().map(CustomerId::as_str);
            let of_users = users.iter().map(UserId::as_str);
            let mut claims =
                rows_in::<claim::Entity, _>(self.txn, claim::Column::CustomerId, of_customers).await?;
            claims.extend(rows_in::<claim::Entity, _>(self.txn, claim::Column::UserId, of_users).await?);
            self.take_claims(claims)?;
            self.done.customers.extend(customers.iter().cloned());
            self.done.users.extend(users.iter().cloned());
            parties.extend(customers.into_iter().map(|id| Party::Customer(id).to_string()));
            parties.extend(users.into_iter().map(|id| Party::User(id).to_string()));
        }
        self.emails(&parties).await?;
        self.promised(new_claims).await?;
        self.codes(new_claims).await?;
        self.referrals(parties).await?;
        self.promoters().await
    }

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

    /// Customer ↔ account, customer → user → all customers of that user.
    async fn customers(&mut self, ids: &[CustomerId], users: &[UserId]) -> Result<(), StoreError> {
        for some in ids.chunks(KEYS_PER_STATEMENT) {
            let names = || some.iter().map(CustomerId::as_str);
            let is_name = one_of(self.txn, customer::Column::Id, names());
            let of_names = is_name.or(one_of(self.txn, customer::Column::AliasOf, names()));
            let rows = customer::Entity::find().filter(of_names).all(self.txn).await?;
            self.take_customers(rows);
        }
        let of_users = users.iter().map(UserId::as_str);
        let rows = rows_in::<customer::Entity, _>(self.txn, customer::Column::UserId, of_users).await?;
        self.take_customers(rows);
        Ok(())
    }

    fn take_customers(&mut self, rows: Vec<customer::Model>) {
        for row in rows {
            let id = CustomerId::new(row.id);
            self.keys.customers.insert(id.clone());
            if let Some(customer) = row.alias_of.map(CustomerId::new) {
                self.keys.customers.insert(customer.clone());
                self.book.parties.identify(&id, &customer);
            }
            if let Some(user) = row.user_id.map(UserId::new) {
                self.keys.users.insert(user.clone());
                self.book.parties.bind(id, user);
            }
        }
    }

    fn take_claims(&mut self, claims: Vec<claim::Model>) -> Result<(), StoreError> {
        for row in claims {
            let claim = rows::claim(row)?;
            self.keys.customers.extend(claim.customer.clone());
            self.keys.users.extend(claim.user.clone());
            self.book.parties.add(claim);
        }
        Ok(())
    }

    async fn emails(&mut self, parties: &[String]) -> Result<(), StoreError> {
        let column = party_email::Column::Party;
        let names = parties.iter().map(String::as_str);
        for row in rows_in::<party_email::Entity, _>(self.txn, column, names).await? {
            let (party, email) = rows::email(&row)?;
            self.book.parties.add_email(party, email);
        }
        Ok(())
    }

    /// Uses, refusals and rulings of the parties about which there is any claim.
    async fn promised(&mut self, new_claims: &[Claim]) -> Result<(), StoreError> {
        let claims = self.book.parties.claims();
        let ids: Vec<String> = claims.map(|claim| claim.id.to_string()).collect();
        let column = claim_used_up::Column::ClaimId;
        for row in rows_in::<claim_used_up::Entity, _>(self.txn, column, ids).await? {
            self.book.used_up.insert(ClaimId::new(row.claim_id));
        }
        let claims = self.book.parties.claims().chain(new_claims);
        let claimed: BTreeSet<Party> = claims
            .filter_map(Claim::named_party)
            .flat_map(|named| self.book.parties.names_of(&self.book.parties.present(&named)))
            .collect();
        let names = || claimed.iter().map(ToString::to_string);
        for row in rows_in::<code_use::Entity, _>(self.txn, code_use::Column::Party, names()).await? {
            let (party, code, grant) = rows::grant(row)?;
            self.book.grants.entry(party).or_default().insert(code, grant);
        }
        for row in rows_in::<ruling::Entity, _>(self.txn, ruling::Column::Party, names()).await? {
            let (party, promoter, ruling) = rows::ruling(row)?;
            self.book.rulings.insert((party, promoter), ruling);
        }
        Ok(())
    }

    /// The codes that claims name; one that does not exist is a key, so that its making waits for us.
    async fn codes(&mut self, new_claims: &[Claim]) -> Result<(), StoreError> {
        let claims = self.book.parties.claims().chain(new_claims);
        let (promotions, plain): (Vec<&Claim>, Vec<&Claim>) =
            claims.partition(|claim| claim.source.names_promotion_code());
        let mut named: BTreeSet<Code> = plain.into_iter().map(|claim| claim.code.clone()).collect();
        let mut promotions: BTreeSet<Code> = promotions.into_iter().map(|claim| claim.code.clone()).collect();
        promotions.retain(|name| !self.book.promotion_codes.contains_key(name));
        let of_names = promotions.iter().map(Code::as_str);
        let rows = rows_in::<promotion_code::Entity, _>(self.txn, promotion_code::Column::Id, of_names);
        for row in rows.await? {
            self.book.promotion_codes.insert(Code::new(row.id), Code::new(row.code));
        }
        self.keys
            .codes
            .extend(promotions.into_iter().filter(|name| !self.book.promotion_codes.contains_key(name)));
        named.extend(self.book.promotion_codes.values().cloned());
        let unread: Vec<&str> =
            named.iter().filter(|code| !self.book.codes.contains_key(code)).map(Code::as_str).collect();
        for row in rows_in::<code::Entity, _>(self.txn, code::Column::Code, unread.iter().copied()).await? {
            let (code, facts) = rows::code(row)?;
            self.book.codes.insert(code, facts);
        }
        for row in rows_in::<code_version::Entity, _>(self.txn, code_version::Column::Code, unread).await? {
            if let Some(facts) = self.book.codes.get_mut(&Code::new(&row.code)) {
                facts.versions.push(rows::code_version(&row));
            }
        }
        self.keys.codes.extend(named.into_iter().filter(|code| !self.book.codes.contains_key(code)));
        self.terms().await
    }

    /// All versions of the terms of the programs of the codes at hand, and the ordinals given there.
    async fn terms(&mut self) -> Result<(), StoreError> {
        let known: BTreeSet<&ProgramKey> =
            self.book.versions.iter().map(|version| &version.program).collect();
        let programs: BTreeSet<&ProgramKey> =
            self.book.codes.values().map(|facts| &facts.owner.program).collect();
        let unread: Vec<String> = programs.difference(&known).map(ToString::to_string).collect();
        let column = program_version::Column::ProgramKey;
        let versions = rows_in::<program_version::Entity, _>(self.txn, column, unread).await?;
        for version in versions {
            self.book.versions.push(rows::terms_version(version)?);
        }
        let promoters: BTreeSet<&PromoterId> =
            self.book.codes.values().map(|facts| &facts.owner.promoter).collect();
        let promoters: Vec<&str> = promoters.into_iter().map(PromoterId::as_str).collect();
        let column = ordinal::Column::PromoterId;
        for row in rows_in::<ordinal::Entity, _>(self.txn, column, promoters).await? {
            let last =
                u32::try_from(row.last).or(Err(rows::corrupt("ordinal", &row.promoter_id, &row.last)))?;
            let group = (PromoterId::new(row.promoter_id), ProgramKey::new(row.program_key));
            self.book.last_ordinals.insert(group, last);
        }
        Ok(())
    }

    async fn referrals(&mut self, parties: Vec<String>) -> Result<(), StoreError> {
        let rows = rows_in::<referral::Entity, _>(self.txn, referral::Column::Party, parties).await?;
        // A referral may have been made since the claims were read, when its party is not locked yet.
        let read: BTreeSet<i64> = self.book.versions.iter().map(|version| version.id).collect();
        let unread: BTreeSet<i64> =
            rows.iter().map(|row| row.program_version_id).filter(|id| !read.contains(id)).collect();
        let unread = rows_in::<program_version::Entity, _>(self.txn, program_version::Column::Id, unread);
        for version in unread.await? {
            self.book.versions.push(rows::terms_version(version)?);
        }
        for row in rows {
            if let Some(referral) = rows::referral(row, &self.book.versions)? {
                self.book.referrals.insert(referral.party.clone(), referral);
            }
        }
        Ok(())
    }

    /// Whom customers are compared with: the promoters of all codes at hand.
    async fn promoters(&mut self) -> Result<(), StoreError> {
        let owners = self.book.codes.values().map(|facts| &facts.owner.promoter);
        let of_referrals = self.book.referrals.values().map(|referral| &referral.promoter);
        let unread: BTreeSet<PromoterId> =
            owners.chain(of_referrals).filter(|id| !self.book.promoters.contains_key(id)).cloned().collect();
        let ids = || unread.iter().map(PromoterId::as_str);
        for row in rows_in::<promoter::Entity, _>(self.txn, promoter::Column::Id, ids()).await? {
            let facts = PromoterFacts { user: UserId::new(row.user_id), emails: BTreeSet::new() };
            self.book.promoters.insert(PromoterId::new(row.id), facts);
        }
        let column = promoter_email::Column::PromoterId;
        for row in rows_in::<promoter_email::Entity, _>(self.txn, column, ids()).await? {
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
