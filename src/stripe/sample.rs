//! Sample events as Stripe sends them since 2025-06-30, for `trigger` and `demo`: development without an account.
//!
//! Ids follow from the invoice: `in_X` is paid by `pi_X` with the charge `ch_X`, so that samples sent one by one fit.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::{Currency, Timestamp};

const API_VERSION: &str = "2025-06-30.basil";

/// What a sample is about.
#[derive(Debug, Clone)]
pub struct Sample {
    /// `in_…`; payment, charge and refund ids follow from it.
    pub invoice: String,
    /// `cus_…`.
    pub customer: String,
    /// What the invoice is about, in minor units; 0 when only its refund is reported.
    pub amount_minor: i64,
    /// What is refunded in all, in minor units.
    pub refunded_minor: i64,
    /// The currency of all amounts.
    pub currency: Currency,
    /// When it happened.
    pub created: Timestamp,
    /// Metadata of the subscription, such as a referral code.
    pub metadata: Value,
}

/// The types that [`Sample::event`] makes.
pub const TYPES: [&str; 9] = [
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice_payment.paid",
    "charge.succeeded",
    "charge.refunded",
    "charge.refund.updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
];

impl Sample {
    /// A new event of this type; `None` for a type that is not one of [`TYPES`].
    pub fn event(&self, event_type: &str) -> Option<Value> {
        let object = match event_type {
            "invoice.paid" | "invoice.payment_succeeded" => self.paid_invoice(),
            "invoice_payment.paid" => self.invoice_payment(),
            "charge.succeeded" | "charge.refunded" => self.charge(),
            "refund.created" | "refund.updated" | "charge.refund.updated" => self.refund("succeeded"),
            "refund.failed" => self.refund("failed"),
            _ => return None,
        };
        Some(json!({
            "id": format!("evt_{}", Uuid::now_v7().simple()),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.created.unix(),
            "data": { "object": object },
            "livemode": false,
            "pending_webhooks": 1,
            "request": { "id": null, "idempotency_key": null },
            "type": event_type,
        }))
    }

    /// An id of another object of this sale.
    fn id(&self, prefix: &str) -> String {
        let tail = self.invoice.strip_prefix("in_").unwrap_or(&self.invoice);
        format!("{prefix}_{tail}")
    }

    fn paid_invoice(&self) -> Value {
        let paid_at = self.created.unix();
        json!({
            "id": self.invoice,
            "object": "invoice",
            "amount_due": self.amount_minor,
            "amount_paid": self.amount_minor,
            "amount_remaining": 0,
            "billing_reason": "subscription_cycle",
            "collection_method": "charge_automatically",
            "currency": self.currency.as_str(),
            "customer": self.customer,
            "lines": { "object": "list", "has_more": false, "data": [{
                "id": self.id("il"),
                "object": "line_item",
                "amount": self.amount_minor,
                "currency": self.currency.as_str(),
                "pricing": { "type": "price_details", "price_details": {
                    "price": "price_sample", "product": "prod_sample" } },
            }] },
            "livemode": false,
            "metadata": {},
            "parent": { "type": "subscription_details", "subscription_details": {
                "metadata": self.metadata, "subscription": self.id("sub") } },
            "status": "paid",
            "status_transitions": { "finalized_at": paid_at, "marked_uncollectible_at": null,
                "paid_at": paid_at, "voided_at": null },
            "subtotal": self.amount_minor,
            "subtotal_excluding_tax": self.amount_minor,
            "total": self.amount_minor,
            "total_excluding_tax": self.amount_minor,
            "total_taxes": [],
        })
    }

    fn invoice_payment(&self) -> Value {
        json!({
            "id": self.id("inpay"),
            "object": "invoice_payment",
            "amount_paid": self.amount_minor,
            "amount_requested": self.amount_minor,
            "currency": self.currency.as_str(),
            "invoice": self.invoice,
            "is_default": true,
            "livemode": false,
            "payment": { "type": "payment_intent", "payment_intent": self.id("pi") },
            "status": "paid",
            "status_transitions": { "canceled_at": null, "paid_at": self.created.unix() },
        })
    }

    fn charge(&self) -> Value {
        let amount_minor = self.amount_minor.max(self.refunded_minor);
        json!({
            "id": self.id("ch"),
            "object": "charge",
            "amount": amount_minor,
            "amount_captured": self.amount_minor,
            "amount_refunded": self.refunded_minor,
            "captured": true,
            "currency": self.currency.as_str(),
            "customer": self.customer,
            "livemode": false,
            "paid": true,
            "payment_intent": self.id("pi"),
            "refunded": self.refunded_minor == amount_minor,
            "status": "succeeded",
        })
    }

    fn refund(&self, status: &str) -> Value {
        json!({
            "id": self.id("re"),
            "object": "refund",
            "amount": self.refunded_minor,
            "charge": self.id("ch"),
            "currency": self.currency.as_str(),
            "payment_intent": self.id("pi"),
            "reason": "requested_by_customer",
            "status": status,
        })
    }
}
