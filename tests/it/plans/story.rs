//! A story that makes the daemon, its jobs and its commands send every statement that they have.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::double;
use crate::support::api::call;
use crate::support::events::*;
use crate::support::people::*;
use crate::support::scenarios::{Step, scenarios};
use crate::support::{Daemon, World, command, eventually, now, post_event};

/// Statements are logged at trace, and nothing else is.
const LOG: (&str, &str) = ("REFERRALD_LOG__FILTER", "info,sqlx=trace,referrald::store::sqlite=trace");

/// Every route of the daemon is called in the story.
const ROUTES: &str = include_str!("../../../src/http/routes.rs");

/// Program, promoter, code, the terms, and what else the code is given.
const PROGRAMS: [(&str, &str, &str, &str, &[&str]); 7] = [
    ("default", "anna", "ANNA", "--rate 10", &[]),
    ("other", "bert", "BERT", "--rate 20 --hold-days 0", &["--promotion-code", "promo_bert"]),
    ("once", "cara", "CARA", "--rate 50 --one-time", &[]),
    ("few", "dora", "DORA", "--rate 10 --max-rewards-per-promoter 1", &[]),
    ("month", "emil", "EMIL", "--rate 10 --months 1", &["--max-uses", "500"]),
    ("tiers", "fred", "FRED", "--rate 10 --tiers 2:20 --invoices 3", &["--max-uses", "1"]),
    ("products", "gina", "GINA", "--rate 10 --product-rates prod_a:5", &[]),
];

struct Story {
    world: World,
    calls: BTreeSet<String>,
    logs: String,
}

/// Tells the story; the statements that were logged.
pub async fn told_on(mut world: World) -> (World, BTreeSet<String>) {
    world.daemon = Daemon::start(&world.url, &[LOG]);
    let mut story = Story { world, calls: BTreeSet::new(), logs: String::new() };
    story.set_up();
    story.histories("a", false).await;
    story.histories("b", true).await;
    story.losers().await;
    story.reviews_and_moves().await;
    story.codes_and_programs().await;
    story.lists().await;
    story.jobs().await;
    story.commands();
    story.every_route_was_called();
    let Story { mut world, logs, .. } = story;
    let log = end(&mut world.daemon).await;
    (world, statements(&format!("{logs}{log}")))
}

/// Stops a daemon; all that it has logged.
async fn end(daemon: &mut Daemon) -> String {
    daemon.signal("-TERM");
    eventually("the log is read", async || daemon.log().contains("\"stopped\"")).await;
    daemon.log()
}

/// The statements in a log: a long one stands apart from its summary.
fn statements(log: &str) -> BTreeSet<String> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_statements = ["sqlx::query", "referrald::store::sqlite::statements"];
    let lines = lines.filter(|line| of_statements.iter().any(|target| line["target"] == *target));
    lines
        .map(|line| match line["db.statement"].as_str().map(str::trim) {
            Some(whole) if !whole.is_empty() => whole.to_owned(),
            _ => line["summary"].as_str().unwrap().to_owned(),
        })
        .collect()
}

impl Story {
    /// Runs a command that must do it, and keeps its log.
    fn run(&mut self, arguments: &[&str]) {
        let output = command(&self.world.url).args(arguments).envs([LOG]).output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {log}");
        self.logs += &log;
    }

    async fn ask(&mut self, method: Method, at: &str, body: Option<Value>) -> (u16, Value) {
        self.calls.insert(format!("{method} {}", at.split('?').next().unwrap()));
        call(&self.world.client, &self.world.daemon, method, at, body.as_ref()).await
    }

    async fn get(&mut self, at: &str) -> Value {
        let (status, answer) = self.ask(Method::GET, at, None).await;
        assert_eq!(status, 200, "{at}: {answer}");
        answer
    }

    /// A change that must be made.
    async fn act(&mut self, method: Method, at: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method.clone(), at, Some(body.clone())).await;
        assert!(status == 200 || status == 201, "{method} {at} {body}: {status} {answer}");
        answer
    }

    async fn refer(&mut self, body: Value) -> Value {
        self.act(Method::POST, "/v1/referrals", body).await
    }

    async fn change(&mut self, at: &str, body: Value) -> Value {
        self.act(Method::PATCH, at, body).await
    }

    async fn send(&self, event: &Value) {
        self.world.send(event).await;
    }

    fn set_up(&mut self) {
        for (program, promoter, code, terms, more) in PROGRAMS {
            let create = ["program", "create", program].into_iter().chain(terms.split(' '));
            self.run(&create.collect::<Vec<_>>());
            self.run(&["promoter", "create", promoter, "--email", &format!("{promoter}@example.com")]);
            let create = ["code", "create", code, "--promoter", promoter, "--program", program];
            self.run(&[create.as_slice(), more].concat());
        }
    }

    /// Every history of the tests of orders, step by step or all at once.
    async fn histories(&mut self, tag: &str, at_once: bool) {
        let (mut events, mut late) = (Vec::new(), false);
        for (number, scenario) in scenarios(tag).into_iter().enumerate() {
            // Every history has ids of its own.
            let own = |text: String| text.replace(&format!("_{tag}\""), &format!("_{tag}_{number}\""));
            for step in scenario.steps {
                match step {
                    Step::Event(event) => {
                        let event: Value = serde_json::from_str(&own(event.to_string())).unwrap();
                        if at_once {
                            events.push(event);
                        } else {
                            self.send(&event).await;
                        }
                    }
                    Step::Claim(code, customer, user, ago) => {
                        let body = json!({ "code": code, "customer": customer, "user_id": user,
                            "claimed_at": now().unix() - ago });
                        let body = serde_json::from_str(&own(body.to_string())).unwrap();
                        // A self-referral, or a code that is not there yet.
                        self.ask(Method::POST, "/v1/referrals", Some(body)).await;
                    }
                    Step::MakeLateCode if !late => {
                        late = true;
                        let code =
                            json!({ "code": format!("LATE{tag}"), "promoter": "anna", "program": "default" });
                        self.act(Method::POST, "/v1/codes", code).await;
                    }
                    Step::MakeLateCode => {}
                }
            }
        }
        let sent = events.iter().map(|event| post_event(&self.world.client, &self.world.daemon, event));
        for (status, answer) in join_all(sent).await {
            assert_eq!(status, 200, "{answer}");
        }
    }

    /// Those who get no use of a code, and no reward slot; what is taken back from those who have one.
    async fn losers(&mut self) {
        for number in 1..=3 {
            let [customer_id, invoice] = ["cus_l", "in_l"].map(|prefix| format!("{prefix}{number}"));
            self.send(&invoice_paid_with_code(&invoice, &customer_id, 10_000, "FRED")).await;
            let [customer_id, invoice] = ["cus_m", "in_m"].map(|prefix| format!("{prefix}{number}"));
            let earlier = ago(invoice_paid_with_code(&invoice, &customer_id, 10_000, "DORA"), 100 * number);
            self.send(&earlier).await;
        }
        let told = legacy_invoice_paid("in_n", "cus_n", 10_000, "pi_n");
        self.send(&with(told, "/id", json!("evt_told"))).await;
        self.send(&credit_note("credit_note.created", "cn_n", "in_n", 500, "issued")).await;
        self.send(&credit_note("credit_note.voided", "cn_n", "in_n", 500, "void")).await;
        self.send(&dispute("du_n", "pi_n", 1_000, "usd", "needs_response")).await;
        self.send(&dispute("du_n", "pi_n", 1_000, "usd", "won")).await;
        self.send(&legacy_charge_refunded("pi_n", "cus_n", "in_n", 10_000, &[("re_n", 100)])).await;
        self.send(&refund("refund.failed", "re_n", "pi_n", 100, "failed")).await;
        for (kind, status) in [("created", "active"), ("updated", "active"), ("deleted", "canceled")] {
            self.send(&subscription(kind, "sub_n", "cus_n", status)).await;
        }
        self.send(&event("invoice.paid", json!({ "object": "invoice" }))).await;
        self.send(&event("unheard.of", json!({}))).await;
        // What is read from Stripe later.
        let discounts = json!(["di_g"]);
        let discounted = with(invoice_paid("in_g", "cus_g", 10_000), "/data/object/discounts", discounts);
        self.send(&discounted).await;
        for (number, invoice) in ["in_h", "in_i"].into_iter().enumerate() {
            let sale = invoice_paid_with_code(invoice, &format!("cus_h{number}"), 10_000, "GINA");
            let lines = json!({ "object": "list", "has_more": true, "data": [] });
            self.send(&with(sale, "/data/object/lines", lines)).await;
        }
        // What is not yet known is waited for.
        self.send(&charge_refunded("pi_p", "cus_p", 10_000, 2_500)).await;
        self.send(&refund("refund.created", "re_p", "pi_p", 2_500, "succeeded")).await;
        self.send(&invoice_paid_with_code("in_p", "cus_p", 10_000, "EMIL")).await;
        self.send(&invoice_payment("in_p", "pi_p", 10_000)).await;
        self.send(&charge_refunded("pi_q", "cus_q", 10_000, 2_500)).await;
    }

    async fn reviews_and_moves(&mut self) {
        self.refer(json!({ "code": "ANNA", "user_id": "u_r", "email": "r@example.com" })).await;
        let referral = self.refer(json!({ "code": "ANNA", "user_id": "u_r", "customer": "cus_r" })).await;
        let at = format!("/v1/referrals/{}", referral["id"].as_str().unwrap());
        self.send(&with(
            invoice_paid("in_r", "cus_r", 10_000),
            "/data/object/customer_account",
            json!("acct_r"),
        ))
        .await;
        self.change(&at, json!({ "customer": "cus_r2" })).await;
        self.send(&customer("customer.updated", "cus_r", "anna@example.com")).await;
        self.change(&at, json!({ "status": "released" })).await;
        self.change(&at, json!({ "code": "BERT" })).await;
        self.change(&at, json!({ "code": "DORA" })).await;
        self.get(&at).await;
        // Two referrals that turn out to be of one customer.
        let first = self.refer(json!({ "code": "ANNA", "customer": "cus_s" })).await;
        self.refer(json!({ "code": "BERT", "user_id": "u_s" })).await;
        self.send(&checkout(
            "cus_s",
            json!({ "client_reference_id": "u_s", "metadata": { "user_id": "u_s" } }),
        ))
        .await;
        self.refer(json!({ "code": "BERT", "customer": "cus_s", "user_id": "u_s" })).await;
        self.get(&format!("/v1/referrals/{}", first["id"].as_str().unwrap())).await;
        let held = self.refer(json!({ "code": "CARA", "customer": "cus_t" })).await;
        self.send(&customer("customer.updated", "cus_t", "cara@example.com")).await;
        let at = format!("/v1/referrals/{}", held["id"].as_str().unwrap());
        self.change(&at, json!({ "status": "refused" })).await;
        self.send(&discount("cus_u", "promo_bert")).await;
        self.send(&discount("cus_v", "promo_nobody")).await;
        self.get("/v1/users/u_s/referrer").await;
        let promoter = self.promoter("anna");
        self.change(&format!("/v1/promoters/{promoter}"), json!({ "email": "new@example.com" })).await;
        self.get(&format!("/v1/promoters/{promoter}/balance")).await;
    }

    async fn codes_and_programs(&mut self) {
        self.send(&discount("cus_w", "promo_later")).await;
        self.send(&invoice_paid_with_code("in_x", "cus_x", 10_000, "NEWCODE")).await;
        let new = json!({ "code": "NEWCODE", "promoter": "anna", "program": "default", "max_uses": 9,
            "promotion_code": "promo_later" });
        self.act(Method::POST, "/v1/codes", new).await;
        for change in [
            json!({ "status": "inactive" }),
            json!({ "status": "active", "expires_at": now().unix() + 1_000 }),
            json!({ "max_uses": 3 }),
            json!({ "promotion_code": "promo_more" }),
        ] {
            self.change("/v1/codes/NEWCODE", change).await;
        }
        for at in [
            "/v1/codes/NEWCODE",
            "/v1/codes/NEWCODE/validity",
            "/v1/codes/FRED/validity",
            "/healthz",
            "/readyz",
        ] {
            self.get(at).await;
        }
        self.act(Method::POST, "/v1/codes/NEWCODE/clicks", json!({})).await;
        self.run(&["program", "update", "default", "--rate", "15"]);
        self.run(&["program", "update", "few", "--max-rewards-per-promoter", "2"]);
        for (invoice, code) in [("in_y", "ANNA"), ("in_z", "DORA")] {
            self.send(&invoice_paid_with_code(invoice, &invoice.replace("in", "cus"), 10_000, code)).await;
        }
    }

    /// Every list with every set of its filters, from the beginning and from a cursor on.
    async fn lists(&mut self) {
        let anna = self.promoter("anna");
        let anna = anna.as_str();
        let lists: [(&str, &[(&str, &str)]); 6] = [
            (
                "/v1/referrals",
                &[("promoter", anna), ("program", "default"), ("status", "held"), ("cursor", "ref_0")],
            ),
            (
                "/v1/codes",
                &[("promoter", anna), ("user_id", "anna"), ("program", "default"), ("cursor", "a")],
            ),
            (
                "/v1/commissions",
                &[
                    ("promoter", anna),
                    ("program", "default"),
                    ("invoice", "in_n"),
                    ("status", "pending"),
                    ("cursor", "in_"),
                ],
            ),
            ("/v1/entries", &[("promoter", anna), ("cursor", "1")]),
            ("/v1/events", &[("outcome", "parked"), ("type", "invoice.paid"), ("cursor", "1000000")]),
            ("/v1/events", &[("outcome", "ignored")]),
        ];
        for (list, filters) in lists {
            for set in 0..1_usize << filters.len() {
                let named = filters.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1);
                let named = named.map(|(_, (field, value))| format!("{field}={value}"));
                let query = ["limit=3".to_owned()].into_iter().chain(named).collect::<Vec<_>>().join("&");
                self.get(&format!("{list}?{query}")).await;
            }
        }
        self.get("/v1/commissions/in_n").await;
        self.get("/v1/events/evt_told").await;
    }

    /// Old payloads are dropped, Stripe is asked about parked events, and the operator is reminded.
    async fn jobs(&mut self) {
        self.world.park_an_old_event("pi_old").await;
        self.world.make_events_old(40).await;
        let stripe = double::stripe().await;
        let base = stripe.uri();
        let mut asking = Daemon::start(
            &self.world.url,
            &[
                LOG,
                ("STRIPE_SECRET_KEY", "sk_test_of_the_tests_0123456789"),
                ("REFERRALD_STRIPE__API_BASE", base.as_str()),
                ("REFERRALD_REDRIVE__INTERVAL_S", "1"),
                ("REFERRALD_REDRIVE__OLDER_THAN_S", "1"),
                ("REFERRALD_RETENTION__PAYLOAD_DAYS", "30"),
            ],
        );
        let settled = async || asking.log().contains("settled by what Stripe");
        eventually("a parked event is settled", settled).await;
        let read = async || asking.log().contains("was read from Stripe's API");
        eventually("lines and discounts are read", read).await;
        let failed = async || asking.log().contains("cannot be looked up");
        eventually("an invoice that Stripe does not know is put off", failed).await;
        let dropped = async || asking.log().contains("old payloads were dropped");
        eventually("old payloads are dropped", dropped).await;
        self.logs += &end(&mut asking).await;
        // Without a key the operator is told what waits.
        self.world.park_an_old_event("pi_older").await;
        let mut telling = Daemon::start(&self.world.url, &[LOG]);
        let reminded = async || telling.log().contains("parked for more than an hour");
        eventually("the operator is reminded", reminded).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.logs += &end(&mut telling).await;
    }

    fn commands(&mut self) {
        let anna = self.promoter("anna");
        for arguments in [
            ["explain", "in_n"].as_slice(),
            &["explain", "evt_told"],
            &["explain", "sub_n"],
            &["explain", "cus_r"],
            &["explain", &anna],
            &["promoter", "show", "anna"],
            &["promoter", "list", "--after", &anna],
            &["program", "list"],
            &["event", "list", "--outcome", "quarantined"],
            &["event", "list"],
            &["event", "show", "evt_told"],
            &["replay", "--quarantined"],
            &["replay", "--parked"],
            &["refer", "ANNA", "--customer", "cus_cli"],
        ] {
            self.run(arguments);
        }
    }

    /// The id of a promoter.
    fn promoter(&self, user: &str) -> String {
        let listed = self.world.listed("promoter");
        let of_user = listed.iter().find(|row| row["user_id"] == user).unwrap();
        of_user["promoter"].as_str().unwrap().to_owned()
    }

    /// The routes of the daemon are read from its sources, so that a new one is not forgotten here.
    fn every_route_was_called(&mut self) {
        self.calls.insert("POST /webhooks/stripe".to_owned());
        for route in ROUTES.split(".service(at(&[").skip(1) {
            let (paths, handlers) = route.split_once("])").unwrap();
            let route = paths.split('"').nth(1).unwrap();
            for method in ["get", "post", "patch"] {
                if !handlers.contains(&format!(".{method}(")) {
                    continue;
                }
                let wanted = format!("{} {route}", method.to_uppercase());
                assert!(self.calls.iter().any(|call| is_of(call, &wanted)), "{wanted} was not called");
            }
        }
    }
}

/// True when a call is one of a route, whose `{…}` may be anything.
fn is_of(call: &str, route: &str) -> bool {
    let (call, route): (Vec<_>, Vec<_>) = (call.split('/').collect(), route.split('/').collect());
    call.len() == route.len() && call.iter().zip(&route).all(|(part, of)| part == of || of.starts_with('{'))
}
