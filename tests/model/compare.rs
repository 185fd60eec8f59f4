//! Tells a history to the state machine and to the model, and says where they differ.

use std::collections::BTreeMap;

use referrald::domain::catalog::NewCode;
use referrald::domain::ledger::Stamp;
use referrald::domain::{
    Cause, Claim, Code, EventId, Extracted, Fact, InvoiceId, Kind, LedgerEntry, MoneyError, NoCommission,
    ProgramKey, PromoterId, State, TermsVersion, UnitOfWork,
};

use crate::history::Step;
use crate::model::{Model, Sums};
use crate::setup::{CODES, LATE, LATE_PROMOTION, PROMOTION_CODES, Setup};

/// A ledger in memory that knows what was set up, but not the code that is made late.
fn ledger(setup: &Setup) -> UnitOfWork {
    let mut state = State::whole();
    state.versions.clone_from(&setup.versions);
    let known = |code: &str| setup.codes.contains_key(&Code::new(code)) && code != LATE;
    for (code, facts) in setup.codes.iter().filter(|(code, _)| known(code.as_str())) {
        state.codes.insert(code.clone(), facts.clone());
    }
    for (promotion, code) in PROMOTION_CODES.into_iter().filter(|(_, code)| known(code)) {
        state.promotion_codes.insert(Code::promotion(promotion), Code::new(code));
    }
    state.promoters.clone_from(&setup.promoters);
    // As the store does it for groups with limited slots.
    for (_, promoter, program) in CODES {
        state.add_slots((PromoterId::new(promoter), ProgramKey::new(program)), BTreeMap::new());
    }
    UnitOfWork::over(&state, Stamp::default())
}

/// What the daemon does with a step; what it refuses or knows already changes nothing.
fn apply(setup: &Setup, unit: &mut UnitOfWork, step: &Step) -> Result<(), MoneyError> {
    match step {
        Step::Event(event, extracted) => unit.apply(&event.clone().into(), extracted).map(drop),
        Step::Claim(claim, email) => unit.refer(Claim::clone(claim), *email),
        Step::Bind(customer, user) => unit.bind(customer.clone(), user.clone()),
        Step::Review(customer, promoter, review) => {
            let customer = unit.state().customers.present(customer);
            unit.review(&customer, promoter, review.clone())
        }
        Step::LearnOfPromoter(promoter, email) => unit.learn_of_promoter(promoter, *email),
        Step::MakeLateCode => {
            let late = Code::new(LATE);
            let Some(facts) = setup.codes.get(&late).cloned() else { return Ok(()) };
            let new = NewCode { code: late, facts };
            unit.create_code(new, Some(&Code::promotion(LATE_PROMOTION))).map(drop)
        }
        Step::AddTerms(version) => {
            let is_it = |known: &TermsVersion| known.id == version.id;
            if unit.state().versions.iter().any(is_it) {
                return Ok(());
            }
            unit.state_mut().versions.push(version.clone());
            unit.judge_since(version.valid_from).map(drop)
        }
        Step::AddCodeVersion(code, version) => match unit.state_mut().codes.get_mut(code) {
            Some(facts) if facts.versions.iter().all(|known| known.id != version.id) => {
                facts.versions.push(*version);
                unit.judge_since(version.valid_from).map(drop)
            }
            Some(_) | None => Ok(()),
        },
    }
}

/// What was posted, without the sums that are zero.
fn posted(unit: &UnitOfWork) -> Sums {
    let mut sums = Sums::new();
    for entry in unit.entries() {
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

/// Why every paid invoice earns nothing: as it is worked out now, and as it was stored.
type Reasons = BTreeMap<InvoiceId, (Option<NoCommission>, Option<Option<NoCommission>>)>;

fn reasons(unit: &UnitOfWork) -> Result<Reasons, MoneyError> {
    let mut assessor = unit.state().assessor();
    let mut reasons = Reasons::new();
    for invoice in unit.state().invoice_ids() {
        if let Some((assessment, _)) = assessor.assess(invoice)? {
            let stored = unit.commission(invoice);
            let stored = stored.map(|commission| commission.assessment.reason);
            reasons.insert(invoice.clone(), (assessment.reason, stored));
        }
    }
    Ok(reasons)
}

/// The only invoice that an event says anything about, when it says nothing else.
fn only_invoice(step: &Step) -> Option<(&EventId, &InvoiceId)> {
    let Step::Event(event, Extracted { facts, .. }) = step else { return None };
    match facts.as_slice() {
        [Fact::InvoicePaid { invoice, .. }] => Some((event, invoice)),
        _ => None,
    }
}

/// What is wrong with the causes of the entries of a step. When it was about one invoice alone, it caused the entries of
/// this one, and those of any other were posted because this one took or left a place; unless one payment pays both.
fn wrong_cause(
    step: &Step,
    entries: &[LedgerEntry],
    model: &Model,
    superseded: &mut usize,
) -> Option<String> {
    let (event, invoice) = only_invoice(step)?;
    for entry in entries {
        let expected = if entry.invoice == *invoice {
            Cause::Event(event.clone())
        } else if model.money.share_a_payment(invoice, &entry.invoice) {
            continue;
        } else {
            *superseded += 1;
            Cause::Superseded(invoice.clone())
        };
        if entry.cause != expected {
            return Some(format!("{entry:?} should have the cause {}", expected.to_text()));
        }
    }
    None
}

/// Tells the steps to the state machine and compares it with the model after every one, since what was told so far is a history
/// too. `None` when they agree. Counts entries that another invoice caused.
pub fn difference(setup: &Setup, steps: &[Step], superseded: &mut usize) -> Option<String> {
    let (mut unit, mut model) = (ledger(setup), Model::new(setup));
    for (number, step) in (1..).zip(steps) {
        let entries_before = unit.entries().len();
        if let Err(error) = apply(setup, &mut unit, step) {
            return Some(format!("step {number}: {error}"));
        }
        model.hear(step);
        if let Some(wrong) = wrong_step(&unit, &model)
            .or_else(|| wrong_cause(step, &unit.entries()[entries_before..], &model, superseded))
        {
            return Some(format!("step {number}: {wrong}"));
        }
    }
    None
}

fn wrong_step(unit: &UnitOfWork, model: &Model) -> Option<String> {
    let (found, expected) = (posted(unit), model.figures());
    if found != expected.sums {
        let (found, expected) = (shown(&found), shown(&expected.sums));
        return Some(format!("the ledger has\n{found}\nthe model has\n{expected}"));
    }
    if let Some(wrong) = out_of_bounds(&found) {
        return Some(wrong);
    }
    let uses: BTreeMap<Code, u32> =
        unit.state().codes.iter().map(|(code, facts)| (code.clone(), facts.uses)).collect();
    let expected_uses = model.people.all_uses();
    if uses != expected_uses {
        return Some(format!("the ledger has given uses {uses:?}, the model {expected_uses:?}"));
    }
    match reasons(unit) {
        Err(error) => return Some(error.to_string()),
        Ok(reasons) => {
            for (invoice, reason) in &expected.reasons {
                let found = reasons.get(invoice).copied();
                if found != Some((*reason, Some(*reason))) {
                    return Some(format!(
                        "{invoice} earns nothing for (assessed, stored) {found:?} in the ledger, {reason:?} in the model"
                    ));
                }
            }
        }
    }
    let mut parked = unit.state().parked.iter().filter(|(_, events)| !events.is_empty());
    let (payment, events) = parked.find(|(payment, _)| model.money.pays_a_known_invoice(payment))?;
    Some(format!("{events:?} stay parked, though {payment} pays a known invoice"))
}
