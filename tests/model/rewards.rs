//! Whether and what an invoice of a referral earns, before any loss: `semantics.md` §4.

use std::collections::{BTreeMap, BTreeSet};

use referrald::domain::{
    BasisPoints, CommissionBase, Customer, NoCommission, Recurrence, Reward, Terms, TiersBy,
};

use crate::claims::Source;
use crate::losses::PaidInvoice;
use crate::model::{Model, half_up};
use crate::people::Referral;
use crate::setup::{LATE, SECONDS_PER_DAY, parsed};
use crate::told::Invoice;

pub type Referrals<'a> = BTreeMap<Customer, Result<Referral<'a>, NoCommission>>;

/// Rules that the generator must make matter.
pub const FEATURES: [&str; 38] = [
    "a flat reward",
    "a flat reward above its base",
    "a cap",
    "a cap of another currency only",
    "a minimum that was reached",
    "shipping",
    "a discount on a line",
    "a tier",
    "a tier by customers",
    "a number by signups",
    "rates of products",
    "one time",
    "the second invoice of a limited referral",
    "a place among limited ones",
    "later terms",
    "a move",
    "a move that beats a refusal",
    "a promotion code",
    "a promotion code of an invoice",
    "a promotion code that was added",
    "a subscription's claim",
    "a host's reference",
    "a code spelled otherwise",
    "the late code",
    "an account",
    "several customers of one user",
    "a release of a user",
    "a release of an e-mail",
    "paid by hand",
    "contradicting snapshots",
    "several links without amounts",
    "a released rest",
    "a dispute in another currency",
    "balance transactions",
    "a dispute that was won before",
    "a credit note",
    "two tellings of one event",
    "lines that were read",
];

impl<'a> Model<'a> {
    /// Why an invoice of a referral earns nothing; the first reason that fits.
    pub fn reason(
        &self,
        invoice: &str,
        customer: &Customer,
        referral: &Referral,
        referrals: &Referrals<'a>,
    ) -> Option<NoCommission> {
        let reason = self.own_reason(invoice, customer, referral);
        let goes_before = matches!(
            reason,
            Some(
                NoCommission::ZeroAmount
                    | NoCommission::BeforeReferral
                    | NoCommission::BelowMinimum
                    | NoCommission::ExistingCustomer
            )
        );
        let exhausted = !goes_before && self.is_exhausted(customer, referral, referrals);
        if exhausted { Some(NoCommission::RewardExhausted) } else { reason }
    }

    /// The same, as if there were no other referrals.
    fn own_reason(&self, invoice: &str, customer: &Customer, referral: &Referral) -> Option<NoCommission> {
        let paid = &self.money.invoices[invoice];
        let terms = referral.terms;
        if paid.told.amount_paid <= 0 || base(paid.told, terms) <= 0 {
            return Some(NoCommission::ZeroAmount);
        }
        if is_before(paid, referral) {
            return Some(NoCommission::BeforeReferral);
        }
        if is_below_minimum(paid, referral) {
            return Some(NoCommission::BelowMinimum);
        }
        let invoices = self.invoices_of(customer);
        let mut earlier = invoices.iter().filter(|(_, paid)| is_before(paid, referral));
        if terms.new_customers_only && earlier.any(|(_, paid)| paid.told.amount_paid > 0) {
            return Some(NoCommission::ExistingCustomer);
        }
        let counted = self.counted(customer, referral);
        let first_paid_at = counted[0].0;
        let days = terms.conversion_window_days.map(i64::from);
        let window_ends = days.map(|days| referral.claim.claimed_at + days * SECONDS_PER_DAY);
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
        if matches!(terms.reward, Reward::Flat(_)) && terms.currency != Some(parsed(paid.told.currency)) {
            return Some(NoCommission::CurrencyMismatch);
        }
        referral.held.then_some(NoCommission::SelfReferral)
    }

    /// The invoices that "first" and "the Nth" count, by (`paid_at`, id).
    fn counted(&self, customer: &Customer, referral: &Referral) -> Vec<(i64, &'a str)> {
        let mut counted = self.paid_since(customer, referral);
        counted.retain(|(_, invoice)| !is_below_minimum(&self.money.invoices[invoice], referral));
        counted
    }

    /// The invoices of a referral for which anything was paid, by (`paid_at`, id).
    pub fn paid_since(&self, customer: &Customer, referral: &Referral) -> Vec<(i64, &'a str)> {
        let mut paid_since = Vec::new();
        for (invoice, paid) in self.invoices_of(customer) {
            if paid.told.amount_paid > 0 && !is_before(paid, referral) {
                paid_since.push((paid.paid_at, invoice));
            }
        }
        paid_since.sort_unstable();
        paid_since
    }

    /// The paid invoices of a customer, over all its customers.
    pub fn invoices_of(&self, customer: &Customer) -> Vec<(&'a str, &PaidInvoice<'a>)> {
        let is_own = |paid: &PaidInvoice| {
            let name = paid.told.named.name();
            name.is_some_and(|name| self.people.customer_named(name) == *customer)
        };
        let invoices = self.money.invoices.iter().filter(|(_, paid)| is_own(paid));
        invoices.map(|(invoice, paid)| (*invoice, paid)).collect()
    }

    /// The first invoice of a referral that has no reason but that the rewarded places may be taken.
    fn qualified(&self, customer: &Customer, referral: &Referral) -> Option<(i64, &'a str)> {
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
        invoice: &str,
        referral: &Referral,
        features: &mut BTreeSet<&'static str>,
    ) -> i128 {
        let (told, terms) = (self.money.invoices[invoice].told, referral.terms);
        let mut note = |holds: bool, feature| features.extend(holds.then_some(feature));
        let base = base(told, terms);
        let earned = match terms.reward {
            Reward::Flat(amount) => {
                note(true, "a flat reward");
                note(i128::from(amount) > base, "a flat reward above its base");
                i128::from(amount).min(base)
            }
            Reward::Percentage(own) => {
                let mut rate = own;
                for tier in &terms.tiers {
                    if referral.number.is_some_and(|number| number >= tier.from_number) {
                        rate = tier.rate;
                        note(true, "a tier");
                        note(terms.tiers_by == TiersBy::Customers, "a tier by customers");
                    }
                }
                let rate_of = |name: Option<&str>| terms.product_rates.get(name?).copied();
                let (mut weighted, mut weights) = (0, 0);
                let lines = self.money.lines_of(invoice);
                note(self.money.has_read(invoice) && !terms.product_rates.is_empty(), "lines that were read");
                for line in lines.unwrap_or(&told.lines) {
                    let of_line = rate_of(line.price).or_else(|| rate_of(line.product));
                    let discounts: i128 = line.discounts.iter().map(|amount| i128::from(*amount)).sum();
                    note(of_line.is_some(), "rates of products");
                    note(of_line.is_some() && discounts > 0, "a discount on a line");
                    let weight = (i128::from(line.amount) - discounts).max(0);
                    weighted += weight * bps(of_line.unwrap_or(rate));
                    weights += weight;
                }
                if weights == 0 {
                    (weighted, weights) = (bps(rate), 1);
                }
                half_up(base * weighted, weights * 10_000)
            }
        };
        let cap = terms.caps.get(&parsed(told.currency)).copied().map(i128::from);
        note(cap.is_none() && !terms.caps.is_empty(), "a cap of another currency only");
        match cap {
            Some(cap) if cap < earned => {
                note(true, "a cap");
                cap
            }
            Some(_) | None => earned,
        }
    }

    /// Notes which other rules mattered to an invoice that earns.
    pub fn note_features(
        &self,
        invoice: &str,
        customer: &Customer,
        referral: &Referral,
        features: &mut BTreeSet<&'static str>,
    ) {
        let mut note = |holds: bool, feature| features.extend(holds.then_some(feature));
        let (terms, claim) = (referral.terms, &referral.claim);
        let paid = &self.money.invoices[invoice];
        let stripe_customer = |id: &str| self.money.invoices[id].told.named.name();
        let counted = self.counted(customer, referral);
        let limits = terms.recurrence != Recurrence::Recurring { months: None, invoices: None };
        note(terms.recurrence == Recurrence::OneTime && counted.len() > 1, "one time");
        note(limits && counted[0].1 != invoice, "the second invoice of a limited referral");
        note(terms.max_rewards_per_promoter.is_some(), "a place among limited ones");
        note(terms.min_invoices.contains_key(&parsed(paid.told.currency)), "a minimum that was reached");
        note(terms.exclude_shipping && paid.told.shipping.is_some(), "shipping");
        note(terms.tiers_by == TiersBy::Signups, "a number by signups");
        note(referral.later_terms, "later terms");
        note(claim.place.0 == Source::Move, "a move");
        note(referral.beats_refusal, "a move that beats a refusal");
        note(claim.names_promotion_code(), "a promotion code");
        note(claim.place.0 == Source::InvoicePromotion, "a promotion code of an invoice");
        let was_carried = self.people.carried.iter().any(|(promotion, _)| *promotion == claim.code);
        note(was_carried, "a promotion code that was added");
        note(claim.place.0 == Source::Subscription, "a subscription's claim");
        note(claim.is_reference(), "a host's reference");
        note(!claim.names_promotion_code() && claim.spelled_otherwise, "a code spelled otherwise");
        note(referral.code == LATE, "the late code");
        note(stripe_customer(invoice).is_some_and(|id| id.starts_with("acct")), "an account");
        let others = counted.iter().any(|(_, id)| stripe_customer(id) != stripe_customer(invoice));
        note(matches!(customer, Customer::User(_)) && others, "several customers of one user");
        note(referral.likeness.user, "a release of a user");
        note(referral.likeness.mailbox, "a release of an e-mail");
        note(paid.told.by_hand > 0, "paid by hand");
        note(paid.is_in_conflict(), "contradicting snapshots");
        let told_again = self.tellings.values().any(|versions| versions.len() > 1);
        note(told_again, "two tellings of one event");
    }
}

fn is_before(paid: &PaidInvoice, referral: &Referral) -> bool {
    paid.paid_at < referral.claim.claimed_at - referral.claim.lookback_s
}

fn is_below_minimum(paid: &PaidInvoice, referral: &Referral) -> bool {
    let least = referral.terms.min_invoices.get(&parsed(paid.told.currency));
    least.is_some_and(|least| paid.told.amount_paid < *least)
}

fn bps(rate: BasisPoints) -> i128 {
    i128::from(rate.get())
}

fn base(told: &Invoice, terms: &Terms) -> i128 {
    let (paid, total) = (i128::from(told.amount_paid), i128::from(told.total));
    let net = match (told.excluding_tax, told.tax) {
        (Some(net), _) => i128::from(net),
        (None, Some(tax)) => total - i128::from(tax),
        (None, None) => total,
    };
    let part_paid = |of: i128| if paid >= total { of } else { (paid * of).div_euclid(total) };
    let base = match terms.base {
        CommissionBase::AmountPaid => paid,
        CommissionBase::NetOfTax => part_paid(net),
    };
    match told.shipping {
        Some((shipping, tax)) if terms.exclude_shipping => {
            let tax = if terms.base == CommissionBase::NetOfTax { tax.unwrap_or(0) } else { 0 };
            (base - part_paid(i128::from(shipping - tax))).max(0)
        }
        Some(_) | None => base,
    }
}

/// Year, month and day.
type Date = (i64, i64, i64);

/// The date in UTC, counted from 1970 on.
fn date(unix: i64) -> Date {
    let (mut year, mut month, mut day) = (1970, 1, 1 + unix.div_euclid(SECONDS_PER_DAY));
    while day > 337 + days_of(year, 2) {
        day -= 337 + days_of(year, 2);
        year += 1;
    }
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
