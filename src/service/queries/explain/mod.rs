//! Telling in sentences why the ledger says what it says.
//!
//! Everything is derived anew from the stored facts, so a story can also say when the ledger does not agree with them.

mod code;
mod customer;
mod event;
mod invoice;
mod payment;
mod promoter;
mod quarantined;
mod summary;
mod words;

pub use words::counted;

use crate::domain::Timestamp;
use crate::handlers::Policy;
use crate::service::ServiceError;
use crate::store::Database;

/// A story: what it is about, and its sentences in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// `invoice`, `event`, `payment`, `refund`, `dispute`, `credit_note`, `subscription`, `referral`, `promoter`, `customer`,
    /// `code`; `quarantined` when only events that could not be used name it.
    pub about: &'static str,
    /// The id.
    pub id: String,
    /// The sentences.
    pub sentences: Vec<String>,
}

/// Tells the story of an object of Stripe (`in_…`, `pi_…`, `ch_…`, `re_…`, `du_…`, `cn_…`, `sub_…`, `cus_…`, `evt_…`), of a
/// referral (`ref_…`), a promoter (`prm_…`, or its user), a user of the host, or a code. A name that is several of them has
/// several stories. `None` when nothing of that name is known.
///
/// # Errors
/// [`ServiceError`] when the database is away, or a row cannot be read.
pub async fn explain(
    db: &Database,
    id: &str,
    policy: &Policy,
    now: Timestamp,
) -> Result<Option<Story>, ServiceError> {
    // The prefix says what is meant, but nothing keeps a host from naming a user in_1: all is looked for under every name.
    let mut stories: Vec<(&'static str, Vec<String>)> = Vec::new();
    stories.extend(invoice::tell(db, id, now).await?.map(|told| ("invoice", told)));
    stories.extend(event::tell(db, id, policy).await?.map(|told| ("event", told)));
    stories.extend(payment::tell(db, id, now).await?);
    stories.extend(customer::tell_of_referral(db, id, now).await?.map(|told| ("referral", told)));
    stories.extend(promoter::tell(db, id, now).await?.map(|told| ("promoter", told)));
    stories.extend(customer::tell(db, id, now).await?.map(|told| ("customer", told)));
    // The code of a promoter is often its name: it is told with the promoter then.
    let of_promoter = stories.iter().any(|(about, _)| *about == "promoter").then_some(id);
    stories.extend(code::tell(db, id, of_promoter, now).await?.map(|told| ("code", told)));
    let unusable = quarantined::naming(db, id).await?;
    if !unusable.is_empty() {
        stories.push(("quarantined", unusable));
    }
    let Some((about, _)) = stories.first() else { return Ok(None) };
    let about = *about;
    let sentences = stories.into_iter().flat_map(|(_, told)| told).collect();
    Ok(Some(Story { about, id: id.to_owned(), sentences }))
}
