//! What a process remembers of codes, programs and promoters, while a command or a replica changes it: the head of the
//! ledger says that somebody else has written, and the very next event is judged by what is true.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::api::{call, next_second, refusal};
use crate::support::events::*;
use crate::support::people::*;
use crate::support::scenarios::{PROGRAMS, Step, scenarios};
use crate::support::{Daemon, World, eventually, now, post_event};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ANNA: &str = "/v1/codes/ANNA";

/// A change through another daemon than that of the world.
async fn change_by(world: &World, replica: &Daemon, path: &str, body: Value) {
    // What was claimed in this very second would be judged anew.
    next_second().await;
    let (status, answer) = call(&world.client, replica, Method::PATCH, path, Some(&body)).await;
    assert_eq!(status, 200, "{path} {body}: {answer}");
}

/// A sale to a new customer that names a code, through the daemon of the world: why it earns nothing, "" if it does.
async fn sale_with(world: &World, code: &str) -> String {
    let (invoice, customer) = (fresh("in"), fresh("cus"));
    world.send(&invoice_paid_with_code(&invoice, &customer, 10_000, code)).await;
    world.reason(&invoice).await
}

/// The referral numbers of all referrals that have one, sorted.
async fn numbers(world: &World) -> Vec<u64> {
    let referrals = world.referrals().await;
    let mut numbers: Vec<u64> = referrals.iter().filter_map(|row| row["referral_number"].as_u64()).collect();
    numbers.sort_unstable();
    numbers
}

async fn another_like(world: &World) -> World {
    if world.is_sqlite() { World::sqlite() } else { World::postgres().await }
}

/// What a ledger holds: Σ by (invoice, promoter, kind), and the reason of every commission.
type Held = (BTreeMap<[String; 3], i64>, BTreeMap<String, String>);

/// Every history of the tests of orders, first one event after the other and then all at once.
async fn varied_history(world: &World) -> Held {
    for (program, promoter, code, terms) in PROGRAMS {
        world.program(program, terms).await;
        world.promoter_at(promoter, &format!("{promoter}@example.com")).await;
        world.code(code, promoter, program).await;
    }
    world.change("/v1/codes/BERT", json!({ "promotion_code": "promo_bert" })).await;
    for (tag, at_once) in [("a", false), ("b", true)] {
        let mut events = Vec::new();
        for (number, scenario) in scenarios(tag).into_iter().enumerate() {
            if scenario.alone {
                continue;
            }
            let own = |text: String| text.replace(&format!("_{tag}\""), &format!("_{tag}_{number}\""));
            for step in scenario.steps {
                match step {
                    Step::Event(event) => events.push(serde_json::from_str(&own(event.to_string())).unwrap()),
                    Step::Claim(code, customer, user, ago) => {
                        let body = json!({ "code": code, "customer": customer, "user_id": user,
                            "claimed_at": now().unix() - ago });
                        world.post_referral(&serde_json::from_str(&own(body.to_string())).unwrap()).await;
                    }
                    Step::MakeLateCode => {}
                }
                if !at_once {
                    for event in std::mem::take(&mut events) {
                        world.send(&event).await;
                    }
                }
            }
        }
        let answers: Vec<(u16, Value)> =
            join_all(events.iter().map(|event| post_event(&world.client, &world.daemon, event))).await;
        assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    }
    held_by(world).await
}

async fn held_by(world: &World) -> Held {
    let names: BTreeMap<String, String> = world
        .listed("promoter")
        .iter()
        .map(|row| ["promoter", "user_id"].map(|field| row[field].as_str().unwrap().to_owned()))
        .map(|[id, user]| (id, user))
        .collect();
    let mut sums = BTreeMap::new();
    for entry in world.all("/v1/entries").await {
        let shown = |field: &str| entry[field].as_str().unwrap().to_owned();
        let key = [shown("invoice"), names[&shown("promoter")].clone(), shown("kind")];
        *sums.entry(key).or_default() += entry["amount"].as_i64().unwrap();
    }
    sums.retain(|_, sum| *sum != 0);
    let reason = |row: &Value| row["reason"].as_str().unwrap_or_default().to_owned();
    let reasons = world.commissions().await;
    let reasons = reasons.iter().map(|row| (row["invoice"].as_str().unwrap().to_owned(), reason(row)));
    // Only where something was posted on the way does an invoice that no claim concerns have a row.
    (sums, reasons.filter(|(_, reason)| reason != "not_referred").collect())
}

on_both_databases! {
    async fn what_is_remembered_is_not_read_again_until_somebody_else_writes(world: World) {
        world.with_anna("10").await;
        let daemon = Daemon::start(&world.url, &[("REFERRALD_LOG__FILTER", "info,sqlx=trace,referrald::store::sqlite=trace")]);
        let mut invoices = 0;
        let mut sale = async || {
            invoices += 1;
            let id = |prefix: &str| format!("{prefix}_{invoices}");
            let event = invoice_paid_with_code(&id("in"), &id("cus"), 10_000, "ANNA");
            assert_eq!(post_event(&world.client, &daemon, &event).await.0, 200);
            // The lines of the log come by a thread of their own, in order: those of a sale before those of the next probe.
            assert_eq!(call(&world.client, &daemon, Method::GET, "/v1/codes/NOBODY", None).await.0, 404);
            let told = async || daemon.log().matches("WHERE \\\"code\\\".\\\"key\\\" = ").count() >= invoices;
            eventually("the log is read", told).await;
            daemon.log().matches(" FROM code WHERE key ").count()
        };
        let first = sale().await;
        assert!(first > 0, "the code is read");
        assert_eq!((sale().await, sale().await), (first, first), "it is remembered");
        world.send(&invoice_paid("in_other", "cus_other", 10_000)).await;
        assert!(sale().await > first, "somebody else has written");
    }

    async fn a_code_that_a_replica_changes_is_judged_so_by_the_very_next_event(world: World) {
        world.with_anna("10").await;
        let replica = world.replica();
        assert_eq!(sale_with(&world, "ANNA").await, "");
        let later = now().unix() + 3_600;
        for (change, reason) in [
            (json!({ "status": "inactive" }), "code_inactive"),
            (json!({ "status": "active" }), ""),
            (json!({ "expires_at": now().unix() - 10 }), "code_expired"),
            (json!({ "expires_at": later }), ""),
            (json!({ "expires_at": null }), ""),
            // As many as the sales above have used.
            (json!({ "max_uses": 4 }), "code_used_up"),
            (json!({ "max_uses": 5 }), ""),
            (json!({ "max_uses": null }), ""),
        ] {
            change_by(&world, &replica, ANNA, change.clone()).await;
            assert_eq!(sale_with(&world, "ANNA").await, reason, "{change}");
        }
        let number = u64::try_from(world.uses("ANNA").await).unwrap();
        assert_eq!(numbers(&world).await, (1..=number).collect::<Vec<_>>());
    }

    async fn a_code_that_was_unknown_is_known_to_the_next_event_after_a_command_has_made_it(world: World) {
        world.with_anna("10").await;
        // The second one is told from memory that there is no such code.
        for _ in 0..2 {
            assert_eq!(sale_with(&world, "LATE").await, "unknown_code");
        }
        world.cli_ok(&["code", "create", "LATE", "--promoter", "anna", "--program", "default"]);
        assert_eq!((world.earned("anna").await, world.uses("LATE").await), (2_000, 2), "they waited for it");
        assert_eq!(sale_with(&world, "LATE").await, "");
        assert_eq!(sale_with(&world, "late").await, "");
        assert_eq!((world.earned("anna").await, numbers(&world).await), (4_000, vec![1, 2, 3, 4]));
    }

    async fn a_promotion_code_that_nobody_carried_is_carried_for_the_next_event(world: World) {
        world.with_anna("10").await;
        let replica = world.replica();
        for number in 1..=2 {
            let customer_id = format!("cus_{number}");
            world.expect("recorded", &discount(&customer_id, "promo_1")).await;
            world.expect("recorded", &invoice_paid(&format!("in_{number}"), &customer_id, 10_000)).await;
        }
        change_by(&world, &replica, ANNA, json!({ "promotion_code": "promo_1" })).await;
        assert_eq!(world.earned("anna").await, 2_000, "they waited for it");
        world.expect("recorded", &discount("cus_3", "promo_1")).await;
        world.expect("posted", &invoice_paid("in_3", "cus_3", 10_000)).await;
        assert_eq!(numbers(&world).await, [1, 2, 3]);
    }

    async fn the_terms_that_a_command_adds_are_those_of_the_next_claim(world: World) {
        world.with_anna("10").await;
        world.expect("posted", &invoice_paid_with_code("in_1", "cus_1", 10_000, "ANNA")).await;
        next_second().await;
        world.cli_ok(&["program", "update", "default", "--rate", "25"]);
        world.expect("posted", &invoice_paid_with_code("in_2", "cus_2", 10_000, "ANNA")).await;
        next_second().await;
        world.cli_ok(&["program", "update", "default", "--active", "false"]);
        assert_eq!(sale_with(&world, "ANNA").await, "program_inactive");
        world.expect("posted", &invoice_paid("in_1b", "cus_1", 10_000)).await;
        for (invoice, earned) in [("in_1", 1_000), ("in_1b", 1_000), ("in_2", 2_500)] {
            assert_eq!(world.sums(invoice).await, (earned, 0), "{invoice}");
        }
        next_second().await;
        world.cli_ok(&["program", "update", "default", "--active", "true"]);
        assert_eq!(sale_with(&world, "ANNA").await, "");
    }

    async fn a_promoter_of_a_new_address_elsewhere_has_its_next_referral_held(world: World) {
        world.program("default", "--rate 10").await;
        world.with_promoter_at("anna", "anna@example.com", "default").await;
        let replica = world.replica();
        let sale = |invoice: &str, email: &str| {
            let sale = invoice_paid_with_code(invoice, &invoice.replace("in", "cus"), 10_000, "ANNA");
            with(sale, "/data/object/customer_email", json!(email))
        };
        world.expect("posted", &sale("in_1", "somebody@example.com")).await;
        let anna = world.listed("promoter")[0]["promoter"].as_str().unwrap().to_owned();
        change_by(&world, &replica, &format!("/v1/promoters/{anna}"), json!({ "email": "new@example.com" })).await;
        world.expect("recorded", &sale("in_2", "New@example.com")).await;
        world.expect("recorded", &sale("in_3", "anna@example.com")).await;
        for invoice in ["in_2", "in_3"] {
            assert_eq!(world.reason(invoice).await, "self_referral", "{invoice}");
        }
        // The customer that was there before turns out to be the promoter by the address that came later.
        change_by(&world, &replica, &format!("/v1/promoters/{anna}"), json!({ "email": "somebody@example.com" })).await;
        assert_eq!(world.reason("in_1").await, "self_referral");
        world.expect("recorded", &invoice_paid("in_1b", "cus_1", 10_000)).await;
    }

    async fn uses_that_two_replicas_and_a_command_give_in_turn_are_counted_together(world: World) {
        const USES: i64 = 10;
        world.with_anna("10").await;
        world.change(ANNA, json!({ "max_uses": USES })).await;
        let replica = world.replica();
        for number in 1..=15 {
            let (invoice, customer_id) = (format!("in_{number}"), format!("cus_{number}"));
            let sale = invoice_paid_with_code(&invoice, &customer_id, 10_000, "ANNA");
            match number % 5 {
                0 => {
                    let refer = ["refer", "ANNA", "--customer", &customer_id];
                    assert_eq!(world.cli(&refer).status.success(), number <= USES, "{number}");
                    world.send(&invoice_paid(&invoice, &customer_id, 10_000)).await;
                }
                1 | 3 => assert_eq!(post_event(&world.client, &replica, &sale).await.0, 200),
                _ => drop(world.send(&sale).await),
            }
            let earned = if number <= USES { 1_000 } else { 0 };
            assert_eq!(world.sums(&invoice).await, (earned, 0), "{number}");
        }
        assert_eq!((world.uses("ANNA").await, world.earned("anna").await), (USES, USES * 1_000));
        assert_eq!(numbers(&world).await, (1..=10).collect::<Vec<_>>());
    }

    async fn numbers_that_two_replicas_give_at_once_have_no_gap_and_no_double(world: World) {
        const SALES: u64 = 40;
        world.with_anna("10").await;
        world.program("other", "--rate 20").await;
        world.code("OTHER", "anna", "other").await;
        let replica = world.replica();
        let sales: Vec<Value> = (0..SALES)
            .map(|number| {
                let code = if number % 4 < 2 { "ANNA" } else { "OTHER" };
                invoice_paid_with_code(&format!("in_{number}"), &format!("cus_{number}"), 10_000, code)
            })
            .collect();
        let sent = sales.iter().enumerate().map(|(number, sale)| {
            post_event(&world.client, if number % 2 == 0 { &world.daemon } else { &replica }, sale)
        });
        assert!(join_all(sent).await.iter().all(|(status, _)| *status == 200));
        let half = SALES / 2;
        assert_eq!(numbers(&world).await, (1..=half).flat_map(|number| [number; 2]).collect::<Vec<_>>());
        assert_eq!((world.uses("ANNA").await, world.uses("OTHER").await), (20, 20));
    }

    async fn how_much_is_remembered_changes_nothing_in_the_ledger(world: World) {
        let expected = varied_history(&world).await;
        assert!(expected.0.len() > 20 && expected.1.len() > 20, "{expected:?}");
        for rows in ["0", "1"] {
            let mut other = another_like(&world).await;
            other.daemon = Daemon::start(&other.url, &[("REFERRALD_DATABASE__MEMORY_ROWS", rows)]);
            assert_eq!(varied_history(&other).await, expected, "{rows} rows");
        }
    }
}

/// A proxy before PostgreSQL that, once it is told to, hands on a `COMMIT` and keeps the answer: the connection ends.
struct Proxy {
    url: String,
    keeps_answers: Arc<AtomicBool>,
}

impl Proxy {
    async fn before(url: &str) -> Self {
        let (head, rest) = url.split_once('@').unwrap();
        let (address, database) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{head}@{}/{database}", listener.local_addr().unwrap());
        let keeps_answers = Arc::new(AtomicBool::new(false));
        let (address, keeps) = (address.to_owned(), Arc::clone(&keeps_answers));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(hand_on(client, address.clone(), Arc::clone(&keeps)));
            }
        });
        Self { url, keeps_answers }
    }
}

async fn hand_on(mut client: TcpStream, address: String, keeps_answers: Arc<AtomicBool>) {
    let mut server = TcpStream::connect(address).await.unwrap();
    let (mut asked, mut answered) = ([0; 8_192], [0; 8_192]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let length = read.unwrap_or(0);
                if length == 0 || server.write_all(&asked[..length]).await.is_err() {
                    return;
                }
                let is_commit = asked[..length].windows(6).any(|word| word == b"COMMIT");
                if is_commit && keeps_answers.swap(false, Ordering::SeqCst) {
                    // It is committed when PostgreSQL has answered.
                    assert_ne!(server.read(&mut answered).await.unwrap(), 0);
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let length = read.unwrap_or(0);
                if length == 0 || client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Whether it was committed or not: the process does not know, forgets, and reads what is true.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_does_not_hear_of_its_commit_forgets_what_it_remembered() {
    let mut world = World::postgres().await;
    world.with_anna("10").await;
    let proxy = Proxy::before(&world.url).await;
    world.daemon = Daemon::start(&proxy.url, &[]);
    world.expect("posted", &invoice_paid_with_code("in_1", "cus_1", 10_000, "ANNA")).await;
    world.change(ANNA, json!({ "max_uses": 2 })).await;
    assert_eq!(world.get(ANNA).await["uses"], 1);
    world.expect("recorded", &invoice_paid("in_0", "cus_0", 10_000)).await;

    proxy.keeps_answers.store(true, Ordering::SeqCst);
    let second = invoice_paid_with_code("in_2", "cus_2", 10_000, "ANNA");
    let (status, answer) = post_event(&world.client, &world.daemon, &second).await;
    assert_eq!(refusal(&(status, answer.clone())).0, 503, "{answer}");
    assert!(!proxy.keeps_answers.load(Ordering::SeqCst), "an answer was kept");

    // It was committed; the last use is given.
    assert_eq!(sale_with(&world, "ANNA").await, "code_used_up");
    world.expect("duplicate", &second).await;
    assert_eq!((world.uses("ANNA").await, world.earned("anna").await), (2, 2_000));
    world.change(ANNA, json!({ "max_uses": null })).await;
    world.expect("posted", &invoice_paid_with_code("in_3", "cus_3", 10_000, "ANNA")).await;
    assert_eq!(numbers(&world).await, [1, 2, 3]);
}

/// The other half: the server ends the connection in the middle of `COMMIT`, and nothing was committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_whose_commit_is_broken_off_gives_the_use_and_the_number_once() {
    let mut world = World::postgres().await;
    world.with_anna("10").await;
    world.change(ANNA, json!({ "max_uses": 2 })).await;
    world.daemon = Daemon::start(&world.url, &[]);
    world.expect("posted", &invoice_paid_with_code("in_1", "cus_1", 10_000, "ANNA")).await;
    world.break_the_next_commit().await;
    let second = invoice_paid_with_code("in_2", "cus_2", 10_000, "ANNA");
    let (status, answer) = post_event(&world.client, &world.daemon, &second).await;
    assert_eq!(status, 503, "{answer}");
    assert_eq!(world.uses("ANNA").await, 1, "nothing was committed");
    world.expect("posted", &second).await;
    assert_eq!(sale_with(&world, "ANNA").await, "code_used_up");
    assert_eq!((world.uses("ANNA").await, numbers(&world).await), (2, vec![1, 2]));
}
