//! What a batch of new events is about: the keys that are locked and followed before anything is merged.

use super::handlers::Inbound;
use crate::domain::{Fact, Party, Reduced};
use crate::store::book::Wanted;
use crate::store::lock::Keys;

/// These events, and their keys and claims.
pub fn of(events: &[Inbound]) -> Wanted {
    let mut wanted = Wanted::default();
    for event in events {
        wanted.events.insert(event.row.id.clone());
        if let Ok(reduced) = &event.work {
            add(&mut wanted, reduced);
        }
    }
    wanted
}

/// The keys and claims of one event.
pub fn of_one(reduced: &Reduced) -> Wanted {
    let mut wanted = Wanted::default();
    add(&mut wanted, reduced);
    wanted
}

fn add(wanted: &mut Wanted, reduced: &Reduced) {
    wanted.keys.payments.extend(reduced.waits_for.clone());
    for fact in &reduced.facts {
        add_fact(wanted, fact);
    }
}

/// A party, as it is named.
pub fn add_party(keys: &mut Keys, party: &Party) {
    match party {
        Party::User(user) => keys.users.insert(user.clone()),
        Party::Customer(customer) => keys.customers.insert(customer.clone()),
    };
}

fn add_fact(wanted: &mut Wanted, fact: &Fact) {
    let keys = &mut wanted.keys;
    match fact {
        Fact::InvoicePaid { invoice, claim, .. } => {
            keys.invoices.insert(invoice.clone());
            keys.customers.extend(claim.customer.clone());
        }
        Fact::PaymentLink { invoice, payment, .. } => {
            keys.invoices.insert(invoice.clone());
            keys.payments.insert(payment.clone());
        }
        Fact::ChargeOf { charge, payment_intent } => {
            keys.payments.extend([charge.clone(), payment_intent.clone()]);
        }
        Fact::Payment { payment, .. } => {
            keys.payments.insert(payment.clone());
        }
        Fact::Refund { refund, facts } => {
            keys.refunds.insert(refund.clone());
            keys.payments.insert(facts.payment.clone());
        }
        Fact::Dispute { dispute, facts } => {
            keys.disputes.insert(dispute.clone());
            keys.payments.insert(facts.payment.clone());
        }
        Fact::CreditNote { credit_note, facts } => {
            keys.credit_notes.insert(credit_note.clone());
            keys.invoices.insert(facts.invoice.clone());
        }
        Fact::Claim(claim) => {
            keys.customers.extend(claim.customer.clone());
            keys.users.extend(claim.user.clone());
            wanted.claims.push(claim.clone());
        }
        Fact::Email { party, .. } => add_party(keys, party),
        Fact::SameCustomer { account, customer } => {
            keys.customers.extend([account.clone(), customer.clone()]);
        }
        // Written without having been read, but under the lock of its customer: two transactions never write it at once.
        Fact::Subscription { customer, .. } => {
            keys.customers.insert(customer.clone());
        }
    }
}
