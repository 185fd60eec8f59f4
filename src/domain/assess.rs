//! `assess`: what the ledger should hold for one paid invoice. Pure; the daemon posts the difference to it.

use super::attribution::Referral;
use super::facts::{InvoiceSnapshot, PaidInvoice};
use super::money::{BasisPoints, MoneyError, minus, share_floor, share_half_up};
use super::no_commission::NoCommission;
use super::payments::Loss;
use super::rewards::{Earned, earned};
use super::terms::{CommissionBase, Reward, Terms};
use super::time::Timestamp;

/// The present assessment of one invoice. Amounts in minor units of the invoice's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assessment {
    /// What the share is taken of; 0 when there is no referral.
    pub base_minor: i64,
    /// The rate that C was computed with; `None` for a flat reward, mixed rates of products, or no commission.
    pub rate: Option<BasisPoints>,
    /// C, what the invoice earned before any loss, ≥ 0. The target of `commission`.
    pub commission_minor: i64,
    /// kept(R) − C, ≤ 0. The target of `refund`.
    pub refund_minor: i64,
    /// kept(L) − kept(R), ≤ 0. The target of `dispute`.
    pub dispute_minor: i64,
    /// From when on the amounts may be paid out: `paid_at` + hold period.
    pub available_at: Timestamp,
    /// Why `commission_minor` is 0, when there is a reason.
    pub reason: Option<NoCommission>,
    /// Rates of products were picked although the event did not show all lines.
    pub unseen_lines: bool,
}

impl Assessment {
    /// True for an invoice that no claim concerns: it has no row, unless one was made of it before.
    pub fn is_not_referred(&self) -> bool {
        self.reason == Some(NoCommission::NotReferred)
    }

    /// What is left of C: 0 ≤ net ≤ C.
    pub const fn net_minor(&self) -> i64 {
        self.commission_minor.saturating_add(self.refund_minor).saturating_add(self.dispute_minor)
    }
}

/// The number of an invoice among those that are counted for its referral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvoiceNumber {
    /// When the first of them was paid.
    pub first_paid_at: Timestamp,
    /// From 1, by (`paid_at`, id).
    pub number: u32,
}

/// What an assessment depends on beside the invoice and its referral.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InvoiceContext {
    /// The invoice's number; `None` for one that is not counted, or where the terms do not count.
    pub number: Option<InvoiceNumber>,
    /// The reward slots of the promoter are taken by other referrals.
    pub exhausted: bool,
    /// The customer has paid an invoice before its referral. Only told where the terms are for new customers only.
    pub existing: bool,
}

/// What an invoice earns for the promoter of its referral.
///
/// `referral` is the reason when there is none; `loss` is R and L of the semantics, 0 ≤ R ≤ L ≤ `amount_paid`.
///
/// # Errors
/// [`MoneyError`] when an amount does not fit 64 bits.
pub fn assess(
    invoice: &PaidInvoice,
    referral: Result<&Referral, NoCommission>,
    context: InvoiceContext,
    loss: Loss,
) -> Result<Assessment, MoneyError> {
    let nothing = |base_minor, available_at, reason| Assessment {
        base_minor,
        rate: None,
        commission_minor: 0,
        refund_minor: 0,
        dispute_minor: 0,
        available_at,
        reason: Some(reason),
        unseen_lines: false,
    };
    let referral = match referral {
        Ok(referral) => referral,
        Err(reason) => return Ok(nothing(0, invoice.paid_at, reason)),
    };
    let (snapshot, terms) = (&invoice.snapshot, referral.terms.as_ref());
    let base_minor = base(snapshot, terms)?;
    let available_at = invoice.paid_at.plus_days(terms.hold_days);
    if let Some(reason) = reason(invoice, referral, base_minor, context) {
        return Ok(nothing(base_minor, available_at, reason));
    }
    let Earned { commission_minor, rate } = earned(terms, referral.referral_number, snapshot, base_minor)?;
    let paid_minor = snapshot.amount_paid_minor;
    let after_refunds_minor = kept(commission_minor, loss.refunds_minor, paid_minor)?;
    let after_all_minor = kept(commission_minor, loss.total_minor, paid_minor)?;
    Ok(Assessment {
        base_minor,
        rate,
        commission_minor,
        refund_minor: minus(after_refunds_minor, commission_minor)?,
        dispute_minor: minus(after_all_minor, after_refunds_minor)?,
        available_at,
        reason: None,
        unseen_lines: snapshot.lines.more && !terms.product_rates.is_empty(),
    })
}

/// True for an invoice by which its customer existed before the referral: something was paid, before the lookback.
pub fn is_of_before(invoice: &PaidInvoice, referral: &Referral) -> bool {
    invoice.snapshot.amount_paid_minor > 0 && invoice.paid_at < referral.earns_from()
}

/// True for an invoice that "first" and "the Nth" count: something was paid, not too little, and not too early; whatever
/// else keeps it from earning.
pub fn is_counted(invoice: &PaidInvoice, referral: &Referral) -> bool {
    let snapshot = &invoice.snapshot;
    snapshot.amount_paid_minor > 0
        && invoice.paid_at >= referral.earns_from()
        && !referral.terms.is_below_minimum(snapshot.currency, snapshot.amount_paid_minor)
}

/// The first reason for which an invoice of a referral earns nothing.
fn reason(
    invoice: &PaidInvoice,
    referral: &Referral,
    base_minor: i64,
    context: InvoiceContext,
) -> Option<NoCommission> {
    let (snapshot, terms) = (&invoice.snapshot, referral.terms.as_ref());
    let converted_late = |number: InvoiceNumber| {
        let window = terms.conversion_window_days;
        window.is_some_and(|days| number.first_paid_at > referral.claimed_at.plus_days(days))
    };
    let is_over = |number: InvoiceNumber| terms.is_over(number.first_paid_at, number.number, invoice.paid_at);
    let is_flat = matches!(terms.reward, Reward::Flat(_));
    if snapshot.amount_paid_minor <= 0 || base_minor <= 0 {
        Some(NoCommission::ZeroAmount)
    } else if invoice.paid_at < referral.earns_from() {
        Some(NoCommission::BeforeReferral)
    } else if terms.is_below_minimum(snapshot.currency, snapshot.amount_paid_minor) {
        Some(NoCommission::BelowMinimum)
    } else if context.existing {
        Some(NoCommission::ExistingCustomer)
    } else if context.exhausted {
        Some(NoCommission::RewardExhausted)
    } else if context.number.is_some_and(converted_late) {
        Some(NoCommission::ConversionWindow)
    } else if context.number.is_some_and(is_over) {
        Some(NoCommission::DurationOver)
    } else if is_flat && terms.currency != Some(snapshot.currency) {
        Some(NoCommission::CurrencyMismatch)
    } else if referral.held {
        Some(NoCommission::SelfReferral)
    } else {
        None
    }
}

/// kept(x) = C − `round_half_up`(C × x / `amount_paid`), and exactly 0 when x = `amount_paid`.
fn kept(commission_minor: i64, loss_minor: i64, amount_paid_minor: i64) -> Result<i64, MoneyError> {
    if loss_minor == amount_paid_minor {
        return Ok(0);
    }
    minus(commission_minor, share_half_up(commission_minor, loss_minor, amount_paid_minor)?)
}

/// What the share is taken of: `amount_paid`, or the part of it that is not tax; less shipping where the terms exclude it.
fn base(snapshot: &InvoiceSnapshot, terms: &Terms) -> Result<i64, MoneyError> {
    let base_minor = base_with_shipping(snapshot, terms.base)?;
    if !terms.exclude_shipping || snapshot.shipping_minor <= 0 {
        return Ok(base_minor);
    }
    let shipping_minor = match terms.base {
        CommissionBase::AmountPaid => snapshot.shipping_minor,
        CommissionBase::NetOfTax => minus(snapshot.shipping_minor, snapshot.shipping_tax_minor)?.max(0),
    };
    Ok(minus(base_minor, part_paid(snapshot, shipping_minor)?)?.max(0))
}

/// The part of an amount of an invoice that was paid, rounded down; all of it where at least the total was.
fn part_paid(snapshot: &InvoiceSnapshot, minor: i64) -> Result<i64, MoneyError> {
    if snapshot.amount_paid_minor >= snapshot.total_minor {
        return Ok(minor);
    }
    share_floor(snapshot.amount_paid_minor, minor, snapshot.total_minor)
}

fn base_with_shipping(snapshot: &InvoiceSnapshot, base: CommissionBase) -> Result<i64, MoneyError> {
    match base {
        CommissionBase::AmountPaid => Ok(snapshot.amount_paid_minor),
        CommissionBase::NetOfTax => {
            let net_minor = match (snapshot.total_excluding_tax_minor, snapshot.tax_minor) {
                (Some(net_minor), _) => net_minor,
                (None, Some(tax_minor)) => minus(snapshot.total_minor, tax_minor)?,
                (None, None) => snapshot.total_minor,
            };
            part_paid(snapshot, net_minor)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        ClaimId, ClaimSource, Code, Currency, Customer, EventId, ProgramKey, PromoterId, ReferralId,
        StripeCustomerId, Terms, lines::Lines,
    };

    fn invoice(amount_paid_minor: i64, total_minor: i64, net: Option<i64>, tax: Option<i64>) -> PaidInvoice {
        let claim = InvoiceSnapshot {
            event: EventId::new("evt_1"),
            api_version: String::new(),
            stripe_customer: Some(StripeCustomerId::new("cus_1")),
            currency: Currency::parse("usd").unwrap(),
            amount_paid_minor,
            total_minor,
            total_excluding_tax_minor: net,
            tax_minor: tax,
            shipping_minor: 0,
            shipping_tax_minor: 0,
            lines: Lines::default(),
        };
        PaidInvoice::new(claim, Timestamp::from_unix(1_000_000))
    }

    fn referral(rate_bps: u16, base: CommissionBase) -> Referral {
        Referral {
            id: ReferralId::new("ref_1"),
            customer: Customer::Stripe(StripeCustomerId::new("cus_1")),
            claim: ClaimId::new("clm_1"),
            source: ClaimSource::Api,
            code: Code::new("ANNA"),
            promoter: PromoterId::new("prm_1"),
            program: ProgramKey::new("default"),
            terms_version: 1,
            terms: Terms::percentage(BasisPoints::new(rate_bps).unwrap(), base, 30).into(),
            referral_number: Some(1),
            claimed_at: Timestamp::from_unix(1_000_000),
            lookback_s: 86_400,
            void: false,
            held: false,
            qualified: None,
        }
    }

    fn figures(invoice: &PaidInvoice, rate_bps: u16, base: CommissionBase, loss: i64) -> (i64, i64, i64) {
        let loss = Loss { refunds_minor: loss, total_minor: loss };
        let assessed =
            assess(invoice, Ok(&referral(rate_bps, base)), InvoiceContext::default(), loss).unwrap();
        assert_eq!(assessed.dispute_minor, 0);
        (assessed.base_minor, assessed.commission_minor, assessed.refund_minor)
    }

    #[test]
    fn the_documented_example() {
        let paid = invoice(10_000, 10_000, Some(10_000), None);
        assert_eq!(figures(&paid, 1_000, CommissionBase::NetOfTax, 0), (10_000, 1_000, 0));
        assert_eq!(figures(&paid, 1_000, CommissionBase::NetOfTax, 5_000), (10_000, 1_000, -500));
        assert_eq!(figures(&paid, 1_000, CommissionBase::NetOfTax, 10_000), (10_000, 1_000, -1_000));
    }

    #[test]
    fn a_refund_beside_an_open_dispute_splits_the_kinds_anew() {
        let paid = invoice(10_000, 10_000, Some(10_000), None);
        let referral = referral(1_000, CommissionBase::NetOfTax);
        let split = |refunds_minor, total_minor| {
            let loss = Loss { refunds_minor, total_minor };
            let assessed = assess(&paid, Ok(&referral), InvoiceContext::default(), loss).unwrap();
            (assessed.refund_minor, assessed.dispute_minor)
        };
        assert_eq!(split(0, 10_000), (0, -1_000));
        assert_eq!(split(50, 10_000), (-5, -995));
        assert_eq!(split(5_000, 5_000), (-500, 0));
    }

    #[test]
    fn the_base_is_net_of_tax_by_every_way_that_stripe_tells_tax() {
        let net = CommissionBase::NetOfTax;
        let told = figures(&invoice(11_900, 11_900, Some(10_000), Some(1)), 1_000, net, 0);
        let summed = figures(&invoice(11_900, 11_900, None, Some(1_900)), 1_000, net, 0);
        let untaxed = figures(&invoice(11_900, 11_900, None, None), 1_000, net, 0);
        let gross =
            figures(&invoice(11_900, 11_900, Some(10_000), None), 1_000, CommissionBase::AmountPaid, 0);
        assert_eq!((told, summed), ((10_000, 1_000, 0), (10_000, 1_000, 0)));
        assert_eq!((untaxed, gross), ((11_900, 1_190, 0), (11_900, 1_190, 0)));
    }

    #[test]
    fn customer_credit_lowers_the_base_in_proportion() {
        // 119.00 due of which 19.00 tax; 60.00 came from the customer's balance.
        let paid = invoice(5_900, 11_900, Some(10_000), None);
        assert_eq!(figures(&paid, 1_000, CommissionBase::NetOfTax, 0), (4_957, 496, 0));
    }

    #[test]
    fn reasons_come_in_their_order() {
        let reason = |invoice: &PaidInvoice, referral| {
            assess(invoice, referral, InvoiceContext::default(), Loss::default()).unwrap().reason
        };
        let referral = referral(1_000, CommissionBase::NetOfTax);
        let (sale, zero) = (invoice(100, 100, None, None), invoice(0, 100, None, None));
        let mut early = sale.clone();
        early.paid_at = Timestamp::from_unix(1_000_000 - 86_401);
        assert_eq!(reason(&zero, Err(NoCommission::NotReferred)), Some(NoCommission::NotReferred));
        assert_eq!(reason(&zero, Ok(&referral)), Some(NoCommission::ZeroAmount));
        assert_eq!(reason(&early, Ok(&referral)), Some(NoCommission::BeforeReferral));
        early.paid_at = Timestamp::from_unix(1_000_000 - 86_400);
        assert_eq!(reason(&early, Ok(&referral)), None);
        let only_tax = invoice(100, 100, Some(0), None);
        assert_eq!(reason(&only_tax, Ok(&referral)), Some(NoCommission::ZeroAmount));
    }

    #[test]
    fn the_largest_amount_does_not_wrap() {
        let paid = invoice(i64::MAX, i64::MAX, None, None);
        let (base, commission, refund) = figures(&paid, 10_000, CommissionBase::NetOfTax, i64::MAX - 1);
        assert_eq!((base, commission, refund), (i64::MAX, i64::MAX, 1 - i64::MAX));
    }

    proptest! {
        #[test]
        fn the_net_is_between_nothing_and_the_commission_and_falls_with_the_loss(
            paid in 1..2_000_000_i64, rate in 0..=10_000_u16, a in 0..=1_000_u32, b in 0..=1_000_u32,
        ) {
            let sale = invoice(paid, paid, None, None);
            let loss = |thousandths: u32| share_floor(paid, thousandths.into(), 1_000).unwrap();
            let net = |loss| {
                let (_, commission, refund) = figures(&sale, rate, CommissionBase::NetOfTax, loss);
                (commission, commission.strict_add(refund))
            };
            let (less, more) = (loss(a.min(b)), loss(a.max(b)));
            let ((commission, net_less), (_, net_more)) = (net(less), net(more));
            prop_assert!(0 <= net_more && net_more <= net_less && net_less <= commission);
            prop_assert_eq!(net(paid).1, 0);
            prop_assert_eq!(net(0).1, commission);
        }
    }
}
