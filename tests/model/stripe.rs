//! Writes down what was told as Stripe does, in the shape of the API version of the event.

use serde_json::{Map, Value, json};

use crate::told::{
    Address, Charge, Checkout, CreditNote, Customer, Dispute, Event, Invoice, Line, Link, Metadata, Named,
    Refund, Said, Subscription,
};

/// The setting of the histories.
pub const METADATA_KEYS: [&str; 3] = ["referral_code", "referral", "ref"];

/// The body of an event.
pub fn body(event: &Event) -> Vec<u8> {
    let is_older = event.is_before_basil();
    let (event_type, object) = match &event.said {
        Said::Invoice(invoice) => (type_of_invoice(invoice), of_invoice(invoice, is_older)),
        Said::Link(link) => ("invoice_payment.paid", of_link(link)),
        Said::Charge(charge) => (charge.event_type, of_charge(charge, is_older)),
        Said::Refund(refund) => ("refund.updated", of_refund(refund)),
        Said::Dispute(dispute) => ("charge.dispute.updated", of_dispute(dispute)),
        Said::CreditNote(note) => ("credit_note.updated", of_credit_note(note)),
        Said::Customer(customer) => ("customer.updated", of_customer(customer)),
        Said::Checkout(session) => ("checkout.session.completed", of_checkout(session)),
        Said::Discount { named, promotion } => {
            let object = json!({ "id": "di_0", "object": "discount", "promotion_code": promotion });
            ("customer.discount.created", with_customer(object, named))
        }
        Said::Subscription(subscription) => {
            let of_end = ["customer.subscription.updated", "customer.subscription.deleted"];
            (of_end[usize::from(subscription.deleted)], of_subscription(subscription))
        }
    };
    let mut event_object = json!({
        "id": event.id, "object": "event", "created": event.created, "livemode": false, "type": event_type,
        "data": { "object": object },
    });
    if !event.version.is_empty() {
        event_object["api_version"] = json!(event.version);
    }
    event_object.to_string().into_bytes()
}

fn type_of_invoice(invoice: &Invoice) -> &'static str {
    if invoice.payment_succeeded.is_some() { "invoice.payment_succeeded" } else { "invoice.paid" }
}

fn of_invoice(invoice: &Invoice, is_older: bool) -> Value {
    let status = if invoice.is_paid() { "paid" } else { "open" };
    let mut object = json!({
        "id": invoice.id, "object": "invoice", "status": status, "currency": invoice.currency,
        "amount_paid": invoice.amount_paid, "total": invoice.total,
        "total_excluding_tax": invoice.excluding_tax, "metadata": of_metadata(&invoice.metadata),
        "status_transitions": { "paid_at": invoice.paid_at },
        "customer_email": invoice.email.map(Address::text),
    });
    if let Some(tax) = invoice.tax {
        match invoice.tax_place {
            0 => object["total_taxes"] = json!([{ "amount": tax - 1 }, { "amount": 1 }]),
            1 => object["total_tax_amounts"] = json!([{ "amount": tax }]),
            _ => object["tax"] = json!(tax),
        }
    }
    if let Some((total, tax)) = invoice.shipping {
        object["shipping_cost"] = json!({ "amount_total": total, "amount_tax": tax });
    }
    if is_older {
        object["amount_paid"] = json!(invoice.amount_paid - invoice.by_hand);
        object["amount_remaining"] = json!(invoice.by_hand);
        object["paid_out_of_band"] = json!(invoice.by_hand > 0);
        object["charge"] = json!(invoice.paid_by.charge);
        object["payment_intent"] = json!(invoice.paid_by.intent);
        object["subscription"] = json!(invoice.subscription);
    }
    let lines: Vec<Value> = invoice.lines.iter().map(|line| of_line(line, is_older)).collect();
    object["lines"] = if lines.is_empty() && invoice.more_lines {
        json!({})
    } else {
        json!({ "object": "list", "data": lines, "has_more": invoice.more_lines })
    };
    let has_snapshot = !invoice.snapshot.is_empty() || (!is_older && invoice.subscription.is_some());
    if has_snapshot {
        let subscription = invoice.subscription.as_ref().filter(|_| !is_older);
        object["parent"] = json!({ "subscription_details": {
            "subscription": subscription, "metadata": of_metadata(&invoice.snapshot) } });
    }
    if !invoice.older_snapshot.is_empty() {
        object["subscription_details"] = json!({ "metadata": of_metadata(&invoice.older_snapshot) });
    }
    match invoice.promotions.as_slice() {
        [] => {}
        [one] if is_older => object["discount"] = json!({ "id": "di_0", "promotion_code": one }),
        several => object["discounts"] = of_promotions(several),
    }
    with_customer(object, &invoice.named)
}

fn of_line(line: &Line, is_older: bool) -> Value {
    let mut object = json!({ "object": "line_item", "amount": line.amount });
    if !line.discounts.is_empty() {
        let amount = |amount: &i64| json!({ "amount": amount, "discount": "di_0" });
        object["discount_amounts"] = line.discounts.iter().map(amount).collect();
    }
    match (is_older, line.price) {
        (true, Some(price)) => object["price"] = json!({ "id": price, "product": line.product }),
        (true, None) => {}
        (false, price) => {
            object["pricing"] = json!({ "price_details": { "price": price, "product": line.product } });
        }
    }
    object
}

fn of_promotions(promotions: &[String]) -> Value {
    promotions.iter().map(|promotion| json!({ "id": "di_0", "promotion_code": promotion })).collect()
}

fn of_link(link: &Link) -> Value {
    let payment = json!({ "payment_intent": link.by.intent, "charge": link.by.charge,
        "payment_record": link.record });
    let status = if link.is_paid { "paid" } else { "open" };
    json!({ "id": "inpay_0", "object": "invoice_payment", "invoice": link.invoice, "status": status,
        "amount_paid": link.amount, "payment": payment })
}

fn of_charge(charge: &Charge, is_older: bool) -> Value {
    let status = if charge.succeeded { "succeeded" } else { "failed" };
    let mut object = json!({
        "id": charge.id, "object": "charge", "payment_intent": charge.intent, "amount": charge.amount,
        "amount_captured": charge.captured, "amount_refunded": charge.refunded, "status": status,
        "customer": charge.customer.then_some("cus_0"),
    });
    if let (true, Some(invoice)) = (is_older, &charge.invoice) {
        object["invoice"] = json!(invoice);
    } else if charge.says_no_invoice {
        object["invoice"] = json!(null);
    }
    if !charge.refunds.is_empty() {
        let refunds: Vec<Value> = charge.refunds.iter().map(of_refund).collect();
        object["refunds"] = json!({ "object": "list", "data": refunds, "has_more": false });
    }
    object
}

fn of_refund(refund: &Refund) -> Value {
    json!({ "id": refund.id, "object": "refund", "amount": refund.amount, "status": refund.status,
        "charge": refund.by.charge, "payment_intent": refund.by.intent, "created": refund.created })
}

fn of_dispute(dispute: &Dispute) -> Value {
    let transaction = |(id, amount, currency): &(String, i64, &'static str)| {
        json!({ "id": id, "object": "balance_transaction", "amount": amount, "currency": currency,
            "fee": 15, "net": amount - 15 })
    };
    let transactions: Vec<Value> = dispute.transactions.iter().map(transaction).collect();
    json!({ "id": dispute.id, "object": "dispute", "amount": dispute.amount, "currency": dispute.currency,
        "status": dispute.status, "charge": dispute.by.charge, "payment_intent": dispute.by.intent,
        "balance_transactions": transactions })
}

fn of_credit_note(note: &CreditNote) -> Value {
    let status = if note.void { "void" } else { "issued" };
    json!({ "id": note.id, "object": "credit_note", "invoice": note.invoice, "status": status,
        "out_of_band_amount": note.out_of_band, "refunds": [
            { "type": "payment_record_refund", "amount_refunded": note.of_records },
            { "type": "refund", "amount_refunded": 7, "refund": "re_of_note" },
        ] })
}

fn of_customer(customer: &Customer) -> Value {
    json!({ "id": customer.named.customer, "object": "customer", "customer_account": customer.named.account,
        "metadata": of_metadata(&customer.metadata), "email": customer.email.map(Address::text) })
}

fn of_checkout(session: &Checkout) -> Value {
    let object = json!({
        "id": "cs_0", "object": "checkout.session", "client_reference_id": session.reference,
        "metadata": of_metadata(&session.metadata), "discounts": of_promotions(&session.promotions),
        "customer_details": { "email": session.email.map(Address::text) },
    });
    with_customer(object, &session.named)
}

fn of_subscription(subscription: &Subscription) -> Value {
    let object = json!({ "id": subscription.id, "object": "subscription", "status": subscription.status,
        "metadata": of_metadata(&subscription.metadata) });
    with_customer(object, &subscription.named)
}

fn with_customer(mut object: Value, named: &Named) -> Value {
    object["customer"] = json!(named.customer);
    object["customer_account"] = json!(named.account);
    object
}

fn of_metadata(metadata: &Metadata) -> Value {
    let key = |place: u16| METADATA_KEYS[usize::from(place)].to_owned();
    let told: Map<String, Value> =
        metadata.iter().map(|(place, value)| (key(*place), json!(value))).collect();
    Value::Object(told)
}
