//! Events as Stripe sends them: since 2025-06-30 ("basil"), and as API version 2020-08-27 did ("legacy").

use serde_json::{Value, json};

/// When the events of the tests happened; what is sent now was referred now, so it is recent.
pub fn created() -> i64 {
    super::now().unix()
}

/// A new id with a prefix.
pub fn fresh(prefix: &str) -> String {
    format!("{prefix}_{}", uuid::Uuid::now_v7().simple())
}

/// An event around an object.
pub fn event(event_type: &str, object: Value) -> Value {
    event_of_version("2025-06-30.basil", event_type, object)
}

pub fn event_of_version(api_version: &str, event_type: &str, object: Value) -> Value {
    json!({
        "id": fresh("evt"), "object": "event", "api_version": api_version, "created": created(),
        "data": { "object": object }, "livemode": false, "pending_webhooks": 1,
        "request": { "id": null, "idempotency_key": null }, "type": event_type,
    })
}

/// `invoice.paid` since 2025-03-31: it names no payment.
pub fn invoice_paid(invoice: &str, customer: &str, amount: i64) -> Value {
    event("invoice.paid", basil_invoice(invoice, customer, amount))
}

pub fn basil_invoice(invoice: &str, customer: &str, amount: i64) -> Value {
    json!({
        "id": invoice, "object": "invoice", "amount_due": amount, "amount_paid": amount,
        "currency": "usd", "customer": customer, "customer_email": "canary@example.com",
        "lines": { "object": "list", "has_more": false, "data": [] }, "metadata": {},
        "parent": { "type": "subscription_details",
            "subscription_details": { "metadata": {}, "subscription": "sub_1" } },
        "status": "paid", "status_transitions": { "paid_at": created() },
        "total": amount, "total_excluding_tax": amount, "total_taxes": [],
    })
}

/// `invoice.paid` with a code in the metadata of the subscription.
pub fn invoice_paid_with_code(invoice: &str, customer: &str, amount: i64, code: &str) -> Value {
    let mut event = invoice_paid(invoice, customer, amount);
    event["data"]["object"]["parent"]["subscription_details"]["metadata"] = json!({ "referral_code": code });
    event
}

/// `invoice_payment.paid`: this payment paid that much of the invoice.
pub fn invoice_payment(invoice: &str, payment: &str, amount: i64) -> Value {
    event(
        "invoice_payment.paid",
        json!({
            "id": fresh("inpay"), "object": "invoice_payment", "amount_paid": amount, "currency": "usd",
            "invoice": invoice, "payment": { "type": "payment_intent", "payment_intent": payment },
            "status": "paid",
        }),
    )
}

/// `charge.refunded` since 2025-03-31: no invoice, no list of refunds. `ch_X` belongs to `pi_X`.
pub fn charge_refunded(payment: &str, customer: &str, captured: i64, refunded: i64) -> Value {
    event(
        "charge.refunded",
        json!({
            "id": payment.replacen("pi_", "ch_", 1), "object": "charge", "amount": captured,
            "amount_captured": captured, "amount_refunded": refunded, "currency": "usd",
            "customer": customer, "payment_intent": payment, "refunded": refunded == captured,
            "status": "succeeded",
        }),
    )
}

/// `refund.created`, `refund.updated` or `refund.failed`.
pub fn refund(event_type: &str, refund: &str, payment: &str, amount: i64, status: &str) -> Value {
    event(
        event_type,
        json!({
            "id": refund, "object": "refund", "amount": amount, "currency": "usd",
            "charge": payment.replacen("pi_", "ch_", 1), "payment_intent": payment, "status": status,
        }),
    )
}

/// `invoice.paid` of 2020-08-27: payment and charge stand on the invoice.
pub fn legacy_invoice_paid(invoice: &str, customer: &str, amount: i64, payment: &str) -> Value {
    let charge = payment.replacen("pi_", "ch_", 1);
    event_of_version(
        "2020-08-27",
        "invoice.paid",
        json!({
            "id": invoice, "object": "invoice", "amount_due": amount, "amount_paid": amount,
            "charge": charge, "currency": "usd", "customer": customer, "paid": true,
            "payment_intent": payment, "status": "paid", "status_transitions": { "paid_at": created() },
            "subscription": "sub_1", "tax": null, "total": amount, "total_tax_amounts": [],
        }),
    )
}

/// `charge.refunded` of 2020-08-27: invoice and refunds stand on the charge.
pub fn legacy_charge_refunded(
    payment: &str,
    customer: &str,
    invoice: &str,
    captured: i64,
    refunds: &[(&str, i64)],
) -> Value {
    let charge = payment.replacen("pi_", "ch_", 1);
    let refunded: i64 = refunds.iter().map(|(_, amount)| amount).sum();
    let refunds: Vec<Value> = refunds
        .iter()
        .map(|(id, amount)| {
            json!({ "id": id, "object": "refund", "amount": amount, "charge": charge,
                "payment_intent": payment, "status": "succeeded" })
        })
        .collect();
    event_of_version(
        "2020-08-27",
        "charge.refunded",
        json!({
            "id": charge, "object": "charge", "amount": captured, "amount_captured": captured,
            "amount_refunded": refunded, "currency": "usd", "customer": customer, "invoice": invoice,
            "payment_intent": payment, "refunded": refunded == captured,
            "refunds": { "object": "list", "data": refunds, "has_more": false }, "status": "succeeded",
        }),
    )
}

/// `charge.dispute.updated`; the status decides.
pub fn dispute(dispute: &str, payment: &str, amount: i64, currency: &str, status: &str) -> Value {
    event(
        "charge.dispute.updated",
        json!({
            "id": dispute, "object": "dispute", "amount": amount, "currency": currency,
            "charge": payment.replacen("pi_", "ch_", 1), "payment_intent": payment, "status": status,
        }),
    )
}

/// A credit note that was paid back outside Stripe.
pub fn credit_note(event_type: &str, note: &str, invoice: &str, amount: i64, status: &str) -> Value {
    event(
        event_type,
        json!({
            "id": note, "object": "credit_note", "amount": amount, "currency": "usd", "invoice": invoice,
            "out_of_band_amount": amount, "refunds": [], "status": status,
        }),
    )
}
