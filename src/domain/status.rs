//! Statuses of referrals and commissions: derived whenever they are asked for, never stored.

use super::assess::Assessment;
use super::attribution::Referral;
use super::facts::PaidInvoice;
use super::ids::InvoiceId;
use super::ledger::State;
use super::money::MoneyError;
use super::no_commission::NoCommission;
use super::payments::Loss;
use super::time::Timestamp;

/// The status of a referral; the first that fits, in the order of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferralStatus {
    /// The customer looks like its own promoter; an operator has to say whether it earns.
    Held,
    /// An operator refused it, or its claims make none any more, and no other claim is left.
    Refused,
    /// At least one subscription is known, and all have ended.
    Canceled,
    /// Nothing was paid yet.
    Signup,
    /// Something was taken from its latest paid invoice.
    Refund,
    /// It pays.
    Active,
}

impl ReferralStatus {
    /// The words that the API takes and gives.
    pub const WORDS: [&'static str; 6] = ["held", "refused", "canceled", "signup", "refund", "active"];

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Refused => "refused",
            Self::Canceled => "canceled",
            Self::Signup => "signup",
            Self::Refund => "refund",
            Self::Active => "active",
        }
    }

    /// The status of a referral, all of whose invoices are loaded. `subscriptions` says of each that is known of its
    /// customers whether it has ended.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit.
    pub fn of(state: &State, referral: &Referral, subscriptions: &[bool]) -> Result<Self, MoneyError> {
        if referral.held {
            return Ok(Self::Held);
        }
        if referral.void {
            return Ok(Self::Refused);
        }
        if !subscriptions.is_empty() && subscriptions.iter().all(|ended| *ended) {
            return Ok(Self::Canceled);
        }
        let Some((latest, _)) = Self::latest_paid(state, referral) else { return Ok(Self::Signup) };
        Ok(if state.loss_of(latest)?.total_minor > 0 { Self::Refund } else { Self::Active })
    }

    /// Which invoice the status `refund` is about and what was taken from it; `None` for another status.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit.
    pub fn lost<'s>(
        self,
        state: &'s State,
        referral: &Referral,
    ) -> Result<Option<(&'s InvoiceId, &'s PaidInvoice, Loss)>, MoneyError> {
        let latest = Self::latest_paid(state, referral).filter(|_| self == Self::Refund);
        latest.map(|(id, invoice)| Ok((id, invoice, state.loss_of(id)?))).transpose()
    }

    /// The latest paid invoice of a referral, whose loss makes the status `refund`.
    pub fn latest_paid<'s>(
        state: &'s State,
        referral: &Referral,
    ) -> Option<(&'s InvoiceId, &'s PaidInvoice)> {
        let mut paid = state.paid_invoices_of(&referral.customer);
        paid.retain(|(_, invoice)| {
            invoice.snapshot.amount_paid_minor > 0 && invoice.paid_at >= referral.earns_from()
        });
        paid.pop()
    }
}

/// The status of a commission; the first that fits, in the order of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommissionStatus {
    /// It earns nothing, for this reason.
    None(NoCommission),
    /// A dispute takes from it and is open.
    Disputed,
    /// It earned something, and nothing is left of it because of a dispute.
    Lost,
    /// It earned something, and refunds took all of it back.
    Refunded,
    /// It may be paid out.
    Available,
    /// Its hold period is not over.
    Pending,
}

impl CommissionStatus {
    /// The words in the API.
    pub const WORDS: [&str; 6] = ["none", "disputed", "lost", "refunded", "available", "pending"];

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None(_) => "none",
            Self::Disputed => "disputed",
            Self::Lost => "lost",
            Self::Refunded => "refunded",
            Self::Available => "available",
            Self::Pending => "pending",
        }
    }

    /// The status of the commission of an invoice.
    pub fn of(state: &State, invoice: &InvoiceId, assessment: &Assessment, now: Timestamp) -> Self {
        if let Some(reason) = assessment.reason {
            return Self::None(reason);
        }
        let currency = state.invoice(invoice).map(|invoice| invoice.snapshot.currency);
        let is_open = currency.is_some_and(|currency| state.payments.has_open_dispute(invoice, currency));
        let nothing_is_left = assessment.net_minor() == 0 && assessment.commission_minor > 0;
        if is_open {
            Self::Disputed
        } else if nothing_is_left && assessment.dispute_minor < 0 {
            Self::Lost
        } else if nothing_is_left {
            Self::Refunded
        } else if assessment.available_at <= now {
            Self::Available
        } else {
            Self::Pending
        }
    }
}
