//! What Stripe has told us, and how two events of the same thing merge.
//!
//! Every merge is commutative, associative and idempotent: the order and the number of tellings never matter.

use super::attribution::{Claim, Customer};
use super::disputes::{CreditNoteFacts, DisputeFacts};
use super::email::EmailHash;
use super::ids::{
    CreditNoteId, DisputeId, EventId, InvoiceId, PaymentId, RefundId, StripeCustomerId, SubscriptionId,
};
use super::lines::{Lines, UnreadDiscounts, Weights};
use super::money::Currency;
use super::time::Timestamp;

/// One thing that an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// An invoice was paid.
    InvoicePaid {
        /// The invoice.
        invoice: InvoiceId,
        /// What this event says about it.
        snapshot: InvoiceSnapshot,
        /// `status_transitions.paid_at`, else `event.created`.
        paid_at: Timestamp,
    },
    /// All lines of an invoice, as Stripe's API lists them. They stand for those that events showed.
    InvoiceLines {
        /// The invoice.
        invoice: InvoiceId,
        /// What they sold.
        weights: Weights,
    },
    /// Discounts of an invoice, of which an event told the ids only.
    UnreadDiscounts(UnreadDiscounts),
    /// A payment pays (part of) an invoice.
    PaymentLink {
        /// The invoice.
        invoice: InvoiceId,
        /// The payment, as it was named.
        payment: PaymentId,
        /// The part of the invoice that this payment pays, ≥ 0, when it was told.
        amount_minor: Option<i64>,
    },
    /// A charge belongs to a payment intent: facts keyed by the charge count for the intent.
    ChargeOf {
        /// The charge, `ch_…`.
        charge: PaymentId,
        /// The payment intent, `pi_…`.
        payment_intent: PaymentId,
    },
    /// Totals of a payment, as a charge shows them.
    Payment {
        /// The payment, as it was named.
        payment: PaymentId,
        /// Captured amount, ≥ 0; 0 when unknown.
        captured_minor: i64,
        /// `charge.amount_refunded`, cumulative, ≥ 0; before 2025-03-31 less what was never captured.
        amount_refunded_minor: i64,
        /// The rest that was not captured, where it is told as refunded: before 2025-03-31.
        released: Option<Release>,
    },
    /// A charge shows that its payment has paid no invoice. A link that is told elsewhere is stronger.
    NoInvoice {
        /// The payment, as it was named.
        payment: PaymentId,
    },
    /// A refund and its state.
    Refund {
        /// The refund.
        refund: RefundId,
        /// What is known of it.
        facts: RefundFacts,
    },
    /// A dispute and its state.
    Dispute {
        /// The dispute.
        dispute: DisputeId,
        /// What is known of it.
        facts: DisputeFacts,
    },
    /// A credit note and its state.
    CreditNote {
        /// The credit note.
        credit_note: CreditNoteId,
        /// What is known of it.
        facts: CreditNoteFacts,
    },
    /// Somebody says that a customer was referred by a code.
    Claim(Claim),
    /// An e-mail of a customer.
    Email {
        /// The customer, as it was named.
        customer: Customer,
        /// The hash of the address.
        email: EmailHash,
    },
    /// A `customer_account` named beside a customer is the same customer.
    SameCustomer {
        /// The account, `acct_…`.
        account: StripeCustomerId,
        /// The customer, `cus_…`.
        stripe_customer: StripeCustomerId,
    },
    /// A subscription of a customer.
    Subscription {
        /// The subscription.
        subscription: SubscriptionId,
        /// Its customer.
        stripe_customer: StripeCustomerId,
        /// True once it has ended; alive < ended.
        ended: bool,
    },
}

/// What the ledger needs of an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extracted {
    /// What it says, in the order in which it is merged.
    pub facts: Vec<Fact>,
    /// The payment whose invoice must be known before this event can be settled (refunds); `None` otherwise.
    pub waits_for: Option<PaymentId>,
}

/// What one event says about a paid invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceSnapshot {
    /// The event that says so.
    pub event: EventId,
    /// `event.api_version`; empty when it has none. Two versions of one event are two tellings.
    pub api_version: String,
    /// `invoice.customer`, else `invoice.customer_account`.
    pub stripe_customer: Option<StripeCustomerId>,
    /// `invoice.currency`.
    pub currency: Currency,
    /// `invoice.amount_paid`, ≥ 0; before 2025-03-31 with `amount_remaining` where it was paid out of band.
    pub amount_paid_minor: i64,
    /// `invoice.total`; negative for a credit.
    pub total_minor: i64,
    /// `invoice.total_excluding_tax`.
    pub total_excluding_tax_minor: Option<i64>,
    /// Σ `total_taxes`, else Σ `total_tax_amounts`, else `tax`.
    pub tax_minor: Option<i64>,
    /// `invoice.shipping_cost.amount_total`, tax included; 0 without shipping.
    pub shipping_minor: i64,
    /// `invoice.shipping_cost.amount_tax`; 0 without.
    pub shipping_tax_minor: i64,
    /// What its lines sold, by price and product.
    pub lines: Lines,
}

impl InvoiceSnapshot {
    /// Of two snapshots the one with the greater rank is used, as a whole.
    fn rank(&self) -> (i64, bool, &EventId, &str) {
        let has_net = self.total_excluding_tax_minor.is_some();
        (self.amount_paid_minor, has_net, &self.event, &self.api_version)
    }

    /// Snapshots that differ in one of these contradict each other.
    fn essence(&self) -> (&Option<StripeCustomerId>, Currency, i64) {
        (&self.stripe_customer, self.currency, self.amount_paid_minor)
    }
}

/// A paid invoice, merged from all snapshots of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidInvoice {
    /// The snapshot in use.
    pub snapshot: InvoiceSnapshot,
    /// The smallest `paid_at` of all snapshots.
    pub paid_at: Timestamp,
    /// Snapshots differed in currency, customer or `amount_paid`; `verify` shows it.
    pub conflict: bool,
    /// The lines of the snapshot are all of them, read from Stripe's API; no other snapshot brings its own.
    pub lines_read: bool,
}

impl PaidInvoice {
    /// The first snapshot of an invoice.
    pub const fn new(snapshot: InvoiceSnapshot, paid_at: Timestamp) -> Self {
        Self { snapshot, paid_at, conflict: false, lines_read: false }
    }

    /// Takes in one more snapshot.
    pub fn merge(&mut self, snapshot: InvoiceSnapshot, paid_at: Timestamp) {
        self.paid_at = self.paid_at.min(paid_at);
        self.conflict |= self.snapshot.essence() != snapshot.essence();
        if snapshot.rank() > self.snapshot.rank() {
            let before = std::mem::replace(&mut self.snapshot, snapshot);
            if self.lines_read {
                self.snapshot.lines = before.lines;
            }
        }
    }

    /// Takes in all lines, as Stripe's API lists them; of two lists the greater, so that the order does not matter.
    pub fn merge_lines(&mut self, weights: Weights) {
        if !self.lines_read || weights > self.snapshot.lines.weights {
            self.snapshot.lines = Lines { weights, more: false };
            self.lines_read = true;
        }
    }
}

/// Totals of one payment row; the row of a charge may point to its payment intent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PaymentFacts {
    /// For a charge: the payment intent that it belongs to, once told.
    pub payment_intent: Option<PaymentId>,
    /// Captured amount, ≥ 0; 0 when unknown.
    pub captured_minor: i64,
    /// `charge.amount_refunded`, cumulative, ≥ 0; before 2025-03-31 less what was never captured.
    pub amount_refunded_minor: i64,
    /// The rest that was not captured, where it was told as refunded.
    pub released: Option<Release>,
    /// A charge shows that it has paid no invoice.
    pub no_invoice: bool,
}

/// The rest of a charge that was not captured, told as refunded, as versions before 2025-03-31 do. Of two tellings the one
/// with the greater captured amount holds, then the one with the greater rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// `charge.amount_captured` of the telling, ≥ 0.
    pub captured_minor: i64,
    /// `amount` less `amount_captured`, > 0: what the refund takes that releases it.
    pub rest_minor: i64,
}

impl PaymentFacts {
    /// Takes in the totals of another telling: each is the greatest ever told.
    pub fn merge_totals(&mut self, other: &Self) {
        self.captured_minor = self.captured_minor.max(other.captured_minor);
        self.amount_refunded_minor = self.amount_refunded_minor.max(other.amount_refunded_minor);
        self.released = self.released.max(other.released);
    }

    /// Takes in the payment intent of a charge; contradicting tellings resolve to the smallest id.
    pub fn merge_payment_intent(&mut self, payment_intent: PaymentId) {
        let known = self.payment_intent.take();
        self.payment_intent = Some(known.map_or(payment_intent.clone(), |other| other.min(payment_intent)));
    }
}

/// The state of a refund, in the order of its ranks: a later one in this list wins over an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefundState {
    /// Neither settled nor failed, as far as is known. Counts at once.
    Pending,
    /// The money went back to the customer.
    Succeeded,
    /// The money stayed, or came back.
    Failed,
}

impl RefundState {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Succeeded, Self::Failed].into_iter().find(|state| state.as_str() == word)
    }
}

/// What is known of one refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundFacts {
    /// The payment that it takes from, as it was named.
    pub payment: PaymentId,
    /// `refund.amount`, ≥ 0.
    pub amount_minor: i64,
    /// Its state.
    pub state: RefundState,
    /// `refund.created`, else when it was told first; `None` where neither is known, which sorts last.
    pub created: Option<Timestamp>,
}

impl RefundFacts {
    /// Takes in one more telling: the higher state wins, at equal state the greater amount; of times the earliest.
    pub fn merge(&mut self, other: Self) {
        let created = self.created.into_iter().chain(other.created).min();
        if (other.state, other.amount_minor, &other.payment) > (self.state, self.amount_minor, &self.payment)
        {
            *self = other;
        }
        self.created = created;
    }

    /// What counts of it at present: failed and canceled refunds take nothing.
    pub const fn taken_minor(&self) -> i64 {
        match self.state {
            RefundState::Pending | RefundState::Succeeded => self.amount_minor,
            RefundState::Failed => 0,
        }
    }
}

#[cfg(test)]
mod tests;
