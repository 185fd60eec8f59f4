//! The values that Stripe's objects are made of, read leniently where versions differ and strictly where money is.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Unexpected, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::domain::Currency;

/// An id longer than this is none: Stripe's are under 70 characters, and promises to stay under 255.
const ID_LIMIT_BYTES: usize = 255;

/// A field that a rule needs is missing or wrong. The text names the path and the rule, never the value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{path}: {rule}")]
pub struct FieldError {
    /// The path in the event, such as `data.object.amount_paid`.
    pub path: String,
    /// What is wrong with it.
    pub rule: String,
}

impl FieldError {
    /// A field is missing that a rule needs.
    pub fn missing(path: &str) -> Self {
        Self { path: path.to_owned(), rule: "missing".to_owned() }
    }
}

/// Reads a part of an event, and says where it is wrong.
///
/// # Errors
/// [`FieldError`] for the first field that is missing or wrong.
pub fn read<'e, T: Deserialize<'e>>(raw: &'e RawValue, at: &str) -> Result<T, FieldError> {
    // Nearly all are right: keeping the path takes long, and only an error needs it.
    if let Ok(value) = serde_json::from_str(raw.get()) {
        return Ok(value);
    }
    let mut json = serde_json::Deserializer::from_str(raw.get());
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let inside = error.path().to_string();
        // The keys of metadata are the host's own words: anything may stand in them.
        let inside = inside.split_inclusive("metadata").next().unwrap_or_default().to_owned();
        let path = if inside == "." { at.to_owned() } else { format!("{at}.{inside}") };
        field_error(path, &error.inner().to_string())
    })
}

/// serde's messages quote what they refuse; an e-mail must not come with them, so only the rule is kept.
fn field_error(path: String, message: &str) -> FieldError {
    if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        return FieldError::missing(&format!("{path}.{field}"));
    }
    let expected = message.rsplit_once("expected ").map(|(_, expected)| expected);
    let expected = expected.and_then(|expected| expected.split(" at line ").next());
    let rule = match expected {
        Some(expected) => format!("expected {expected}"),
        None if message.starts_with("duplicate field") => "given twice".to_owned(),
        None => "not readable".to_owned(),
    };
    FieldError { path, rule }
}

/// True for a text that can name something: not empty, not endless, nothing invisible in it.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= ID_LIMIT_BYTES && !text.chars().any(char::is_control)
}

/// An id: a string, or the object that it names when Stripe was asked to expand it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id(pub String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;
        impl<'de> Visitor<'de> for IdVisitor {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an id of 1 to {ID_LIMIT_BYTES} characters, or an object with one")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Id, E> {
                if is_name(text) {
                    Ok(Id(text.to_owned()))
                } else {
                    Err(E::invalid_value(Unexpected::Other("text"), &self))
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Id, A::Error> {
                let mut id = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key == "id" {
                        id = Some(map.next_value::<Id>()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                id.ok_or_else(|| A::Error::invalid_value(Unexpected::Map, &self))
            }
        }
        deserializer.deserialize_any(IdVisitor)
    }
}

/// A field of which absent and null are different things: what is null in one API version is gone in a newer one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Nullable<T> {
    /// It is not there.
    #[default]
    Absent,
    /// It is there, and null.
    Null,
    /// It has a value.
    Value(T),
}

impl<T> Nullable<T> {
    /// Its value, if it has one.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }
}

/// A field that is absent is not read at all, and so [`Nullable::Absent`] by default.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nullable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

/// A text that no rule depends on: anything else than a text is as good as none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(pub Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(Self(value.as_str().map(str::to_owned)))
    }
}

/// The places of discounts in a list; those beyond are not read.
pub const PLACES: std::ops::RangeInclusive<u16> = 0..=u16::MAX;

/// The promotion codes of a discount, or of a list of discounts, each by its place. No sum depends on how they are shown,
/// so an odd one is as good as none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PromotionCodes {
    /// The place of a discount and `promo_…`.
    pub codes: Vec<(u16, String)>,
    /// Discounts that are shown as objects.
    pub shown: usize,
    /// Discounts that are named by their ids only, so that nobody can tell.
    pub unshown: usize,
}

impl<'de> Deserialize<'de> for PromotionCodes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let discounts = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Array(discounts) => discounts,
            discount @ (serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_)
            | serde_json::Value::Object(_)) => vec![discount],
        };
        let promotion_code = |(discount, place): (serde_json::Value, u16)| {
            let named = discount.get("promotion_code")?;
            let id = named.as_str().or_else(|| named.get("id")?.as_str()).filter(|id| is_name(id))?;
            Some((place, id.to_owned()))
        };
        Ok(Self {
            shown: discounts.iter().filter(|discount| discount.is_object()).count(),
            unshown: discounts.iter().filter(|discount| discount.is_string()).count(),
            codes: discounts.into_iter().zip(PLACES).filter_map(promotion_code).collect(),
        })
    }
}

/// The price of a line: its id, or the object with its product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRef {
    /// `price_…`, or the name of a plan.
    pub price: String,
    /// `prod_…`.
    pub product: Option<String>,
}

impl<'de> Deserialize<'de> for PriceRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Object {
            id: Id,
            product: Option<Id>,
        }
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Either {
            Object(Object),
            Name(Id),
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Object(Object { id: Id(price), product }) => {
                Self { price, product: product.map(|Id(product)| product) }
            }
            Either::Name(Id(price)) => Self { price, product: None },
        })
    }
}

/// Beyond this an amount is no amount: a million times what Stripe can charge at once, and still so little that sums
/// and products of many fit.
const AMOUNT_LIMIT_MINOR: i64 = 999_999_999_999_999;

/// An amount of money that cannot be negative, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount(pub i64);

/// An amount of money of either sign, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedAmount(pub i64);

impl<'de> Deserialize<'de> for SignedAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let minor = i64::deserialize(deserializer)?;
        if !(-AMOUNT_LIMIT_MINOR..=AMOUNT_LIMIT_MINOR).contains(&minor) {
            return Err(D::Error::invalid_value(
                Unexpected::Signed(minor),
                &"an amount of at most 15 digits",
            ));
        }
        Ok(Self(minor))
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let SignedAmount(minor) = SignedAmount::deserialize(deserializer)?;
        if minor < 0 {
            return Err(D::Error::invalid_value(Unexpected::Signed(minor), &"an amount of at least 0"));
        }
        Ok(Self(minor))
    }
}

/// `currency`: three letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrencyCode(pub Currency);

impl<'de> Deserialize<'de> for CurrencyCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let wrong = || D::Error::invalid_value(Unexpected::Other("text"), &"a currency of three letters");
        Currency::parse(&text).map(Self).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_id(json: &str) -> Result<Option<Id>, FieldError> {
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        read::<Option<Id>>(&raw, "data.object.customer")
    }

    #[test]
    fn an_id_may_be_expanded_or_null() {
        assert_eq!(read_id(r#""cus_1""#), Ok(Some(Id("cus_1".to_owned()))));
        let expanded = r#"{"object":"customer","id":"cus_1","email":"a@b.c"}"#;
        assert_eq!(read_id(expanded), Ok(Some(Id("cus_1".to_owned()))));
        assert_eq!(read_id("null"), Ok(None));
    }

    #[test]
    fn a_wrong_value_is_named_by_path_and_never_quoted() {
        for json in [r#""""#, r#"{"email":"canary@example.com"}"#, "17", r#""a\u0000b""#] {
            let error = read_id(json).unwrap_err().to_string();
            assert!(error.starts_with("data.object.customer"), "{json}: {error}");
            assert!(error.contains("expected an id"), "{json}: {error}");
        }
        let raw = RawValue::from_string(r#""canary@example.com""#.to_owned()).unwrap();
        let error = read::<Amount>(&raw, "data.object.amount").unwrap_err().to_string();
        assert_eq!(error, "data.object.amount: expected i64");
    }

    #[test]
    fn discounts_are_read_however_many_there_are() {
        let discount = r#"{"promotion_code":"promo_1"}"#;
        for discounts in [65_535, 65_536, 70_000] {
            let json = format!("[{}]", vec![discount; discounts].join(","));
            let read: PromotionCodes = serde_json::from_str(&json).unwrap();
            assert_eq!((read.shown, read.unshown), (discounts, 0));
            assert_eq!(usize::from(read.codes.last().unwrap().0), read.codes.len() - 1);
        }
    }

    #[test]
    fn money_is_a_whole_number_of_at_least_nothing() {
        for (json, fine) in [
            ("0", true),
            ("999999999999999", true),
            ("1000000000000000", false),
            ("-1", false),
            ("1.5", false),
        ] {
            let raw = RawValue::from_string(json.to_owned()).unwrap();
            assert_eq!(read::<Amount>(&raw, "amount").is_ok(), fine, "{json}");
        }
    }
}
