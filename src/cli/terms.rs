//! The terms of a program as arguments, for `program create` and `program update`.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Value, json};

use crate::domain::{BasisPoints, CommissionBase, Currency, Recurrence, Reward, Terms, Tier, TiersBy};
use crate::service::fields::Limit;
use crate::service::programs::TermsChange;
use crate::service::queries::explain::counted;

/// What may be said of terms. Amounts are integers in the currency's minor unit (cents), rates are per cent.
#[derive(Debug, Args)]
pub struct TermsArguments {
    /// A share of every earning invoice, in per cent such as 10 or 12.5.
    #[arg(long, value_name = "PERCENT", value_parser = basis_points, conflicts_with = "flat")]
    rate: Option<u16>,
    /// A fixed amount for every earning invoice, in minor units of --currency.
    #[arg(long, value_name = "MINOR")]
    flat: Option<i64>,
    /// What a share is taken of [default: net-of-tax].
    #[arg(long, value_enum)]
    base: Option<Base>,
    /// Whether what was paid for shipping is no part of what a share is taken of [default: false].
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    exclude_shipping: Option<bool>,
    /// The currency of --flat, and of a --cap and --min-invoice that name none; `none` without.
    #[arg(long, value_name = "CODE", value_parser = optional::<Currency>)]
    currency: Option<Limit<Currency>>,
    /// Only the first invoice of a referral earns.
    #[arg(long, conflicts_with_all = ["recurring", "months", "invoices"])]
    one_time: bool,
    /// All invoices of a referral earn, within --months and --invoices.
    #[arg(long)]
    recurring: bool,
    /// Calendar months from the first invoice in which invoices earn; `none` for ever.
    #[arg(long, value_name = "N", value_parser = optional::<u16>)]
    months: Option<Limit<u16>>,
    /// The first so many invoices of a referral earn; `none` for all.
    #[arg(long, value_name = "N", value_parser = optional::<u32>)]
    invoices: Option<Limit<u32>>,
    /// Rates by the number of a referral of its promoter, such as `11:15,101:20` (from the 11th 15 %, from the 101st 20 %); `none` without.
    #[arg(long, value_name = "FROM:PERCENT,…", value_parser = tiers)]
    tiers: Option<Tiers>,
    /// Which number that is: of the referrals that came to pay, or of all signups [default: customers].
    #[arg(long, value_enum)]
    tiers_by: Option<By>,
    /// Rates of prices or products, such as `price_1:20,prod_2:5`; `none` without.
    #[arg(long, value_name = "ID:PERCENT,…", value_parser = product_rates)]
    product_rates: Option<Rates>,
    /// What one invoice earns at most by currency, in minor units such as `usd:5000,eur:4500`, or a number alone in
    /// --currency; `none` without limit.
    #[arg(long, value_name = "CODE:MINOR,…", value_parser = amounts_or_one)]
    cap: Option<AmountsOrOne>,
    /// How many of a promoter's referrals earn; `none` for all.
    #[arg(long, value_name = "N", value_parser = optional::<u32>)]
    max_rewards_per_promoter: Option<Limit<u32>>,
    /// Days from the claim in which the first invoice must be paid; `none` for ever.
    #[arg(long, value_name = "DAYS", value_parser = optional::<u16>)]
    conversion_window_days: Option<Limit<u16>>,
    /// The smallest invoice that earns by currency, in minor units such as `usd:1000`, or a number alone in --currency;
    /// `none` without.
    #[arg(long, value_name = "CODE:MINOR,…", value_parser = amounts_or_one, allow_hyphen_values = true)]
    min_invoice: Option<AmountsOrOne>,
    /// The smallest payout by currency, such as `usd:5000,eur:4000`; `none` without.
    #[arg(long, value_name = "CODE:MINOR,…", value_parser = amounts)]
    min_payout: Option<Amounts>,
    /// Whether customers that have paid before they were referred never earn [default: false].
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    new_customers_only: Option<bool>,
    /// Days between payment and the moment an amount may be paid out [default: 30].
    #[arg(long, value_name = "DAYS")]
    hold_days: Option<u16>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Base {
    /// What was paid, less tax.
    NetOfTax,
    /// What was paid, tax included.
    AmountPaid,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    /// The number is given with the first invoice that earns.
    Customers,
    /// The number is given when the referral is made.
    Signups,
}

#[derive(Debug, Clone)]
struct Tiers(Vec<Tier>);

#[derive(Debug, Clone)]
struct Rates(BTreeMap<String, BasisPoints>);

#[derive(Debug, Clone)]
struct Amounts(BTreeMap<Currency, i64>);

#[derive(Debug, Clone)]
enum AmountsOrOne {
    /// By currency.
    Amounts(BTreeMap<Currency, i64>),
    /// One, of the currency that another argument names.
    One(i64),
}

impl AmountsOrOne {
    fn in_currency(self, currency: Option<Currency>) -> anyhow::Result<BTreeMap<Currency, i64>> {
        match self {
            Self::Amounts(amounts) => Ok(amounts),
            Self::One(minor) => {
                let rule = "currency: needed for a cap or a minimum that names none itself, as usd:5000 does";
                Ok([(currency.context(rule)?, minor)].into())
            }
        }
    }
}

impl TermsArguments {
    /// The change that the arguments ask for.
    ///
    /// # Errors
    /// An amount stands alone, and no currency is named.
    pub fn change(self, active: Option<bool>) -> anyhow::Result<TermsChange> {
        let rate = self.rate.and_then(BasisPoints::new).map(Reward::Percentage);
        let named = self.currency.and_then(|currency| currency.0);
        let cap = self.cap.map(|amounts| amounts.in_currency(named)).transpose()?;
        let min_invoice = match self.min_invoice {
            Some(AmountsOrOne::One(0)) => Some(BTreeMap::new()),
            min_invoice => min_invoice.map(|amounts| amounts.in_currency(named)).transpose()?,
        };
        Ok(TermsChange {
            active,
            reward: rate.or(self.flat.map(Reward::Flat)),
            base: self.base.map(|base| match base {
                Base::NetOfTax => CommissionBase::NetOfTax,
                Base::AmountPaid => CommissionBase::AmountPaid,
            }),
            exclude_shipping: self.exclude_shipping,
            currency: self.currency,
            one_time: if self.one_time { Some(true) } else { self.recurring.then_some(false) },
            months: self.months,
            invoices: self.invoices,
            tiers: self.tiers.map(|tiers| tiers.0),
            tiers_by: self.tiers_by.map(|by| match by {
                By::Customers => TiersBy::Customers,
                By::Signups => TiersBy::Signups,
            }),
            product_rates: self.product_rates.map(|rates| rates.0),
            caps: cap,
            max_rewards_per_promoter: self.max_rewards_per_promoter,
            conversion_window_days: self.conversion_window_days,
            min_invoices: min_invoice,
            min_payouts: self.min_payout.map(|amounts| amounts.0),
            new_customers_only: self.new_customers_only,
            hold_days: self.hold_days,
        })
    }
}

/// Terms in a sentence.
pub fn sentence(terms: &Terms) -> String {
    let shown =
        |minor: i64| terms.currency.map_or_else(|| minor.to_string(), |currency| currency.display(minor));
    let shipping = if terms.exclude_shipping { " without shipping" } else { "" };
    let base = terms.base.as_str();
    let mut parts = vec![match terms.reward {
        Reward::Percentage(rate) => format!("{rate} of {base}{shipping}"),
        Reward::Flat(minor) => shown(minor),
    }];
    match terms.recurrence {
        Recurrence::OneTime => parts.push("for the first invoice".to_owned()),
        Recurrence::Recurring { months: None, invoices: None } => {
            parts.push("for every invoice".to_owned());
        }
        Recurrence::Recurring { months, invoices } => {
            parts.extend(invoices.map(|invoices| format!("for {}", counted(invoices, "invoice"))));
            parts.extend(months.map(|months| format!("for {}", counted(months.into(), "month"))));
        }
    }
    let tiers = terms.tiers.iter();
    let by = match terms.tiers_by {
        TiersBy::Customers => "customer",
        TiersBy::Signups => "signup",
    };
    parts.extend(tiers.map(|tier| format!("{} from {by} {}", tier.rate, tier.from_number)));
    parts.extend(terms.product_rates.iter().map(|(name, rate)| format!("{rate} of {name}")));
    let caps = terms.caps.iter();
    parts.extend(caps.map(|(currency, cap)| format!("at most {} an invoice", currency.display(*cap))));
    let rewards = terms.max_rewards_per_promoter;
    parts.extend(rewards.map(|rewards| format!("for {} of a promoter", counted(rewards, "referral"))));
    let window = terms.conversion_window_days;
    parts.extend(
        window.map(|days| format!("when the first invoice is paid within {}", counted(days.into(), "day"))),
    );
    let least = terms.min_invoices.iter();
    parts.extend(
        least.map(|(currency, minor)| format!("for invoices of {} or more", currency.display(*minor))),
    );
    if terms.new_customers_only {
        parts.push("for new customers only".to_owned());
    }
    let payouts = terms.min_payouts.iter();
    parts.extend(payouts.map(|(currency, minor)| format!("paid out from {}", currency.display(*minor))));
    parts.push(format!("pending for {}", counted(terms.hold_days.into(), "day")));
    if !terms.active {
        parts.push("takes no new referrals".to_owned());
    }
    parts.join(", ")
}

/// Terms for programs: rates in basis points, amounts in minor units.
pub fn json(terms: &Terms) -> Value {
    let (rate_bps, flat_minor) = match terms.reward {
        Reward::Percentage(rate) => (Some(rate.get()), None),
        Reward::Flat(minor) => (None, Some(minor)),
    };
    let (recurrence, months, invoices) = match terms.recurrence {
        Recurrence::OneTime => ("one_time", None, None),
        Recurrence::Recurring { months, invoices } => ("recurring", months, invoices),
    };
    let tier = |tier: &Tier| json!({ "from_number": tier.from_number, "rate_bps": tier.rate.get() });
    let rates = terms.product_rates.iter().map(|(name, rate)| (name.clone(), Value::from(rate.get())));
    json!({
        "rate_bps": rate_bps,
        "flat_minor": flat_minor,
        "currency": terms.currency.map(|currency| currency.to_string()),
        "base": terms.base.as_str(),
        "exclude_shipping": terms.exclude_shipping,
        "recurrence": recurrence,
        "months": months,
        "invoices": invoices,
        "tiers": terms.tiers.iter().map(tier).collect::<Vec<_>>(),
        "tiers_by": terms.tiers_by.as_str(),
        "product_rates_bps": rates.collect::<Map<_, _>>(),
        "caps_minor": by_code(&terms.caps),
        "max_rewards_per_promoter": terms.max_rewards_per_promoter,
        "conversion_window_days": terms.conversion_window_days,
        "new_customers_only": terms.new_customers_only,
        "min_invoices_minor": by_code(&terms.min_invoices),
        "min_payouts_minor": by_code(&terms.min_payouts),
        "hold_days": terms.hold_days,
    })
}

fn by_code(amounts: &BTreeMap<Currency, i64>) -> Value {
    amounts.iter().map(|(currency, minor)| (currency.to_string(), Value::from(*minor))).collect()
}

const NONE: &str = "none";

fn optional<T: FromText>(text: &str) -> anyhow::Result<Limit<T>> {
    if text.trim() == NONE {
        return Ok(Limit(None));
    }
    T::from_text(text.trim()).map(|value| Limit(Some(value)))
}

/// What may stand in an argument that may also be `none`.
trait FromText: Sized {
    fn from_text(text: &str) -> anyhow::Result<Self>;
}

impl FromText for Currency {
    fn from_text(text: &str) -> anyhow::Result<Self> {
        Self::parse(text).context("three letters, such as usd, or none")
    }
}

impl FromText for u16 {
    fn from_text(text: &str) -> anyhow::Result<Self> {
        text.parse().context("a whole number up to 65535, or none")
    }
}

impl FromText for u32 {
    fn from_text(text: &str) -> anyhow::Result<Self> {
        text.parse().context("a whole number, or none")
    }
}

/// An amount in minor units, of either sign: which are allowed the terms say.
fn minor_units(text: &str) -> anyhow::Result<i64> {
    text.parse().context("a whole number of minor units (cents), or none")
}

/// Per cent with at most two decimals, as basis points.
fn basis_points(percent: &str) -> anyhow::Result<u16> {
    let rule = "between 0 and 100, with at most two decimals";
    let percent: Decimal = percent.trim().trim_end_matches('%').trim().parse().context(rule)?;
    let bps = percent.checked_mul(Decimal::ONE_HUNDRED).context(rule)?;
    let whole = bps.is_integer() && bps <= Decimal::from(10_000);
    bps.to_u16().filter(|_| whole).context(rule)
}

fn rate(percent: &str) -> anyhow::Result<BasisPoints> {
    BasisPoints::new(basis_points(percent)?).context("between 0 and 100")
}

/// `name:value,…`, or `none`.
fn pairs(text: &str) -> anyhow::Result<Vec<(&str, &str)>> {
    if text.trim() == NONE {
        return Ok(Vec::new());
    }
    let split = text.split(',').map(|part| part.rsplit_once(':').context("pairs with a colon, or none"));
    split.map(|pair| pair.map(|(name, value)| (name.trim(), value.trim()))).collect()
}

fn tiers(text: &str) -> anyhow::Result<Tiers> {
    let tier = |(from, percent): (&str, &str)| {
        let from_number = from.parse().context("the number of a referral before the colon, such as 11:15")?;
        Ok(Tier { from_number, rate: rate(percent)? })
    };
    Ok(Tiers(pairs(text)?.into_iter().map(tier).collect::<anyhow::Result<_>>()?))
}

fn product_rates(text: &str) -> anyhow::Result<Rates> {
    let mut rates = BTreeMap::new();
    for (name, percent) in pairs(text)? {
        ensure!(rates.insert(name.to_owned(), rate(percent)?).is_none(), "{name} stands there twice");
    }
    Ok(Rates(rates))
}

fn amounts(text: &str) -> anyhow::Result<Amounts> {
    let mut amounts = BTreeMap::new();
    for (code, minor) in pairs(text)? {
        let currency = Currency::from_text(code)?;
        ensure!(amounts.insert(currency, minor_units(minor)?).is_none(), "{code} stands there twice");
    }
    Ok(Amounts(amounts))
}

/// A number alone, or `code:minor,…`, or `none`.
fn amounts_or_one(text: &str) -> anyhow::Result<AmountsOrOne> {
    if text.contains(':') || text.trim() == NONE {
        return Ok(AmountsOrOne::Amounts(amounts(text)?.0));
    }
    minor_units(text.trim()).map(AmountsOrOne::One)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_per_cent_with_two_decimals_at_most() {
        for (text, bps) in [("10", 1_000), ("12.5", 1_250), ("0.01", 1), ("100", 10_000), ("7.25 %", 725)] {
            assert_eq!(basis_points(text).ok(), Some(bps), "{text}");
        }
        for text in ["", "-1", "100.01", "1.005", "ten", "1e1000"] {
            assert!(basis_points(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_is_one_and_held_is_a_word_of_referrals() {
        let mut terms = Terms::percentage(rate("10").unwrap(), CommissionBase::NetOfTax, 1);
        terms.recurrence = Recurrence::Recurring { months: Some(1), invoices: Some(2) };
        terms.max_rewards_per_promoter = Some(1);
        let parts = "for 2 invoices, for 1 month, for 1 referral of a promoter, pending for 1 day";
        assert!(sentence(&terms).ends_with(parts), "{}", sentence(&terms));
    }

    #[test]
    fn lists_are_pairs_or_none() {
        let read = tiers("11:15, 101:20").unwrap().0;
        let read: Vec<_> = read.iter().map(|tier| (tier.from_number, tier.rate.get())).collect();
        assert_eq!(read, [(11, 1_500), (101, 2_000)]);
        assert!(tiers("none").unwrap().0.is_empty());
        assert!(tiers("11").is_err());
        assert!(tiers("eleven:15").is_err());
        assert_eq!(product_rates("price_1:20").unwrap().0["price_1"].get(), 2_000);
        assert!(product_rates("a:1,a:2").is_err());
        assert_eq!(amounts("usd:5000").unwrap().0[&Currency::USD], 5_000);
        assert!(amounts("dollars:5000").is_err());
        let read = |text, currency| amounts_or_one(text).and_then(|read| read.in_currency(currency)).ok();
        let usd = Some(Currency::USD);
        assert_eq!(read("5000", usd), Some([(Currency::USD, 5_000)].into()));
        assert_eq!(read("usd:5000", None), Some([(Currency::USD, 5_000)].into()));
        assert_eq!(read("none", None), Some(BTreeMap::new()));
        assert_eq!((read("5000", None), read("usd:1,2", usd)), (None, None));
    }
}
