//! The parts of an invoice that events may show in part only: its lines, and its discounts.

use std::collections::BTreeMap;

use super::ids::{EventId, InvoiceId, StripeCustomerId};
use super::time::Timestamp;

/// Σ max(0, line amount less its discounts) in minor units by (price, product).
pub type Weights = BTreeMap<(Option<String>, Option<String>), i64>;

/// The lines of an invoice that rates of products are picked by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lines {
    /// What they sold, without lines of nothing.
    pub weights: Weights,
    /// There are lines that the event did not show (`lines.has_more`).
    pub more: bool,
}

/// Discounts of an invoice, of which an event told the ids only: promotion codes among them are claims of that event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnreadDiscounts {
    /// The invoice.
    pub invoice: InvoiceId,
    /// The event.
    pub event: EventId,
    /// The customer of the invoice.
    pub stripe_customer: StripeCustomerId,
    /// `event.created`.
    pub told_at: Timestamp,
}
