//! Asking Stripe for what events do not show of an invoice: its lines beyond the tenth, where rates of products depend on
//! them, and the promotion codes of discounts that are named by their ids only.
//!
//! No transaction is open while Stripe is asked. What it answers becomes facts, each in a transaction of its own; two
//! replicas that ask the same post the same, and post it once.

use tokio::sync::watch;

use super::backoff::next_turn;
use super::error::ServiceError;
use super::ledger;
use super::redrive::Pace;
use crate::domain::inbox::Telling;
use crate::domain::ledger::Needs;
use crate::domain::lines::UnreadDiscounts;
use crate::domain::{EventId, Extracted, Fact, InvoiceId, Timestamp};
use crate::handlers::{attribution, purchase};
use crate::store::lookups::{self, Due};
use crate::store::{Database, StoreError};
use crate::stripe::{ApiError, FieldError, StripeApi};

/// What a round did.
#[derive(Debug, Default)]
pub struct Looked {
    /// Invoices of which all lines are known now.
    pub lines: usize,
    /// Invoices whose discounts were read.
    pub discounts: usize,
    /// Why the round ended early: asking on would have failed too.
    pub stopped: Option<ApiError>,
}

/// Who asks, how fast, and when.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Where the answers go.
    pub db: &'a Database,
    /// Who is asked.
    pub api: &'a StripeApi,
    /// Bounds of a round.
    pub pace: &'a Pace,
    /// The attribution lookback in seconds that new claims are frozen to.
    pub lookback_s: i64,
    /// The time of the round.
    pub now: Timestamp,
}

/// What Stripe is asked.
enum Question {
    /// All lines of an invoice.
    Lines(InvoiceId),
    /// What stands behind the discounts of an invoice.
    Discounts(UnreadDiscounts),
}

/// One round. Returns early, between two questions, when `stop` says so. A question that fails for a reason of its own is
/// put off, and does not hold up the others.
///
/// # Errors
/// [`ServiceError`] when the database is away. What was read before stays.
pub async fn look_up(asking: Asking<'_>, mut stop: watch::Receiver<bool>) -> Result<Looked, ServiceError> {
    let mut looked = Looked::default();
    for due in asking.questions().await? {
        let answer = tokio::select! {
            answer = asking.ask(&due.of) => answer,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match answer {
            Ok(facts) => {
                if asking.keep(&due, facts).await? {
                    match due.of {
                        Question::Lines(_) => looked.lines = looked.lines.saturating_add(1),
                        Question::Discounts(_) => looked.discounts = looked.discounts.saturating_add(1),
                    }
                }
            }
            Err(error) if error.is_of_the_object() => {
                tracing::warn!(invoice = %due.of.invoice(), ?error, "an invoice cannot be looked up");
                asking.put_off(&due, 1).await?;
            }
            Err(error) => {
                // Not counted, but no longer the first in line, should it be this invoice that Stripe fails at.
                asking.put_off(&due, 0).await?;
                looked.stopped = Some(error);
                break;
            }
        }
    }
    Ok(looked)
}

impl Question {
    const fn invoice(&self) -> &InvoiceId {
        match self {
            Self::Lines(invoice) => invoice,
            Self::Discounts(unread) => &unread.invoice,
        }
    }
}

impl Asking<'_> {
    async fn questions(&self) -> Result<Vec<Due<Question>>, StoreError> {
        let (db, Pace { max_attempts, batch, .. }) = (self.db.reader(), self.pace);
        let lines = lookups::due_lines(db, self.now, *max_attempts, *batch).await?;
        let of_lines = |due: Due<InvoiceId>| Due { of: Question::Lines(due.of), lookups: due.lookups };
        let mut questions: Vec<Due<Question>> = lines.into_iter().map(of_lines).collect();
        if lookups::any_promotion_code(db).await? {
            let discounts = lookups::due_discounts(db, self.now, *max_attempts, *batch).await?;
            let of_discounts =
                |due: Due<UnreadDiscounts>| Due { of: Question::Discounts(due.of), lookups: due.lookups };
            questions.extend(discounts.into_iter().map(of_discounts));
        }
        Ok(questions)
    }

    /// What Stripe answers, as facts.
    async fn ask(&self, question: &Question) -> Result<Vec<Fact>, ApiError> {
        match question {
            Question::Lines(invoice) => {
                let lines = self.api.lines_of(invoice).await?;
                let weighed = purchase::weigh(lines.iter(), false, usize::MAX).map_err(|error| {
                    let path = "lines.data[].amount".to_owned();
                    ApiError::from(FieldError { path, rule: error.to_string() })
                })?;
                Ok(vec![Fact::InvoiceLines { invoice: invoice.clone(), weights: weighed.weights }])
            }
            Question::Discounts(unread) => {
                let found = self.api.promotion_codes_of(&unread.invoice).await?;
                let claims = attribution::claims_of_discounts(unread, &found, self.lookback_s);
                Ok(claims.map(Fact::Claim).collect())
            }
        }
    }

    /// Posts what Stripe says, because of the event that did not show it. False when it cannot be posted, for a reason of its
    /// own: it is put off.
    async fn keep(&self, due: &Due<Question>, facts: Vec<Fact>) -> Result<bool, ServiceError> {
        let invoice = due.of.invoice();
        let extracted = Extracted { facts, ..Extracted::default() };
        let mut needs = Needs::of(&extracted);
        needs.invoices.insert(invoice.clone());
        let posted = ledger::change(self.db, &needs, self.now, |unit| {
            let event = match &due.of {
                Question::Lines(_) => unit.state().invoice(invoice).map(|known| known.snapshot.event.clone()),
                Question::Discounts(unread) => Some(unread.event.clone()),
            };
            let telling = Telling::from(event.unwrap_or_else(|| EventId::new(invoice.as_str())));
            Ok(unit.apply(&telling, &extracted).map(drop)?)
        });
        match (posted.await, &due.of) {
            (Err(error), _) if error.passing().is_none() => {
                tracing::error!(%invoice, ?error, "what Stripe says of an invoice cannot be posted");
                self.put_off(due, 1).await?;
                return Ok(false);
            }
            (Err(error), _) => return Err(error),
            // The flag of the commission is gone with the facts.
            (Ok(()), Question::Lines(_)) => {}
            (Ok(()), Question::Discounts(unread)) => {
                lookups::postpone_discounts(self.db, unread, due.lookups, None).await?;
            }
        }
        Ok(true)
    }

    /// Sets the next turn, counting so many questions: bookkeeping, without the lock of the ledger.
    async fn put_off(&self, due: &Due<Question>, lookups: u16) -> Result<(), ServiceError> {
        let lookups = due.lookups.saturating_add(lookups);
        let next_at = next_turn(self.now, self.pace.interval_s, lookups);
        match &due.of {
            Question::Lines(invoice) => lookups::postpone_lines(self.db, invoice, lookups, next_at).await?,
            Question::Discounts(unread) => {
                lookups::postpone_discounts(self.db, unread, lookups, Some(next_at)).await?;
            }
        }
        if lookups >= self.pace.max_attempts {
            let invoice = due.of.invoice();
            tracing::warn!(%invoice, lookups, "Stripe is not asked about this invoice any more");
        }
        Ok(())
    }
}
