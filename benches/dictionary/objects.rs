//! The objects of `objects/*.json`, and how one of them is filled in.
//!
//! `"{name}"` stands for a value ([`Values`]). `{"$one": […]}` is one of these, `{"$use": "x"}` is what `x.json` has,
//! `{"$list": …}` is a list of one to four of it. A field `"name >=2025-03-31"` is there since that API version,
//! `"name <2025-03-31"` before it.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::{Map, Value};

use crate::values::Values;

const LONGEST_LIST: usize = 4;

/// All objects by name.
pub struct Objects(BTreeMap<String, Value>);

/// The API version of an event, and one of which it has fields, too.
#[derive(Clone, Copy)]
struct Versions<'v> {
    own: &'v str,
    shape: &'v str,
}

impl Objects {
    /// Reads the directory.
    pub fn read() -> anyhow::Result<Self> {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/dictionary/objects");
        let mut objects = BTreeMap::new();
        for file in std::fs::read_dir(directory)? {
            let path = file?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).context("a name in ASCII")?;
            let object =
                serde_json::from_str(&std::fs::read_to_string(&path)?).with_context(|| name.to_owned())?;
            objects.insert(name.to_owned(), object);
        }
        Ok(Self(objects))
    }

    /// An object with values.
    pub fn fill(&self, name: &str, own: &str, shape: &str, values: &mut Values) -> Value {
        self.value(&self.0[name], Versions { own, shape }, values)
    }

    /// What an event says of the fields that it has changed.
    pub fn previous_attributes(
        &self,
        event_type: &str,
        own: &str,
        shape: &str,
        values: &mut Values,
    ) -> Option<Value> {
        let previous = self.0["previous_attributes"].get(event_type)?;
        Some(self.value(previous, Versions { own, shape }, values)).filter(|previous| !previous.is_null())
    }

    fn value(&self, template: &Value, versions: Versions<'_>, values: &mut Values) -> Value {
        match template {
            Value::String(text) => values.fill(text),
            Value::Array(items) => items.iter().map(|item| self.value(item, versions, values)).collect(),
            Value::Object(fields) => self.object(fields, versions, values),
            Value::Null | Value::Bool(_) | Value::Number(_) => template.clone(),
        }
    }

    fn object(&self, fields: &Map<String, Value>, versions: Versions<'_>, values: &mut Values) -> Value {
        if let Some(Value::Array(choices)) = fields.get("$one") {
            let index = values.draw.below(choices.len());
            return self.value(&choices[index], versions, values);
        }
        if let Some(Value::String(name)) = fields.get("$use") {
            return self.value(&self.0[name], versions, values);
        }
        if let Some(item) = fields.get("$list") {
            // Most have one.
            let length = values.draw.below(LONGEST_LIST).min(values.draw.below(LONGEST_LIST)) + 1;
            values.set("lines", length.into());
            let mut item = || {
                values.next_item();
                self.value(item, versions, values)
            };
            return (0..length).map(|_| item()).collect();
        }
        let mut filled = Map::new();
        for (name, template) in fields {
            let (name, there) = match name.split_once(' ') {
                None => (name.as_str(), true),
                Some((name, when)) => (name, is_there(when, versions)),
            };
            if there {
                filled.insert(name.to_owned(), self.value(template, versions, values));
            }
        }
        Value::Object(filled)
    }
}

fn is_there(when: &str, versions: Versions<'_>) -> bool {
    // 2025-03-31.basil is greater than 2025-03-31.
    match (when.strip_prefix(">="), when.strip_prefix('<')) {
        (Some(since), _) => versions.own >= since || versions.shape >= since,
        (_, Some(before)) => versions.own < before,
        (None, None) => panic!("{when}: neither >= nor <"),
    }
}
