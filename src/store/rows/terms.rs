//! Rows of terms.

use std::collections::BTreeMap;
use std::sync::Arc;

use entity::program_version;
use sea_orm::ActiveValue::{NotSet, Set};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{corrupt, currency};
use crate::domain::{
    BasisPoints, CommissionBase, Currency, ProgramKey, Recurrence, Reward, Terms, TermsVersion, Tier,
    Timestamp,
};
use crate::store::error::StoreError;

const TABLE: &str = "program_version";

pub fn terms_version(row: program_version::Model) -> Result<TermsVersion, StoreError> {
    let id = row.id;
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
    let window = row.conversion_window_days.map(|days| small(id, days)).transpose()?;
    let terms = Terms {
        active: row.active,
        reward,
        base,
        currency: program_currency,
        recurrence,
        tiers: tiers(id, row.tiers)?,
        product_rates: product_rates(id, row.product_rates)?,
        cap_minor: row.cap_minor,
        max_rewards_per_promoter: row.max_rewards_per_promoter.map(|max| small(id, max)).transpose()?,
        conversion_window_days: window,
        min_invoice_minor: row.min_invoice_minor,
        min_payout_minor: min_payout(id, row.min_payout)?,
        hold_days: small(id, row.hold_days)?,
    };
    Ok(TermsVersion {
        id,
        program: ProgramKey::new(row.program_key),
        valid_from: Timestamp::from_unix(row.valid_from),
        terms: Arc::new(terms),
    })
}

/// A new version; its row number is the database's to give.
pub fn terms_row(program: &ProgramKey, terms: &Terms, valid_from: Timestamp) -> program_version::ActiveModel {
    let (rate, flat_minor) = match terms.reward {
        Reward::Percentage(rate) => (rate.get(), None),
        Reward::Flat(amount_minor) => (0, Some(amount_minor)),
    };
    let (one_time, months, invoices) = match terms.recurrence {
        Recurrence::OneTime => (true, None, None),
        Recurrence::Recurring { months, invoices } => (false, months, invoices),
    };
    let tiers: Vec<_> = terms.tiers.iter().map(|tier| (tier.from_ordinal, tier.rate.get())).collect();
    let rates: BTreeMap<_, _> = terms.product_rates.iter().map(|(name, rate)| (name, rate.get())).collect();
    let payouts: BTreeMap<_, _> =
        terms.min_payout_minor.iter().map(|(currency, minor)| (currency.as_str(), *minor)).collect();
    program_version::ActiveModel {
        id: NotSet,
        program_key: Set(program.to_string()),
        valid_from: Set(valid_from.unix()),
        rate_bps: Set(rate.into()),
        commission_base: Set(terms.base.as_str().to_owned()),
        hold_days: Set(terms.hold_days.into()),
        active: Set(terms.active),
        flat_minor: Set(flat_minor),
        currency: Set(terms.currency.map(|currency| currency.to_string())),
        one_time: Set(one_time),
        limit_months: Set(months.map(i32::from)),
        limit_invoices: Set(invoices.map(i64::from)),
        tiers: Set((!tiers.is_empty()).then(|| json!(tiers).to_string())),
        product_rates: Set((!rates.is_empty()).then(|| json!(rates).to_string())),
        cap_minor: Set(terms.cap_minor),
        // At most 10 000, by the rule of the field.
        max_rewards_per_promoter: Set(terms
            .max_rewards_per_promoter
            .map(|max| max.try_into().unwrap_or(i32::MAX))),
        conversion_window_days: Set(terms.conversion_window_days.map(i32::from)),
        min_invoice_minor: Set(terms.min_invoice_minor),
        min_payout: Set((!payouts.is_empty()).then(|| json!(payouts).to_string())),
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
    let tier = |(from_ordinal, bps)| Ok(Tier { from_ordinal, rate: rate(id, bps)? });
    tiers.into_iter().map(tier).collect()
}

fn product_rates(id: i64, column: Option<String>) -> Result<BTreeMap<String, BasisPoints>, StoreError> {
    let rates: BTreeMap<String, i32> = json_column(id, column)?;
    rates.into_iter().map(|(name, bps)| Ok((name, rate(id, bps)?))).collect()
}

fn min_payout(id: i64, column: Option<String>) -> Result<BTreeMap<Currency, i64>, StoreError> {
    let amounts: BTreeMap<String, i64> = json_column(id, column)?;
    let amount = |(code, minor): (String, i64)| Ok((currency(TABLE, &id.to_string(), &code)?, minor));
    amounts.into_iter().map(amount).collect()
}
