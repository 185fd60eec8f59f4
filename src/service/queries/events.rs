//! The inbox as it is shown: what became of each telling of an event, never its body.

use crate::domain::inbox::KeptEvent;
use crate::domain::{EventId, Outcome};
use crate::service::ServiceError;
use crate::store::Database;
use crate::store::events;

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

/// A page of events, the newest first. The second is the number of the event after which to go on, when there may be more:
/// where few fit the filter a page may be short, or empty, and not the last.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn list(
    db: &Database,
    filter: &EventFilter,
    mut before: Option<i64>,
    limit: u64,
) -> Result<(Vec<KeptEvent>, Option<i64>), ServiceError> {
    let open = filter.outcome.as_deref().filter(|outcome| Outcome::OPEN_WORDS.contains(outcome));
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut page, mut scanned) = (Vec::new(), 0_u64);
    while scanned < SCAN_LIMIT {
        let chunk = events::newest(db.reader(), open, before, CHUNK).await?;
        let is_last = u64::try_from(chunk.len()).unwrap_or(u64::MAX) < CHUNK;
        for event in chunk {
            if page.len() == wanted {
                return Ok((page, before));
            }
            before = Some(event.number);
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
