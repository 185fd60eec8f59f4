//! Lists inside objects. Versions and expansion change their form, and a list that is missing must not cost its event.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A list inside an object: an array, or an object with `data`.
#[derive(Debug)]
pub struct List<T> {
    /// The objects of its first page; entries that are only ids or null are left out.
    pub data: Vec<T>,
    /// It has more than these: `has_more`, or entries that were left out.
    pub more: bool,
}

impl<T> List<T> {
    /// The objects of its first page.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.data.iter()
    }
}

impl<'l, T> IntoIterator for &'l List<T> {
    type Item = &'l T;
    type IntoIter = std::slice::Iter<'l, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Reads a field that is a list. Null, an empty object and one without `data` are as good as no list.
///
/// # Errors
/// Those of the objects in it; a text or a number is no list.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<List<T>>, D::Error> {
    struct ListVisitor<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
        type Value = Option<List<T>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut list = List { data: Vec::new(), more: false };
            while let Some(Entry(entry)) = entries.next_element()? {
                match entry {
                    Some(object) => list.data.push(object),
                    None => list.more = true,
                }
            }
            Ok(Some(list))
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let (mut found, mut has_more) = (None, false);
            while let Some(key) = map.next_key::<String>()? {
                match key.as_str() {
                    "data" => found = map.next_value::<Data<T>>()?.0,
                    "has_more" => has_more = map.next_value::<Option<bool>>()? == Some(true),
                    _ => drop(map.next_value::<IgnoredAny>()?),
                }
            }
            Ok(found.map(|List { data, more }| List { data, more: more || has_more }))
        }
    }
    deserializer.deserialize_any(ListVisitor(PhantomData))
}

/// `data` of a list object.
struct Data<T>(Option<List<T>>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Data<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        list(deserializer).map(Self)
    }
}

/// An object of a list, or an id or null in its place.
struct Entry<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entry<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for EntryVisitor<T> {
            type Value = Entry<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object, an id or null")
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Entry(None))
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Entry(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|object| Entry(Some(object)))
            }
        }
        deserializer.deserialize_any(EntryVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::stripe::fields::{Amount, FieldError, read};

    #[derive(Debug, serde::Deserialize)]
    struct Holder {
        #[serde(default, deserialize_with = "list")]
        list: Option<List<Priced>>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Priced {
        amount: Amount,
    }

    fn amounts(json: &str) -> Result<Option<(Vec<i64>, bool)>, FieldError> {
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        let holder = read::<Holder>(&raw, "data.object")?;
        Ok(holder.list.map(|list| (list.into_iter().map(|priced| priced.amount.0).collect(), list.more)))
    }

    #[test]
    fn a_list_without_data_is_none() {
        for absent in
            ["{}", r#"{"list":null}"#, r#"{"list":{}}"#, r#"{"list":{"object":"list","has_more":true}}"#]
        {
            assert_eq!(amounts(absent), Ok(None), "{absent}");
        }
        assert_eq!(amounts(r#"{"list":{"data":null}}"#), Ok(None));
    }

    #[test]
    fn a_list_is_an_array_or_has_one_and_leaves_out_what_is_no_object() {
        let one = Ok(Some((vec![1], false)));
        assert_eq!(amounts(r#"{"list":[{"amount":1}]}"#), one);
        assert_eq!(amounts(r#"{"list":{"data":[{"amount":1}],"has_more":false,"url":"/v1"}}"#), one);
        assert_eq!(amounts(r#"{"list":{"data":[{"amount":1}],"has_more":true}}"#), Ok(Some((vec![1], true))));
        assert_eq!(amounts(r#"{"list":["txn_1",null,{"amount":1}]}"#), Ok(Some((vec![1], true))));
        assert_eq!(amounts(r#"{"list":[]}"#), Ok(Some((Vec::new(), false))));
    }

    #[test]
    fn a_wrong_object_of_a_list_is_named_by_its_path() {
        let error = amounts(r#"{"list":{"data":[{"amount":-1}]}}"#).unwrap_err();
        assert_eq!(error.to_string(), "data.object.list.data[0].amount: expected an amount of at least 0");
        assert!(
            amounts(r#"{"list":7}"#)
                .unwrap_err()
                .to_string()
                .starts_with("data.object.list: expected a list")
        );
    }
}
