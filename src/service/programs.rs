//! Making programs, and adding versions to their terms.

use std::collections::BTreeMap;

use super::error::{RefusalCode, ServiceError};
use super::fields::{Limit, invalid, name};
use super::ledger;
use crate::domain::ledger::Needs;
use crate::domain::terms::valid_at;
use crate::domain::{
    BasisPoints, CommissionBase, Currency, ProgramKey, Recurrence, Reward, Terms, TermsVersion, Tier,
    TiersBy, Timestamp,
};
use crate::store::{Database, programs};

/// Days of the hold period when nobody says otherwise.
const DEFAULT_HOLD_DAYS: u16 = 30;

/// What a request says of terms: what it does not name stays as it is, or has its default.
#[derive(Debug, Clone, Default)]
pub struct TermsChange {
    /// Whether the program takes new referrals.
    pub active: Option<bool>,
    /// A share or a fixed amount.
    pub reward: Option<Reward>,
    /// What a share is taken of.
    pub base: Option<CommissionBase>,
    /// Whether what was paid for shipping is no part of the base.
    pub exclude_shipping: Option<bool>,
    /// The currency of a flat reward.
    pub currency: Option<Limit<Currency>>,
    /// Only the first invoice earns, or all within the limits.
    pub one_time: Option<bool>,
    /// Limit in months; with `one_time` it means nothing.
    pub months: Option<Limit<u16>>,
    /// Limit in invoices.
    pub invoices: Option<Limit<u32>>,
    /// Rates by referral number.
    pub tiers: Option<Vec<Tier>>,
    /// When a referral is given the number that tiers go by.
    pub tiers_by: Option<TiersBy>,
    /// Rates by price or product.
    pub product_rates: Option<BTreeMap<String, BasisPoints>>,
    /// Cap per invoice, in minor units by currency.
    pub caps: Option<BTreeMap<Currency, i64>>,
    /// Rewarded referrals per promoter.
    pub max_rewards_per_promoter: Option<Limit<u32>>,
    /// Days from the claim in which the first invoice must be paid.
    pub conversion_window_days: Option<Limit<u16>>,
    /// The smallest invoice that earns, in minor units by currency.
    pub min_invoices: Option<BTreeMap<Currency, i64>>,
    /// The smallest payout, in minor units by currency.
    pub min_payouts: Option<BTreeMap<Currency, i64>>,
    /// Whether customers that have paid before never earn.
    pub new_customers_only: Option<bool>,
    /// Days of the hold period.
    pub hold_days: Option<u16>,
}

impl TermsChange {
    /// These terms with what the change says.
    ///
    /// # Errors
    /// [`ServiceError::Refused`] when the result contradicts itself.
    pub fn apply(&self, terms: &Terms) -> Result<Terms, ServiceError> {
        let changed = self.clone();
        let (months, invoices) = match terms.recurrence {
            Recurrence::OneTime => (None, None),
            Recurrence::Recurring { months, invoices } => (months, invoices),
        };
        let names_limit = self.months.is_some_and(|limit| limit.0.is_some())
            || self.invoices.is_some_and(|limit| limit.0.is_some());
        if self.one_time == Some(true) && names_limit {
            return Err(invalid("recurrence: one_time has no limit in months or invoices".to_owned()));
        }
        let was_one_time = terms.recurrence == Recurrence::OneTime;
        let one_time = self.one_time.unwrap_or(was_one_time && !names_limit);
        let recurrence = if one_time {
            Recurrence::OneTime
        } else {
            let (months, invoices) = (limit(self.months, months), limit(self.invoices, invoices));
            Recurrence::Recurring { months, invoices }
        };
        let terms = Terms {
            active: self.active.unwrap_or(terms.active),
            reward: self.reward.unwrap_or(terms.reward),
            base: self.base.unwrap_or(terms.base),
            exclude_shipping: self.exclude_shipping.unwrap_or(terms.exclude_shipping),
            currency: limit(self.currency, terms.currency),
            recurrence,
            tiers: changed.tiers.unwrap_or_else(|| terms.tiers.clone()),
            tiers_by: self.tiers_by.unwrap_or(terms.tiers_by),
            product_rates: changed.product_rates.unwrap_or_else(|| terms.product_rates.clone()),
            caps: changed.caps.unwrap_or_else(|| terms.caps.clone()),
            max_rewards_per_promoter: limit(self.max_rewards_per_promoter, terms.max_rewards_per_promoter),
            conversion_window_days: limit(self.conversion_window_days, terms.conversion_window_days),
            min_invoices: changed.min_invoices.unwrap_or_else(|| terms.min_invoices.clone()),
            min_payouts: changed.min_payouts.unwrap_or_else(|| terms.min_payouts.clone()),
            new_customers_only: self.new_customers_only.unwrap_or(terms.new_customers_only),
            hold_days: self.hold_days.unwrap_or(terms.hold_days),
        };
        terms.checked().map_err(|error| invalid(error.to_string()))
    }
}

fn limit<T>(named: Option<Limit<T>>, known: Option<T>) -> Option<T> {
    named.map_or(known, |limit| limit.0)
}

/// Makes a program; its terms are valid for all claims, also earlier ones.
///
/// # Errors
/// [`ServiceError::Refused`] when a field is out of bounds, neither a rate nor an amount is given, or the key is taken.
pub async fn create_program(
    db: &Database,
    key: &str,
    change: &TermsChange,
    now: Timestamp,
) -> Result<Terms, ServiceError> {
    let key = ProgramKey::new(name("key", key)?);
    let Some(reward) = change.reward else {
        return Err(invalid("rate, flat: one of them is needed".to_owned()));
    };
    let plain = Terms::percentage(BasisPoints::WHOLE, CommissionBase::NetOfTax, DEFAULT_HOLD_DAYS);
    let terms = change.apply(&Terms { reward, ..plain })?;
    let needs = Needs { programs: [key.clone()].into(), ..Needs::default() };
    ledger::change(db, &needs, now, |unit| {
        if !unit.create_program(&key, terms.clone()) {
            let message = format!("key: a program named {key} exists already");
            return Err(ServiceError::refused(RefusalCode::AlreadyExists, message));
        }
        Ok(terms.clone())
    })
    .await
}

/// Adds a version to the terms of a program, valid from now on: referrals that exist keep the terms that they have.
///
/// # Errors
/// [`ServiceError::Refused`] when there is no such program, or the terms contradict themselves.
pub async fn update_program(
    db: &Database,
    key: &str,
    change: &TermsChange,
    now: Timestamp,
) -> Result<Terms, ServiceError> {
    let key = ProgramKey::new(name("key", key)?);
    let needs = Needs {
        programs: [key.clone()].into(),
        // Stripe's clock may be ahead of ours: what was claimed in the meantime is judged by the new terms.
        claims_in: [(key.clone(), now)].into(),
        ..Needs::default()
    };
    ledger::change(db, &needs, now, |unit| {
        let of_program = |version: &&TermsVersion| version.program == key;
        let latest = latest(unit.state().versions.iter().filter(of_program));
        let latest = latest.ok_or_else(|| unknown("key", &key))?;
        let terms = change.apply(&latest.terms)?;
        if terms != *latest.terms {
            unit.add_terms(&key, terms.clone())?;
        }
        Ok(terms)
    })
    .await
}

/// The program that a request names; `None` where it names none.
///
/// # Errors
/// [`ServiceError::Refused`] when there is no such program.
pub async fn named_key(db: &Database, program: Option<&str>) -> Result<Option<ProgramKey>, ServiceError> {
    let Some(key) = program.map(ProgramKey::new) else { return Ok(None) };
    if programs::versions(db.reader(), Some(&key)).await?.is_empty() {
        return Err(unknown("program", &key));
    }
    Ok(Some(key))
}

/// The refusal of a program that does not exist.
pub fn unknown(field: &str, key: &ProgramKey) -> ServiceError {
    ServiceError::refused(RefusalCode::UnknownProgram, format!("{field}: there is no program {key}"))
}

/// The version that new claims are judged by.
pub fn latest<'v>(versions: impl IntoIterator<Item = &'v TermsVersion>) -> Option<&'v TermsVersion> {
    valid_at(versions, |version| (version.valid_from, version.id), Timestamp::from_unix(i64::MAX))
}
