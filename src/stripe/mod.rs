//! The only place that knows Stripe: its signature, the JSON of its events, its words, and its API.
//!
//! Reads only the fields that the rules need, with narrow structs, so that one reader serves every API version.

pub mod api;
pub mod envelope;
pub mod fields;
pub mod list;
pub mod objects;
pub mod sample;
pub mod signature;
pub mod words;

pub use api::{ApiError, InvoiceLink, InvoicesOfPayment, StripeApi};
pub use envelope::{Envelope, EnvelopeError, EventBody};
pub use fields::FieldError;
pub use signature::{SignatureError, SignedEvent, Verifier, sign};
