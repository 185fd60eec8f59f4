//! Writes sample events for training a dictionary of payloads: `scripts/train-dictionary` runs it.
//!
//! The objects stand in `objects/`, in the words of Stripe's documentation, with all their fields in all API versions.
//! What differs from event to event (ids, amounts, people, kinds of cards, …) is drawn anew for each, so that the trainer
//! keeps what is common to everybody's events and nothing of somebody's.

mod objects;
mod text;
mod values;

use std::path::PathBuf;

use anyhow::Context;
use objects::Objects;
use serde_json::{Value, json};
use values::{Draw, Values};

/// API versions of which samples are made.
const VERSIONS: [&str; 10] = [
    "2020-08-27",
    "2022-11-15",
    "2023-10-16",
    "2024-06-20",
    "2024-12-18.acacia",
    "2025-03-31.basil",
    "2025-06-30.basil",
    "2025-08-27.basil",
    "2025-09-30.clover",
    "2025-10-29.clover",
];

/// Object, how many events of it among 100, and what happens to it.
const EVENTS: [(&str, usize, &[&str]); 13] = [
    (
        "invoice",
        24,
        &[
            "invoice.paid",
            "invoice.paid",
            "invoice.payment_succeeded",
            "invoice.finalized",
            "invoice.updated",
        ],
    ),
    ("invoice_payment", 6, &["invoice_payment.paid"]),
    ("charge", 16, &["charge.succeeded", "charge.refunded", "charge.updated", "charge.captured"]),
    ("payment_intent", 8, &["payment_intent.succeeded", "payment_intent.created"]),
    ("refund", 8, &["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"]),
    (
        "subscription",
        12,
        &["customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted"],
    ),
    ("checkout_session", 6, &["checkout.session.completed"]),
    ("customer", 6, &["customer.created", "customer.updated", "customer.deleted"]),
    ("credit_note", 4, &["credit_note.created", "credit_note.updated", "credit_note.voided"]),
    (
        "dispute",
        4,
        &[
            "charge.dispute.created",
            "charge.dispute.updated",
            "charge.dispute.closed",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.funds_reinstated",
        ],
    ),
    ("payment_method", 2, &["payment_method.attached"]),
    ("discount", 2, &["customer.discount.created"]),
    ("price", 2, &["price.created", "price.updated"]),
];

/// Of so many samples one has no spaces and lines, as tools that sit between write them.
const COMPACT_EVERY: usize = 10;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let usage = "usage: dictionary DIRECTORY SAMPLES";
    let directory = PathBuf::from(arguments.next().context(usage)?);
    let samples: usize = arguments.next().context(usage)?.parse().context(usage)?;
    let objects = Objects::read()?;
    let deck: Vec<_> = EVENTS.iter().flat_map(|event| vec![event; event.1]).collect();
    for number in 0..samples {
        let mut values = Values::new(Draw::new(u64::try_from(number)?));
        let (object, _, types) = values.draw.one_of(&deck);
        let event_type = *values.draw.one_of(types);
        let event = event(&objects, &mut values, object, event_type);
        let text = if number % COMPACT_EVERY == 0 { text::compact(&event) } else { text::pretty(&event) };
        std::fs::write(directory.join(format!("{number:05}.json")), text)?;
    }
    Ok(())
}

/// An event as an endpoint of one API version is sent it.
fn event(objects: &Objects, values: &mut Values, object: &str, event_type: &str) -> Value {
    let version = *values.draw.one_of(&VERSIONS);
    // Stripe adds new fields to what older versions are sent, too.
    let shape = if values.draw.below(4) == 0 { *values.draw.one_of(&VERSIONS) } else { version };
    let mut data = json!({ "object": objects.fill(object, version, shape, values) });
    if let Some(previous) = objects.previous_attributes(event_type, version, shape, values) {
        data["previous_attributes"] = previous;
    }
    let (id, key) = (values.text("req"), values.text("uuid"));
    let requests =
        [json!({ "id": null, "idempotency_key": null }), json!({ "id": id, "idempotency_key": key })];
    json!({
        "id": values.text("evt"),
        "object": "event",
        "api_version": version,
        "created": values.value("now"),
        "data": data,
        "livemode": values.value("livemode"),
        "pending_webhooks": values.draw.below(3),
        "request": values.draw.one_of(&requests),
        "type": event_type,
    })
}
