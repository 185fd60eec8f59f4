//! Makes a history on which the ledger and the model differ as small as it gets, and tells it.

use std::collections::BTreeMap;
use std::sync::Arc;

use referrald::domain::{BasisPoints, Recurrence, Reward, Terms};

use crate::compare::difference;
use crate::history::{History, Step};
use crate::setup::Setup;

/// What is left out of terms, one thing at a time.
const SIMPLER: [fn(&mut Terms); 13] = [
    |terms| terms.active = true,
    |terms| terms.reward = Reward::Percentage(BasisPoints::WHOLE),
    |terms| terms.recurrence = Recurrence::Recurring { months: None, invoices: None },
    |terms| terms.tiers = Vec::new(),
    |terms| terms.tiers.truncate(1),
    |terms| terms.product_rates = BTreeMap::new(),
    |terms| drop(terms.product_rates.pop_last()),
    |terms| terms.caps.clear(),
    |terms| terms.max_rewards_per_promoter = None,
    |terms| terms.conversion_window_days = None,
    |terms| terms.min_invoices.clear(),
    |terms| terms.currency = None,
    |terms| terms.hold_days = 0,
];

/// Leaves out steps, then facts of events, then what was set up, as long as the ledger still differs from the model.
fn shrink(mut history: History, mut wrong: String) -> (History, String) {
    loop {
        let smaller = without_steps(&history)
            .chain(without_facts(&history))
            .chain(simpler_setups(&history.setup).map(|setup| History { setup, ..history.clone() }))
            .find_map(|fewer| Some((difference(&fewer.setup, &fewer.steps, &mut 0)?, fewer)));
        match smaller {
            Some(found) => (wrong, history) = found,
            None => return (history, wrong),
        }
    }
}

fn without_steps(history: &History) -> impl Iterator<Item = History> {
    (0..history.steps.len()).map(|left_out| {
        let mut fewer = history.clone();
        fewer.steps.remove(left_out);
        fewer
    })
}

fn without_facts(history: &History) -> impl Iterator<Item = History> {
    (0..history.steps.len()).flat_map(move |place| {
        let facts =
            if let Step::Event(_, extracted) = &history.steps[place] { extracted.facts.len() } else { 0 };
        let without_fact = (0..facts).map(move |left_out| {
            let mut fewer = history.clone();
            if let Step::Event(_, extracted) = &mut fewer.steps[place] {
                extracted.facts.remove(left_out);
            }
            fewer
        });
        let has_email = matches!(history.steps[place], Step::Claim(_, Some(_)));
        let without_email = has_email.then(|| {
            let mut fewer = history.clone();
            if let Step::Claim(_, email) = &mut fewer.steps[place] {
                *email = None;
            }
            fewer
        });
        without_fact.chain(without_email)
    })
}

fn simpler_setups(setup: &Setup) -> impl Iterator<Item = Setup> {
    let mut simpler = Vec::new();
    for place in 0..setup.versions.len() {
        let program = &setup.versions[place].program;
        if setup.versions.iter().filter(|version| version.program == *program).count() > 1 {
            let mut fewer = setup.clone();
            fewer.versions.remove(place);
            simpler.push(fewer);
        }
        for simplify in SIMPLER {
            let mut terms = setup.versions[place].terms.as_ref().clone();
            simplify(&mut terms);
            if terms != *setup.versions[place].terms && terms.clone().checked().is_ok() {
                let mut fewer = setup.clone();
                fewer.versions[place].terms = Arc::new(terms);
                simpler.push(fewer);
            }
        }
    }
    for (code, facts) in &setup.codes {
        let mut fewer = setup.clone();
        fewer.codes.remove(code);
        simpler.push(fewer);
        if facts.max_uses.is_some() || facts.versions.len() > 1 {
            let mut fewer = setup.clone();
            let facts = fewer.codes.get_mut(code).unwrap();
            if facts.versions.len() > 1 {
                facts.versions.pop();
            } else {
                facts.max_uses = None;
            }
            simpler.push(fewer);
        }
    }
    for (promoter, facts) in &setup.promoters {
        if !facts.emails.is_empty() {
            let mut fewer = setup.clone();
            fewer.promoters.get_mut(promoter).unwrap().emails.clear();
            simpler.push(fewer);
        }
    }
    simpler.into_iter()
}

/// Tells the smallest history that goes wrong, and fails.
pub fn fail(seed: u64, history: History, wrong: String) -> ! {
    let (History { setup, steps }, wrong) = shrink(history, wrong);
    let told = |step: &Step| {
        let Step::Event(event, extracted) = step else { return format!("{step:?}") };
        let facts: Vec<String> = extracted.facts.iter().map(|fact| format!("{fact:?}")).collect();
        format!("{event}, waits for {:?}:\n     {}", extracted.waits_for, facts.join("\n     "))
    };
    let steps: Vec<String> =
        (1..).zip(&steps).map(|(number, step)| format!("{number:3}. {}", told(step))).collect();
    let versions: Vec<String> = setup.versions.iter().map(|version| format!("  {version:?}")).collect();
    let codes: Vec<String> = setup.codes.iter().map(|code| format!("  {code:?}")).collect();
    let promoters: Vec<String> = setup.promoters.iter().map(|promoter| format!("  {promoter:?}")).collect();
    panic!(
        "{wrong}\nby these steps:\n{}\nwith the terms\n{}\nthe codes\n{}\nand the promoters\n{}\n\
         again: REFERRALD_TEST_SEED={seed} REFERRALD_TEST_HISTORIES=1",
        steps.join("\n"),
        versions.join("\n"),
        codes.join("\n"),
        promoters.join("\n"),
    );
}
