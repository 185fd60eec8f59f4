//! Settling parked events: Stripe is asked which invoices the payment has paid that an event waits for.
//!
//! No transaction is open while Stripe is asked. What it answers becomes facts as if an event had brought them, with one
//! transaction for each payment, so two replicas that ask about the same payment post the same, and post it once.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::watch;

use super::backoff::next_turn;
use super::error::ServiceError;
use super::ledger;
use crate::domain::inbox::Telling;
use crate::domain::ledger::Needs;
use crate::domain::{Extracted, Fact, PaymentId, RefundFacts, RefundId, Timestamp};
use crate::store::events::{self, Parked};
use crate::store::{Database, StoreError};
use crate::stripe::{ApiError, InvoiceLink, InvoicesOfPayment, StripeApi};

/// What is parked for longer is not about to be settled by an event that is only late: 1 hour.
const LATE_S: i64 = 3_600;
/// Events that are given up in one transaction.
const GIVE_UP_PAGE: u64 = 250;

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

/// What a round did.
#[derive(Debug, Default)]
pub struct Settled {
    /// Events that are no longer parked: settled, or those of a payment without an invoice.
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
            answer = api.invoices_of(&lookup.payment) => answer,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let settled = match answer {
            Ok(InvoicesOfPayment { none_at_all: true, .. }) => lookup.give_up(db).await?,
            Ok(InvoicesOfPayment { links, .. }) if links.is_empty() => lookup.put_off(db, 1).await?,
            Ok(InvoicesOfPayment { links, .. }) => match refunds(api, &lookup.payment).await {
                Ok(refunds) => lookup.settle(db, &links, &refunds).await?,
                Err(error) => {
                    lookup.put_off(db, 0).await?;
                    round.stopped = Some(error);
                    break;
                }
            },
            Err(error) if error.is_of_the_object() => {
                tracing::warn!(payment = %lookup.payment, ?error, "a payment cannot be looked up");
                lookup.put_off(db, 1).await?
            }
            Err(error) => {
                // Not counted, but no longer the first in line: should it be this payment that Stripe fails at, the
                // others get their turn.
                lookup.put_off(db, 0).await?;
                round.stopped = Some(error);
                break;
            }
        };
        round.events = round.events.saturating_add(settled.events);
        round.postponed = round.postponed.saturating_add(settled.postponed);
    }
    Ok(round)
}

/// The refunds of a payment by id: only so a refund that no event reports, or that has failed since, is booked exactly.
/// A key that may not list refunds is no reason not to settle what events report.
async fn refunds(api: &StripeApi, payment: &PaymentId) -> Result<Vec<(RefundId, RefundFacts)>, ApiError> {
    match api.refunds_of(payment).await {
        Err(error @ ApiError::Refused { status: 401 | 403 }) => {
            tracing::warn!(%payment, ?error, "stripe.secret_key may not read refunds: those in events count");
            Ok(Vec::new())
        }
        Err(error) if error.is_of_the_object() => {
            tracing::info!(%payment, ?error, "the refunds of a payment cannot be listed: those in events count");
            Ok(Vec::new())
        }
        listed => listed,
    }
}

/// Ignores events that have been parked for longer than so many days, one page in one transaction: their payments have paid
/// no invoice, as far as anybody will know. Their facts stay, and an invoice that comes later settles them. Returns how many;
/// 0 when there are no more.
///
/// # Errors
/// [`ServiceError`] when the database is away.
pub async fn give_up_old(db: &Database, give_up_days: u16, now: Timestamp) -> Result<u64, ServiceError> {
    let before = now.minus_days(give_up_days);
    let parked = events::parked_since(db.reader(), before, GIVE_UP_PAGE).await?;
    if parked.is_empty() {
        return Ok(0);
    }
    let ignored = ignore(db, &parked, now, Linked::Too).await?;
    Ok(u64::try_from(ignored).unwrap_or(u64::MAX))
}

/// Whether events are ignored whose payment an event has linked to an invoice that is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Linked {
    Too,
    Not,
}

/// Ignores these events for want of an invoice, as far as they are still parked. Returns how many.
async fn ignore(
    db: &Database,
    parked: &[(Telling, PaymentId)],
    now: Timestamp,
    linked: Linked,
) -> Result<usize, ServiceError> {
    let mut of_payment: BTreeMap<&PaymentId, BTreeSet<&Telling>> = BTreeMap::new();
    for (telling, payment) in parked {
        of_payment.entry(payment).or_default().insert(telling);
    }
    let payments = of_payment.keys().map(|payment| (*payment).clone()).collect();
    let needs = Needs { payments, ..Needs::default() };
    ledger::change(db, &needs, now, |unit| {
        for (payment, tellings) in &of_payment {
            if linked == Linked::Not && !unit.state().payments.invoices_of(payment).is_empty() {
                continue;
            }
            unit.give_up(payment, |telling| tellings.contains(telling));
        }
        Ok(parked.iter().filter(|(telling, _)| unit.settled(telling).is_some()).count())
    })
    .await
}

/// How many events are parked for more than an hour.
///
/// # Errors
/// [`ServiceError`] when the database is away.
pub async fn count_late(db: &Database, now: Timestamp) -> Result<u64, ServiceError> {
    Ok(events::count_parked(db.reader(), now.minus_seconds(LATE_S)).await?)
}

/// True when events came in, but none of those that tell of refunds by id: the endpoint is not subscribed to them, and a
/// refund that fails later cannot be booked exactly.
///
/// # Errors
/// [`ServiceError`] when the database is away.
pub async fn lacks_refund_events(db: &Database) -> Result<bool, ServiceError> {
    Ok(events::lacks_refund_events(db.reader()).await?)
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
    let due =
        events::due_for_lookup(db.reader(), received_before, now, pace.max_attempts, pace.batch).await?;
    let mut by_payment: BTreeMap<PaymentId, Vec<Parked>> = BTreeMap::new();
    for parked in due {
        by_payment.entry(parked.payment.clone()).or_default().push(parked);
    }
    let lookups = by_payment.into_iter().map(|(payment, parked)| Lookup { payment, parked, pace, now });
    Ok(lookups.collect())
}

impl Lookup<'_> {
    /// Posts what Stripe says, and postpones the events that wait all the same. A payment that cannot be posted for a
    /// reason of its own is postponed too, so that it does not hold up the others.
    async fn settle(
        &self,
        db: &Database,
        links: &[InvoiceLink],
        refunds: &[(RefundId, RefundFacts)],
    ) -> Result<Settled, ServiceError> {
        match self.post(db, self.facts(links, refunds)).await {
            Err(error) if error.passing().is_none() => {
                tracing::error!(payment = %self.payment, ?error, "a payment cannot be settled");
                self.put_off(db, 1).await
            }
            result => result,
        }
    }

    /// One transaction for all events of the payment.
    async fn post(&self, db: &Database, facts: Vec<Fact>) -> Result<Settled, ServiceError> {
        let extracted = Extracted { facts, ..Extracted::default() };
        let mut needs = Needs::of(&extracted);
        needs.payments.insert(self.payment.clone());
        let (settled, unsettled) = ledger::change(db, &needs, self.now, |unit| {
            // What another replica, or the late event itself, has settled meanwhile is parked no more.
            let waiting = unit.state().parked.get(&self.payment).cloned().unwrap_or_default();
            let parked = self.parked.iter().filter(|parked| waiting.contains(&parked.telling));
            let parked: Vec<&Parked> = parked.collect();
            if let Some(cause) = parked.first() {
                unit.apply(&cause.telling, &extracted)?;
            }
            let (settled, unsettled): (Vec<&Parked>, Vec<&Parked>) =
                parked.into_iter().partition(|parked| unit.settled(&parked.telling).is_some());
            Ok((settled.len(), unsettled))
        })
        .await?;
        let postponed = self.postpone(db, unsettled.into_iter(), 1).await?;
        Ok(Settled { events: settled, postponed, stopped: None })
    }

    /// Stripe knows of no invoice: the events are ignored, and settled should one come all the same. A link that an event
    /// has told is stronger: then they are postponed.
    async fn give_up(&self, db: &Database) -> Result<Settled, ServiceError> {
        let parked = self.parked.iter().map(|parked| (parked.telling.clone(), self.payment.clone()));
        let given_up = ignore(db, &parked.collect::<Vec<_>>(), self.now, Linked::Not).await?;
        if given_up == 0 {
            return self.put_off(db, 1).await;
        }
        tracing::info!(payment = %self.payment, events = given_up, "Stripe knows of no invoice of this payment");
        Ok(Settled { events: given_up, ..Settled::default() })
    }

    /// Postpones the events without posting anything, counting so many lookups.
    async fn put_off(&self, db: &Database, lookups: u16) -> Result<Settled, ServiceError> {
        let postponed = self.postpone(db, self.parked.iter(), lookups).await?;
        Ok(Settled { postponed, ..Settled::default() })
    }

    /// Sets the next turn of events, each in a small transaction of its own: bookkeeping, without the lock of the ledger.
    /// Returns how many were postponed by us and not by another replica.
    async fn postpone<'e>(
        &self,
        db: &Database,
        parked: impl Iterator<Item = &'e Parked>,
        lookups: u16,
    ) -> Result<usize, ServiceError> {
        let mut postponed = Vec::new();
        for parked in parked {
            let lookups = parked.lookups.saturating_add(lookups);
            let next_at = next_turn(self.now, self.pace.interval_s, lookups);
            let rows = events::postpone(db, parked, lookups, next_at).await?;
            if rows > 0 {
                postponed.push(lookups);
            }
        }
        self.tell_given_up(&postponed);
        Ok(postponed.len())
    }

    /// The facts of these links and refunds.
    fn facts(&self, links: &[InvoiceLink], refunds: &[(RefundId, RefundFacts)]) -> Vec<Fact> {
        let mut facts = Vec::new();
        for InvoiceLink { invoice, payment_intent, amount_minor } in links {
            if *payment_intent != self.payment {
                let (charge, payment_intent) = (self.payment.clone(), payment_intent.clone());
                facts.push(Fact::ChargeOf { charge, payment_intent });
            }
            let (invoice, payment) = (invoice.clone(), payment_intent.clone());
            facts.push(Fact::PaymentLink { invoice, payment, amount_minor: *amount_minor });
        }
        let refunds = refunds.iter().cloned();
        facts.extend(refunds.map(|(refund, facts)| Fact::Refund { refund, facts }));
        facts
    }

    /// Says once that Stripe is not asked any more.
    fn tell_given_up(&self, postponed: &[u16]) {
        let events = postponed.iter().filter(|lookups| **lookups >= self.pace.max_attempts).count();
        if events > 0 {
            tracing::warn!(
                payment = %self.payment,
                events,
                lookups = self.pace.max_attempts,
                "Stripe knows no invoice of this payment that is known here as paid; its events stay parked"
            );
        }
    }
}
