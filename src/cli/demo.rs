//! `demo`: the whole way of an event in a throw-away directory, with every figure checked.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{output, trigger};
use crate::app::App;
use crate::clock;
use crate::domain::entries::PostedEntry;
use crate::domain::{BasisPoints, Currency, Reward};
use crate::service::codes::{self, CodeChange};
use crate::service::programs::{self, TermsChange};
use crate::service::promoters;
use crate::service::queries::{promoters as shown, verify};
use crate::service::referrals::create::{ReferRequest, refer};
use crate::settings::Settings;
use crate::store::Database;
use crate::stripe::sample::Sample;

/// What a sale costs: 100.00 USD.
const SALE_MINOR: i64 = 10_000;
/// The demo's rate: 10 %.
const RATE_BPS: u16 = 1_000;
/// In which the daemon must answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the demo; exit code 0 only when every figure is right.
pub async fn run() -> anyhow::Result<ExitCode> {
    let directory = tempfile::tempdir().context("making a throw-away directory")?;
    let secret = SecretString::from(format!("whsec_{}", Uuid::now_v7().simple()));
    let mut settings = Settings::load_from(None, [])?;
    settings.database.url = format!("sqlite://{}/demo.db", directory.path().display()).into();
    settings.stripe.webhook_secrets = vec![secret.clone()];
    settings.http.bind = ([127, 0, 0, 1], 0).into();
    settings.http.drain_notice_ms = 0;
    settings.validate_for_serve()?;

    let app = App::build(&settings).await?;
    let to = format!("http://{}/webhooks/stripe", app.address());
    println!("referrald demo: SQLite in {}, listening at {to}", directory.path().display());
    let (stop, stopped) = oneshot::channel::<()>();
    // An error of the receiver means that the sender is gone, which also ends the demo.
    let serving = tokio::spawn(app.run_until_stopped(async move { drop(stopped.await) }));

    let db = Database::connect(&settings.database).await?;
    let passed = Demo::new(&db, to, secret).await?.play(&db).await;
    drop(stop);
    serving.await.context("the daemon's task ended")??;
    let passed = passed?;
    println!("{}", if passed { "every figure is right" } else { "something is WRONG: see the checks above" });
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Demo {
    client: reqwest::Client,
    to: String,
    secret: SecretString,
    checks: Vec<(String, bool)>,
}

impl Demo {
    async fn new(db: &Database, to: String, secret: SecretString) -> anyhow::Result<Self> {
        let now = clock::now();
        let reward = BasisPoints::new(RATE_BPS).map(Reward::Percentage);
        programs::create_program(db, "default", &TermsChange { reward, ..TermsChange::default() }, now)
            .await?;
        let promoter = promoters::create_promoter(db, "anna", None, now).await?;
        codes::create_code(db, "ANNA10", "anna", "default", &CodeChange::default(), now).await?;
        for customer in ["cus_first", "cus_early"] {
            let customer = Some(customer.to_owned());
            let request = ReferRequest { code: "ANNA10".to_owned(), customer, ..ReferRequest::default() };
            refer(db, &request, 86_400, now).await?;
        }
        println!(
            "made: program default (10 %), promoter {} (anna), code ANNA10, two referrals\n",
            promoter.id
        );
        let client = reqwest::Client::builder().timeout(ANSWER_TIMEOUT).build()?;
        Ok(Self { client, to, secret, checks: Vec::new() })
    }

    /// Sends the events and checks what became of them.
    async fn play(mut self, db: &Database) -> anyhow::Result<bool> {
        let first = sale("in_first", "cus_first");
        let paid = event(&first, "invoice.paid")?;
        self.send("a sale of 100.00 USD", &paid, 200, "posted").await?;
        self.send("the same event again", &paid, 200, "duplicate").await?;
        let link = event(&first, "invoice_payment.paid")?;
        self.send("which payment paid it", &link, 200, "recorded").await?;
        let half = Sample { refunded_minor: SALE_MINOR / 2, ..first };
        self.send("half of it is refunded", &event(&half, "charge.refunded")?, 200, "posted").await?;
        self.send("the same refund, reported again", &event(&half, "refund.created")?, 200, "recorded")
            .await?;

        let early = sale("in_early", "cus_early");
        let half = Sample { refunded_minor: SALE_MINOR / 2, ..early.clone() };
        self.send("a refund before its sale", &event(&half, "charge.refunded")?, 200, "parked").await?;
        self.send("which payment paid what", &event(&early, "invoice_payment.paid")?, 200, "recorded")
            .await?;
        self.send("now the sale arrives", &event(&early, "invoice.paid")?, 200, "posted").await?;

        let forger = SecretString::from("whsec_this_is_not_the_secret");
        let secret = std::mem::replace(&mut self.secret, forger);
        let counterfeit = event(&sale("in_forged", "cus_first"), "invoice.paid")?;
        self.send("a sale with a forged signature", &counterfeit, 400, "signature_mismatch").await?;
        self.secret = secret;

        self.check_ledger(db).await?;
        println!();
        for (check, holds) in &self.checks {
            println!("{} {check}", if *holds { "ok   " } else { "WRONG" });
        }
        Ok(self.checks.iter().all(|(_, holds)| *holds))
    }

    async fn send(&mut self, what: &str, event: &Value, status: u16, outcome: &str) -> anyhow::Result<()> {
        let (got_status, answer) = trigger::send(&self.client, &self.to, &self.secret, event).await?;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let text = |field| answer.get(field).and_then(Value::as_str);
        let got = text("outcome").or_else(|| text("code")).unwrap_or("no answer");
        let event_type = event.get("type").and_then(Value::as_str).unwrap_or_default();
        println!("→ {event_type:<22} {what:<34} {got_status} {got}");
        self.checks.push((format!("{what}: {status} {outcome}"), got_status == status && got == outcome));
        Ok(())
    }

    async fn check_ledger(&mut self, db: &Database) -> anyhow::Result<()> {
        let entries = shown::entries(db, None, 0, 100).await?;
        println!("\n{}", output::ledger(&entries));
        for invoice in ["in_first", "in_early"] {
            for (kind, amount_minor) in [("commission", 1_000), ("refund", -500)] {
                let what = format!("{invoice}: {kind} {amount_minor}, once");
                self.checks.push((what, amounts(&entries, invoice, kind) == [amount_minor]));
            }
        }
        let forged = amounts(&entries, "in_forged", "commission");
        self.checks.push(("the forged sale left nothing".to_owned(), forged.is_empty()));
        let anna = shown::one(db, "anna", clock::now()).await?.context("anna is gone")?;
        let balance: Vec<i64> = anna.balances.iter().map(|balance| balance.earned_minor).collect();
        self.checks.push(("anna has earned 10.00 USD in all".to_owned(), balance == [1_000]));
        let report = verify::verify(db, |_| {}).await?;
        let holds = report.holds() && report.invoices == 2;
        self.checks.push(("the ledger is what the facts say (verify)".to_owned(), holds));
        Ok(())
    }
}

fn sale(invoice: &str, customer: &str) -> Sample {
    Sample {
        invoice: invoice.to_owned(),
        customer: customer.to_owned(),
        amount_minor: SALE_MINOR,
        refunded_minor: 0,
        currency: Currency::USD,
        created: clock::now(),
        metadata: json!({}),
    }
}

fn event(sample: &Sample, event_type: &str) -> anyhow::Result<Value> {
    match sample.event(event_type) {
        Some(event) => Ok(event),
        None => bail!("there is no sample of {event_type}"),
    }
}

fn amounts(entries: &[PostedEntry], invoice: &str, kind: &str) -> Vec<i64> {
    let of_invoice =
        entries.iter().filter(|entry| entry.invoice.as_ref().is_some_and(|id| id.as_str() == invoice));
    of_invoice.filter(|entry| entry.kind.as_str() == kind).map(|entry| entry.amount_minor).collect()
}
