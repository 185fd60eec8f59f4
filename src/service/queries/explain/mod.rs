//! Telling in sentences why the ledger says what it says.
//!
//! Everything is derived anew from the stored facts, so a story can also say when the ledger does not agree with them.

mod customer;
mod event;
mod invoice;
mod promoter;
mod words;

use crate::domain::Timestamp;
use crate::handlers::Policy;
use crate::service::ServiceError;
use crate::store::Database;

/// A story: what it is about, and its sentences in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// `invoice`, `customer`, `event` or `promoter`.
    pub about: &'static str,
    /// The id.
    pub id: String,
    /// The sentences.
    pub sentences: Vec<String>,
}

/// Tells the story of an invoice (`in_…`), a customer (`cus_…`), an event (`evt_…`) or a promoter (its id or user id).
/// `None` when nothing of that name is known.
///
/// # Errors
/// [`ServiceError`] when the database is away, or a row cannot be read.
pub async fn explain(
    db: &Database,
    id: &str,
    policy: &Policy,
    now: Timestamp,
) -> Result<Option<Story>, ServiceError> {
    // The prefix says what is meant, but nothing keeps a host from naming a user in_1: what is not found as the one is
    // looked for as the next.
    let (about, sentences) = if let Some(story) = invoice::tell(db, id, now).await? {
        ("invoice", story)
    } else if let Some(story) = event::tell(db, id, policy).await? {
        ("event", story)
    } else if let Some(story) = promoter::tell(db, id, now).await? {
        ("promoter", story)
    } else if let Some(story) = customer::tell(db, id, now).await? {
        ("customer", story)
    } else {
        return Ok(None);
    };
    Ok(Some(Story { about, id: id.to_owned(), sentences }))
}
