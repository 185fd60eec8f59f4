//! `trigger`: one signed sample event.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock;
use crate::domain::Currency;
use crate::settings::Settings;
use crate::stripe::sample::{Sample, TYPES};
use crate::stripe::sign;

/// In which the daemon must answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The default amount: 100.00 in a currency with two decimals.
const AMOUNT_MINOR: i64 = 10_000;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The type, such as `invoice.paid`, `invoice_payment.paid` or `charge.refunded`.
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(TYPES))]
    event_type: String,
    /// Where to send it; the webhook of the configured daemon by default.
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// The secret to sign with; the first of `stripe.webhook_secrets` by default.
    #[arg(long, value_name = "SECRET")]
    secret: Option<SecretString>,
    /// The customer.
    #[arg(long, value_name = "CUS")]
    customer: Option<String>,
    /// Minor units: what is paid, or for refunds what is refunded in all.
    #[arg(long, value_name = "MINOR", value_parser = clap::value_parser!(i64).range(0..))]
    amount: Option<i64>,
    /// The currency.
    #[arg(long, default_value = "usd", value_parser = currency)]
    currency: Currency,
    /// The invoice; events about one invoice fit each other.
    #[arg(long, value_name = "IN")]
    invoice: Option<String>,
    /// A referral code in the subscription's metadata.
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
}

/// Sends the event; exit code 1 when it was not acknowledged.
pub async fn run(settings: &Settings, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let secret = arguments.secret.clone().or_else(|| settings.stripe.webhook_secrets.first().cloned());
    let secret = secret.context("--secret is needed, or STRIPE_WEBHOOK_SECRET")?;
    let to = arguments.to.clone();
    let to = to.unwrap_or_else(|| format!("http://{}/webhooks/stripe", settings.http.bind));
    let event = sample(&arguments)?;
    let client = reqwest::Client::builder().timeout(ANSWER_TIMEOUT).build()?;
    let (status, answer) = send(&client, &to, &secret, &event).await?;
    let at = |pointer| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (id, object) = (at("/id"), at("/data/object/id"));
    println!("{} {id} about {object}: {status} {answer}", arguments.event_type);
    Ok(if (200..300).contains(&status) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Signs and sends one event. Returns the status and the body of the answer.
///
/// # Errors
/// When there is no answer.
pub async fn send(
    client: &reqwest::Client,
    to: &str,
    secret: &SecretString,
    event: &Value,
) -> anyhow::Result<(u16, String)> {
    let body = event.to_string();
    let signature = sign(secret, clock::now(), body.as_bytes());
    let request = client.post(to).header("Stripe-Signature", signature).body(body);
    let answer = request.send().await.with_context(|| format!("sending to {to}"))?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

fn sample(arguments: &Arguments) -> anyhow::Result<Value> {
    let fresh = |prefix: &str| format!("{prefix}_{}", Uuid::now_v7().simple());
    let is_refund = arguments.event_type.contains("refund");
    let amount_minor = arguments.amount.unwrap_or(AMOUNT_MINOR);
    let sample = Sample {
        invoice: arguments.invoice.clone().unwrap_or_else(|| fresh("in")),
        customer: arguments.customer.clone().unwrap_or_else(|| fresh("cus")),
        amount_minor: if is_refund { 0 } else { amount_minor },
        refunded_minor: if is_refund { amount_minor } else { 0 },
        currency: arguments.currency,
        created: clock::now(),
        metadata: arguments.code.as_ref().map_or(json!({}), |code| json!({ "referral_code": code })),
    };
    match sample.event(&arguments.event_type) {
        Some(event) => Ok(event),
        None => bail!("there is no sample of {}", arguments.event_type),
    }
}

fn currency(code: &str) -> Result<Currency, String> {
    Currency::parse(code).ok_or_else(|| "three letters".to_owned())
}
