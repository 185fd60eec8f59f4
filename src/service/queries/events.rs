//! The inbox as it is shown: what became of each telling of an event, never its body.

use crate::domain::inbox::{Arrival, KeptEvent, Telling};
use crate::domain::{EventId, Outcome, Timestamp};
use crate::service::ServiceError;
use crate::store::Database;
use crate::store::events;
use crate::stripe::fields::is_name;

/// Events read at a time.
const CHUNK: u64 = 500;
/// Events looked at for one page of a list that no index fits.
const SCAN_LIMIT: u64 = 5_000;

/// Which events to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only those with this outcome, one of [`Outcome::WORDS`].
    pub outcome: Option<String>,
    /// Only those of this type.
    pub event_type: Option<String>,
}

impl EventFilter {
    fn fits(&self, event: &KeptEvent) -> bool {
        self.outcome.as_ref().is_none_or(|outcome| *outcome == event.outcome)
            && self.event_type.as_ref().is_none_or(|event_type| *event_type == event.event_type)
    }
}

/// All tellings of an event, in the order of arrival; none when there is no such event.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn tellings(db: &Database, id: &str) -> Result<Vec<KeptEvent>, ServiceError> {
    Ok(events::kept_tellings(db.reader(), &EventId::new(id)).await?)
}

/// A page of events, the newest first. The second is the event after which to go on, when there may be more: where few fit
/// the filter a page may be short, or empty, and not the last.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn list(
    db: &Database,
    filter: &EventFilter,
    mut before: Option<Arrival>,
    limit: u64,
) -> Result<(Vec<KeptEvent>, Option<Arrival>), ServiceError> {
    let open = filter.outcome.as_deref().filter(|outcome| Outcome::OPEN_WORDS.contains(outcome));
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut page, mut scanned) = (Vec::new(), 0_u64);
    while scanned < SCAN_LIMIT {
        let chunk = events::newest(db.reader(), open, before.as_ref(), CHUNK).await?;
        let is_last = u64::try_from(chunk.len()).unwrap_or(u64::MAX) < CHUNK;
        for event in chunk {
            if page.len() == wanted {
                return Ok((page, before));
            }
            before = Some(event.arrival());
            if filter.fits(&event) {
                page.push(event);
            }
        }
        if is_last {
            return Ok((page, None));
        }
        scanned = scanned.saturating_add(CHUNK);
    }
    Ok((page, before))
}

/// The place of an event in lists, as an opaque text.
pub fn cursor((received_at, Telling { id, api_version }): &Arrival) -> String {
    hex::encode(format!("{}\n{id}\n{api_version}", received_at.unix()))
}

/// The place that [`cursor`] wrote.
pub fn parse_cursor(cursor: &str) -> Option<Arrival> {
    let text = String::from_utf8(hex::decode(cursor).ok()?).ok()?;
    let mut parts = text.splitn(3, '\n');
    let (received_at, id, api_version) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    if !is_name(id) || !(api_version.is_empty() || is_name(api_version)) {
        return None;
    }
    let telling = Telling { id: EventId::new(id), api_version: api_version.to_owned() };
    Some((Timestamp::from_unix(received_at), telling))
}
