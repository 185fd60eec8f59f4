//! Money: `i64` minor units with a currency, rates in basis points, one way to round. No floats, no wraps.

use std::fmt;

use rust_decimal::Decimal;
use thiserror::Error;

/// Ten thousand basis points are the whole.
const WHOLE_BPS: u16 = 10_000;

/// Stripe's zero-decimal currencies; UGX is one in name, but its API amounts keep two decimals.
const ZERO_DECIMAL: [&str; 15] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"];
/// Stripe's three-decimal currencies.
const THREE_DECIMAL: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

/// What money arithmetic refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// A result does not fit `i64` minor units.
    #[error("an amount does not fit 64-bit minor units")]
    Overflow,
    /// A division by an amount that is not positive.
    #[error("a share of a whole that is not positive")]
    NoWhole,
}

/// An ISO 4217 code in Stripe's lower case, such as `usd`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The United States dollar, for samples.
    pub const USD: Self = Self(*b"usd");

    /// Reads three ASCII letters, in either case; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 3] = text.as_bytes().try_into().ok()?;
        let lower = bytes.map(|byte| byte.to_ascii_lowercase());
        lower.iter().all(u8::is_ascii_lowercase).then_some(Self(lower))
    }

    /// The code in lower case.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// How many decimals Stripe's minor unit has: USD 2, JPY 0, KWD 3. Only display needs it.
    pub fn exponent(&self) -> u32 {
        let code = self.as_str();
        if ZERO_DECIMAL.contains(&code) {
            0
        } else if THREE_DECIMAL.contains(&code) {
            3
        } else {
            2
        }
    }

    /// The amount for people, with its sign and code: `-5.00 USD`, `1200 JPY`.
    pub fn display(&self, amount_minor: i64) -> String {
        let major = Decimal::from_i128_with_scale(i128::from(amount_minor), self.exponent());
        format!("{major} {}", self.as_str().to_ascii_uppercase())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A rate: 1 000 is 10 %, 10 000 is all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BasisPoints(u16);

impl BasisPoints {
    /// All.
    pub const WHOLE: Self = Self(WHOLE_BPS);

    /// A rate between nothing and all; `None` above 10 000.
    pub fn new(bps: u16) -> Option<Self> {
        (bps <= WHOLE_BPS).then_some(Self(bps))
    }

    /// The rate in basis points.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// This share of an amount, rounded half up.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] when the result does not fit.
    pub fn of(self, amount_minor: i64) -> Result<i64, MoneyError> {
        share_half_up(amount_minor, i64::from(self.0), i64::from(WHOLE_BPS))
    }
}

impl fmt::Display for BasisPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", Decimal::from_i128_with_scale(i128::from(self.0), 2).normalize())
    }
}

/// `amount × part / whole`, rounded half up (towards plus infinity at the half).
///
/// # Errors
/// [`MoneyError::NoWhole`] unless `whole` > 0; [`MoneyError::Overflow`] when the result does not fit.
pub fn share_half_up(amount: i64, part: i64, whole: i64) -> Result<i64, MoneyError> {
    let (product, whole) = product_and_whole(amount, part, whole)?;
    narrow(ratio_half_up(product, whole)?)
}

/// `part / whole` of products that need 128 bits, rounded half up.
///
/// # Errors
/// [`MoneyError::NoWhole`] unless `whole` > 0; [`MoneyError::Overflow`] when twice the part does not fit.
pub fn ratio_half_up(part: i128, whole: i128) -> Result<i128, MoneyError> {
    if whole <= 0 {
        return Err(MoneyError::NoWhole);
    }
    let (quotient, rest) = (part.div_euclid(whole), part.rem_euclid(whole));
    // 2 × rest ≥ whole, without doubling what may not fit.
    let rounds_up = rest >= whole.saturating_sub(rest);
    quotient.checked_add(i128::from(rounds_up)).ok_or(MoneyError::Overflow)
}

/// `⌊amount × part / whole⌋`.
///
/// # Errors
/// [`MoneyError::NoWhole`] unless `whole` > 0; [`MoneyError::Overflow`] when the result does not fit.
pub fn share_floor(amount: i64, part: i64, whole: i64) -> Result<i64, MoneyError> {
    let (product, whole) = product_and_whole(amount, part, whole)?;
    narrow(product.div_euclid(whole))
}

/// `a − b`, checked.
///
/// # Errors
/// [`MoneyError::Overflow`] when the result does not fit.
pub fn minus(a: i64, b: i64) -> Result<i64, MoneyError> {
    a.checked_sub(b).ok_or(MoneyError::Overflow)
}

/// An `i128` sum or quotient back to minor units.
///
/// # Errors
/// [`MoneyError::Overflow`] when it does not fit.
pub fn narrow(wide: i128) -> Result<i64, MoneyError> {
    i64::try_from(wide).or(Err(MoneyError::Overflow))
}

/// Two 64-bit factors always fit 128 bits, and so does twice their product plus a third; checked all the same.
fn product_and_whole(amount: i64, part: i64, whole: i64) -> Result<(i128, i128), MoneyError> {
    if whole <= 0 {
        return Err(MoneyError::NoWhole);
    }
    let product = i128::from(amount).checked_mul(i128::from(part)).ok_or(MoneyError::Overflow)?;
    Ok((product, i128::from(whole)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_rounds_up_and_less_than_a_half_down() {
        let ten_percent = BasisPoints::new(1_000).unwrap();
        for (amount, expected) in [(0, 0), (4, 0), (5, 1), (14, 1), (15, 2), (10_000, 1_000)] {
            assert_eq!(ten_percent.of(amount), Ok(expected), "10 % of {amount}");
        }
    }

    #[test]
    fn the_bounds_of_i64_are_errors_not_wraps() {
        let all = BasisPoints::new(10_000).unwrap();
        assert_eq!(all.of(i64::MAX), Ok(i64::MAX));
        assert_eq!(share_half_up(i64::MAX, i64::MAX, i64::MAX), Ok(i64::MAX));
        assert_eq!(share_half_up(i64::MAX, 2, 1), Err(MoneyError::Overflow));
        assert_eq!(share_floor(i64::MIN, i64::MIN, 1), Err(MoneyError::Overflow));
        assert_eq!(share_floor(1, 1, 0), Err(MoneyError::NoWhole));
    }

    #[test]
    fn amounts_show_their_currency_s_decimals() {
        let shown = |code: &str, amount| Currency::parse(code).unwrap().display(amount);
        assert_eq!(shown("usd", -500), "-5.00 USD");
        assert_eq!(shown("JPY", 1_200), "1200 JPY");
        assert_eq!(shown("kwd", 1), "0.001 KWD");
        assert_eq!(shown("ugx", 100), "1.00 UGX");
        assert_eq!(shown("usd", i64::MIN), "-92233720368547758.08 USD");
    }

    #[test]
    fn a_currency_is_three_letters() {
        for bad in ["", "us", "usdt", "u$d", "日本", "12a"] {
            assert_eq!(Currency::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_rate_reads_as_per_cent() {
        assert_eq!(BasisPoints::new(1_250).unwrap().to_string(), "12.5 %");
        assert_eq!(BasisPoints::new(10_001), None);
    }
}
