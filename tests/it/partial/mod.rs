//! The state machine over a part of the ledger against itself over the whole: random histories go through the real store,
//! in batches of random size, over two processes' memories that are dropped at random, and must post entry for entry
//! what a unit of work posts that has everything in memory. What `dependencies.rs` forgets to load, shows here.
//!
//! `REFERRALD_TEST_PARTIAL` says how many histories are tried, `REFERRALD_TEST_SEED` repeats a run.

mod crowd;
mod store;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use referrald::domain::ledger::State;
use referrald::domain::{
    BasisPoints, Claim, ClaimId, ClaimSource, Code, Currency, EventId, Extracted, Fact, InvoiceId,
    InvoiceSnapshot, Lines, ProgramKey, PromoterId, Reward, StripeCustomerId, Timestamp,
};
use referrald::service::codes::{CodeChange, create_code};
use referrald::service::post_events::post_events;
use referrald::service::programs::{TermsChange, create_program};
use referrald::service::promoters;

use crate::history::{History, Step};
use crate::random::Random;
use crate::setup::CODES;
use crate::support::template;

use crowd::{crowd, thousands};
use store::{Whole, act, connect, heard, inbound, posted, set_up, wrong_end};

/// Histories of one run of the test, unless the environment says otherwise.
const HISTORIES: u64 = 40;
/// Events of one batch.
const BATCHES: [usize; 5] = [1, 1, 2, 4, 8];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_loaded_in_parts_gives_what_the_whole_gives_on_sqlite() {
    compare(HISTORIES, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_loaded_in_parts_gives_what_the_whole_gives_on_postgres() {
    compare(HISTORIES / 8, true).await;
}

/// More keys of every kind than one statement takes: the parts of a fetch must fit together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_thousands_gives_what_the_whole_gives() {
    for seed in [1, 2] {
        let history = thousands(&mut Random(seed));
        assert_eq!(difference(&history, seed, &[700, 2_500], false).await, None, "seed {seed}");
    }
}

async fn compare(histories: u64, is_postgres: bool) {
    let histories = from_environment("REFERRALD_TEST_PARTIAL").unwrap_or(histories);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seed = from_environment("REFERRALD_TEST_SEED").unwrap_or_else(now);
    println!("seed {seed}");
    let (begun, mut tried, mut steps) = (Instant::now(), 0, 0);
    let mut found = Vec::new();
    for seed in (0..histories).map(|number| seed.wrapping_add(number)) {
        let history = crowd(&mut Random(seed));
        tried += 1;
        steps += history.steps.len();
        if let Some(wrong) = difference(&history, seed, &BATCHES, is_postgres).await {
            let (history, wrong) = shrink(history, seed, wrong, is_postgres).await;
            println!("seed {seed}: {wrong}");
            found.push(format!(
                "seed {seed}: {wrong}\nprograms {:#?}\ncodes {:?}\npromoters {:?}\nsteps {:#?}",
                history.setup.versions, history.setup.codes, history.setup.promoters, history.steps
            ));
            if found.len()
                >= usize::try_from(from_environment("REFERRALD_TEST_FINDINGS").unwrap_or(1)).unwrap()
            {
                break;
            }
        }
    }
    println!("{tried} histories, {steps} steps in {:.1?}", begun.elapsed());
    assert!(found.is_empty(), "{}", found.join("\n\n=====\n"));
}

fn from_environment(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap())
}

/// Tells the history to a store and to the whole; what differs.
async fn difference(history: &History, seed: u64, batches: &[usize], is_postgres: bool) -> Option<String> {
    let random = &mut Random(seed ^ 0x5eed);
    let shm = Path::new("/dev/shm");
    let directory =
        if shm.exists() { tempfile::tempdir_in(shm).unwrap() } else { tempfile::tempdir().unwrap() };
    let file = directory.path().join("referrald.db");
    let url = if is_postgres { template::postgres().await } else { format!("sqlite://{}", file.display()) };
    let setup = &history.setup;
    let mut whole = Whole { state: State::whole(), posted: Vec::new(), acts: 0 };
    for (_, promoter, program) in CODES {
        whole.state.add_slots((PromoterId::new(promoter), ProgramKey::new(program)), BTreeMap::new());
    }
    let mut dbs = vec![connect(&url, 1_000).await, connect(&url, 1_000).await];
    dbs[0].migrate().await.unwrap();
    set_up(&dbs[0], &mut whole, setup).await;
    let mut steps = history.steps.iter().peekable();
    while let Some(step) = steps.next() {
        if random.in_percent(25) {
            let place = random.below(dbs.len());
            let old = std::mem::replace(&mut dbs[place], connect(&url, random.pick(&[0, 1, 1_000])).await);
            old.close().await.unwrap();
        }
        let db = &dbs[random.below(dbs.len())];
        if let Step::Event(event) = step {
            let mut batch = vec![heard(event)];
            let size = random.pick(batches);
            while batch.len() < size
                && let Some(Step::Event(event)) = steps.peek()
            {
                batch.push(heard(event));
                steps.next();
            }
            let answers = post_events(db, &batch, Timestamp::from_unix(setup.now)).await;
            if answers.iter().any(Option::is_none) {
                return Some("an event was not committed".to_owned());
            }
            whole.act(setup.now, |unit| {
                for event in &batch {
                    unit.receive(&event.event, &event.extraction, || event.body_id()).unwrap();
                }
            });
        } else if let Err(error) = act(db, &mut whole, setup, step).await {
            return Some(format!("{step:?}: {error:?}"));
        }
        let (entries, as_whole) = (posted(db).await, whole.posted.clone());
        if entries != as_whole {
            let same = entries.iter().zip(&as_whole).take_while(|(own, other)| own == other).count();
            return Some(format!(
                "after {step:?}: beyond {same} equal entries, in parts {:#?}, as a whole {:#?}",
                &entries[same..],
                &as_whole[same..]
            ));
        }
    }
    let wrong = wrong_end(&dbs[0], &whole, history).await;
    for db in dbs {
        db.close().await.unwrap();
    }
    wrong
}

/// Leaves out what is not needed to fail.
async fn shrink(history: History, seed: u64, wrong: String, is_postgres: bool) -> (History, String) {
    let (mut least, mut wrong) = (history, wrong);
    let mut size = least.steps.len() / 2;
    while size > 0 {
        let mut place = 0;
        while place < least.steps.len() {
            let mut smaller = least.clone();
            smaller.steps.drain(place..(place + size).min(least.steps.len()));
            match difference(&smaller, seed, &BATCHES, is_postgres).await {
                Some(still) => (least, wrong) = (smaller, still),
                None => place += size,
            }
        }
        size /= 2;
    }
    (least, wrong)
}

/// The module says so: "what is posted, and why, does not depend on how events were batched".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn causes_do_not_depend_on_how_events_were_batched() {
    let told = |event: &str, invoice: &str, customer: &str, amount: i64, paid_at: i64, code: Option<&str>| {
        let (event, customer) = (EventId::new(event), StripeCustomerId::new(customer));
        let snapshot = InvoiceSnapshot {
            event: event.clone(),
            api_version: String::new(),
            stripe_customer: Some(customer.clone()),
            currency: Currency::parse("usd").unwrap(),
            amount_paid_minor: amount,
            total_minor: amount,
            total_excluding_tax_minor: None,
            tax_minor: None,
            shipping_minor: 0,
            shipping_tax_minor: 0,
            lines: Lines::default(),
        };
        let claim = code.map(|code| {
            Fact::Claim(Claim {
                id: ClaimId::new(format!("clm_{event}")),
                stripe_customer: Some(customer),
                user: None,
                code: Code::new(code),
                source: ClaimSource::InvoiceMetadata(0),
                claimed_at: Timestamp::from_unix(1_700_000_000),
                moved_at: None,
                lookback_s: 0,
                invitation_method: None,
            })
        });
        let (invoice, paid_at) = (InvoiceId::new(invoice), Timestamp::from_unix(1_700_000_000 + paid_at));
        let paid = Fact::InvoicePaid { invoice, snapshot, paid_at };
        let facts = [paid].into_iter().chain(claim).collect();
        inbound(&event, &Extracted { facts, ..Extracted::default() })
    };
    let events = [
        told("evt_1", "in_1", "cus_1", 10_000, 20, None),
        told("evt_2", "in_1", "cus_0", 10_001, 20, Some("ANNA")),
        told("evt_3", "in_0", "cus_0", 10_000, 10, None),
        told("evt_4", "in_0", "cus_1", 10_001, 10, Some("NEVER")),
    ];
    let mut posted_by_size = Vec::new();
    for size in [1, 4] {
        let directory = tempfile::tempdir().unwrap();
        let db = connect(&format!("sqlite://{}", directory.path().join("referrald.db").display()), 100).await;
        db.migrate().await.unwrap();
        let now = Timestamp::from_unix(1_700_000_000);
        let reward = Some(Reward::Percentage(BasisPoints::new(1_000).unwrap()));
        let terms = TermsChange { reward, one_time: Some(true), ..TermsChange::default() };
        create_program(&db, "once", &terms, now).await.unwrap();
        let anna = promoters::create_promoter(&db, "anna", None, now).await.unwrap();
        create_code(&db, "ANNA", "anna", "once", &CodeChange::default(), now).await.unwrap();
        for batch in events.chunks(size) {
            assert!(post_events(&db, batch, now).await.iter().all(Option::is_some));
        }
        let shown: Vec<String> =
            posted(&db).await.iter().map(|entry| entry.replace(anna.id.as_str(), "anna")).collect();
        posted_by_size.push(shown);
        db.close().await.unwrap();
    }
    assert_eq!(posted_by_size[0], posted_by_size[1]);
}
