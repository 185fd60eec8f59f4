//! The payloads: each is one change of what Stripe sends.

use serde_json::{Value, json};

use super::CANARY;
use crate::support::events::*;

/// A payload and what it is.
pub type Case = (String, Vec<u8>);

/// A sale of a referred customer with a code, the canary and one change.
fn sale(what: &str, change: impl FnOnce(&mut Value)) -> Case {
    let mut event = invoice_paid_with_code(&fresh("in"), "cus_1", 10_000, "ANNA");
    change(&mut event);
    (what.to_owned(), event.to_string().into_bytes())
}

/// The same, changed in its text: for what no JSON value can hold.
fn sale_text(what: &str, from: &str, to: &str) -> Case {
    let event = invoice_paid_with_code(&fresh("in"), "cus_1", 10_000, "ANNA").to_string();
    assert!(event.contains(from), "{what}: {event}");
    (what.to_owned(), event.replacen(from, to, 1).into_bytes())
}

/// A sale with one field of the invoice set to every one of these.
fn sales(field: &str, values: &[Value]) -> Vec<Case> {
    let case = |value: &Value| {
        let shown = start_of(value);
        sale(&format!("{field} {shown}"), |event| event["data"]["object"][field] = value.clone())
    };
    values.iter().map(case).collect()
}

/// A value, or the start of a long one.
fn start_of(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}

fn without(path: &str) -> Case {
    sale(&format!("without {path}"), |event| {
        let (parent, field) = path.rsplit_once('/').unwrap();
        event.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field);
    })
}

fn charge(what: &str, field: &str, value: Value) -> Case {
    let mut event = charge_refunded(&fresh("pi"), "cus_1", 10_000, 5_000);
    event["data"]["object"][field] = value;
    event["data"]["object"]["receipt_email"] = json!(CANARY);
    (what.to_owned(), event.to_string().into_bytes())
}

fn nested(open: &str, close: &str) -> String {
    format!("{}{}", open.repeat(10_000), close.repeat(10_000))
}

pub fn money() -> Vec<Case> {
    let ten_kilobytes = "x".repeat(10_000);
    let mut cases = Vec::new();
    let amounts = [
        json!(-1),
        json!(0.1),
        json!("10000"),
        json!(CANARY),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(i64::MAX.unsigned_abs() + 1),
        json!(true),
        json!([10_000]),
        Value::Null,
    ];
    for field in ["amount_paid", "total", "total_excluding_tax", "tax", "amount_due"] {
        cases.extend(sales(field, &amounts));
    }
    for (field, text) in
        [("amount_paid", "1e400"), ("amount_paid", "1e4"), ("amount_paid", "-0"), ("total", "1e400")]
    {
        cases.push(sale_text(
            &format!("{field} {text}"),
            &format!("\"{field}\":10000"),
            &format!("\"{field}\":{text}"),
        ));
    }
    cases.extend(sales(
        "currency",
        &[json!("dollars"), json!(""), json!("U$D"), json!("\0\0\0"), json!(840), Value::Null],
    ));
    let taxes = json!([{ "amount": i64::MAX }, { "amount": i64::MAX }]);
    cases.extend(sales(
        "total_taxes",
        &[taxes, json!([{ "amount": 0.5 }]), json!({}), json!([CANARY]), json!([{}])],
    ));
    cases.extend(sales("total_tax_amounts", &[json!([{ "amount": i64::MIN }, { "amount": i64::MIN }])]));
    cases.extend(sales(
        "customer",
        &[json!(17), Value::Null, json!(""), json!(ten_kilobytes), json!("cus_\0")],
    ));
    let expanded = json!({ "id": "cus_1", "object": "customer", "email": CANARY });
    let expanded_twice = json!({ "id": expanded });
    cases.extend(sales(
        "customer",
        &[expanded, expanded_twice, json!({ "email": CANARY }), json!({}), json!([])],
    ));
    cases.extend(sales("id", &[json!(""), json!("in_\0"), json!(ten_kilobytes), json!(1), Value::Null]));
    cases
        .extend(sales("payment_intent", &[json!("pi_\0"), json!(CANARY), json!(1), json!({ "id": "pi_x" })]));
    cases.extend(sales("charge", &[json!("ch_\u{1b}[2J"), json!("\u{202e}ch_x")]));
    let times = [
        json!(-1),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(1e300),
        json!(253_402_300_800_i64),
        json!(CANARY),
    ];
    for time in &times {
        let transitions = json!({ "paid_at": time });
        cases.extend(sales("status_transitions", &[transitions]));
        cases.push(sale(&format!("created {time}"), |event| event["created"] = time.clone()));
    }
    cases
}

pub fn envelopes() -> Vec<Case> {
    let ten_kilobytes = "x".repeat(10_000);
    let paths = ["amount_paid", "currency", "total", "id", "customer", "status"]
        .map(|field| format!("/data/object/{field}"));
    let mut cases: Vec<Case> = paths.iter().map(|path| without(path)).collect();
    cases.extend(
        ["/created", "/livemode", "/data", "/type", "/object", "/id", "/data/object", "/api_version"]
            .map(without),
    );
    for (field, values) in [
        ("type", [json!("invoice.paid\0"), json!(ten_kilobytes), json!(17), json!({}), Value::Null]),
        (
            "api_version",
            [json!("2020\0"), json!(ten_kilobytes), json!(17), json!(CANARY), json!("3020-01-01.zinc")],
        ),
        ("livemode", [json!("false"), json!(0), Value::Null, json!([]), json!(CANARY)]),
        ("account", [json!(17), json!("\0"), json!(""), json!(CANARY), json!({ "id": "acct_x" })]),
        ("data", [json!(17), json!([]), json!({}), json!({ "object": CANARY }), json!({ "object": [] })]),
        (
            "id",
            [
                json!("evt_\0"),
                json!(ten_kilobytes),
                json!(17),
                json!("evt_\u{202e}'; DROP TABLE event; --"),
                json!("é".repeat(127)),
            ],
        ),
    ] {
        for value in values {
            let shown = start_of(&value);
            cases.push(sale(&format!("event.{field} {shown}"), |event| event[field] = value));
        }
    }
    let charge = charge_refunded("pi_x", "cus_1", 1, 1)["data"]["object"].clone();
    cases.push(sale("invoice.paid around a charge", |event| event["data"]["object"] = charge));
    cases.push(sale("charge.refunded around an invoice", |event| event["type"] = json!("charge.refunded")));
    cases.push(sale("refund.created around an invoice", |event| event["type"] = json!("refund.created")));
    cases.push(sale("invoice_payment.paid around an invoice", |event| {
        event["type"] = json!("invoice_payment.paid");
    }));
    cases
}

pub fn texts() -> Vec<Case> {
    let lists = "\"lines\":{";
    vec![
        sale_text("nested lists, unread", lists, &format!("\"x\":{},\"lines\":{{", nested("[", "]"))),
        sale_text(
            "nested objects, unread",
            lists,
            &format!("\"x\":{},\"lines\":{{", nested("{\"x\":", "}").replacen('}', "1}", 1)),
        ),
        sale_text(
            "nested lists as metadata",
            "\"metadata\":{}",
            &format!("\"metadata\":{{\"ref\":{}}}", nested("[", "]")),
        ),
        sale_text(
            "nested ids",
            "\"customer\":\"cus_1\"",
            &format!("\"customer\":{}", nested("{\"id\":", "}").replacen('}', "1}", 1)),
        ),
        sale_text("nested without an end", lists, &"[".repeat(100_000)),
        sale_text("amount_paid twice", "\"amount_paid\":10000", "\"amount_paid\":10000,\"amount_paid\":1"),
        sale_text("type twice", "\"type\":\"invoice.paid\"", "\"type\":\"invoice.paid\",\"type\":\"x\""),
        sale_text("an unread key twice", "\"amount_due\":10000", "\"amount_due\":1,\"amount_due\":2"),
        sale_text("a lone surrogate, unread", "\"customer_email\":\"", "\"customer_email\":\"\\ud800"),
        sale_text("a lone surrogate in the customer", "\"customer\":\"", "\"customer\":\"\\ud800"),
        sale_text(
            "a lone surrogate in the metadata",
            "\"metadata\":{}",
            "\"metadata\":{\"ref\":\"\\ud800\"}",
        ),
        sale_text("a lone surrogate in a key", "\"metadata\":{}", "\"metadata\":{\"\\ud800\":1}"),
        sale_text(
            "a number without bounds in the metadata",
            "\"metadata\":{}",
            "\"metadata\":{\"ref\":1e999}",
        ),
        sale_text("a byte order mark", "{", "\u{feff}{"),
        sale_text("no end", "}}", ""),
        sale_text("two objects", "{\"api", "{} {\"api"),
        sale_text("a comment", "{", "/* hello */ {"),
        sale_text("NaN", "\"amount_paid\":10000", "\"amount_paid\":NaN"),
    ]
    .into_iter()
    .chain(invalid_utf8())
    .collect()
}

/// The byte 0xff in place of one character.
fn invalid_utf8() -> Vec<Case> {
    ["cus_1", "invoice.paid", "canary", "subscription_details", "usd", "evt_"]
        .map(|part| {
            let (_, mut body) = sale("", |_| {});
            let at = body.windows(part.len()).position(|window| window == part.as_bytes()).unwrap();
            body[at + 1] = 0xff;
            (format!("invalid UTF-8 in {part}"), body)
        })
        .into()
}

pub fn attributions() -> Vec<Case> {
    let codes = [
        json!("ANNA\0"),
        json!("\u{1b}[2J"),
        json!("x".repeat(300)),
        json!("é".repeat(200)),
        json!(""),
        json!("  ANNA\t"),
        json!(17),
        json!(["ANNA"]),
        json!({ "code": "ANNA" }),
        Value::Null,
        json!("'; DROP TABLE claim; --"),
        json!(CANARY),
    ];
    let mut cases: Vec<Case> =
        codes.iter().flat_map(|code| sales("metadata", &[json!({ "referral_code": code })])).collect();
    cases.extend(sales(
        "metadata",
        &[json!([]), json!(["ANNA"]), json!(CANARY), json!(17), Value::Null, json!({ "": "" })],
    ));
    cases.extend(sales(
        "parent",
        &[json!([]), json!({}), json!(CANARY), json!({ "subscription_details": [] })],
    ));
    cases.extend(sales("subscription_details", &[json!(CANARY), json!({ "metadata": CANARY })]));
    let many: Value =
        (0..20_000).map(|key| (key.to_string(), json!("ANNA"))).collect::<serde_json::Map<_, _>>().into();
    cases.push(sale("20 000 keys of metadata", |event| event["data"]["object"]["metadata"] = many));
    cases
}

pub fn refunds() -> Vec<Case> {
    let list = |data: Value| json!({ "object": "list", "data": data });
    let of = |amount: Value| list(json!([{ "id": "re_x", "amount": amount }]));
    let mut cases = vec![
        charge("refunds no list", "refunds", json!(CANARY)),
        charge("refunds.data no list", "refunds", list(json!({ "id": "re_1" }))),
        charge("refunds.data of texts", "refunds", list(json!([CANARY]))),
        charge("refunds.data of nothing", "refunds", list(json!([null]))),
        charge("refunds without data", "refunds", json!({ "object": "list" })),
        charge("a refund without an id", "refunds", list(json!([{ "amount": 1 }]))),
        charge("a negative refund in the list", "refunds", of(json!(-1))),
        charge("a refund in halves", "refunds", of(json!(0.5))),
        charge("a boundless refund", "refunds", of(json!(i64::MAX))),
        charge("a negative refunded amount", "amount_refunded", json!(-5_000)),
        charge("more refunded than there was", "amount_refunded", json!(20_000)),
        charge("everything there is refunded", "amount_refunded", json!(i64::MAX)),
        charge("nothing captured", "amount_captured", json!(0)),
        charge("a negative amount", "amount", json!(-1)),
        charge("an invoice of a number", "invoice", json!(17)),
        charge("an invoice with NUL", "invoice", json!("in_\0")),
        charge("a payment with NUL", "payment_intent", json!("pi_\0")),
        charge("a status of a number", "status", json!(17)),
        charge("a status with NUL", "status", json!("succeeded\0")),
        charge("no id", "id", Value::Null),
    ];
    for (what, amount, status) in [
        ("negative", json!(-1), json!("succeeded")),
        ("boundless", json!(i64::MAX), json!("succeeded")),
        ("beyond bounds", json!(i64::MAX.unsigned_abs() + 1), json!("succeeded")),
        ("of an unknown status", json!(1), json!("\0")),
        ("of a status of a list", json!(1), json!([])),
    ] {
        let mut event = refund("refund.created", &fresh("re"), "pi_x", 1, "succeeded");
        event["data"]["object"]["amount"] = amount;
        event["data"]["object"]["status"] = status;
        cases.push((format!("a refund {what}"), event.to_string().into_bytes()));
    }
    for (what, payment) in [
        ("no object", json!(CANARY)),
        ("empty", json!({})),
        ("a NUL", json!({ "payment_intent": "\0" })),
        ("of an unknown kind", json!({ "type": "crypto", "crypto": "x" })),
    ] {
        let mut event = invoice_payment("in_x", "pi_x", 1);
        event["data"]["object"]["payment"] = payment;
        cases.push((format!("a link whose payment is {what}"), event.to_string().into_bytes()));
    }
    for amount in [json!(i64::MAX), json!(-1), json!("1"), Value::Null] {
        let mut event = invoice_payment("in_x", "pi_x", 1);
        event["data"]["object"]["amount_paid"] = amount.clone();
        cases.push((format!("a link of {amount}"), event.to_string().into_bytes()));
    }
    cases
}
