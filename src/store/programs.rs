//! Programs and the versions of their terms.

use std::collections::BTreeMap;
use std::sync::Arc;

use entity::{program, program_version};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::batch::{Answers, BatchSelect, BatchUpsert, OnConflict, Selection};
use super::error::{StoreError, corrupt};
use super::values::currency;
use crate::domain::ledger::{Changes, Fetched, Needs};
use crate::domain::{
    BasisPoints, CommissionBase, Currency, ProgramKey, Recurrence, Reward, Terms, TermsVersion, Tier,
    TiersBy, Timestamp,
};

const TABLE: &str = "program_version";

/// The selection of terms.
#[derive(Debug, Default)]
pub(super) struct Selected(Option<Selection<program_version::Model>>);

/// Selects all versions of the programs that are needed.
pub(super) fn select(batch: &mut BatchSelect, needs: &Needs) -> Selected {
    if needs.programs.is_empty() {
        return Selected(None);
    }
    let keys = batch.texts(needs.programs.iter().map(ProgramKey::as_str));
    Selected(Some(batch.rows_in::<program_version::Entity>(program_version::Column::ProgramKey, keys)))
}

impl Selected {
    /// Reads what was selected.
    pub(super) fn read(self, answers: &mut Answers, fetched: &mut Fetched) -> Result<(), StoreError> {
        for row in self.0.map(|versions| answers.take(versions)).transpose()?.unwrap_or_default() {
            fetched.versions.push(value(row)?);
        }
        Ok(())
    }
}

/// Adds new programs and versions.
pub(super) fn upsert(batch: &mut BatchUpsert, changes: &Changes, at: Timestamp) {
    let programs = changes.catalog.programs.iter();
    let programs = programs.map(|key| program::Model { key: key.to_string(), created_at: at.unix() });
    batch.rows::<program::Entity>(programs, OnConflict::Refuse);
    batch.rows::<program_version::Entity>(changes.catalog.versions.iter().map(row), OnConflict::Refuse);
}

/// All versions of the terms of a program, or of all programs, by program, oldest first.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn versions(
    db: &impl ConnectionTrait,
    program: Option<&ProgramKey>,
) -> Result<Vec<TermsVersion>, StoreError> {
    let mut query = program_version::Entity::find()
        .order_by_asc(program_version::Column::ProgramKey)
        .order_by_asc(program_version::Column::Version);
    if let Some(program) = program {
        query = query.filter(program_version::Column::ProgramKey.eq(program.as_str()));
    }
    query.all(db).await?.into_iter().map(value).collect()
}

fn value(row: program_version::Model) -> Result<TermsVersion, StoreError> {
    let id = row.version;
    let base = CommissionBase::parse(&row.commission_base);
    let base = base.ok_or_else(|| corrupt(TABLE, &id, &row.commission_base))?;
    let reward = match row.flat_minor {
        Some(amount_minor) => Reward::Flat(amount_minor),
        None => Reward::Percentage(rate(id, row.rate_bps)?),
    };
    let recurrence = if row.one_time {
        Recurrence::OneTime
    } else {
        let months = row.limit_months.map(|months| small(id, months)).transpose()?;
        let invoices = row.limit_invoices.map(|invoices| small(id, invoices)).transpose()?;
        Recurrence::Recurring { months, invoices }
    };
    let program_currency = row.currency.map(|code| currency(TABLE, &id.to_string(), &code)).transpose()?;
    let tiers_by = TiersBy::parse(&row.tiers_by).ok_or_else(|| corrupt(TABLE, &id, &row.tiers_by))?;
    let window = row.conversion_window_days.map(|days| small(id, days)).transpose()?;
    let terms = Terms {
        active: row.active,
        reward,
        base,
        exclude_shipping: row.exclude_shipping,
        currency: program_currency,
        recurrence,
        tiers: tiers(id, row.tiers)?,
        tiers_by,
        product_rates: product_rates(id, row.product_rates)?,
        caps: amounts(id, row.caps)?,
        max_rewards_per_promoter: row.max_rewards_per_promoter.map(|max| small(id, max)).transpose()?,
        conversion_window_days: window,
        min_invoices: amounts(id, row.min_invoices)?,
        min_payouts: amounts(id, row.min_payouts)?,
        new_customers_only: row.new_customers_only,
        hold_days: small(id, row.hold_days)?,
    };
    Ok(TermsVersion {
        id,
        program: ProgramKey::new(row.program_key),
        valid_from: Timestamp::from_unix(row.valid_from),
        terms: Arc::new(terms),
    })
}

fn row(version: &TermsVersion) -> program_version::Model {
    let terms = version.terms.as_ref();
    let (rate, flat_minor) = match terms.reward {
        Reward::Percentage(rate) => (rate.get(), None),
        Reward::Flat(amount_minor) => (0, Some(amount_minor)),
    };
    let (one_time, months, invoices) = match terms.recurrence {
        Recurrence::OneTime => (true, None, None),
        Recurrence::Recurring { months, invoices } => (false, months, invoices),
    };
    let tiers: Vec<_> = terms.tiers.iter().map(|tier| (tier.from_number, tier.rate.get())).collect();
    let rates: BTreeMap<_, _> = terms.product_rates.iter().map(|(name, rate)| (name, rate.get())).collect();
    program_version::Model {
        program_key: version.program.to_string(),
        version: version.id,
        valid_from: version.valid_from.unix(),
        active: terms.active,
        rate_bps: rate.into(),
        flat_minor,
        commission_base: terms.base.as_str().to_owned(),
        exclude_shipping: terms.exclude_shipping,
        currency: terms.currency.map(|currency| currency.to_string()),
        one_time,
        limit_months: months.map(i32::from),
        limit_invoices: invoices.map(i64::from),
        tiers: (!tiers.is_empty()).then(|| json!(tiers).to_string()),
        tiers_by: terms.tiers_by.as_str().to_owned(),
        product_rates: (!rates.is_empty()).then(|| json!(rates).to_string()),
        caps: amounts_column(&terms.caps),
        min_invoices: amounts_column(&terms.min_invoices),
        min_payouts: amounts_column(&terms.min_payouts),
        new_customers_only: terms.new_customers_only,
        // At most 10 000, by the rule of the field.
        max_rewards_per_promoter: terms
            .max_rewards_per_promoter
            .map(|max| max.try_into().unwrap_or(i32::MAX)),
        conversion_window_days: terms.conversion_window_days.map(i32::from),
        hold_days: terms.hold_days.into(),
    }
}

fn rate(id: i64, bps: i32) -> Result<BasisPoints, StoreError> {
    let rate = u16::try_from(bps).ok().and_then(BasisPoints::new);
    rate.ok_or_else(|| corrupt(TABLE, &id, &bps))
}

fn small<From: ToString + Copy, To: TryFrom<From>>(id: i64, stored: From) -> Result<To, StoreError> {
    To::try_from(stored).or(Err(corrupt(TABLE, &id, &stored)))
}

fn json_column<T: DeserializeOwned + Default>(id: i64, column: Option<String>) -> Result<T, StoreError> {
    let Some(text) = column else { return Ok(T::default()) };
    serde_json::from_str(&text).or(Err(corrupt(TABLE, &id, &text)))
}

fn tiers(id: i64, column: Option<String>) -> Result<Vec<Tier>, StoreError> {
    let tiers: Vec<(u32, i32)> = json_column(id, column)?;
    let tier = |(from_number, bps)| Ok(Tier { from_number, rate: rate(id, bps)? });
    tiers.into_iter().map(tier).collect()
}

fn product_rates(id: i64, column: Option<String>) -> Result<BTreeMap<String, BasisPoints>, StoreError> {
    let rates: BTreeMap<String, i32> = json_column(id, column)?;
    rates.into_iter().map(|(name, bps)| Ok((name, rate(id, bps)?))).collect()
}

fn amounts(id: i64, column: Option<String>) -> Result<BTreeMap<Currency, i64>, StoreError> {
    let amounts: BTreeMap<String, i64> = json_column(id, column)?;
    let amount = |(code, minor): (String, i64)| Ok((currency(TABLE, &id.to_string(), &code)?, minor));
    amounts.into_iter().map(amount).collect()
}

fn amounts_column(amounts: &BTreeMap<Currency, i64>) -> Option<String> {
    let by_code: BTreeMap<&str, i64> =
        amounts.iter().map(|(currency, minor)| (currency.as_str(), *minor)).collect();
    (!by_code.is_empty()).then(|| json!(by_code).to_string())
}
