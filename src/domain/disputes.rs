//! Disputes and credit notes: what else takes from an invoice.

use std::collections::BTreeMap;

use super::ids::{BalanceTransactionId, InvoiceId, PaymentId};
use super::money::{Currency, MoneyError, narrow};
use super::time::Timestamp;

/// The state of a dispute, in the order of its ranks; its **status** decides, not the type of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DisputeState {
    /// An inquiry of the bank: no money has moved.
    Inquiry,
    /// Not decided, as far as is known: the money is gone for now.
    Open,
    /// The money came back, or never went.
    Returned,
    /// The money is gone, but for what its balance transactions give back.
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

    /// True for a state that is the end of a dispute, unless the bank reverses itself.
    pub fn is_final(self) -> bool {
        self.rank() == 2
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
    /// `event.created` of the telling of a final state; `None` before it has one.
    pub closed_at: Option<Timestamp>,
    /// `dispute.balance_transactions` of all tellings, whatever their rank.
    pub transactions: BTreeMap<BalanceTransactionId, BalanceTransaction>,
}

/// One movement of a dispute on the balance. Of two tellings of one the one that takes more holds: the smaller amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BalanceTransaction {
    /// `balance_transaction.amount`, fees apart; negative when it was taken.
    pub amount_minor: i64,
    /// `balance_transaction.currency`.
    pub currency: Currency,
}

impl DisputeFacts {
    /// Takes in one more telling: the higher rank wins; of two final ones the later, at the same second `lost`; then the
    /// greater amount. Balance transactions are collected.
    pub fn merge(&mut self, mut other: Self) {
        let mut transactions = std::mem::take(&mut self.transactions);
        for (id, told) in std::mem::take(&mut other.transactions) {
            let known = transactions.entry(id).or_insert(told);
            *known = (*known).min(told);
        }
        if other.order() > self.order() {
            *self = other;
        }
        self.transactions = transactions;
    }

    fn order(&self) -> (u8, Option<Timestamp>, bool, i64, DisputeState, &PaymentId, Currency) {
        let Self { payment, amount_minor, currency, state, closed_at, transactions: _ } = self;
        let is_lost = *state == DisputeState::Lost;
        (state.rank(), *closed_at, is_lost, *amount_minor, *state, payment, *currency)
    }

    /// What it takes at present from a payment of which so much was captured, for an invoice in `currency`: by its balance
    /// transactions in that currency, where they do not sum to nothing; else its amount, and all of a payment in another
    /// currency.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] when the sum does not fit.
    pub fn taken_minor(&self, currency: Currency, captured_minor: i64) -> Result<i64, MoneyError> {
        match self.state {
            DisputeState::Inquiry | DisputeState::Returned => return Ok(0),
            DisputeState::Open | DisputeState::Lost => {}
        }
        let moved = self.transactions.values().filter(|moved| moved.currency == currency);
        let moved: i128 = moved.map(|moved| i128::from(moved.amount_minor)).sum();
        if moved != 0 {
            return narrow(0_i128.saturating_sub(moved).clamp(0, i128::from(captured_minor.max(0))));
        }
        let is_foreign = self.amount_minor > 0 && self.currency != currency;
        Ok(if is_foreign { captured_minor } else { self.amount_minor })
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
