//! Tells a history to a book and to the model, and says where they differ.

use std::collections::BTreeMap;

use referrald::domain::{
    Assessor, Book, Cause, Claim, Code, CodeFacts, EventId, Extracted, Fact, InvoiceId, Kind, LedgerEntry,
    MoneyError, NoCommission, ProgramKey, PromoterId,
};

use crate::history::Step;
use crate::model::{Model, Sums};
use crate::setup::{CODES, LATE, LATE_PROMOTION, PROMOTION_CODES, Setup};

/// A book that knows what was set up, but not the code that is made late.
fn book(setup: &Setup) -> Book {
    let mut book = Book::default();
    book.versions.clone_from(&setup.versions);
    let known = |code: &str| setup.codes.contains_key(&Code::new(code)) && code != LATE;
    for (code, facts) in setup.codes.iter().filter(|(code, _)| known(code.as_str())) {
        book.codes.insert(code.clone(), facts.clone());
    }
    for (promotion, code) in PROMOTION_CODES.into_iter().filter(|(_, code)| known(code)) {
        book.promotion_codes.insert(Code::new(promotion), Code::new(code));
    }
    book.promoters.clone_from(&setup.promoters);
    // As the store does it for groups with limited places.
    for (_, promoter, program) in CODES {
        let group = (PromoterId::new(promoter), ProgramKey::new(program));
        book.take_standing(group, BTreeMap::new());
    }
    book
}

/// What the daemon does with a step; what it refuses or knows already changes nothing.
fn apply(setup: &Setup, book: &mut Book, step: &Step) -> Result<(), MoneyError> {
    match step {
        Step::Event(event, reduced) => book.apply(event, reduced).map(drop),
        Step::Claim(claim, email) => book.refer(Claim::clone(claim), *email),
        Step::Bind(stripe_customer, user) => book.bind(stripe_customer.clone(), user.clone()),
        Step::Rule(customer, promoter, review) => {
            let customer = book.customers.present(customer);
            book.rule(&customer, promoter, review.clone())
        }
        Step::LearnOfPromoter(promoter, email) => book.learn_of_promoter(promoter, *email),
        Step::MakeLateCode => {
            let late = Code::new(LATE);
            let Some(facts) = setup.codes.get(&late) else { return Ok(()) };
            if book.codes.contains_key(&late) {
                return Ok(());
            }
            book.codes.insert(late.clone(), CodeFacts::clone(facts));
            book.promotion_codes.insert(Code::new(LATE_PROMOTION), late.clone());
            book.judge_again(&late).map(drop)
        }
        Step::AddTerms(version) => {
            if book.versions.iter().any(|known| known.id == version.id) {
                return Ok(());
            }
            book.versions.push(version.clone());
            book.judge_since(version.valid_from).map(drop)
        }
        Step::AddCodeVersion(code, version) => match book.codes.get_mut(code) {
            Some(facts) if facts.versions.iter().all(|known| known.id != version.id) => {
                facts.versions.push(*version);
                book.judge_since(version.valid_from).map(drop)
            }
            Some(_) | None => Ok(()),
        },
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

/// Why every paid invoice earns nothing: as it is worked out now, and as it was stored.
type Reasons = BTreeMap<InvoiceId, (Option<NoCommission>, Option<Option<NoCommission>>)>;

fn reasons(book: &Book) -> Result<Reasons, MoneyError> {
    let mut assessor = Assessor::new(book);
    let mut reasons = Reasons::new();
    for invoice in book.invoice_ids() {
        if let Some((assessment, _)) = assessor.assess(invoice)? {
            let stored = book.changes.commissions.get(invoice);
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

/// Tells the steps to a book and compares it with the model after every one, since what was told so far is a history
/// too. `None` when they agree. Counts entries that another invoice caused.
pub fn difference(setup: &Setup, steps: &[Step], superseded: &mut usize) -> Option<String> {
    let (mut book, mut model) = (book(setup), Model::new(setup));
    for (number, step) in (1..).zip(steps) {
        let entries_before = book.changes.entries.len();
        if let Err(error) = apply(setup, &mut book, step) {
            return Some(format!("step {number}: {error}"));
        }
        model.hear(step);
        if let Some(wrong) = wrong_step(&book, &model)
            .or_else(|| wrong_cause(step, &book.changes.entries[entries_before..], &model, superseded))
        {
            return Some(format!("step {number}: {wrong}"));
        }
    }
    None
}

fn wrong_step(book: &Book, model: &Model) -> Option<String> {
    let (found, expected) = (posted(book), model.figures());
    if found != expected.sums {
        let (found, expected) = (shown(&found), shown(&expected.sums));
        return Some(format!("the book has\n{found}\nthe model has\n{expected}"));
    }
    if let Some(wrong) = out_of_bounds(&found) {
        return Some(wrong);
    }
    let uses: BTreeMap<Code, u32> =
        book.codes.iter().map(|(code, facts)| (code.clone(), facts.uses)).collect();
    let expected_uses = model.people.all_uses();
    if uses != expected_uses {
        return Some(format!("the book has given uses {uses:?}, the model {expected_uses:?}"));
    }
    match reasons(book) {
        Err(error) => return Some(error.to_string()),
        Ok(reasons) => {
            for (invoice, reason) in &expected.reasons {
                let found = reasons.get(invoice).copied();
                if found != Some((*reason, Some(*reason))) {
                    return Some(format!(
                        "{invoice} earns nothing for (assessed, stored) {found:?} in the book, {reason:?} in the model"
                    ));
                }
            }
        }
    }
    let mut parked = book.parked.iter().filter(|(_, events)| !events.is_empty());
    let (payment, events) = parked.find(|(payment, _)| model.money.pays_a_known_invoice(payment))?;
    Some(format!("{events:?} stay parked, though {payment} pays a known invoice"))
}
