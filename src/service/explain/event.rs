//! The story of an event: what it said, what became of it, and what it posted.

use super::words;
use crate::domain::attribution::Party;
use crate::domain::{EventId, Fact, Outcome};
use crate::service::ServiceError;
use crate::service::post_events::{Policy, reduce_stored};
use crate::store::ledger::{self, About};
use crate::store::{Database, events};

/// Entries of one event that are told.
const ENTRIES_LIMIT: u64 = 200;

/// `None` when there is no such event.
pub async fn tell(db: &Database, id: &str, policy: &Policy) -> Result<Option<Vec<String>>, ServiceError> {
    let id = EventId::new(id);
    let Some(event) = events::stored(db.reader(), &id).await? else { return Ok(None) };
    let mut told = Vec::new();
    let kind = if event.event_type.is_empty() { "of no type" } else { event.event_type.as_str() };
    let version = event.api_version.as_deref().map(|version| format!(" in API version {version}"));
    let created = event.created_at.map(|created| format!(", made at {created}"));
    told.push(format!(
        "Event {id} is {kind}{}{}, and was received at {}.",
        version.unwrap_or_default(),
        created.unwrap_or_default(),
        event.received_at
    ));
    told.push(outcome(&event));
    match reduce_stored(&event, policy) {
        Ok(reduced) => {
            let facts: Vec<String> = reduced.facts.iter().map(fact).collect();
            if facts.is_empty() {
                told.push("It says nothing that the ledger needs.".to_owned());
            }
            told.extend(facts);
        }
        Err(Outcome::Quarantined(why)) => told.push(format!("It cannot be used: {why}.")),
        Err(other) => told.push(format!("It brings no facts: {other}.")),
    }
    let entries = ledger::entries_about(db.reader(), About::Cause(id.as_str()), ENTRIES_LIMIT).await?;
    if entries.is_empty() {
        told.push("It posted no entry.".to_owned());
    }
    for entry in entries {
        let invoice = entry.invoice.as_ref().map(|invoice| format!(" of {invoice}")).unwrap_or_default();
        let amount = entry.currency.display(entry.amount_minor);
        told.push(format!(
            "Entry {}: {} {amount}{invoice} for {}.",
            entry.id,
            entry.kind.as_str(),
            entry.promoter
        ));
    }
    Ok(Some(told))
}

fn outcome(event: &events::StoredEvent) -> String {
    let reason = event.reason.as_deref().unwrap_or_default();
    match (event.outcome.as_str(), &event.parked_on) {
        ("posted", _) => "It was posted: it changed the ledger.".to_owned(),
        ("recorded", _) => "It was recorded: its facts are kept, and there was nothing to post.".to_owned(),
        ("ignored", _) => format!("It was ignored ({reason}): it is not for this ledger."),
        ("parked", Some(payment)) => {
            format!("It is parked ({reason}): the invoice of payment {payment} is not known yet.")
        }
        ("quarantined", _) => format!("It is quarantined: {reason}."),
        (other, _) => format!("Its outcome is {other}."),
    }
}

fn fact(fact: &Fact) -> String {
    match fact {
        Fact::InvoicePaid { invoice, claim, paid_at } => {
            let customer = claim.customer.as_ref().map(|id| format!(" by customer {id}")).unwrap_or_default();
            let amount = claim.currency.display(claim.amount_paid_minor);
            format!("It says that invoice {invoice} was paid{customer}: {amount} at {paid_at}.")
        }
        Fact::PaymentLink { invoice, payment, amount_minor } => {
            let part = amount_minor.map(|minor| format!("{minor} minor units of ")).unwrap_or_default();
            format!("It says that payment {payment} pays {part}invoice {invoice}.")
        }
        Fact::ChargeOf { charge, payment_intent } => {
            format!("It says that charge {charge} belongs to payment {payment_intent}.")
        }
        Fact::Payment { payment, captured_minor, amount_refunded_minor } => format!(
            "It says that of payment {payment} {captured_minor} minor units were captured and {amount_refunded_minor} \
             refunded."
        ),
        Fact::Refund { refund, facts } => format!(
            "It says that refund {refund} of {} minor units of payment {} is {}.",
            facts.amount_minor,
            facts.payment,
            words::refund_state(facts.state)
        ),
        Fact::Dispute { dispute, facts } => format!(
            "It says that dispute {dispute} of {} of payment {} is {}.",
            facts.currency.display(facts.amount_minor),
            facts.payment,
            words::dispute_state(facts.state)
        ),
        Fact::CreditNote { credit_note, facts } => {
            let state = if facts.void { "void" } else { "issued" };
            let (amount, invoice) = (facts.amount_minor, &facts.invoice);
            format!(
                "It says that credit note {credit_note} of invoice {invoice} is {state}: {amount} minor units."
            )
        }
        Fact::Claim(claim) => {
            let customer =
                claim.customer.as_ref().map_or("a customer".to_owned(), |id| format!("customer {id}"));
            format!("It claims that {customer} was referred by {} ({}).", claim.code, claim.source.as_str())
        }
        Fact::Email { party: Party::Customer(name), .. } => format!("It tells an e-mail of customer {name}."),
        Fact::Email { party: Party::User(name), .. } => format!("It tells an e-mail of user {name}."),
        Fact::SameCustomer { account, customer } => format!("It says that {account} is customer {customer}."),
        Fact::Subscription { subscription, customer, ended } => {
            let state = if *ended { "has ended" } else { "is alive" };
            format!("It says that subscription {subscription} of customer {customer} {state}.")
        }
    }
}
