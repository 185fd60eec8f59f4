//! The rules of the ledger against a second, simpler telling of them: whatever Stripe and the host say, in whatever
//! order and however often, the book holds exactly what `model.rs` works out from the whole set of facts.
//!
//! `REFERRALD_TEST_HISTORIES` says how many histories are tried, `REFERRALD_TEST_SEED` repeats a run.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what it expects by failing"
)]

mod history;
mod model;
mod world;

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use history::{Step, history};
use model::{Model, Sums};
use referrald::domain::{
    BasisPoints, Book, Code, CodeFacts, CodeOwner, Kind, MoneyError, ProgramKey, PromoterId, Terms,
    TermsVersion, Timestamp,
};
use world::{CODES, LATE, Random, VERSIONS};

/// Histories of one run of the test, unless the environment says otherwise.
const HISTORIES: u64 = 4_000;
/// In how many shuffled orders a history is told, besides the one in which it was made.
const SHUFFLED_ORDERS: usize = 4;
/// At most so many steps are told again in a shuffled order.
const MAX_REPEATS: usize = 4;

/// A book that knows the terms, and every code but the one that is made late.
fn book() -> Book {
    let mut book = Book::default();
    for (code, _, _) in CODES.into_iter().filter(|(code, _, _)| *code != LATE) {
        make_code(&mut book, code);
    }
    for (id, version) in (1..).zip(&VERSIONS) {
        let rate = BasisPoints::new(version.rate_bps).unwrap();
        book.versions.push(TermsVersion {
            id,
            program: ProgramKey::new(version.program),
            valid_from: Timestamp::from_unix(version.valid_from),
            terms: Terms::percentage(rate, version.base, version.hold_days).into(),
        });
    }
    book
}

fn make_code(book: &mut Book, made: &str) {
    let (code, promoter, program) = CODES.into_iter().find(|(code, _, _)| *code == made).unwrap();
    let owner = CodeOwner { promoter: PromoterId::new(promoter), program: ProgramKey::new(program) };
    book.codes.insert(Code::new(code), CodeFacts::unlimited(owner));
}

fn apply(book: &mut Book, step: &Step) -> Result<(), MoneyError> {
    match step {
        Step::Event(event, reduced) => book.apply(event, reduced).map(drop),
        Step::Claim(claim) => book.refer(claim.clone(), None),
        Step::MakeLateCode => {
            make_code(book, LATE);
            book.judge_again(&Code::new(LATE)).map(drop)
        }
    }
}

/// What a book has posted, without the sums that are zero.
fn posted(book: &Book) -> Sums {
    let mut sums = Sums::new();
    for entry in &book.changes.entries {
        let (invoice, promoter) = (entry.invoice.clone(), entry.promoter.clone());
        let key = (invoice, promoter, entry.currency, entry.kind, entry.available_at.unix());
        *sums.entry(key).or_default() += i128::from(entry.amount_minor);
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

/// What is wrong with sums that no facts can excuse: 0 ≤ commission + refund + dispute ≤ commission, and neither
/// refunds nor disputes ever give.
fn out_of_bounds(sums: &Sums) -> Option<String> {
    let mut kinds: BTreeMap<_, [i128; 3]> = BTreeMap::new();
    for ((invoice, promoter, currency, kind, _), sum) in sums {
        let place = match kind {
            Kind::Commission => 0,
            Kind::Refund => 1,
            Kind::Dispute => 2,
        };
        kinds.entry((invoice, promoter, currency)).or_default()[place] += sum;
    }
    let in_bounds = |[commission, refund, dispute]: [i128; 3]| {
        (0..=commission).contains(&(commission + refund + dispute)) && refund <= 0 && dispute <= 0
    };
    let (key, kinds) = kinds.into_iter().find(|(_, kinds)| !in_bounds(*kinds))?;
    Some(format!("{key:?} has commission, refund and dispute {kinds:?}"))
}

fn shown(sums: &Sums) -> String {
    let mut lines = Vec::new();
    for ((invoice, promoter, currency, kind, at), sum) in sums {
        lines.push(format!("  {invoice} {promoter} {} {sum} {currency}, available at {at}", kind.as_str()));
    }
    lines.join("\n")
}

/// Tells the steps to a book and compares it with the model after every one, since what was told so far is a history
/// too. `None` when they agree.
fn difference(steps: &[Step]) -> Option<String> {
    let mut book = book();
    for told in 1..=steps.len() {
        if let Err(error) = apply(&mut book, &steps[told - 1]) {
            return Some(format!("step {told}: {error}"));
        }
        let (found, model) = (posted(&book), Model::of(&steps[..told]));
        let expected = model.sums();
        if found != expected {
            let (found, expected) = (shown(&found), shown(&expected));
            return Some(format!("step {told}: the book has\n{found}\nthe model has\n{expected}"));
        }
        if let Some(wrong) = out_of_bounds(&found) {
            return Some(format!("step {told}: {wrong}"));
        }
        let mut parked = book.parked.iter().filter(|(_, events)| !events.is_empty());
        if let Some((payment, events)) = parked.find(|(payment, _)| model.pays_a_known_invoice(payment)) {
            return Some(format!(
                "step {told}: {events:?} stay parked, though {payment} pays a known invoice"
            ));
        }
    }
    None
}

/// Leaves out steps, then facts of events, as long as the book still differs from the model.
fn shrink(mut steps: Vec<Step>, mut wrong: String) -> (Vec<Step>, String) {
    loop {
        let without_step = (0..steps.len()).map(|left_out| {
            let mut fewer = steps.clone();
            fewer.remove(left_out);
            fewer
        });
        let without_fact = (0..steps.len()).flat_map(|place| {
            let facts = if let Step::Event(_, reduced) = &steps[place] { reduced.facts.len() } else { 0 };
            let steps = &steps;
            (0..facts).map(move |left_out| {
                let mut fewer = steps.clone();
                if let Step::Event(_, reduced) = &mut fewer[place] {
                    reduced.facts.remove(left_out);
                }
                fewer
            })
        });
        let mut smaller = without_step.chain(without_fact);
        match smaller.find_map(|fewer| difference(&fewer).map(|wrong| (fewer, wrong))) {
            Some(found) => (steps, wrong) = found,
            None => return (steps, wrong),
        }
    }
}

fn fail(seed: u64, steps: Vec<Step>, wrong: String) -> ! {
    let (steps, wrong) = shrink(steps, wrong);
    let told = |step: &Step| match step {
        Step::Event(event, reduced) => {
            let facts: Vec<String> = reduced.facts.iter().map(|fact| format!("{fact:?}")).collect();
            format!("{event}, waits for {:?}:\n     {}", reduced.waits_for, facts.join("\n     "))
        }
        Step::Claim(claim) => format!("{claim:?}"),
        Step::MakeLateCode => format!("the code {LATE} is made"),
    };
    let lines: Vec<String> =
        (1..).zip(&steps).map(|(number, step)| format!("{number:3}. {}", told(step))).collect();
    panic!(
        "{wrong}\nby these steps:\n{}\nagain: REFERRALD_TEST_SEED={seed} REFERRALD_TEST_HISTORIES=1",
        lines.join("\n")
    );
}

fn from_environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is not a number")))
}

#[test]
fn every_history_in_every_order_gives_what_the_model_works_out() {
    let histories = from_environment("REFERRALD_TEST_HISTORIES").unwrap_or(HISTORIES);
    let seed = from_environment("REFERRALD_TEST_SEED")
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    println!("seed {seed}");
    let (begun, mut steps_told) = (Instant::now(), 0);
    let mut ends_with: BTreeMap<Kind, usize> = BTreeMap::new();
    for seed in (0..histories).map(|number| seed.wrapping_add(number)) {
        let mut random = Random(seed);
        let history = history(&mut random);
        let expected = Model::of(&history).sums();
        for kind in Kind::OF_INVOICE {
            let has_kind = expected.keys().any(|(_, _, _, of, _)| *of == kind);
            *ends_with.entry(kind).or_default() += usize::from(has_kind);
        }
        for order in 0..=SHUFFLED_ORDERS {
            let mut steps = history.clone();
            if order > 0 {
                let repeats = random.below(MAX_REPEATS + 1);
                steps.extend((0..repeats).map(|_| history[random.below(history.len())].clone()));
                random.shuffle(&mut steps);
            }
            steps_told += steps.len();
            assert_eq!(Model::of(&steps).sums(), expected, "seed {seed}: the model depends on the order");
            if let Some(wrong) = difference(&steps) {
                fail(seed, steps, wrong);
            }
        }
    }
    println!(
        "{histories} histories in {} orders each, {steps_told} steps in {:.1?}; histories that end with each kind: {ends_with:?}",
        SHUFFLED_ORDERS + 1,
        begun.elapsed()
    );
    // A generator that stops making some kind would make this test say nothing about it.
    let thin = Kind::OF_INVOICE.into_iter().find(|kind| ends_with[kind] == 0);
    assert!(histories < HISTORIES || thin.is_none(), "no history ends with {thin:?}");
}
