//! A server that plays Stripe for the jobs of the story.

use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockBuilder, MockServer, ResponseTemplate};

/// It knows that `pi_q` has paid `in_n`, the discounts of `in_g` and the lines of `in_h`; `in_i` it does not know.
pub async fn stripe() -> MockServer {
    let stripe = MockServer::start().await;
    let paid = json!([{ "id": "inpay_q", "object": "invoice_payment", "amount_paid": 10_000, "currency": "usd",
        "invoice": "in_n", "livemode": false, "status": "paid",
        "payment": { "type": "payment_intent", "payment_intent": "pi_q" } }]);
    let of_payment = asked("/v1/invoice_payments").and(query_param("payment[payment_intent]", "pi_q"));
    of_payment.respond_with(list(&paid)).mount(&stripe).await;
    for other in ["/v1/invoice_payments", "/v1/refunds"] {
        asked(other).respond_with(list(&json!([]))).with_priority(250).mount(&stripe).await;
    }
    let discount = json!({ "id": "di_g", "object": "discount", "promotion_code": "promo_bert" });
    let discounts = json!({ "object": "invoice", "discounts": [discount] });
    let discounts = ResponseTemplate::new(200).set_body_json(discounts);
    asked("/v1/invoices/in_g").respond_with(discounts).mount(&stripe).await;
    let all = list(&json!([{ "id": "il_1", "object": "line_item", "amount": 10_000 }]));
    asked("/v1/invoices/in_h/lines").respond_with(all).mount(&stripe).await;
    let unknown = json!({ "error": { "type": "invalid_request_error" } });
    let unknown = ResponseTemplate::new(404).set_body_json(unknown);
    asked("/v1/invoices/in_i/lines").respond_with(unknown).mount(&stripe).await;
    stripe
}

fn asked(at: &str) -> MockBuilder {
    Mock::given(method("GET")).and(path(at))
}

fn list(objects: &Value) -> ResponseTemplate {
    let page = json!({ "object": "list", "has_more": false, "data": objects });
    ResponseTemplate::new(200).set_body_json(page)
}
