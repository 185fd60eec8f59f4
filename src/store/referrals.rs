//! Referrals.

use std::collections::{BTreeMap, BTreeSet};

use entity::referral;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::batch::{Answers, BatchSelect, BatchUpsert, Column as BatchColumn, OnConflict, Selection};
use super::claims::source;
use super::customers::keys;
use super::error::{StoreError, corrupt};
use super::memory::Memory;
use super::values::{customer, number};
use crate::domain::ledger::{Changes, Fetched, Group, Needs, RewardSlot};
use crate::domain::{
    ClaimId, Code, Customer, InvoiceId, ProgramKey, PromoterId, Referral, ReferralId, Timestamp,
};

/// The selections of referrals.
#[derive(Debug, Default)]
pub(super) struct Selected {
    of_customers: Option<Selection<referral::Model>>,
    /// The customers of promoters.
    customers_of: Option<Selection<(String,)>>,
    /// Those who compete first for the reward slots of groups.
    rivals: Vec<(Group, Selection<referral::Model>)>,
}

/// Rows whose terms are still to be found.
#[derive(Debug, Default)]
pub(super) struct Rows {
    of_customers: Vec<referral::Model>,
    rivals: Vec<(Group, Vec<referral::Model>)>,
}

/// Selects the referrals of the customers that are needed, and the customers of promoters.
pub(super) fn select(batch: &mut BatchSelect, needs: &Needs) -> Selected {
    let mut selected = Selected::default();
    if !needs.customers.is_empty() {
        let names = keys(&needs.customers);
        let names = batch.texts(names.iter().map(String::as_str));
        selected.of_customers = Some(batch.rows_in::<referral::Entity>(referral::Column::Customer, names));
    }
    if !needs.customers_of.is_empty() {
        let promoters = batch.texts(needs.customers_of.iter().map(PromoterId::as_str));
        let is_theirs = batch.is_in("promoter_id", promoters);
        let from = format!("referral WHERE customer IS NOT NULL AND {is_theirs}");
        let columns = [BatchColumn::of(&referral::Column::Customer)];
        selected.customers_of = Some(batch.tuples("referral", &columns, from));
    }
    for (group, first) in &needs.slots {
        selected.rivals.push((group.clone(), rivals(batch, group, *first)));
    }
    selected
}

/// Those who compete first for the reward slots of a group.
fn rivals(batch: &mut BatchSelect, (promoter, program): &Group, first: u32) -> Selection<referral::Model> {
    let promoter = batch.value(promoter.as_str());
    let program = batch.value(program.as_str());
    let first = batch.value(i64::from(first));
    batch.rows::<referral::Entity>(&format!(
        "promoter_id = {promoter} AND program_key = {program} AND qualified_at IS NOT NULL \
         AND customer IS NOT NULL ORDER BY qualified_at, qualified_by LIMIT {first}"
    ))
}

impl Selected {
    /// The selected rows.
    pub(super) fn rows(self, answers: &mut Answers, fetched: &mut Fetched) -> Result<Rows, StoreError> {
        for (name,) in self.customers_of.map(|of| answers.take(of)).transpose()?.unwrap_or_default() {
            fetched.customers_of.push(customer("referral", &name)?);
        }
        let of_customers = self.of_customers.map(|of| answers.take(of)).transpose()?.unwrap_or_default();
        let mut rivals = Vec::new();
        for (group, selection) in self.rivals {
            rivals.push((group, answers.take(selection)?));
        }
        Ok(Rows { of_customers, rivals })
    }
}

impl Rows {
    /// The programs whose terms they name.
    pub(super) fn programs(&self) -> BTreeSet<ProgramKey> {
        let rivals = self.rivals.iter().flat_map(|(_, rows)| rows);
        self.of_customers.iter().chain(rivals).map(|row| ProgramKey::new(&row.program_key)).collect()
    }

    /// Reads them, with the terms that they are frozen to.
    pub(super) fn read(self, memory: &Memory, fetched: &mut Fetched) -> Result<(), StoreError> {
        for row in self.of_customers {
            fetched.referrals.extend(referral(row, memory)?);
        }
        for (group, rows) in self.rivals {
            fetched.slots.push((group, slots(rows, memory)?));
        }
        Ok(())
    }
}

/// The reward slots that those referrals take.
fn slots(rows: Vec<referral::Model>, memory: &Memory) -> Result<BTreeMap<Customer, RewardSlot>, StoreError> {
    let mut slots = BTreeMap::new();
    for row in rows {
        if let Some(known) = referral(row, memory)?
            && let Some(qualified) = known.qualified
        {
            let limit = known.terms.max_rewards_per_promoter;
            slots.insert(known.customer, RewardSlot { qualified, limit });
        }
    }
    Ok(slots)
}

/// Adds new and changed referrals. Those that became one with another first give up their customer.
pub(super) fn upsert(batch: &mut BatchUpsert, changes: &Changes) {
    use referral::Column;
    if !changes.merged.is_empty() {
        let merged = changes.merged.iter();
        let merged =
            merged.map(|(id, into)| vec![None::<String>.into(), into.as_str().into(), id.as_str().into()]);
        let set = [Column::Customer, Column::MergedInto];
        batch.update::<referral::Entity>(&set, &[Column::Id], merged.collect());
        batch.end_statement();
    }
    batch.rows::<referral::Entity>(changes.referrals.iter().map(row), OnConflict::Overwrite);
}

/// A referral with the terms that it is frozen to; `None` for one that became one with another.
fn referral(row: referral::Model, memory: &Memory) -> Result<Option<Referral>, StoreError> {
    let Some(name) = row.customer else { return Ok(None) };
    let program = ProgramKey::new(row.program_key);
    let mut versions = memory.versions(&program).into_iter().flatten();
    let version = versions.find(|version| version.id == row.program_version);
    let version = version.ok_or_else(|| corrupt("referral", &row.id, &row.program_version))?;
    let qualified_at = row.qualified_at.map(Timestamp::from_unix);
    Ok(Some(Referral {
        source: source("referral", &row.id, row.precedence)?,
        customer: customer("referral", &name)?,
        referral_number: row.referral_number.map(|given| number("referral", &row.id, given)).transpose()?,
        id: ReferralId::new(row.id),
        claim: ClaimId::new(row.claim_id),
        code: Code::new(row.code),
        promoter: PromoterId::new(row.promoter_id),
        program,
        terms_version: version.id,
        terms: version.terms.clone(),
        claimed_at: Timestamp::from_unix(row.claimed_at),
        lookback_s: row.lookback_s,
        void: row.void,
        held: row.held,
        qualified: qualified_at.zip(row.qualified_by.map(InvoiceId::new)),
    }))
}

fn row(referral: &Referral) -> referral::Model {
    let (qualified_at, qualified_by) = referral.qualified.clone().unzip();
    referral::Model {
        id: referral.id.to_string(),
        customer: Some(referral.customer.to_string()),
        merged_into: None,
        claim_id: referral.claim.to_string(),
        precedence: referral.source.precedence().into(),
        code: referral.code.to_string(),
        promoter_id: referral.promoter.to_string(),
        program_key: referral.program.to_string(),
        program_version: referral.terms_version,
        claimed_at: referral.claimed_at.unix(),
        lookback_s: referral.lookback_s,
        referral_number: referral.referral_number.map(i64::from),
        void: referral.void,
        held: referral.held,
        qualified_at: qualified_at.map(Timestamp::unix),
        qualified_by: qualified_by.map(InvoiceId::into_string),
    }
}

/// A referral, as far as it is needed to find everything else of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its id.
    pub id: ReferralId,
    /// Whose it is.
    pub customer: Customer,
    /// Who earns.
    pub promoter: PromoterId,
    /// Under which program.
    pub program: ProgramKey,
}

/// How often a merged referral is followed to the one that it became one with.
const MERGES_LIMIT: u32 = 32;

/// The referral of an id, or the one that it became one with.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn find(db: &impl ConnectionTrait, id: &str) -> Result<Option<Found>, StoreError> {
    let mut id = id.to_owned();
    for _ in 0..MERGES_LIMIT {
        let Some(row) = referral::Entity::find_by_id(&id).one(db).await? else { return Ok(None) };
        match (row.merged_into.clone(), found(row)?) {
            (_, Some(found)) => return Ok(Some(found)),
            (Some(into), None) => id = into,
            (None, None) => return Ok(None),
        }
    }
    Ok(None)
}

/// The referral of a customer, if there is one.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn of_customer(
    db: &impl ConnectionTrait,
    customer: &Customer,
) -> Result<Option<Found>, StoreError> {
    let of_customer = referral::Column::Customer.eq(customer.to_string());
    let row = referral::Entity::find().filter(of_customer).one(db).await?;
    row.map_or(Ok(None), found)
}

/// Which referrals to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those of this promoter.
    pub promoter: Option<PromoterId>,
    /// Only those in this program.
    pub program: Option<ProgramKey>,
    /// Only those that are held.
    pub held: bool,
}

/// Referrals by id, at most `limit` after the one named `after`.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: &Filter,
    after: Option<&ReferralId>,
    limit: u64,
) -> Result<Vec<Found>, StoreError> {
    let mut query = referral::Entity::find().filter(referral::Column::Customer.is_not_null());
    if filter.held {
        // Only with this very word, and not with a parameter, does a planner see that the partial index fits.
        query = query.filter(Expr::cust("held"));
    }
    if let Some(promoter) = &filter.promoter {
        query = query.filter(referral::Column::PromoterId.eq(promoter.as_str()));
    }
    if let Some(program) = &filter.program {
        query = query.filter(referral::Column::ProgramKey.eq(program.as_str()));
    }
    if let Some(after) = after {
        query = query.filter(referral::Column::Id.gt(after.as_str()));
    }
    let rows = query.order_by_asc(referral::Column::Id).limit(limit).all(db).await?;
    let found: Result<Vec<Option<Found>>, StoreError> = rows.into_iter().map(found).collect();
    Ok(found?.into_iter().flatten().collect())
}

fn found(row: referral::Model) -> Result<Option<Found>, StoreError> {
    let Some(name) = row.customer else { return Ok(None) };
    Ok(Some(Found {
        customer: customer("referral", &name)?,
        id: ReferralId::new(row.id),
        promoter: PromoterId::new(row.promoter_id),
        program: ProgramKey::new(row.program_key),
    }))
}
