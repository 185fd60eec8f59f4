//! Events about customers: who they are, what they signed up with, which subscriptions they have.

use serde_json::{Value, json};

use super::events::event;

/// The same event with another value at a place such as `/created` or `/data/object/customer`.
pub fn with(mut event: Value, place: &str, value: Value) -> Value {
    let (parent, field) = place.rsplit_once('/').unwrap();
    let parent = event.pointer_mut(parent).unwrap();
    parent[field] = value;
    event
}

/// The same event, so many seconds earlier; what was paid was paid then.
pub fn ago(mut event: Value, seconds: i64) -> Value {
    event["created"] = json!(event["created"].as_i64().unwrap() - seconds);
    if let Some(paid_at) = event.pointer_mut("/data/object/status_transitions/paid_at") {
        *paid_at = json!(paid_at.as_i64().unwrap() - seconds);
    }
    event
}

/// `customer.created` or `customer.updated`.
pub fn customer(kind: &str, customer: &str, email: &str) -> Value {
    event(kind, json!({ "id": customer, "object": "customer", "email": email, "metadata": {} }))
}

/// `checkout.session.completed` with further fields.
pub fn checkout(customer: &str, fields: Value) -> Value {
    let mut session = json!({ "id": super::events::fresh("cs"), "object": "checkout.session",
        "client_reference_id": null, "customer": customer, "metadata": {}, "mode": "subscription" });
    for (field, value) in fields.as_object().unwrap() {
        session[field] = value.clone();
    }
    event("checkout.session.completed", session)
}

/// `customer.discount.created` of a promotion code.
pub fn discount(customer: &str, promotion_code: &str) -> Value {
    let object = json!({ "id": super::events::fresh("di"), "object": "discount", "customer": customer,
        "promotion_code": promotion_code, "source": { "coupon": "half", "type": "coupon" } });
    event("customer.discount.created", object)
}

/// `customer.subscription.…`.
pub fn subscription(kind: &str, subscription: &str, customer: &str, status: &str) -> Value {
    let object =
        json!({ "id": subscription, "object": "subscription", "customer": customer, "status": status });
    event(&format!("customer.subscription.{kind}"), object)
}
