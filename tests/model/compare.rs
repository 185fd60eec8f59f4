//! Tells a history to the state machine and to the model, and says where they differ.

use std::collections::{BTreeMap, BTreeSet};

use referrald::domain::catalog::NewCode;
use referrald::domain::inbox::Telling;
use referrald::domain::ledger::Stamp;
use referrald::domain::status::{CommissionStatus, ReferralStatus};
use referrald::domain::{
    Cause, Claim, Code, Customer, EventId, Fact, InvoiceId, Kind, LedgerEntry, MoneyError, NoCommission,
    ProgramKey, PromoterId, State, StripeCustomerId, SubscriptionId, TermsVersion, Timestamp, UnitOfWork,
};

use crate::history::Step;
use crate::model::{Figures, Model, ReferralFigures, Sums};
use crate::reading::{facts_of_lines, hash, read, telling_of};
use crate::setup::{CODES, LATE, LATE_PROMOTION, PROMOTION_CODES, Setup};

/// Whether subscriptions have ended, as events told it; the state machine only passes that on.
type Subscriptions = BTreeMap<(StripeCustomerId, SubscriptionId), bool>;

/// The ledger and what stands beside it.
struct Ledger {
    unit: UnitOfWork,
    subscriptions: Subscriptions,
}

impl Ledger {
    /// In memory, with what was set up, but not the code that is made late.
    fn new(setup: &Setup) -> Self {
        let mut state = State::whole();
        state.versions.clone_from(&setup.versions);
        let known = |code: &str| setup.codes.contains_key(code) && code != LATE;
        for (code, facts) in setup.codes.iter().filter(|(code, _)| known(code)) {
            state.codes.insert(Code::new(*code), facts.facts());
        }
        for (promotion, code) in PROMOTION_CODES.into_iter().filter(|(_, code)| known(code)) {
            state.promotion_codes.insert(Code::promotion(promotion), Code::new(code));
        }
        for (promoter, facts) in &setup.promoters {
            state.promoters.insert(PromoterId::new(*promoter), facts.facts());
        }
        // As the store does it for groups with limited slots.
        for (_, promoter, program) in CODES {
            state.add_slots((PromoterId::new(promoter), ProgramKey::new(program)), BTreeMap::new());
        }
        Self { unit: UnitOfWork::over(&state, Stamp::default()), subscriptions: Subscriptions::new() }
    }

    /// What the daemon does with a step; what it refuses or knows already changes nothing.
    fn apply(&mut self, setup: &Setup, step: &Step) -> Result<(), MoneyError> {
        let unit = &mut self.unit;
        match step {
            Step::Event(event) => {
                let extracted = read(event);
                for fact in &extracted.facts {
                    if let Fact::Subscription { subscription, stripe_customer, ended } = fact {
                        let key = (stripe_customer.clone(), subscription.clone());
                        *self.subscriptions.entry(key).or_default() |= *ended;
                    }
                }
                unit.apply(&telling_of(event), &extracted).map(drop)
            }
            Step::Claim(claim, email) => unit.refer(Claim::clone(claim), email.map(hash)),
            Step::Bind(customer, user) => unit.bind(customer.clone(), user.clone()),
            Step::Review(customer, promoter, review) => {
                let customer = unit.state().customers.present(customer);
                unit.review(&customer, promoter, review.clone())
            }
            Step::LearnOfPromoter(promoter, email) => unit.learn_of_promoter(promoter, hash(*email)),
            Step::MakeLateCode => {
                let Some(facts) = setup.codes.get(LATE) else { return Ok(()) };
                let new = NewCode { code: Code::new(LATE), facts: facts.facts() };
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
            Step::Carry(promotion, code) => {
                if unit.state().codes.contains_key(code) {
                    unit.carry(&Code::promotion(*promotion), code);
                    unit.judge_again(code)?;
                }
                Ok(())
            }
            Step::ReadLines(invoice, lines) => {
                let id = InvoiceId::new(invoice);
                let Some(known) = unit.state().invoice(&id) else { return Ok(()) };
                let telling = Telling::from(known.snapshot.event.clone());
                unit.apply(&telling, &facts_of_lines(id, lines)).map(drop)
            }
            Step::Limit(code, max_uses) => {
                unit.limit_code(code, *max_uses);
                Ok(())
            }
        }
    }

    /// What was posted, without the sums that are zero.
    fn posted(&self) -> Sums {
        let mut sums = Sums::new();
        for entry in self.unit.entries() {
            let (invoice, promoter) = (entry.invoice.clone(), entry.promoter.clone());
            let key = (invoice, promoter, entry.currency, entry.kind, entry.available_at.unix());
            *sums.entry(key).or_default() += i128::from(entry.amount_minor);
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }

    /// What the ledger says, in the form of the model. An invoice whose reason was stored otherwise is an error.
    fn figures(&self, setup: &Setup) -> Result<Figures, String> {
        let state = self.unit.state();
        let now = Timestamp::from_unix(setup.looked_at());
        let mut figures = Figures { sums: self.posted(), ..Figures::default() };
        let mut assessor = state.assessor();
        for invoice in state.invoice_ids() {
            let assessed = assessor.assess(invoice).map_err(|error| error.to_string())?;
            let Some((assessment, _)) = assessed else { continue };
            let stored = self.unit.commission(invoice).map(|stored| stored.assessment.reason);
            let has_entry = self.unit.entries().iter().any(|entry| entry.invoice == *invoice);
            let is_right = match assessment.reason {
                // No row, unless something was posted for it.
                Some(NoCommission::NotReferred) if stored.is_none() => !has_entry,
                reason => stored == Some(reason),
            };
            if !is_right {
                return Err(format!("{invoice} has {:?}, stored is {stored:?}", assessment.reason));
            }
            let status = CommissionStatus::of(state, invoice, &assessment, now);
            figures.statuses.insert(invoice.clone(), status.as_str());
            figures.reasons.insert(invoice.clone(), assessment.reason);
            let is_in_conflict = state.invoice(invoice).is_some_and(|paid| paid.conflict);
            figures.conflicts.extend(is_in_conflict.then(|| invoice.clone()));
            let has_unseen = state.invoice(invoice).is_some_and(|paid| paid.snapshot.lines.more);
            figures.unseen_lines.extend(has_unseen.then(|| invoice.clone()));
        }
        for (customer, referral) in state.referrals.iter().filter(|(_, referral)| !referral.void) {
            let status = ReferralStatus::of(state, referral, &self.subscriptions_of(customer));
            let told = ReferralFigures {
                promoter: referral.promoter.to_string(),
                program: referral.program.to_string(),
                code: referral.code.to_string(),
                claimed_at: referral.claimed_at.unix(),
                status: status.map_err(|error| error.to_string())?.as_str(),
            };
            figures.referrals.insert(customer.clone(), told);
        }
        Ok(figures)
    }

    fn subscriptions_of(&self, customer: &Customer) -> Vec<bool> {
        let customers = &self.unit.state().customers;
        let mut own: BTreeMap<&SubscriptionId, bool> = BTreeMap::new();
        for ((name, subscription), ended) in &self.subscriptions {
            if customers.customer_named(name) == *customer {
                *own.entry(subscription).or_default() |= *ended;
            }
        }
        own.into_values().collect()
    }

    fn numbers(&self) -> BTreeMap<Customer, u32> {
        let referrals = self.unit.state().referrals.iter().filter(|(_, referral)| !referral.void);
        referrals.filter_map(|(customer, of)| Some((customer.clone(), of.referral_number?))).collect()
    }
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

/// The only invoice that an event says anything about, when it says nothing else.
fn only_invoice(step: &Step) -> Option<(EventId, InvoiceId)> {
    let Step::Event(event) = step else { return None };
    match read(event).facts.as_slice() {
        [Fact::InvoicePaid { invoice, .. }] => Some((EventId::new(&event.id), invoice.clone())),
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
    if entries.is_empty() {
        return None;
    }
    let (event, invoice) = only_invoice(step)?;
    for entry in entries {
        let expected = if entry.invoice == invoice {
            Cause::Event(event.clone())
        } else if model.money.share_a_payment(invoice.as_str(), entry.invoice.as_str()) {
            continue;
        } else {
            *superseded += 1;
            Cause::Superseded(invoice.clone())
        };
        if entry.cause != expected {
            return Some(format!("{entry:?} should have the cause {expected}"));
        }
    }
    None
}

/// Tells the steps to the state machine and compares it with the model after every one, since what was told so far is a
/// history too. `None` when they agree. Counts entries that another invoice caused.
pub fn difference(setup: &Setup, steps: &[Step], superseded: &mut usize) -> Option<String> {
    let (mut ledger, mut model) = (Ledger::new(setup), Model::new(setup));
    for (number, step) in (1..).zip(steps) {
        let entries_before = ledger.unit.entries().len();
        if let Err(error) = ledger.apply(setup, step) {
            return Some(format!("step {number}: {error}"));
        }
        model.hear(step);
        let entries = &ledger.unit.entries()[entries_before..];
        if let Some(wrong) =
            wrong_step(setup, &ledger, &model).or_else(|| wrong_cause(step, entries, &model, superseded))
        {
            return Some(format!("step {number}: {wrong}"));
        }
    }
    None
}

fn wrong_step(setup: &Setup, ledger: &Ledger, model: &Model) -> Option<String> {
    let expected = model.figures();
    let found = match ledger.figures(setup) {
        Ok(found) => found,
        Err(wrong) => return Some(wrong),
    };
    if found.sums != expected.sums {
        let (found, expected) = (shown(&found.sums), shown(&expected.sums));
        return Some(format!("the ledger has\n{found}\nthe model has\n{expected}"));
    }
    out_of_bounds(&found.sums)
        .or_else(|| differs("reasons", &found.reasons, &expected.reasons))
        .or_else(|| differs("statuses of commissions", &found.statuses, &expected.statuses))
        .or_else(|| differs("conflicts", &found.conflicts, &expected.conflicts))
        .or_else(|| differs("unseen lines", &found.unseen_lines, &expected.unseen_lines))
        .or_else(|| differs("referrals", &found.referrals, &expected.referrals))
        .or_else(|| differs("numbers", &ledger.numbers(), &model.numbers()))
        .or_else(|| differs("uses", &uses(ledger), &model.people.all_uses()))
        .or_else(|| wrong_waiting(ledger, model))
}

fn differs<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Option<String> {
    (found != expected).then(|| format!("{what}: the ledger has\n{found:?}\nthe model has\n{expected:?}"))
}

fn uses(ledger: &Ledger) -> BTreeMap<Code, u32> {
    ledger.unit.state().codes.iter().map(|(code, facts)| (code.clone(), facts.uses)).collect()
}

/// What is wrong with the events that wait for an invoice, or have been given up.
fn wrong_waiting(ledger: &Ledger, model: &Model) -> Option<String> {
    let state = ledger.unit.state();
    let waiting = state.parked.iter().chain(&state.no_invoice);
    let waiting = waiting.flat_map(|(payment, tellings)| {
        tellings
            .iter()
            .map(|telling| (payment.to_string(), telling.id.to_string(), telling.api_version.clone()))
    });
    let waiting: BTreeSet<_> = waiting.collect();
    let wrong = differs("waiting events", &waiting, &model.waiting);
    let in_vain = state
        .parked
        .iter()
        .find(|(payment, tellings)| !tellings.is_empty() && model.money.has_no_invoice(payment.as_str()));
    wrong.or_else(|| in_vain.map(|(payment, tellings)| format!("{tellings:?} wait for {payment} in vain")))
}
