//! What became of an event.

use std::fmt;

use super::ids::PaymentId;

/// The outcome of an event that was taken in for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It changed the ledger.
    Posted,
    /// Its facts are kept; there was nothing to post.
    Recorded,
    /// Not for this ledger; the reason says why.
    Ignored(&'static str),
    /// Its facts are kept and wait for the invoice of this payment.
    Parked(PaymentId),
    /// Its facts are kept, but this payment has paid no invoice, as far as is known. An invoice that comes later settles it.
    NoInvoice(PaymentId),
    /// It cannot be used as it is; kept for an operator, with the reason.
    Quarantined(String),
}

/// The reason of a parked event.
pub const INVOICE_UNKNOWN: &str = "invoice_unknown";
/// The reason of an ignored event whose payment has paid no invoice.
pub const NO_INVOICE: &str = "no_invoice";
/// The reason of an ignored event of a type that the ledger does not use.
pub const UNHANDLED_TYPE: &str = "unhandled_type";
/// The reason of an ignored event of the other mode (test or live).
pub const WRONG_MODE: &str = "wrong_mode";
/// The reason of an ignored event of another Connect account.
pub const FOREIGN_ACCOUNT: &str = "foreign_account";
/// The reason of an ignored thin event.
pub const THIN_EVENT: &str = "thin_event";
/// The reason of an ignored payment that has not been paid.
pub const NOT_PAID: &str = "not_paid";

impl Outcome {
    /// The words of all outcomes.
    pub const WORDS: [&str; 5] = ["posted", "recorded", "ignored", "parked", "quarantined"];
    /// The words of those that somebody still waits for.
    pub const OPEN_WORDS: [&str; 2] = ["parked", "quarantined"];

    /// The word in the database and in the answer to Stripe.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Posted => "posted",
            Self::Recorded => "recorded",
            Self::Ignored(_) | Self::NoInvoice(_) => "ignored",
            Self::Parked(_) => "parked",
            Self::Quarantined(_) => "quarantined",
        }
    }

    /// The reason, where the outcome has one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Posted | Self::Recorded => None,
            Self::Ignored(reason) => Some(reason),
            Self::Parked(_) => Some(INVOICE_UNKNOWN),
            Self::NoInvoice(_) => Some(NO_INVOICE),
            Self::Quarantined(reason) => Some(reason),
        }
    }

    /// The payment, as the event named it, whose invoice settles the event once it is known.
    pub const fn waits_for(&self) -> Option<&PaymentId> {
        match self {
            Self::Parked(payment) | Self::NoInvoice(payment) => Some(payment),
            Self::Posted | Self::Recorded | Self::Ignored(_) | Self::Quarantined(_) => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            Some(reason) => write!(f, "{} ({reason})", self.as_str()),
            None => f.write_str(self.as_str()),
        }
    }
}
