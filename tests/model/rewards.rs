//! Whether and what an invoice of a referral earns, before any loss: `semantics.md` §4.

use std::collections::{BTreeMap, BTreeSet};

use referrald::domain::{
    BasisPoints, ClaimSource, CommissionBase, Customer, InvoiceId, InvoiceSnapshot, NoCommission, Recurrence,
    Reward,
};

use crate::losses::Invoice;
use crate::model::{Model, half_up};
use crate::people::{Referral, names_promotion_code};
use crate::setup::{LATE, SECONDS_PER_DAY};

type Referrals<'a> = BTreeMap<Customer, Result<Referral<'a>, NoCommission>>;

/// Rules that the generator must make matter.
pub const FEATURES: [&str; 14] = [
    "a flat reward",
    "a cap",
    "a tier",
    "rates of products",
    "one time",
    "the second invoice of a limited referral",
    "a place among limited ones",
    "later terms",
    "a move",
    "a promotion code",
    "the late code",
    "an account",
    "several customers of one user",
    "a release",
];

impl<'a> Model<'a> {
    /// Why an invoice of a referral earns nothing; the first reason that fits.
    pub fn reason(
        &self,
        invoice: &InvoiceId,
        customer: &Customer,
        referral: &Referral,
        referrals: &Referrals<'a>,
    ) -> Option<NoCommission> {
        let reason = self.own_reason(invoice, customer, referral);
        let goes_before = matches!(
            reason,
            Some(NoCommission::ZeroAmount | NoCommission::BeforeReferral | NoCommission::BelowMinimum)
        );
        let exhausted = !goes_before && self.is_exhausted(customer, referral, referrals);
        if exhausted { Some(NoCommission::RewardExhausted) } else { reason }
    }

    /// The same, as if there were no other referrals.
    fn own_reason(
        &self,
        invoice: &InvoiceId,
        customer: &Customer,
        referral: &Referral,
    ) -> Option<NoCommission> {
        let paid = &self.money.invoices[invoice];
        let terms = referral.terms;
        if paid.claim.amount_paid_minor <= 0 || base(paid.claim, terms.base) <= 0 {
            return Some(NoCommission::ZeroAmount);
        }
        if is_before(paid, referral) {
            return Some(NoCommission::BeforeReferral);
        }
        if is_below_minimum(paid, referral) {
            return Some(NoCommission::BelowMinimum);
        }
        let counted = self.counted(customer, referral);
        let first_paid_at = counted[0].0;
        let days = terms.conversion_window_days.map(i64::from);
        let window_ends = days.map(|days| referral.claim.claimed_at.unix() + days * SECONDS_PER_DAY);
        if window_ends.is_some_and(|ends| first_paid_at > ends) {
            return Some(NoCommission::ConversionWindow);
        }
        let position = 1 + counted.iter().position(|(_, id)| *id == invoice).unwrap();
        let is_over = match terms.recurrence {
            Recurrence::OneTime => position > 1,
            Recurrence::Recurring { months, invoices } => {
                let months_end = months.map(|months| months_later(first_paid_at, months));
                months_end.is_some_and(|end| date(paid.paid_at) >= end)
                    || invoices.is_some_and(|invoices| position > usize::try_from(invoices).unwrap())
            }
        };
        if is_over {
            return Some(NoCommission::DurationOver);
        }
        if matches!(terms.reward, Reward::Flat(_)) && terms.currency != Some(paid.claim.currency) {
            return Some(NoCommission::CurrencyMismatch);
        }
        (referral.is_own && !referral.released).then_some(NoCommission::SelfReferral)
    }

    /// The invoices that "first" and "the Nth" count, by (`paid_at`, id).
    fn counted(&self, customer: &Customer, referral: &Referral) -> Vec<(i64, &'a InvoiceId)> {
        let mut counted = Vec::new();
        for (invoice, paid) in self.invoices_of(customer) {
            let counts = paid.claim.amount_paid_minor > 0;
            if counts && !is_before(paid, referral) && !is_below_minimum(paid, referral) {
                counted.push((paid.paid_at, invoice));
            }
        }
        counted.sort_unstable();
        counted
    }

    /// The paid invoices of a customer, over all its customers.
    fn invoices_of(&self, customer: &Customer) -> Vec<(&'a InvoiceId, &Invoice<'a>)> {
        let mut own = Vec::new();
        for (invoice, paid) in &self.money.invoices {
            let stripe_customer = paid.claim.stripe_customer.as_ref();
            if stripe_customer
                .is_some_and(|stripe_customer| self.people.customer_named(stripe_customer) == *customer)
            {
                own.push((*invoice, paid));
            }
        }
        own
    }

    /// The first invoice of a referral that has no reason but that the rewarded places may be taken.
    fn qualified(&self, customer: &Customer, referral: &Referral) -> Option<(i64, &'a InvoiceId)> {
        let own = self.invoices_of(customer).into_iter();
        let earning = own.filter(|(invoice, _)| self.own_reason(invoice, customer, referral).is_none());
        earning.map(|(invoice, paid)| (paid.paid_at, invoice)).min()
    }

    /// So many referrals of the same promoter in the same program have a place before this one as its own terms allow.
    fn is_exhausted(&self, customer: &Customer, referral: &Referral, referrals: &Referrals<'a>) -> bool {
        let Some(places) = referral.terms.max_rewards_per_promoter else { return false };
        let Some(own) = self.qualified(customer, referral) else { return false };
        let mut before = 0;
        for (other_party, other) in referrals {
            let Ok(other) = other else { continue };
            if (other.promoter, other.program) == (referral.promoter, referral.program) {
                let qualified = self.qualified(other_party, other);
                before += u32::from(qualified.is_some_and(|qualified| qualified < own));
            }
        }
        before >= places
    }

    /// C of an invoice that earns.
    pub fn commission(
        &self,
        invoice: &InvoiceId,
        referral: &Referral,
        features: &mut BTreeSet<&'static str>,
    ) -> i128 {
        let (claim, terms) = (self.money.invoices[invoice].claim, referral.terms);
        let earned = match terms.reward {
            Reward::Flat(amount) => {
                features.insert("a flat reward");
                i128::from(amount)
            }
            Reward::Percentage(own) => {
                let mut rate = own;
                for tier in &terms.tiers {
                    if referral.number >= tier.from_number {
                        rate = tier.rate;
                        features.insert("a tier");
                    }
                }
                let rate_of = |name: &Option<String>| terms.product_rates.get(name.as_ref()?).copied();
                let (mut weighted, mut weights) = (0, 0);
                for ((price, product), amount) in &claim.lines.weights {
                    let of_line = rate_of(price).or_else(|| rate_of(product));
                    if of_line.is_some() {
                        features.insert("rates of products");
                    }
                    let weight = i128::from(*amount).max(0);
                    weighted += weight * bps(of_line.unwrap_or(rate));
                    weights += weight;
                }
                if weights == 0 {
                    (weighted, weights) = (bps(rate), 1);
                }
                half_up(base(claim, terms.base) * weighted, weights * 10_000)
            }
        };
        let cap = terms.caps.get(&claim.currency).copied().map(i128::from);
        match cap {
            Some(cap) if cap < earned => {
                features.insert("a cap");
                cap
            }
            Some(_) | None => earned,
        }
    }

    /// Notes which other rules mattered to an invoice that earns.
    pub fn note_features(
        &self,
        invoice: &InvoiceId,
        customer: &Customer,
        referral: &Referral,
        features: &mut BTreeSet<&'static str>,
    ) {
        let mut note = |holds: bool, feature| features.extend(holds.then_some(feature));
        let terms = referral.terms;
        let stripe_customer = |id: &InvoiceId| self.money.invoices[id].claim.stripe_customer.as_ref();
        let counted = self.counted(customer, referral);
        let limits = terms.recurrence != Recurrence::Recurring { months: None, invoices: None };
        note(terms.recurrence == Recurrence::OneTime && counted.len() > 1, "one time");
        note(limits && counted[0].1 != invoice, "the second invoice of a limited referral");
        note(terms.max_rewards_per_promoter.is_some(), "a place among limited ones");
        note(referral.later_terms, "later terms");
        note(referral.claim.source == ClaimSource::Move, "a move");
        note(names_promotion_code(referral.claim), "a promotion code");
        note(referral.code.as_str() == LATE, "the late code");
        note(stripe_customer(invoice).is_some_and(|id| id.as_str().starts_with("acct")), "an account");
        let others = counted.iter().any(|(_, id)| stripe_customer(id) != stripe_customer(invoice));
        note(matches!(customer, Customer::User(_)) && others, "several customers of one user");
        note(referral.is_own, "a release");
    }
}

fn is_before(paid: &Invoice, referral: &Referral) -> bool {
    paid.paid_at < referral.claim.claimed_at.unix() - referral.claim.lookback_s
}

fn is_below_minimum(paid: &Invoice, referral: &Referral) -> bool {
    let terms = referral.terms;
    let least = terms.min_invoices.get(&paid.claim.currency);
    least.is_some_and(|least| paid.claim.amount_paid_minor < *least)
}

fn bps(rate: BasisPoints) -> i128 {
    i128::from(rate.get())
}

fn base(claim: &InvoiceSnapshot, base: CommissionBase) -> i128 {
    let (paid, total) = (i128::from(claim.amount_paid_minor), i128::from(claim.total_minor));
    let net = match (claim.total_excluding_tax_minor, claim.tax_minor) {
        (Some(net), _) => i128::from(net),
        (None, Some(tax)) => total - i128::from(tax),
        (None, None) => total,
    };
    match base {
        CommissionBase::AmountPaid => paid,
        CommissionBase::NetOfTax if paid >= total => net,
        CommissionBase::NetOfTax => (paid * net).div_euclid(total),
    }
}

/// Year, month and day.
type Date = (i64, i64, i64);

/// The date in UTC, counted from 1970 on.
fn date(unix: i64) -> Date {
    let (mut year, mut month, mut day) = (1970, 1, 1 + unix.div_euclid(SECONDS_PER_DAY));
    while day > days_of(year, month) {
        day -= days_of(year, month);
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
    (year, month, day)
}

/// The same day so many months later, or the last one of a shorter month.
fn months_later(unix: i64, months: u16) -> Date {
    let (mut year, mut month, day) = date(unix);
    for _ in 0..months {
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
    (year, month, day.min(days_of(year, month)))
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
