//! The statuses of referrals and commissions: the end of `semantics.md` §4.

use referrald::domain::{Customer, NoCommission};

use crate::model::{Earned, Model};
use crate::people::Referral;

impl Model<'_> {
    pub fn status_of_referral(&self, customer: &Customer, referral: &Referral) -> &'static str {
        let subscriptions = self.people.subscriptions_of(customer);
        let paid = self.paid_since(customer, referral);
        match paid.last() {
            _ if referral.held => "held",
            _ if !subscriptions.is_empty() && subscriptions.iter().all(|ended| *ended) => "canceled",
            None => "signup",
            Some((_, latest)) if self.money.loss(latest, true) > 0 => "refund",
            Some(_) => "active",
        }
    }

    /// The status of the commission of an invoice, seen at that time.
    pub fn status_of_commission(
        &self,
        invoice: &str,
        earned: &Result<Earned, NoCommission>,
        now: i64,
    ) -> &'static str {
        let Ok(earned) = earned else { return "none" };
        if self.money.is_disputed(invoice) {
            return "disputed";
        }
        if earned.commission > 0 && earned.after_all == 0 {
            return if earned.after_refunds > 0 { "lost" } else { "refunded" };
        }
        if earned.available_at <= now { "available" } else { "pending" }
    }
}
