//! The envelope of an event: what stands around `data.object`.

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::fields::{FieldError, is_name, read};
use crate::domain::{EventId, Timestamp};

/// The date of the API version that changed most of what matters here: versions compare as texts.
const BASIL: &str = "2025-03-31";

/// The envelope of a signed body, every field as it came: one odd field hides no other.
#[derive(Debug)]
pub struct Envelope<'e> {
    /// `event.id`; that of its body for an event of the Dashboard's test button.
    pub id: EventId,
    /// True for a thin event (`object: "v2.core.event"`): it carries no object.
    pub thin: bool,
    raw: RawEnvelope<'e>,
}

/// What a handler gets of an event.
#[derive(Debug)]
pub struct EventBody<'e> {
    /// The id of the event in the inbox.
    pub id: EventId,
    /// `event.api_version`; empty when it has none.
    pub api_version: String,
    /// `event.created`.
    pub created: Timestamp,
    /// `event.data.object`.
    pub object: &'e RawValue,
}

impl EventBody<'_> {
    /// True for a shape of before 2025-03-31 ("basil"), by the date of its version; also for one without a version.
    pub fn is_before_basil(&self) -> bool {
        self.api_version.as_str() < BASIL
    }
}

/// A signed body that is no event with an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EnvelopeError {
    /// It is not a JSON object.
    #[error("body: not a JSON object")]
    NotJson,
    /// Its `object` is not `event`.
    #[error("object: expected \"event\"")]
    NotAnEvent,
    /// Its `id` is missing or cannot name a row.
    #[error("id: expected 1 to 255 printable characters")]
    NoId,
}

#[derive(Debug, Deserialize)]
struct RawEnvelope<'e> {
    #[serde(borrow)]
    id: Option<&'e RawValue>,
    #[serde(borrow)]
    object: Option<&'e RawValue>,
    #[serde(borrow, rename = "type")]
    event_type: Option<&'e RawValue>,
    #[serde(borrow)]
    api_version: Option<&'e RawValue>,
    #[serde(borrow)]
    created: Option<&'e RawValue>,
    #[serde(borrow)]
    livemode: Option<&'e RawValue>,
    #[serde(borrow)]
    account: Option<&'e RawValue>,
    #[serde(borrow)]
    data: Option<&'e RawValue>,
}

#[derive(Debug, Deserialize)]
struct Data<'e> {
    #[serde(borrow)]
    object: &'e RawValue,
}

impl<'e> Envelope<'e> {
    /// Reads the envelope of a body that was signed.
    ///
    /// # Errors
    /// [`EnvelopeError`] when it is no event with an id.
    pub fn read(body: &'e [u8]) -> Result<Self, EnvelopeError> {
        let raw: RawEnvelope<'e> = serde_json::from_slice(body).or(Err(EnvelopeError::NotJson))?;
        let object: Option<String> = lenient(raw.object);
        let thin = match object.as_deref() {
            Some("event") => false,
            Some("v2.core.event") => true,
            Some(_) | None => return Err(EnvelopeError::NotAnEvent),
        };
        let id: Option<String> = lenient(raw.id).filter(|id: &String| is_name(id));
        Ok(Self { id: EventId::new(id.ok_or(EnvelopeError::NoId)?), thin, raw })
    }

    /// The same event under the hash of its body, if its id names many.
    #[must_use]
    pub fn named_by(self, body: &[u8]) -> Self {
        if !self.id.is_of_the_test_button() {
            return self;
        }
        Self { id: EventId::of_body(body), ..self }
    }

    /// `event.type`, when it is a name.
    pub fn event_type(&self) -> Option<String> {
        lenient(self.raw.event_type).filter(|name: &String| is_name(name))
    }

    /// `event.api_version`, when it is a name.
    pub fn api_version(&self) -> Option<String> {
        lenient(self.raw.api_version).filter(|name: &String| is_name(name))
    }

    /// `event.created`, when it is a number.
    pub fn created(&self) -> Option<Timestamp> {
        lenient(self.raw.created).map(Timestamp::from_unix)
    }

    /// `event.livemode`.
    ///
    /// # Errors
    /// [`FieldError`] when it is missing or no boolean: the mode of an event is never guessed.
    pub fn livemode(&self) -> Result<bool, FieldError> {
        read(self.raw.livemode.ok_or_else(|| FieldError::missing("livemode"))?, "livemode")
    }

    /// `event.account`: the Connect account that the event comes from; none for the own account.
    ///
    /// # Errors
    /// [`FieldError`] when it is neither a text nor null.
    pub fn account(&self) -> Result<Option<String>, FieldError> {
        self.raw.account.map_or(Ok(None), |raw| read(raw, "account"))
    }

    /// What a handler needs.
    ///
    /// # Errors
    /// [`FieldError`] when `created` or `data.object` is missing or wrong.
    pub fn body(&self) -> Result<EventBody<'e>, FieldError> {
        let created = self.raw.created.ok_or_else(|| FieldError::missing("created"))?;
        let data: Data<'e> = read(self.raw.data.ok_or_else(|| FieldError::missing("data"))?, "data")?;
        let created = Timestamp::from_unix(read(created, "created")?);
        let api_version = self.api_version().unwrap_or_default();
        Ok(EventBody { id: self.id.clone(), api_version, created, object: data.object })
    }
}

/// A field that only describes the event: unreadable is the same as absent.
fn lenient<'e, T: Deserialize<'e>>(raw: Option<&'e RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}
