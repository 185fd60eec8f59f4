//! Referrals.

use std::collections::BTreeMap;

use entity::referral;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;

use super::batch::{Answers, BatchSelect, BatchUpsert, OnConflict, Selection};
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
        selected.customers_of = Some(batch.tuples("referral", "customer", &from));
    }
    selected
}

impl Selected {
    /// The selected rows, whose terms are still to be found.
    pub fn rows(self, answers: &Answers, fetched: &mut Fetched) -> Result<Vec<referral::Model>, StoreError> {
        for (name,) in self.customers_of.map(|of| answers.take(of)).transpose()?.unwrap_or_default() {
            fetched.customers_of.push(customer("referral", &name)?);
        }
        Ok(self.of_customers.map(|of| answers.take(of)).transpose()?.unwrap_or_default())
    }
}

/// Those who compete first for the reward slots of a group.
pub(super) async fn rivals(
    db: &impl ConnectionTrait,
    (promoter, program): &Group,
    first: u32,
) -> Result<Vec<referral::Model>, StoreError> {
    use referral::Column;
    let rows = referral::Entity::find()
        .filter(Column::PromoterId.eq(promoter.as_str()))
        .filter(Column::ProgramKey.eq(program.as_str()))
        .filter(Column::QualifiedAt.is_not_null())
        .filter(Column::Customer.is_not_null())
        .order_by_asc(Column::QualifiedAt)
        .order_by_asc(Column::QualifiedBy)
        .limit(u64::from(first));
    Ok(rows.all(db).await?)
}

/// The reward slots that those referrals take.
pub(super) fn slots(
    rows: Vec<referral::Model>,
    memory: &Memory,
) -> Result<BTreeMap<Customer, RewardSlot>, StoreError> {
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
pub(super) fn upsert(batch: &mut BatchUpsert, changes: &Changes) -> Result<(), StoreError> {
    #[derive(Debug, Serialize)]
    struct Merged<'m> {
        id: &'m str,
        merged_into: &'m str,
    }
    if !changes.merged.is_empty() {
        let merged = changes.merged.iter();
        let merged = merged.map(|(id, into)| Merged { id: id.as_str(), merged_into: into.as_str() });
        let columns = [("id", "text"), ("merged_into", "text")];
        let (set, is_merged) =
            ("customer = NULL, merged_into = incoming.merged_into", "referral.id = incoming.id");
        batch.update("referral", set, &columns, is_merged, &merged.collect::<Vec<_>>())?;
        batch.end_statement();
    }
    batch.rows::<referral::Entity>(changes.referrals.iter().map(row), OnConflict::Overwrite)
}

/// A referral with the terms that it is frozen to; `None` for one that became one with another.
pub(super) fn referral(row: referral::Model, memory: &Memory) -> Result<Option<Referral>, StoreError> {
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
