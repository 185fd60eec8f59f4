//! Which events of a batch are new. The unique key of the inbox is the check; what is read here only spares work.

use std::collections::BTreeMap;

use super::Answer;
use super::handlers::{Inbound, id_of_body};
use crate::domain::{Book, EventId, Outcome, Reduced};
use crate::store::events::EventRow;

/// What is known of an event before it is applied.
#[derive(Debug)]
pub enum Admission {
    /// It goes on.
    Open,
    /// It is answered.
    Answered(Answer),
}

impl Admission {
    /// The answer; an event that is still open when all are answered was the copy of another in its batch.
    pub fn into_answer(self) -> Answer {
        match self {
            Self::Open => Answer::Duplicate,
            Self::Answered(answer) => answer,
        }
    }
}

/// A new event of a batch.
#[derive(Debug)]
pub struct Fresh<'b> {
    /// Its place in the batch.
    pub place: usize,
    inbound: &'b Inbound,
    /// Set when its id is taken by an event of another type: it is then kept under the hash of its body.
    reused: Option<(EventRow, Result<Reduced, Outcome>)>,
}

impl Fresh<'_> {
    /// What the inbox stores.
    pub fn row(&self) -> &EventRow {
        self.reused.as_ref().map_or(&self.inbound.row, |(row, _)| row)
    }

    /// Its facts, or the outcome that is decided already.
    pub fn work(&self) -> &Result<Reduced, Outcome> {
        self.reused.as_ref().map_or(&self.inbound.work, |(_, work)| work)
    }
}

/// Sorts a batch into duplicates and new events, by what the inbox says. What is found to be a duplicate is committed.
/// Where the inbox must be asked about further ids, they are lacking.
pub fn admit<'b>(book: &mut Book, events: &'b [Inbound]) -> (Vec<Admission>, Vec<Fresh<'b>>) {
    let known = book.inbox.iter().filter_map(|(id, event_type)| Some((id, event_type.as_deref()?)));
    let mut known: BTreeMap<&EventId, &str> = known.collect();
    let mut admissions = Vec::with_capacity(events.len());
    let (mut fresh, mut reused) = (Vec::new(), BTreeMap::new());
    for (place, inbound) in events.iter().enumerate() {
        let row = &inbound.row;
        admissions.push(match known.get(&row.id) {
            None => {
                known.insert(&row.id, &row.event_type);
                fresh.push(Fresh { place, inbound, reused: None });
                Admission::Open
            }
            Some(event_type) if *event_type == row.event_type => Admission::Answered(Answer::Duplicate),
            Some(_) => {
                reused.entry(id_of_body(&row.body_sha256)).or_insert((place, inbound));
                Admission::Open
            }
        });
    }
    for (id, (place, inbound)) in reused {
        match book.inbox.get(&id) {
            None => {
                book.lacking.events.insert(id);
            }
            Some(None) => fresh.push(keep_apart(id, place, inbound)),
            Some(Some(_kept_before)) => {}
        }
    }
    (admissions, fresh)
}

/// Stripe's ids are unique: an id that names two types of events is kept for an operator, not guessed about.
fn keep_apart(id: EventId, place: usize, inbound: &Inbound) -> Fresh<'_> {
    let reason = format!("id: {} is already an event of another type", inbound.row.id);
    let row = EventRow { id, ..inbound.row.clone() };
    Fresh { place, inbound, reused: Some((row, Err(Outcome::Quarantined(reason)))) }
}
