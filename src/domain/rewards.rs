//! C: what one invoice earns by its reward, before any loss.

use super::facts::InvoiceSnapshot;
use super::money::{BasisPoints, MoneyError, narrow, ratio_half_up};
use super::terms::{Reward, Terms};

/// What an invoice earns, and the one rate that it was computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earned {
    /// C, in minor units of the invoice's currency, ≥ 0.
    pub commission_minor: i64,
    /// The rate; `None` for a flat reward, and where rates of products were mixed.
    pub rate: Option<BasisPoints>,
}

/// C of an invoice for the referral with this number, if it has been given one; `base_minor` > 0.
///
/// # Errors
/// [`MoneyError`] when an amount does not fit 64 bits.
pub fn earned(
    terms: &Terms,
    referral_number: Option<u32>,
    snapshot: &InvoiceSnapshot,
    base_minor: i64,
) -> Result<Earned, MoneyError> {
    let uncapped = match terms.reward {
        Reward::Flat(amount_minor) => Earned { commission_minor: amount_minor.min(base_minor), rate: None },
        Reward::Percentage(rate) => {
            share(terms, rate_of(terms, rate, referral_number), snapshot, base_minor)?
        }
    };
    // A cap says nothing about invoices in another currency.
    let cap_minor = terms.caps.get(&snapshot.currency).copied().unwrap_or(i64::MAX);
    Ok(Earned { commission_minor: uncapped.commission_minor.min(cap_minor), ..uncapped })
}

/// The rate of the last tier that begins at or below the referral number, else the program's.
fn rate_of(terms: &Terms, rate: BasisPoints, referral_number: Option<u32>) -> BasisPoints {
    let reached = terms.tiers.iter().rfind(|tier| referral_number >= Some(tier.from_number));
    reached.map_or(rate, |tier| tier.rate)
}

/// base × rate; with rates of products base × Σ(w × rate) / Σw, w being what the lines sold.
fn share(
    terms: &Terms,
    rate: BasisPoints,
    snapshot: &InvoiceSnapshot,
    base_minor: i64,
) -> Result<Earned, MoneyError> {
    let of_line = |price: &Option<String>, product: &Option<String>| {
        let of = |name: &Option<String>| terms.product_rates.get(name.as_deref()?).copied();
        of(price).or_else(|| of(product))
    };
    let lines = snapshot.lines.weights.iter().filter(|_| !terms.product_rates.is_empty());
    let (mut weighted, mut weights, mut mixed) = (0_i128, 0_i128, false);
    for ((price, product), weight_minor) in lines {
        let own_rate = of_line(price, product).unwrap_or(rate);
        mixed |= own_rate != rate;
        let weight = i128::from(*weight_minor);
        let product = weight.checked_mul(i128::from(own_rate.get())).ok_or(MoneyError::Overflow)?;
        weighted = weighted.checked_add(product).ok_or(MoneyError::Overflow)?;
        weights = weights.checked_add(weight).ok_or(MoneyError::Overflow)?;
    }
    if !mixed {
        return Ok(Earned { commission_minor: rate.of(base_minor)?, rate: Some(rate) });
    }
    let whole = weights.checked_mul(i128::from(BasisPoints::WHOLE.get())).ok_or(MoneyError::Overflow)?;
    let product = i128::from(base_minor).checked_mul(weighted).ok_or(MoneyError::Overflow)?;
    Ok(Earned { commission_minor: narrow(ratio_half_up(product, whole)?)?, rate: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lines::Lines;
    use crate::domain::terms::Tier;
    use crate::domain::{CommissionBase, Currency, EventId};

    fn bps(bps: u16) -> BasisPoints {
        BasisPoints::new(bps).unwrap()
    }

    fn ten_percent() -> Terms {
        Terms::percentage(bps(1_000), CommissionBase::NetOfTax, 30)
    }

    fn claim(currency: &str, lines: &[(&str, &str, i64)]) -> InvoiceSnapshot {
        let name = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
        let weights =
            lines.iter().map(|(price, product, weight)| ((name(price), name(product)), *weight)).collect();
        InvoiceSnapshot {
            event: EventId::new("evt_1"),
            api_version: String::new(),
            stripe_customer: None,
            currency: Currency::parse(currency).unwrap(),
            amount_paid_minor: 0,
            total_minor: 0,
            total_excluding_tax_minor: None,
            tax_minor: None,
            shipping_minor: 0,
            shipping_tax_minor: 0,
            lines: Lines { weights, more: false },
        }
    }

    fn commission(terms: &Terms, referral_number: u32, claim: &InvoiceSnapshot, base_minor: i64) -> i64 {
        earned(terms, Some(referral_number), claim, base_minor).unwrap().commission_minor
    }

    #[test]
    fn tiers_pick_the_rate_by_ordinal() {
        let tiers =
            vec![Tier { from_number: 11, rate: bps(1_500) }, Tier { from_number: 101, rate: bps(2_000) }];
        let terms = Terms { tiers, ..ten_percent() };
        for (referral_number, expected) in [(1, 1_000), (10, 1_000), (11, 1_500), (100, 1_500), (101, 2_000)]
        {
            assert_eq!(
                commission(&terms, referral_number, &claim("usd", &[]), 10_000),
                expected,
                "{referral_number}"
            );
        }
    }

    #[test]
    fn a_flat_reward_is_at_most_its_base_and_a_cap_is_of_one_currency() {
        let usd = Some(Currency::USD);
        let flat = Terms { reward: Reward::Flat(700), currency: usd, ..ten_percent() };
        assert_eq!(commission(&flat, 1, &claim("usd", &[]), 10_000), 700);
        assert_eq!(commission(&flat, 1, &claim("usd", &[]), 120), 120);
        let capped = Terms { caps: [(Currency::USD, 250)].into(), ..ten_percent() };
        assert_eq!(commission(&capped, 1, &claim("usd", &[]), 10_000), 250);
        assert_eq!(commission(&capped, 1, &claim("usd", &[]), 2_000), 200);
        assert_eq!(commission(&capped, 1, &claim("jpy", &[]), 10_000), 1_000);
    }

    #[test]
    fn products_mix_their_rates_by_what_the_lines_sold() {
        let product_rates = [("price_a", 2_000), ("prod_b", 500), ("prod_zero", 0)];
        let product_rates = product_rates.map(|(name, rate)| (name.to_owned(), bps(rate))).into();
        let terms = Terms { product_rates, ..ten_percent() };
        let earned = |lines: &[_], base| commission(&terms, 1, &claim("usd", lines), base);
        // 30.00 at 20 % and 70.00 at 10 %: 13.00 of 100.00.
        assert_eq!(earned(&[("price_a", "prod_x", 3_000), ("price_c", "prod_c", 7_000)], 10_000), 1_300);
        // Half of the base went to credit: half of it is earned.
        assert_eq!(earned(&[("price_a", "prod_x", 3_000), ("price_c", "prod_c", 7_000)], 5_000), 650);
        // The price comes before its product.
        assert_eq!(earned(&[("price_a", "prod_b", 100)], 10_000), 2_000);
        assert_eq!(earned(&[("price_z", "prod_b", 100)], 10_000), 500);
        assert_eq!(earned(&[("", "prod_zero", 100)], 10_000), 0);
        // No positive line: the program's rate.
        assert_eq!(earned(&[], 10_000), 1_000);
        // A half rounds up: 1 of (1 x 5 % + 1 x 5 %) / 2 is 0.05, 10 are 0.5.
        assert_eq!(earned(&[("", "prod_b", 1)], 9), 0);
        assert_eq!(earned(&[("", "prod_b", 1)], 10), 1);
    }

    #[test]
    fn the_bounds_of_stripe_s_amounts_fit() {
        let product_rates = [("prod_b".to_owned(), bps(9_999))].into();
        let terms = Terms { product_rates, ..ten_percent() };
        let most = 999_999_999_999_999;
        let lines = [("price_a", "prod_b", most), ("price_b", "prod_b", most), ("price_c", "prod_c", most)];
        // (2 x 99.99 % + 10 %) / 3 = 69.99333…%
        assert_eq!(commission(&terms, 1, &claim("usd", &lines), most), 699_933_333_333_333);
    }
}
