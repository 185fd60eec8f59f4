//! What refunds, disputes and credit notes take from invoices: the end of `semantics.md` §3, from the whole set of what was
//! told.

use std::collections::BTreeSet;

use crate::losses::{DisputeState, MergedDispute, MergedRefund, Money, Outcome, RefundState};
use crate::told::Charge;

impl<'a> Money<'a> {
    /// Tellings of the charges of a payment, and whether each is from before basil.
    fn totals_of<'m>(&'m self, payment: &'m str) -> impl Iterator<Item = (bool, &'a Charge)> + 'm {
        let told = self.totals.iter().filter(move |(_, named, _)| self.payment(named) == payment);
        told.map(|(is_older, _, charge)| (*is_older, *charge))
    }

    /// What was captured of a payment, where it is known.
    fn captured(&self, payment: &str) -> Option<i64> {
        let succeeded = self.totals_of(payment).filter(|(_, charge)| charge.succeeded);
        let captured = succeeded.map(|(_, charge)| charge.captured.unwrap_or(charge.amount)).max();
        captured.filter(|captured| *captured > 0)
    }

    /// What a link weighs.
    fn weight(&self, invoice: &str, payment: &str) -> i128 {
        let mut known = 0;
        for ((of, pays), amount) in &self.merged_links {
            if *of == invoice {
                match amount {
                    Some(amount) if *pays == payment => return i128::from(*amount),
                    Some(amount) => known += i128::from(*amount),
                    None => {}
                }
            }
        }
        let paid = self.invoices.get(invoice);
        let rest = paid.map_or(0, |paid| (i128::from(paid.told.amount_paid) - known).max(0));
        self.captured(payment).map_or(rest, |captured| rest.min(i128::from(captured)))
    }

    /// The refund that only says that a rest was released which was never captured.
    fn release(&self, payment: &str) -> Option<&'a str> {
        let rest = |charge: &Charge| charge.amount - charge.captured.unwrap_or(charge.amount);
        let shows_it = |(is_older, charge): &(bool, &Charge)| {
            *is_older && charge.succeeded && rest(charge) > 0 && charge.refunded >= rest(charge)
        };
        let telling = self.totals_of(payment).filter(shows_it);
        let (_, telling) = telling.max_by_key(|(_, charge)| (charge.captured, rest(charge)))?;
        let fits = |refund: &MergedRefund| {
            self.payment(refund.payment) == payment
                && refund.state != RefundState::Failed
                && refund.amount == rest(telling)
        };
        let fitting = self.refunds.iter().filter(|(_, refund)| fits(refund));
        fitting.min_by_key(|(id, refund)| (refund.created, **id)).map(|(id, _)| *id)
    }

    /// What was taken from a payment of which so much was captured; by disputes too, when asked as an invoice of that
    /// currency.
    fn taken(&self, payment: &str, captured: i128, disputed: Option<&str>) -> i128 {
        let release = self.release(payment);
        let (mut counted, mut known) = (0, 0);
        for (id, refund) in &self.refunds {
            if self.payment(refund.payment) == payment && release != Some(*id) {
                let failed = refund.state == RefundState::Failed;
                counted += if failed { 0 } else { i128::from(refund.amount) };
                known += i128::from(refund.amount);
            }
        }
        let mut refunded = 0;
        for (is_older, charge) in self.totals_of(payment) {
            let released =
                if is_older { charge.amount - charge.captured.unwrap_or(charge.amount) } else { 0 };
            refunded = refunded.max(i128::from(charge.refunded - released));
        }
        let mut taken = counted + (refunded - known).max(0);
        for dispute in self.disputes.values() {
            let (_, _, named, _) = dispute.telling;
            if let (true, Some(currency)) = (self.payment(named) == payment, disputed) {
                taken += dispute.takes(currency, captured);
            }
        }
        taken.min(captured)
    }

    /// True when a dispute that is not decided takes from a payment of an invoice.
    pub fn is_disputed(&self, invoice: &str) -> bool {
        let currency = self.invoices[invoice].told.currency;
        self.disputes.values().any(|dispute| {
            let (state, _, named, _) = dispute.telling;
            let takes = dispute.takes(currency, i128::MAX) > 0;
            state == DisputeState::Open && takes && self.is_linked(invoice, self.payment(named))
        })
    }

    fn linked(&self, payment: &str) -> i128 {
        let links = self.merged_links.keys().filter(|(_, pays)| *pays == payment);
        links.map(|(invoice, pays)| self.weight(invoice, pays)).sum()
    }

    fn captured_or_linked(&self, payment: &str) -> i128 {
        self.captured(payment).map_or_else(|| self.linked(payment), i128::from)
    }

    /// Notes which rules mattered to what was taken from an invoice.
    pub fn note_features(&self, invoice: &str, features: &mut BTreeSet<&'static str>) {
        let mut note = |holds: bool, feature| features.extend(holds.then_some(feature));
        let currency = self.invoices[invoice].told.currency;
        let payments = self.merged_links.iter().filter(|((of, _), _)| *of == invoice);
        let payments: Vec<(&str, bool)> =
            payments.map(|((_, payment), amount)| (*payment, amount.is_none())).collect();
        let without_amount = payments.iter().filter(|(payment, without)| {
            *without && self.captured(payment).is_some_and(|captured| captured > 0)
        });
        note(without_amount.count() > 1, "several links without amounts");
        for (payment, _) in payments {
            note(self.release(payment).is_some(), "a released rest");
            for (id, dispute) in &self.disputes {
                let (_, amount, named, own_currency) = dispute.telling;
                let takes = dispute.takes(currency, i128::MAX);
                if self.payment(named) != payment || takes == 0 {
                    continue;
                }
                note(own_currency != currency, "a dispute in another currency");
                note(takes != i128::from(amount) && takes < i128::MAX, "balance transactions");
                let told = self.disputes_told.iter().filter(|(_, told)| told.id == *id);
                note(told.into_iter().any(|(_, told)| told.status == "won"), "a dispute that was won before");
            }
        }
        let notes = self.credit_notes.values();
        note(notes.into_iter().any(|(void, _, of)| !void && *of == invoice), "a credit note");
    }

    /// What an invoice lost: L when asked for disputes, else R.
    pub fn loss(&self, invoice: &str, with_disputes: bool) -> i128 {
        let told = self.invoices[invoice].told;
        let mut loss = 0;
        for (void, amount, of) in self.credit_notes.values() {
            loss += if *of == invoice && !void { i128::from(*amount) } else { 0 };
        }
        for (of, payment) in self.merged_links.keys() {
            if *of != invoice {
                continue;
            }
            let captured = self.captured_or_linked(payment);
            let taken = self.taken(payment, captured, with_disputes.then_some(told.currency));
            let weight = self.weight(invoice, payment);
            loss += match taken {
                0 => 0,
                all if all == captured => weight,
                part => part * weight / captured.max(self.linked(payment)),
            };
        }
        loss.min(i128::from(told.amount_paid))
    }
}

impl MergedDispute<'_> {
    /// What it takes from a payment of which so much was captured, as an invoice of this currency sees it.
    fn takes(&self, currency: &str, captured: i128) -> i128 {
        let (state, amount, _, own_currency) = self.telling;
        match state {
            DisputeState::Inquiry | DisputeState::Final(_, Outcome::Returned) => return 0,
            DisputeState::Open | DisputeState::Final(_, Outcome::Lost) => {}
        }
        let moved = self.transactions.values().filter(|(of, _)| *of == currency);
        let moved: i128 = moved.map(|(_, amount)| i128::from(*amount)).sum();
        match moved {
            // A dispute about nothing takes nothing, in whatever currency.
            0 if amount == 0 => 0,
            0 if own_currency == currency => i128::from(amount),
            0 => captured,
            moved => (-moved).clamp(0, captured),
        }
    }
}
