//! Settling parked events: Stripe is asked which invoices the payment has paid that an event waits for.
//!
//! No transaction is open while Stripe is asked. What it answers becomes facts as if an event had told them, with one
//! transaction for each payment, so two replicas that ask about the same payment post the same, and post it once.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use super::error::ServiceError;
use crate::domain::{Fact, PaymentId, Reduced, Timestamp};
use crate::store::book::Wanted;
use crate::store::events::{self, Parked};
use crate::store::lock::{Keys, lock};
use crate::store::{Database, StoreError, Txn, book};
use crate::stripe::{ApiError, InvoiceLink, StripeApi};

/// Times a payment's transaction is tried when another one is in the way.
const ATTEMPTS: u32 = 8;
/// The pause before it is tried again, times the attempt.
const PAUSE: Duration = Duration::from_millis(5);
/// An event is looked up again after this time at the latest, however often it was: 6 hours.
const LONGEST_PAUSE_S: u64 = 21_600;
/// What is parked for longer is not about to be settled by an event that is only late: 1 hour.
const LATE_S: i64 = 3_600;

/// How fast parked events are taken up.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Seconds between two rounds, and the first pause of an event that was looked up in vain.
    pub interval_s: u64,
    /// Seconds that an event must have been parked.
    pub older_than_s: u32,
    /// Events of one round at most.
    pub batch: u16,
    /// Lookups after which an event is left to the operator.
    pub max_attempts: u16,
}

/// What one round did.
#[derive(Debug, Default)]
pub struct Settled {
    /// Events that are no longer parked.
    pub events: usize,
    /// Events that were looked up in vain, and will be again.
    pub postponed: usize,
    /// Why the round ended early: asking on would have failed too.
    pub stopped: Option<ApiError>,
}

/// One round: looks up the events whose turn it is. Returns early, between two payments, when `stop` says so.
///
/// # Errors
/// [`ServiceError`] when the database is away. What was settled before stays settled.
pub async fn settle_parked(
    db: &Database,
    api: &StripeApi,
    pace: &Pace,
    now: Timestamp,
    mut stop: watch::Receiver<bool>,
) -> Result<Settled, ServiceError> {
    let mut round = Settled::default();
    for lookup in lookups(db, pace, now).await? {
        let answer = tokio::select! {
            answer = api.invoice_payments_of(&lookup.payment) => answer,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match answer {
            Ok(links) => lookup.settle(db, &links, &mut round).await?,
            Err(error) if error.is_of_the_object() => {
                tracing::warn!(payment = %lookup.payment, %error, source = ?error, "a payment cannot be looked up");
                lookup.settle(db, &[], &mut round).await?;
            }
            Err(error) => {
                // Not counted, but no longer the first in line: should it be this payment that Stripe fails at, the
                // others get their turn.
                lookup.put_off(db, 0).await?;
                round.stopped = Some(error);
                break;
            }
        }
    }
    Ok(round)
}

/// How many events are parked for more than an hour.
///
/// # Errors
/// [`ServiceError`] when the database is away.
pub async fn count_late(db: &Database, now: Timestamp) -> Result<u64, ServiceError> {
    Ok(events::count_parked(db.reader(), now.minus_seconds(LATE_S)).await?)
}

/// Seconds until the next try after `tries` in vain: `interval_s`, doubled each time up to six hours, less up to one
/// half by chance, so that what failed together does not come back together.
pub fn pause_s(interval_s: u64, tries: u16) -> u64 {
    jittered(interval_s, tries, Uuid::now_v7().as_u64_pair().1)
}

fn jittered(interval_s: u64, tries: u16, random: u64) -> u64 {
    let factor = 2_u64.saturating_pow(u32::from(tries.saturating_sub(1)));
    let pause = interval_s.saturating_mul(factor).min(LONGEST_PAUSE_S.max(interval_s));
    // The low half of a UUID of version 7 ends in 32 random bits.
    let choices = (pause / 2).saturating_add(1);
    let chance = (random & u64::from(u32::MAX)).checked_rem(choices).unwrap_or(0);
    pause.saturating_sub(chance)
}

/// The parked events of one payment, as it was named.
struct Lookup<'p> {
    payment: PaymentId,
    parked: Vec<Parked>,
    pace: &'p Pace,
    now: Timestamp,
}

async fn lookups<'p>(db: &Database, pace: &'p Pace, now: Timestamp) -> Result<Vec<Lookup<'p>>, StoreError> {
    let received_before = now.minus_seconds(pace.older_than_s.into());
    let due = events::due_for_lookup(db.reader(), received_before, now, pace.max_attempts, pace.batch).await?;
    let mut by_payment: BTreeMap<PaymentId, Vec<Parked>> = BTreeMap::new();
    for parked in due {
        by_payment.entry(parked.payment.clone()).or_default().push(parked);
    }
    let lookups = by_payment.into_iter().map(|(payment, parked)| Lookup { payment, parked, pace, now });
    Ok(lookups.collect())
}

impl Lookup<'_> {
    /// Posts what Stripe says, and postpones the events that wait all the same. A payment that cannot be posted for a
    /// reason of its own is postponed too, and does not hold up the others.
    async fn settle(
        &self,
        db: &Database,
        links: &[InvoiceLink],
        round: &mut Settled,
    ) -> Result<(), ServiceError> {
        let before = round.events;
        let result = match links {
            [] => self.put_off(db, 1).await,
            links => self.post(db, links, round).await,
        };
        let postponed = match result {
            Err(ServiceError::Store(StoreError::Unavailable(_) | StoreError::Contention(_))) | Ok(_) => result?,
            Err(error) => {
                round.events = before;
                tracing::error!(payment = %self.payment, %error, source = ?error, "a payment cannot be settled");
                self.put_off(db, 1).await?
            }
        };
        round.postponed = round.postponed.saturating_add(postponed);
        Ok(())
    }
}
