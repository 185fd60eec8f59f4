//! The rules of the ledger against a second, simpler telling of them: whatever Stripe, the host and operators say, in
//! whatever order and however often, the ledger holds exactly what `model.rs` works out from the whole set of facts.
//!
//! `REFERRALD_TEST_HISTORIES` says how many histories are tried, `REFERRALD_TEST_SEED` repeats a run.

mod acts;
mod claims;
mod compare;
mod history;
mod losses;
mod model;
mod people;
mod promises;
mod random;
mod reading;
mod rewards;
mod setup;
mod shrink;
mod statuses;
mod stripe;
mod taken;
mod tellings;
mod themes;
mod told;
mod world;

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use compare::difference;
use history::{History, Step};
use model::{Figures, Model};
use random::Random;
use referrald::domain::{Kind, NoCommission};
use rewards::FEATURES;
use shrink::fail;

/// Histories of one run of the test, unless the environment says otherwise.
const HISTORIES: u64 = 2_000;
/// In how many shuffled orders a history is told, besides the one in which it was made.
const SHUFFLED_ORDERS: usize = 3;
/// At most so many steps are told again in a shuffled order.
const MAX_REPEATS: usize = 4;

fn from_environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is not a number")))
}

/// Histories that showed an error once.
const FOUND: [u64; 1] = [1_795_828_334];

/// How many histories ended with something, by what it is.
struct Tally {
    ends_with: BTreeMap<&'static str, usize>,
    by_arrival: usize,
    superseded: usize,
}

impl Tally {
    fn new() -> Self {
        let kinds = Kind::OF_INVOICE.map(Kind::as_str).into_iter();
        let all = kinds.chain(NoCommission::ALL.map(NoCommission::as_str)).chain(FEATURES);
        Self { ends_with: all.map(|name| (name, 0)).collect(), by_arrival: 0, superseded: 0 }
    }

    fn count(&mut self, figures: &Figures) {
        let has_kind = |kind: &Kind| figures.sums.keys().any(|(_, _, _, of, _)| of == kind);
        let has_reason = |reason: &NoCommission| figures.reasons.values().any(|of| *of == Some(*reason));
        let kinds = Kind::OF_INVOICE.into_iter().filter(has_kind).map(Kind::as_str);
        let reasons = NoCommission::ALL.into_iter().filter(has_reason).map(NoCommission::as_str);
        for name in kinds.chain(reasons).chain(figures.features.iter().copied()) {
            *self.ends_with.get_mut(name).unwrap() += 1;
        }
    }

    /// A generator that stops making something would make this test say nothing about it.
    fn never_seen(&self) -> Vec<&'static str> {
        let counts = self.ends_with.iter().map(|(name, count)| (*name, *count));
        let others =
            [("places by arrival", self.by_arrival), ("superseded by another invoice", self.superseded)];
        counts.chain(others).filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
    }
}

#[test]
fn every_history_in_every_order_gives_what_the_model_works_out() {
    let histories = from_environment("REFERRALD_TEST_HISTORIES").unwrap_or(HISTORIES);
    let seed = from_environment("REFERRALD_TEST_SEED")
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    println!("seed {seed}");
    let (begun, mut steps_told, mut tally) = (Instant::now(), 0, Tally::new());
    for seed in FOUND.into_iter().chain((0..histories).map(|number| seed.wrapping_add(number))) {
        let mut random = Random(seed);
        let history = History::new(&mut random);
        let setup = &history.setup;
        let expected = Model::of(setup, &history.steps).figures();
        tally.count(&expected);
        tally.by_arrival += usize::from(setup.by_arrival);
        for order in 0..=SHUFFLED_ORDERS {
            let mut told = history.clone();
            if order > 0 {
                let repeats = random.below(MAX_REPEATS + 1);
                let repeated = (0..repeats).map(|_| random.pick(&history.steps));
                // Of a review there is only one: said again, it is another one.
                told.steps.extend(repeated.filter(|step| !matches!(step, Step::Review(..))));
                random.shuffle(&mut told.steps);
                told.put_in_time();
            }
            steps_told += told.steps.len();
            // Tiers and uses of codes are promises, made in the order of arrival, and a release covers what is known;
            // nothing else goes by arrival.
            let differs =
                !setup.by_arrival && !setup.releases && Model::of(setup, &told.steps).figures() != expected;
            assert!(!differs, "seed {seed}: the model depends on the order");
            if let Some(wrong) = difference(setup, &told.steps, &mut tally.superseded) {
                fail(seed, told, wrong);
            }
        }
    }
    println!(
        "{histories} histories in {} orders each, {} of them with promises by arrival, {steps_told} steps in {:.1?}; \
         {} entries superseded by another invoice; histories that end with each: {:#?}",
        SHUFFLED_ORDERS + 1,
        tally.by_arrival,
        begun.elapsed(),
        tally.superseded,
        tally.ends_with,
    );
    let never_seen = tally.never_seen();
    assert!(histories < HISTORIES || never_seen.is_empty(), "no history ends with {never_seen:?}");
}
