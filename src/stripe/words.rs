//! Stripe's status words, and what each means here. A word that this version does not know has a meaning too: the
//! careful one, so that a status which Stripe adds tomorrow never leaves a commission too high.

use crate::domain::{DisputeState, RefundState};

/// `refund.status`. A refund counts from the moment it exists: `pending`, `requires_action` and unknown words are
/// [`RefundState::Pending`].
pub fn refund_state(status: Option<&str>) -> RefundState {
    match status {
        Some("succeeded") => RefundState::Succeeded,
        Some("failed" | "canceled") => RefundState::Failed,
        Some(_) | None => RefundState::Pending,
    }
}

/// `dispute.status`. `needs_response`, `under_review` and unknown words are [`DisputeState::Open`]: the money is gone
/// for now. `warning_…` is an inquiry, for which no money has moved.
pub fn dispute_state(status: Option<&str>) -> DisputeState {
    match status {
        Some("won" | "prevented" | "charge_refunded") => DisputeState::Returned,
        Some("lost") => DisputeState::Lost,
        Some(status) if status.starts_with("warning_") => DisputeState::Inquiry,
        Some(_) | None => DisputeState::Open,
    }
}

/// `charge.status`: true when the charge moved money; `pending` and `failed` ones captured nothing.
pub fn has_succeeded(status: Option<&str>) -> bool {
    status == Some("succeeded")
}

/// `invoice.status` and `invoice_payment.status`.
pub fn is_paid(status: Option<&str>) -> bool {
    status == Some("paid")
}

/// `credit_note.status`: a voided credit note takes nothing.
pub fn is_void(status: Option<&str>) -> bool {
    status == Some("void")
}

/// `subscription.status`: true when the subscription never comes back to life.
pub fn has_ended(status: Option<&str>) -> bool {
    matches!(status, Some("canceled" | "incomplete_expired"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refund_of_a_status_that_we_do_not_know_counts_at_once() {
        for status in [None, Some("pending"), Some("requires_action"), Some("of_tomorrow")] {
            assert_eq!(refund_state(status), RefundState::Pending, "{status:?}");
        }
    }

    #[test]
    fn a_dispute_of_a_status_that_we_do_not_know_takes_for_now() {
        for status in [None, Some("needs_response"), Some("under_review"), Some("of_tomorrow")] {
            assert_eq!(dispute_state(status), DisputeState::Open, "{status:?}");
        }
        for status in ["warning_needs_response", "warning_closed"] {
            assert_eq!(dispute_state(Some(status)), DisputeState::Inquiry, "{status}");
        }
    }
}
