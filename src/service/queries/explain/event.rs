//! The story of an event: what it said, what became of it, and what it posted.

use std::collections::{BTreeMap, BTreeSet};

use super::words;
use crate::domain::entries::PostedEntry;
use crate::domain::inbox::KeptEvent;
use crate::domain::ledger::Needs;
use crate::domain::{Cause, Customer, EventId, Extracted, Fact, InvoiceId, Outcome};
use crate::handlers::Policy;
use crate::service::ServiceError;
use crate::service::inbound::extract_stored;
use crate::store::Database;
use crate::store::entries;
use crate::store::events::{self, StoredEvent};
use crate::store::snapshot::Snapshot;

/// Entries of one event that are told.
const ENTRIES_LIMIT: usize = 200;
/// Invoices whose entries are read at a time.
const INVOICES_AT_A_TIME: usize = 200;

/// `None` when there is no such event.
pub async fn tell(db: &Database, id: &str, policy: &Policy) -> Result<Option<Vec<String>>, ServiceError> {
    let id = EventId::new(id);
    let tellings = events::tellings(db.reader(), &id).await?;
    if tellings.is_empty() {
        return Ok(None);
    }
    let (mut told, mut entries) = (Vec::new(), BTreeMap::new());
    for event in &tellings {
        let extracted = extract_stored(event, policy)?;
        tell_one(event, &extracted, &mut told);
        if let Ok(extracted) = &extracted {
            let caused = entries_of(db, &id, extracted).await?;
            entries.extend(caused.into_iter().map(|entry| (entry.id, entry)));
        }
    }
    if tellings.iter().all(|event| event.body.is_none()) {
        told.push("What it posted stands with its invoices, whose ids are gone with its payload.".to_owned());
    } else if entries.is_empty() && tellings.iter().any(|event| event.kept.outcome == "posted") {
        told.push("No entry names it: what it changed was posted when something else happened.".to_owned());
    } else if entries.is_empty() {
        told.push("It posted no entry.".to_owned());
    }
    for entry in entries.into_values() {
        let invoice = entry.invoice.as_ref().map(|invoice| format!(" of {invoice}")).unwrap_or_default();
        let amount = entry.currency.display(entry.amount_minor);
        told.push(format!(
            "Entry {}: {} {amount}{invoice} for {}.",
            entry.id,
            entry.kind.as_str(),
            words::named(&entry.promoter_user, &entry.promoter)
        ));
    }
    Ok(Some(told))
}

/// What one telling of an event says, and what became of it.
fn tell_one(event: &StoredEvent, extracted: &Result<Extracted, Outcome>, told: &mut Vec<String>) {
    let KeptEvent { telling, event_type, created_at, received_at, .. } = &event.kept;
    let kind = if event_type.is_empty() { "of no type" } else { event_type.as_str() };
    let version = match telling.api_version.as_str() {
        "" => String::new(),
        version => format!(" in API version {version}"),
    };
    let created = created_at.map(|created| format!(", made at {created}")).unwrap_or_default();
    let id = &telling.id;
    told.push(format!("Event {id} is {kind}{version}{created}, and was received at {received_at}."));
    told.push(outcome(&event.kept));
    match extracted {
        Ok(extracted) if extracted.facts.is_empty() => {
            told.push("It says nothing that the ledger needs.".to_owned());
        }
        Ok(extracted) => told.extend(extracted.facts.iter().map(fact)),
        // The same as when it came.
        Err(why) if why.reason() == event.kept.reason.as_deref() => {}
        Err(Outcome::Quarantined(why)) => told.push(format!("It cannot be used: {why}.")),
        Err(other) => told.push(format!("It brings no facts: {other}.")),
    }
}

/// The entries that an event has caused, found among those of all invoices that its facts are about.
async fn entries_of(
    db: &Database,
    id: &EventId,
    extracted: &Extracted,
) -> Result<Vec<PostedEntry>, ServiceError> {
    let mut snapshot = Snapshot::of(db).await?;
    let mut needs = Needs::of(extracted);
    let claimed: BTreeSet<Customer> = needs.customers.clone();
    needs.all_invoices_of.extend(claimed);
    let state = snapshot.load(needs).await?;
    let invoices: Vec<InvoiceId> = state.invoice_ids().cloned().collect();
    let (cause, mut caused) = (Cause::Event(id.clone()), Vec::new());
    for some in invoices.chunks(INVOICES_AT_A_TIME) {
        let entries = entries::of_invoices(&snapshot.txn, some, u64::MAX >> 1).await?;
        caused.extend(entries.into_iter().filter(|entry| entry.cause == cause));
    }
    snapshot.end().await?;
    caused.sort_by_key(|entry| entry.id);
    caused.truncate(ENTRIES_LIMIT);
    Ok(caused)
}

fn outcome(event: &KeptEvent) -> String {
    let reason = event.reason.as_deref().unwrap_or_default();
    match (event.outcome.as_str(), &event.waits_for) {
        ("posted", _) => "It was posted: it changed the ledger.".to_owned(),
        ("recorded", _) => "It was recorded: its facts are kept, and there was nothing to post.".to_owned(),
        ("ignored", Some(payment)) => format!(
            "It was ignored ({reason}): payment {payment} has paid no invoice, as far as is known. Its facts are kept, and an \
             invoice that comes later settles it."
        ),
        ("ignored", None) => format!("It was ignored ({reason}): it is not for this ledger."),
        ("parked", Some(payment)) => {
            format!("It is parked ({reason}): the invoice of payment {payment} is not known yet.")
        }
        ("quarantined", _) => format!("It is quarantined: {reason}."),
        (other, _) => format!("Its outcome is {other}."),
    }
}

fn fact(fact: &Fact) -> String {
    match fact {
        Fact::InvoicePaid { invoice, snapshot, paid_at } => {
            let stripe_customer =
                snapshot.stripe_customer.as_ref().map(|id| format!(" by customer {id}")).unwrap_or_default();
            let amount = snapshot.currency.display(snapshot.amount_paid_minor);
            format!("It says that invoice {invoice} was paid{stripe_customer}: {amount} at {paid_at}.")
        }
        Fact::InvoiceLines { invoice, weights } => {
            format!("It says what all lines of invoice {invoice} sold: {} prices.", weights.len())
        }
        Fact::UnreadDiscounts(unread) => {
            format!("It names discounts of invoice {} by their ids only.", unread.invoice)
        }
        Fact::PaymentLink { invoice, payment, amount_minor } => {
            let part = amount_minor.map(|minor| format!("{minor} minor units of ")).unwrap_or_default();
            format!("It says that payment {payment} pays {part}invoice {invoice}.")
        }
        Fact::ChargeOf { charge, payment_intent } => {
            format!("It says that charge {charge} belongs to payment {payment_intent}.")
        }
        Fact::Payment { payment, captured_minor, amount_refunded_minor, released: _ } => format!(
            "It says that of payment {payment} {captured_minor} minor units were captured and {amount_refunded_minor} \
             refunded."
        ),
        Fact::NoInvoice { payment } => format!("It says that payment {payment} has paid no invoice."),
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
            let stripe_customer =
                claim.stripe_customer.as_ref().map_or("a customer".to_owned(), |id| format!("customer {id}"));
            format!(
                "It claims that {stripe_customer} was referred by {} ({}).",
                claim.code,
                claim.source.as_str()
            )
        }
        Fact::Email { customer: Customer::Stripe(name), .. } => {
            format!("It tells an e-mail of customer {name}.")
        }
        Fact::Email { customer: Customer::User(name), .. } => format!("It tells an e-mail of user {name}."),
        Fact::SameCustomer { account, stripe_customer } => {
            format!("It says that {account} is customer {stripe_customer}.")
        }
        Fact::Subscription { subscription, stripe_customer, ended } => {
            let state = if *ended { "has ended" } else { "is alive" };
            format!("It says that subscription {subscription} of customer {stripe_customer} {state}.")
        }
    }
}
