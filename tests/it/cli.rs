//! The command line, as an operator uses it.

use std::process::{Command, Output, Stdio};

use crate::support;
use crate::support::postgres::new_database;
use crate::support::{Daemon, REFERRALD, World, command};
use serde_json::Value;

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Sends a sample to the daemon of a world; returns exit code and what was printed.
fn trigger(world: &World, arguments: &str) -> (Option<i32>, String) {
    let to = world.daemon.at("/webhooks/stripe");
    let output =
        world.cli(&["trigger", "--to", &to].into_iter().chain(arguments.split(' ')).collect::<Vec<_>>());
    (output.status.code(), stdout(&output) + &stderr(&output))
}

#[test]
fn a_reader_of_the_output_that_is_gone_ends_the_command_without_a_word() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = command(&format!("sqlite://{}/referrald.db", directory.path().display()));
    command
        .args(["program", "create", "default", "--rate", "10"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = command.spawn().unwrap();
    drop(running.stdout.take());
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}

#[test]
fn the_demo_shows_every_event_and_checks_every_figure() {
    let empty = tempfile::tempdir().unwrap();
    // No settings, and none of the developer's: the demo brings all it needs.
    let mut command = Command::new(REFERRALD);
    let output = command.env_clear().current_dir(&empty).arg("demo").output().unwrap();
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    for sent in [
        "invoice.paid           a sale of 100.00 USD               200 posted",
        "invoice.paid           the same event again               200 duplicate",
        "invoice_payment.paid   which payment paid it              200 recorded",
        "charge.refunded        half of it is refunded             200 posted",
        "refund.created         the same refund, reported again    200 recorded",
        "charge.refunded        a refund before its sale           200 parked",
        "invoice.paid           now the sale arrives               200 posted",
        "invoice.paid           a sale with a forged signature     400 signature_mismatch",
    ] {
        assert!(text.contains(sent), "{sent}\n{text}");
    }
    for amount in ["+10.00 USD", "-5.00 USD"] {
        assert_eq!(text.matches(amount).count(), 2, "{amount}\n{text}");
    }
    let checks = text.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(checks >= 16 && !text.contains("WRONG"), "{checks} checks\n{text}");
    assert!(text.ends_with("every figure is right\n"), "{text}");
    assert_eq!(empty.path().read_dir().unwrap().count(), 0, "the demo leaves nothing behind");
}

on_both_databases! {
    async fn a_sample_sale_and_its_refund_reach_the_ledger(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_t").await;
        for (arguments, outcome) in [
            ("invoice.paid --invoice in_t --customer cus_t --currency jpy", "posted"),
            ("invoice_payment.paid --invoice in_t --customer cus_t --currency jpy", "recorded"),
            ("charge.refunded --invoice in_t --customer cus_t --amount 2500 --currency jpy", "posted"),
            ("refund.created --invoice in_t --amount 2500 --currency jpy", "recorded"),
            ("refund.failed --invoice in_t --amount 2500 --currency jpy", "posted"),
            ("invoice.paid --code ANNA", "posted"),
            ("charge.succeeded", "recorded"),
        ] {
            let (code, text) = trigger(&world, arguments);
            assert_eq!(code, Some(0), "{arguments}: {text}");
            assert!(text.starts_with(arguments.split(' ').next().unwrap()), "{text}");
            assert!(text.contains(&format!("\"outcome\":\"{outcome}\"")), "{arguments}: {text}");
        }
        assert_eq!(world.sums("in_t").await, (1_000, 0));
        let yen = &world.get("/v1/commissions/in_t").await["currency"];
        assert_eq!((yen.as_str().unwrap(), world.earned("anna").await), ("jpy", 1_000));
    }

    async fn samples_of_one_invoice_fit_each_other_whatever_it_cost(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_t").await;
        for arguments in [
            "invoice.paid --invoice in_t --customer cus_t --amount 2000",
            "invoice_payment.paid --invoice in_t --amount 2000",
            "charge.refunded --invoice in_t --customer cus_t --amount 500",
        ] {
            assert_eq!(trigger(&world, arguments).0, Some(0), "{arguments}");
        }
        assert_eq!(world.sums("in_t").await, (200, -50), "a quarter of the sale was refunded");
    }

    async fn what_is_made_can_be_listed(world: World) {
        world.cli_ok(&["program", "create", "default", "--rate", "12.5", "--base", "amount-paid", "--hold-days", "7"]);
        world.cli_ok(&["promoter", "create", "anna", "--email", "anna@example.com"]);
        world.cli_ok(&["promoter", "create", "bert"]);
        world.cli_ok(&["code", "create", "ANNA", "--promoter", "anna", "--program", "default"]);
        world.cli_ok(&["refer", "ANNA", "--customer", "cus_1", "--user-id", "u1", "--claimed-at", "2026-01-02T03:04:05Z"]);
        let again = world.cli_ok(&["refer", "ANNA", "--customer", "cus_1", "--user-id", "u1"]);
        assert!(again.contains("no new referral"), "{again}");
        let json = |arguments: &str| -> Value {
            let arguments: Vec<&str> = arguments.split(' ').chain(["--format", "json"]).collect();
            serde_json::from_str(&world.cli_ok(&arguments)).unwrap()
        };
        let programs = json("program list");
        assert_eq!((programs.as_array().unwrap().len(), &programs[0]["program"]), (1, &Value::from("default")));
        let promoters = json("promoter list");
        let users: Vec<_> = promoters.as_array().unwrap().iter().map(|row| row["user_id"].as_str().unwrap()).collect();
        assert_eq!(users, ["anna", "bert"]);
        let by_user = json("promoter show anna");
        assert_eq!(by_user, json(&format!("promoter show {}", promoters[0]["promoter"].as_str().unwrap())));
        assert_eq!(by_user["codes"][0]["code"], "ANNA");
        assert_eq!(json("verify"), serde_json::json!({ "invoices": 0, "violations": [], "conflicts": [] }));
        assert_eq!(world.cli(&["promoter", "show", "nobody"]).status.code(), Some(1));
    }

    async fn what_makes_something_can_print_it_as_json(world: World) {
        for arguments in [
            "program create default --rate 10",
            "promoter create anna",
            "code create ANNA --promoter anna --program default",
            "refer ANNA --customer cus_1",
        ] {
            let output = world.cli(&arguments.split(' ').chain(["--format", "json"]).collect::<Vec<_>>());
            assert_eq!(output.status.code(), Some(0), "{arguments} --format json: {}", stderr(&output));
            serde_json::from_str::<Value>(&stdout(&output)).unwrap();
        }
    }

    async fn a_refusal_is_one_line_that_names_the_field(world: World) {
        world.with_anna("10").await;
        for (arguments, field) in [
            ("program create default --rate 20", "key:"),
            ("program create other --rate 20 --hold-days 4000", "hold_days:"),
            ("promoter create anna", "user_id:"),
            ("promoter create bert --email nobody", "email:"),
            ("code create ANNA --promoter anna --program default", "code:"),
            ("code create BERT --promoter bert --program default", "promoter:"),
            ("code create BERT --promoter anna --program other", "program:"),
            ("refer NOBODY --customer cus_1", "code:"),
            ("refer ANNA --user-id anna", "code:"),
            ("refer ANNA --customer cus_1 --claimed-at 3000-01-01T00:00:00Z", "claimed_at:"),
        ] {
            let output = world.cli(&arguments.split(' ').collect::<Vec<_>>());
            let told = stderr(&output);
            assert_eq!((output.status.code(), told.lines().count()), (Some(1), 1), "{arguments}: {told}");
            assert!(told.contains(field) && stdout(&output).is_empty(), "{arguments}: {told}");
        }
        assert_eq!((world.listed("promoter").len(), world.codes().await.len(), world.claims().await), (1, 1, 0));
    }

    async fn wrong_usage_is_exit_code_2(world: World) {
        for arguments in [
            "",
            "sing",
            "serve now",
            "refer ANNA",
            "refer --customer cus_1",
            "refer ANNA --customer cus_1 --claimed-at yesterday",
            "program create default",
            "program create default --rate 100.01",
            "program create default --rate -1",
            "program create default --rate 1.005",
            "program create default --rate ten",
            "program create default --rate 10 --hold-days 70000",
            "program list --format xml",
            "code create ANNA --promoter anna",
            "trigger price.created",
            "trigger invoice.paid --amount -1",
            "trigger invoice.paid --currency dollars",
        ] {
            let output = world.cli(&arguments.split_whitespace().collect::<Vec<_>>());
            assert_eq!(output.status.code(), Some(2), "{arguments}: {}", stderr(&output));
            assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments}");
        }
        assert_eq!(world.listed("program").len(), 0);
    }
}

#[tokio::test]
async fn a_sample_with_a_wrong_secret_is_refused() {
    let world = World::sqlite();
    let (code, text) = trigger(&world, "invoice.paid --secret whsec_of_somebody_else_0");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("signature_mismatch") && !text.contains("whsec_of_somebody"), "{text}");
    // Nobody listens there.
    let output = world.cli(&["trigger", "invoice.paid", "--to", "http://127.0.0.1:1/webhooks/stripe"]);
    assert_eq!((output.status.code(), stderr(&output).lines().count()), (Some(1), 1), "{}", stderr(&output));
    assert_eq!(world.events().await, 0);
}

#[test]
fn every_command_explains_itself() {
    let mut commands = vec![String::new()];
    let mut explained = 0;
    while let Some(path) = commands.pop() {
        let mut command = Command::new(REFERRALD);
        let output = command.env_clear().args(path.split_whitespace()).arg("--help").output().unwrap();
        let help = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{path} --help: {}", stderr(&output));
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let names = listed
            .take_while(|line| line.starts_with("  "))
            .filter_map(|line| line.split_whitespace().next());
        commands.extend(names.filter(|name| *name != "help").map(|name| format!("{path} {name}")));
        explained += 1;
    }
    assert!(explained >= 15, "{explained} commands");
    let version = Command::new(REFERRALD).env_clear().arg("--version").output().unwrap();
    assert_eq!(version.status.code(), Some(0));
}

fn migrate_twice(url: &str) {
    let run = || command(url).arg("migrate").output().unwrap();
    let first = run();
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    let first = stdout(&first);
    assert!(
        first.lines().count() > 0 && first.lines().all(|line| line.starts_with("applied m2026")),
        "{first}"
    );
    assert_eq!(stdout(&run()), "nothing to apply\n");
}

/// Both must come up: one migrates, the other waits.
fn two_at_once(url: &str) {
    let daemons = std::thread::scope(|scope| {
        [(); 3].map(|()| scope.spawn(|| Daemon::start(url, &[]))).map(|thread| thread.join().unwrap())
    });
    let applied = |daemon: &Daemon| daemon.log().matches("migration applied").count();
    let migrators = daemons.iter().filter(|daemon| applied(daemon) > 0).count();
    assert_eq!(migrators, 1);
}

#[test]
fn migrate_says_what_it_did_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    migrate_twice(&format!("sqlite://{}/new.db", directory.path().display()));
}

#[tokio::test]
async fn migrate_says_what_it_did_on_postgres() {
    migrate_twice(&new_database().await);
}

#[test]
fn daemons_that_start_at_once_on_a_new_sqlite_all_come_up() {
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        two_at_once(&format!("sqlite://{}/new.db", directory.path().display()));
    }
}

#[tokio::test]
async fn daemons_that_start_at_once_on_a_new_postgres_all_come_up() {
    for _ in 0..5 {
        two_at_once(&new_database().await);
    }
}

#[test]
fn what_only_reads_makes_no_empty_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("elsewhere.db");
    let url = format!("sqlite://{}", file.display());
    for arguments in
        [&["verify"][..], &["promoter", "list"], &["promoter", "show", "anna"], &["program", "list"]]
    {
        let output = support::command(&url).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("database.url") && told.contains("does not exist"), "{told}");
    }
    assert!(!file.exists());
}
