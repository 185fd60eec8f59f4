//! Makes a history on which the ledger and the model differ as small as it gets, and tells it.

use std::collections::BTreeMap;
use std::sync::Arc;

use referrald::domain::{BasisPoints, Recurrence, Reward, Terms, TiersBy};

use crate::compare::difference;
use crate::history::{History, Step};
use crate::setup::Setup;
use crate::told::{Charge, Checkout, Event, Invoice, PaidBy, Said};

/// What is left out of terms, one thing at a time.
const SIMPLER: [fn(&mut Terms); 16] = [
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
    |terms| terms.exclude_shipping = false,
    |terms| terms.new_customers_only = false,
    |terms| terms.tiers_by = TiersBy::Customers,
    |terms| terms.hold_days = 0,
];

/// Leaves out steps, then facts of events, then what was set up, as long as the ledger still differs from the model.
fn shrink(mut history: History, mut wrong: String) -> (History, String) {
    loop {
        let smaller = without_steps(&history)
            .chain(simpler_steps(&history))
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

/// Events that say less, one thing at a time.
fn simpler_steps(history: &History) -> impl Iterator<Item = History> {
    (0..history.steps.len()).flat_map(move |place| {
        let simpler: Vec<Step> = match &history.steps[place] {
            Step::Event(event) => simpler_events(event).into_iter().map(Step::Event).collect(),
            Step::Claim(claim, Some(_)) => vec![Step::Claim(claim.clone(), None)],
            _ => Vec::new(),
        };
        simpler.into_iter().map(move |step| {
            let mut fewer = history.clone();
            fewer.steps[place] = step;
            fewer
        })
    })
}

fn simpler_events(event: &Event) -> Vec<Event> {
    let mut simpler: Vec<Said> = Vec::new();
    match &event.said {
        Said::Invoice(invoice) => {
            let simplify: [fn(&mut Invoice); 16] = [
                |invoice| invoice.payment_succeeded = None,
                |invoice| invoice.metadata.clear(),
                |invoice| invoice.snapshot.clear(),
                |invoice| invoice.older_snapshot.clear(),
                |invoice| drop(invoice.promotions.pop()),
                |invoice| invoice.email = None,
                |invoice| invoice.subscription = None,
                |invoice| invoice.shipping = None,
                |invoice| drop(invoice.lines.pop()),
                |invoice| invoice.lines.iter_mut().for_each(|line| line.discounts.clear()),
                |invoice| invoice.more_lines = false,
                |invoice| invoice.tax = None,
                |invoice| invoice.excluding_tax = None,
                |invoice| invoice.total = invoice.amount_paid,
                |invoice| invoice.by_hand = 0,
                |invoice| invoice.paid_by = PaidBy::default(),
            ];
            for simplify in simplify {
                let mut invoice = invoice.clone();
                simplify(&mut invoice);
                simpler.push(Said::Invoice(invoice));
            }
        }
        Said::Charge(charge) => {
            let simplify: [fn(&mut Charge); 5] = [
                |charge| drop(charge.refunds.pop()),
                |charge| charge.invoice = None,
                |charge| charge.refunded = 0,
                |charge| charge.captured = None,
                |charge| charge.succeeded = true,
            ];
            for simplify in simplify {
                let mut charge = charge.clone();
                simplify(&mut charge);
                simpler.push(Said::Charge(charge));
            }
        }
        Said::Dispute(dispute) => {
            let mut dispute = dispute.clone();
            dispute.transactions.pop();
            simpler.push(Said::Dispute(dispute));
        }
        Said::Customer(customer) => {
            let (mut without_email, mut without_codes) = (customer.clone(), customer.clone());
            without_email.email = None;
            without_codes.metadata.pop();
            simpler.extend([Said::Customer(without_email), Said::Customer(without_codes)]);
        }
        Said::Checkout(session) => {
            let simplify: [fn(&mut Checkout); 4] = [
                |session| session.reference = None,
                |session| drop(session.metadata.pop()),
                |session| drop(session.promotions.pop()),
                |session| session.email = None,
            ];
            for simplify in simplify {
                let mut session = session.clone();
                simplify(&mut session);
                simpler.push(Said::Checkout(session));
            }
        }
        Said::Subscription(subscription) => {
            let mut subscription = subscription.clone();
            subscription.metadata.pop();
            simpler.push(Said::Subscription(subscription));
        }
        Said::Link(_) | Said::Refund(_) | Said::CreditNote(_) | Said::Discount { .. } => {}
    }
    let shown = |said: &Said| format!("{said:?}");
    simpler.retain(|said| shown(said) != shown(&event.said));
    let version = "2026-09-30.endive";
    let newest = (event.version != version).then(|| event.clone().in_version(version));
    let simpler = simpler.into_iter().map(|said| Event { said, ..event.clone() });
    newest.into_iter().chain(simpler).collect()
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
        if !facts.addresses.is_empty() {
            let mut fewer = setup.clone();
            fewer.promoters.get_mut(promoter).unwrap().addresses.clear();
            simpler.push(fewer);
        }
    }
    simpler.into_iter()
}

/// Tells the smallest history that goes wrong, and fails.
pub fn fail(seed: u64, history: History, wrong: String) -> ! {
    let (History { setup, steps }, wrong) = shrink(history, wrong);
    let steps: Vec<String> =
        (1..).zip(&steps).map(|(number, step)| format!("{number:3}. {step:?}")).collect();
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
