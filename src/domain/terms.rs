//! The terms of a program: versions with `valid_from`, only ever added.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

use super::ids::ProgramKey;
use super::money::{BasisPoints, Currency};
use super::time::Timestamp;

/// The longest hold period and the longest conversion window: ten years of 365 days.
const DAYS_LIMIT: u16 = 3_650;
/// The longest time that a referral earns, in months, when it is limited: a hundred years.
const MONTHS_LIMIT: u16 = 1_200;
/// Beyond this a limit of rewarded referrals is none: whoever is near it has to be looked at with every purchase.
const REWARDS_LIMIT: u32 = 10_000;
/// Amounts in terms have at most 15 digits, like amounts of Stripe.
const AMOUNT_LIMIT_MINOR: i64 = 999_999_999_999_999;
/// Tiers, or products with a rate of their own, of one program at most.
const LIST_LIMIT: usize = 1_000;

/// What a percentage is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommissionBase {
    /// `amount_paid`, tax included.
    AmountPaid,
    /// The part of `amount_paid` that is not tax.
    NetOfTax,
}

impl CommissionBase {
    /// The word that settings, columns and the API use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AmountPaid => "amount_paid",
            Self::NetOfTax => "net_of_tax",
        }
    }

    /// The base of that name.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::AmountPaid, Self::NetOfTax].into_iter().find(|base| base.as_str() == word)
    }
}

/// When a referral is given the number that tiers go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TiersBy {
    /// With its first invoice that earns: who never pays moves nobody up.
    Customers,
    /// When it is made.
    Signups,
}

impl TiersBy {
    /// The word that columns and commands use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Signups => "signups",
        }
    }

    /// The moment of that name.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Customers, Self::Signups].into_iter().find(|by| by.as_str() == word)
    }
}

/// What one paid invoice earns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reward {
    /// A share of the base.
    Percentage(BasisPoints),
    /// A fixed amount in minor units of the program's currency, > 0.
    Flat(i64),
}

/// Which of a referral's invoices earn. Invoices are counted as semantics §4 says: all with `amount_paid` > 0 that are
/// neither below the minimum nor from before the referral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recurrence {
    /// The first one only.
    OneTime,
    /// All, or as many as the limits allow.
    Recurring {
        /// Calendar months by UTC date from the first invoice, half open.
        months: Option<u16>,
        /// The first so many invoices.
        invoices: Option<u32>,
    },
}

/// From a referral number on, a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// The first number, ≥ 1.
    pub from_number: u32,
    /// The rate of referrals from this number on, up to the next tier.
    pub rate: BasisPoints,
}

/// The terms under which a referral earns. They are frozen on it: the version valid at `claimed_at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// False while the program takes no new referrals.
    pub active: bool,
    /// What one invoice earns.
    pub reward: Reward,
    /// What a percentage is taken of.
    pub base: CommissionBase,
    /// What was paid for shipping is no part of the base.
    pub exclude_shipping: bool,
    /// The currency of a flat reward, which earns nothing for invoices in another one.
    pub currency: Option<Currency>,
    /// Which invoices earn.
    pub recurrence: Recurrence,
    /// Rates by referral number, ascending; below the first tier the program's own rate holds.
    pub tiers: Vec<Tier>,
    /// When a referral is given its number.
    pub tiers_by: TiersBy,
    /// Rates of prices (`price_…`) and products (`prod_…`); a line without one has the program's or the tier's.
    pub product_rates: BTreeMap<String, BasisPoints>,
    /// What one invoice earns at most, in minor units by currency; invoices in another one have no cap.
    pub caps: BTreeMap<Currency, i64>,
    /// Of a promoter's referrals in this program, so many earn.
    pub max_rewards_per_promoter: Option<u32>,
    /// A referral whose first invoice is paid later than that after `claimed_at` never earns.
    pub conversion_window_days: Option<u16>,
    /// An invoice with a smaller `amount_paid` earns nothing and is not counted; minor units by currency, > 0.
    pub min_invoices: BTreeMap<Currency, i64>,
    /// The smallest payout, in minor units by currency.
    pub min_payouts: BTreeMap<Currency, i64>,
    /// A customer that has paid an invoice before its referral never earns.
    pub new_customers_only: bool,
    /// Days between `paid_at` and the moment an amount may be paid out.
    pub hold_days: u16,
}

/// Terms that contradict themselves. The text names the field and the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{field}: {rule}")]
pub struct TermsError {
    /// The field.
    pub field: &'static str,
    /// The rule.
    pub rule: &'static str,
}

impl Terms {
    /// A share of every paid invoice, without limits.
    pub const fn percentage(rate: BasisPoints, base: CommissionBase, hold_days: u16) -> Self {
        Self {
            active: true,
            reward: Reward::Percentage(rate),
            base,
            exclude_shipping: false,
            currency: None,
            recurrence: Recurrence::Recurring { months: None, invoices: None },
            tiers: Vec::new(),
            tiers_by: TiersBy::Customers,
            product_rates: BTreeMap::new(),
            caps: BTreeMap::new(),
            max_rewards_per_promoter: None,
            conversion_window_days: None,
            min_invoices: BTreeMap::new(),
            min_payouts: BTreeMap::new(),
            new_customers_only: false,
            hold_days,
        }
    }

    /// The terms themselves, when nothing in them contradicts anything else.
    ///
    /// # Errors
    /// [`TermsError`] for the first rule that is broken.
    pub fn checked(self) -> Result<Self, TermsError> {
        match self.rules().into_iter().find(|(holds, ..)| !holds) {
            Some((_, field, rule)) => Err(TermsError { field, rule }),
            None => Ok(self),
        }
    }

    /// True when what an invoice earns depends on the other invoices of its referral.
    pub const fn counts_invoices(&self) -> bool {
        let limited = match self.recurrence {
            Recurrence::OneTime => true,
            Recurrence::Recurring { months, invoices } => months.is_some() || invoices.is_some(),
        };
        limited || self.conversion_window_days.is_some() || self.new_customers_only
    }

    /// True for an invoice of this currency and amount that is too small to earn or to be counted.
    pub fn is_below_minimum(&self, currency: Currency, amount_paid_minor: i64) -> bool {
        self.min_invoices.get(&currency).is_some_and(|least_minor| amount_paid_minor < *least_minor)
    }

    /// True when the invoice that is `position`th (from 1) and paid then comes after the last one that earns.
    pub fn is_over(&self, first_paid_at: Timestamp, position: u32, paid_at: Timestamp) -> bool {
        match self.recurrence {
            Recurrence::OneTime => position > 1,
            Recurrence::Recurring { months, invoices } => {
                let too_many = invoices.is_some_and(|invoices| position > invoices);
                too_many || months.is_some_and(|months| first_paid_at.months_have_passed(months, paid_at))
            }
        }
    }

    /// Each rule: whether it holds, the field, and what is asked of it.
    fn rules(&self) -> [Rule; 14] {
        let is_amount = |minor: i64| (1..=AMOUNT_LIMIT_MINOR).contains(&minor);
        let are_amounts = |amounts: &BTreeMap<Currency, i64>| amounts.values().all(|minor| is_amount(*minor));
        let is_term = |days: u16| days <= DAYS_LIMIT;
        let is_percentage = matches!(self.reward, Reward::Percentage(_));
        let flat_fits = match self.reward {
            Reward::Flat(minor) => is_amount(minor),
            Reward::Percentage(_) => true,
        };
        let limits_fit = match self.recurrence {
            Recurrence::OneTime => true,
            Recurrence::Recurring { months, invoices } => {
                months.is_none_or(|months| (1..=MONTHS_LIMIT).contains(&months)) && invoices != Some(0)
            }
        };
        let tiers_ascend = self.tiers.is_sorted_by(|one, next| one.from_number < next.from_number)
            && self.tiers.iter().all(|tier| tier.from_number > 0);
        let max_rewards_fit =
            self.max_rewards_per_promoter.is_none_or(|max| (1..=REWARDS_LIMIT).contains(&max));
        [
            (flat_fits, "flat", "more than 0, and at most 15 digits"),
            (are_amounts(&self.caps), "cap", "more than 0, and at most 15 digits"),
            (are_amounts(&self.min_invoices), "min_invoice", "more than 0, and at most 15 digits"),
            (are_amounts(&self.min_payouts), "min_payout", "more than 0, and at most 15 digits"),
            (is_percentage || self.currency.is_some(), "currency", "needed for a flat reward"),
            (limits_fit, "recurrence", "limits are at least 1, and months at most 1200"),
            (is_percentage || self.tiers.is_empty(), "tiers", "only a percentage has tiers"),
            (tiers_ascend, "tiers", "referral numbers from 1 on, each greater than the one before"),
            (self.tiers.len() <= LIST_LIMIT, "tiers", "at most 1000"),
            (is_percentage || self.product_rates.is_empty(), "product_rates", "only a percentage has them"),
            (self.product_rates.len() <= LIST_LIMIT, "product_rates", "at most 1000"),
            (max_rewards_fit, "max_rewards_per_promoter", "1 to 10000"),
            (is_term(self.hold_days), "hold_days", "at most 3650"),
            (self.conversion_window_days.is_none_or(is_term), "conversion_window_days", "at most 3650"),
        ]
    }
}

/// Whether a rule holds, the field, and what is asked of it.
type Rule = (bool, &'static str, &'static str);

/// One version of a program's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermsVersion {
    /// The row of this version.
    pub id: i64,
    /// The program that it belongs to.
    pub program: ProgramKey,
    /// From when on new claims are judged by it; the first version counts for all earlier times too.
    pub valid_from: Timestamp,
    /// The terms themselves.
    pub terms: Arc<Terms>,
}

/// Of versions with (`valid_from`, row) the one that holds at a time: the latest one valid by then, else the first.
pub fn valid_at<T>(
    versions: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> (Timestamp, i64),
    at: Timestamp,
) -> Option<T> {
    let rank = |version: &T| {
        let (valid_from, row) = key(version);
        // Valid by then beats not yet valid; of those valid the latest, of those not the earliest.
        let valid = valid_from <= at;
        let (time, row) = if valid { (valid_from.unix(), row) } else { (!valid_from.unix(), !row) };
        (valid, time, row)
    };
    versions.into_iter().max_by_key(rank)
}

/// The version of `program` that a claim made at `claimed_at` is frozen to. `None` when the program has none at all.
pub fn version_at<'a>(
    versions: impl IntoIterator<Item = &'a TermsVersion>,
    program: &ProgramKey,
    claimed_at: Timestamp,
) -> Option<&'a TermsVersion> {
    let of_program = versions.into_iter().filter(|version| version.program == *program);
    valid_at(of_program, |version| (version.valid_from, version.id), claimed_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms::percentage(BasisPoints::new(1_000).unwrap(), CommissionBase::NetOfTax, 30)
    }

    #[test]
    fn terms_that_contradict_themselves_are_refused_by_field() {
        let usd = Some(Currency::USD);
        let rate = BasisPoints::new(1_500).unwrap();
        let tier = |from_number| Tier { from_number, rate };
        let field = |terms: Terms| terms.checked().map_err(|error| error.field).err();
        assert_eq!(field(terms()), None);
        assert_eq!(field(Terms { reward: Reward::Flat(500), ..terms() }), Some("currency"));
        assert_eq!(field(Terms { reward: Reward::Flat(0), currency: usd, ..terms() }), Some("flat"));
        assert_eq!(field(Terms { caps: [(Currency::USD, -1)].into(), ..terms() }), Some("cap"));
        assert_eq!(
            field(Terms { min_invoices: [(Currency::USD, 0)].into(), ..terms() }),
            Some("min_invoice")
        );
        assert_eq!(field(Terms { tiers: vec![tier(11), tier(11)], ..terms() }), Some("tiers"));
        assert_eq!(field(Terms { tiers: vec![tier(0)], ..terms() }), Some("tiers"));
        let flat = Terms { reward: Reward::Flat(1), currency: usd, ..terms() };
        assert_eq!(field(Terms { tiers: vec![tier(2)], ..flat.clone() }), Some("tiers"));
        assert_eq!(field(flat), None);
        let months = Recurrence::Recurring { months: Some(0), invoices: None };
        assert_eq!(field(Terms { recurrence: months, ..terms() }), Some("recurrence"));
        assert_eq!(
            field(Terms { max_rewards_per_promoter: Some(0), ..terms() }),
            Some("max_rewards_per_promoter")
        );
        assert!(field(Terms { hold_days: 3_651, ..terms() }).is_some());
    }

    #[test]
    fn the_first_version_counts_for_all_earlier_times() {
        let program = ProgramKey::new("default");
        let version = |id, valid_from| TermsVersion {
            id,
            program: program.clone(),
            valid_from: Timestamp::from_unix(valid_from),
            terms: Arc::new(terms()),
        };
        let versions = [version(2, 200), version(1, 100), version(3, 200), version(4, 300)];
        for (at, expected) in [(0, 1), (100, 1), (199, 1), (200, 3), (299, 3), (900, 4)] {
            let found = version_at(&versions, &program, Timestamp::from_unix(at)).unwrap();
            assert_eq!(found.id, expected, "at {at}");
        }
        assert!(version_at(&versions, &ProgramKey::new("other"), Timestamp::from_unix(0)).is_none());
    }
}
