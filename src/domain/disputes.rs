//! Disputes and credit notes: what else takes from an invoice.

use super::ids::{InvoiceId, PaymentId};
use super::money::Currency;

/// The state of a dispute, in the order of its ranks; its **status** decides, not the type of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DisputeState {
    /// An inquiry of the bank: no money has moved.
    Inquiry,
    /// Not decided, as far as is known: the money is gone for now.
    Open,
    /// The money came back, or never went.
    Returned,
    /// The money is gone. Also told after a partial win, so it outranks nothing but takes more.
    Lost,
}

impl DisputeState {
    const ALL: [Self; 4] = [Self::Inquiry, Self::Open, Self::Returned, Self::Lost];

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inquiry => "inquiry",
            Self::Open => "open",
            Self::Returned => "returned",
            Self::Lost => "lost",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Inquiry => 0,
            Self::Open => 1,
            Self::Returned | Self::Lost => 2,
        }
    }
}

/// What is known of one dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeFacts {
    /// The payment that it takes from, as it was named.
    pub payment: PaymentId,
    /// `dispute.amount`, ≥ 0.
    pub amount_minor: i64,
    /// `dispute.currency`; in another one than the invoice's it takes the whole payment.
    pub currency: Currency,
    /// Its state.
    pub state: DisputeState,
}

impl DisputeFacts {
    /// Takes in one more telling: the higher rank wins, at equal rank the one that takes more.
    pub fn merge(&mut self, other: Self) {
        if other.order() > self.order() {
            *self = other;
        }
    }

    fn order(&self) -> (u8, i64, DisputeState, i64, &PaymentId, Currency) {
        (self.state.rank(), self.taken_minor(), self.state, self.amount_minor, &self.payment, self.currency)
    }

    /// What it takes at present, in its own currency.
    pub const fn taken_minor(&self) -> i64 {
        match self.state {
            DisputeState::Open | DisputeState::Lost => self.amount_minor,
            DisputeState::Inquiry | DisputeState::Returned => 0,
        }
    }
}

/// What is known of one credit note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditNoteFacts {
    /// The invoice that it credits.
    pub invoice: InvoiceId,
    /// Its `out_of_band_amount` and its refunds of payment records, ≥ 0. Its ordinary refunds arrive as refunds.
    pub amount_minor: i64,
    /// It was voided and takes nothing.
    pub void: bool,
}

impl CreditNoteFacts {
    /// Takes in one more telling: void wins over issued, at equal state the greater amount.
    pub fn merge(&mut self, other: Self) {
        if (other.void, other.amount_minor, &other.invoice) > (self.void, self.amount_minor, &self.invoice) {
            *self = other;
        }
    }

    /// What it takes at present.
    pub const fn taken_minor(&self) -> i64 {
        if self.void { 0 } else { self.amount_minor }
    }
}
