//! Checking the ledger against the facts: every sum is computed anew and compared.

use std::collections::BTreeSet;

use crate::domain::entries::Earner;
use crate::domain::ledger::{Needs, State, Sums, targets};
use crate::domain::{Assessor, Commission, Customer, InvoiceId};
use crate::service::ServiceError;
use crate::store::snapshot::Snapshot;
use crate::store::{Database, codes, commissions, entries, referrals};

/// Invoices checked at a time.
const PAGE: u64 = 500;
/// Referrals checked at a time, each with all invoices of its customer.
const REFERRALS_PAGE: u64 = 200;
/// Violations reported at most; one is enough to stop paying.
const VIOLATIONS_LIMIT: usize = 100;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Paid invoices checked.
    pub invoices: u64,
    /// What does not hold, the first ones, in sentences.
    pub violations: Vec<String>,
    /// Invoices about which events contradicted each other.
    pub conflicts: Vec<InvoiceId>,
}

/// Checks the whole ledger in one snapshot, calling `progress` with the number of invoices checked so far.
///
/// # Errors
/// [`ServiceError`] when the database is away, or a row cannot be read.
pub async fn verify(db: &Database, progress: impl Fn(u64) + Send) -> Result<Report, ServiceError> {
    let mut snapshot = Snapshot::of(db).await?;
    let mut report = Report::default();
    let mut after: Option<InvoiceId> = None;
    loop {
        let ids = snapshot.invoice_ids(after.as_ref(), PAGE).await?;
        let needs = Needs { invoices: ids.iter().cloned().collect(), ..Needs::default() };
        let state = snapshot.load(needs).await?;
        let commissions = commissions::of(&snapshot.txn, &ids).await?;
        let (mut assessor, mut customers) = (state.assessor(), BTreeSet::new());
        for id in &ids {
            check_invoice(&state, &mut assessor, id, commissions.get(id), &mut report)?;
            customers.extend(state.customer_of_invoice(id));
        }
        for customer in customers.iter().filter(|customer| !state.referrals.contains_key(customer)) {
            if let Some(claim) = state.winner(customer) {
                report.violate(format!("{customer}: {} is valid but makes no referral", claim.id));
            }
        }
        check_parked(&state, &mut report);
        let Some(last) = ids.last() else { break };
        report.invoices = report.invoices.saturating_add(u64::try_from(ids.len()).unwrap_or(u64::MAX));
        progress(report.invoices);
        after = Some(last.clone());
    }
    for (code, uses) in codes::with_wrong_uses(&snapshot.txn, PAGE).await? {
        report.violate(format!("code {code} says that {uses} uses were given, which is not what was given"));
    }
    for invoice in entries::invoices_without_facts(&snapshot.txn, PAGE).await? {
        report.violate(format!("{invoice} has entries but no event reports it as paid"));
    }
    check_referrals(&mut snapshot, &mut report).await?;
    snapshot.end().await?;
    Ok(report)
}

impl Report {
    /// True when everything holds.
    pub const fn holds(&self) -> bool {
        self.violations.is_empty()
    }

    fn violate(&mut self, violation: String) {
        if self.violations.len() < VIOLATIONS_LIMIT {
            self.violations.push(violation);
        }
    }
}

fn check_invoice(
    state: &State,
    assessor: &mut Assessor<'_>,
    id: &InvoiceId,
    stored: Option<&Commission>,
    report: &mut Report,
) -> Result<(), ServiceError> {
    let Some(invoice) = state.invoice(id) else { return Ok(()) };
    let Some((assessment, referral)) = assessor.assess(id)? else { return Ok(()) };
    if invoice.conflict {
        report.conflicts.push(id.clone());
    }
    if assessment.reason.is_none() && referral.is_some_and(|referral| referral.referral_number.is_none()) {
        report.violate(format!("{id}: it earns, but its referral was given no number"));
    }
    let empty = Sums::new();
    let posted = state.posted.get(id).unwrap_or(&empty);
    let mut targets = targets(&assessment, referral, invoice.snapshot.currency);
    for key in posted.keys() {
        targets.entry(key.clone()).or_insert(0);
    }
    for (key, target) in targets {
        let sum = posted.get(&key).copied().unwrap_or(0);
        if sum != target {
            let (promoter, currency, kind, available_at) = key;
            let (kind, is, should) = (kind.as_str(), currency.display(sum), currency.display(target));
            report.violate(format!(
                "{id}: {kind} of {promoter} available at {available_at} is {is}, but the facts say {should}"
            ));
        }
    }
    let expected =
        Commission { earner: referral.map(Earner::of), currency: invoice.snapshot.currency, assessment };
    let goes_without = stored.is_none() && expected.assessment.is_not_referred() && posted.is_empty();
    if !goes_without && stored != Some(&expected) {
        report.violate(format!("{id}: its commission row is not what the facts say"));
    }
    Ok(())
}

/// All referrals, with all invoices of their customers.
async fn check_referrals(snapshot: &mut Snapshot, report: &mut Report) -> Result<(), ServiceError> {
    let mut after = None;
    loop {
        let found =
            referrals::list(&snapshot.txn, &referrals::Filter::default(), after.as_ref(), REFERRALS_PAGE)
                .await?;
        let Some(last) = found.last() else { return Ok(()) };
        after = Some(last.id.clone());
        let whole = found.iter().map(|found| found.customer.clone()).collect();
        let state = snapshot.load(Needs { all_invoices_of: whole, ..Needs::default() }).await?;
        for found in &found {
            check_referral(&state, &found.customer, report)?;
            if state.customers.present(&found.customer) != found.customer {
                report.violate(format!("{}: {} is another customer by now", found.id, found.customer));
            }
        }
    }
}

/// A referral is the one that its strongest valid claim makes, with what it was given.
fn check_referral(state: &State, customer: &Customer, report: &mut Report) -> Result<(), ServiceError> {
    let winner = state.winner(customer);
    let Some(referral) = state.referrals.get(customer) else { return Ok(()) };
    let id = &referral.id;
    let made_by = winner.map(|claim| &claim.id);
    if made_by != (!referral.void).then_some(&referral.claim) {
        report.violate(format!("{id}: the referral of {customer} is not made by the claim that wins"));
    }
    if referral.void {
        return Ok(());
    }
    if !state.has_redeemed(customer, &referral.code) {
        report.violate(format!("{id}: no use of code {} was counted for {customer}", referral.code));
    }
    let group = (referral.promoter.clone(), referral.program.clone());
    if state.referral_number_of(customer, &group) != referral.referral_number {
        report.violate(format!("{id}: its number is not the one that was given"));
    }
    if referral.held != state.looks_like(customer, &referral.promoter) {
        report.violate(format!("{id}: whether it is held is not what the facts say"));
    }
    if state.qualified_differs(referral)? {
        report.violate(format!("{id}: the invoice by which it qualifies is not what the facts say"));
    }
    Ok(())
}

fn check_parked(state: &State, report: &mut Report) {
    for (payment, events) in state.parked.iter().chain(&state.no_invoice) {
        let settled = state.payments.invoices_of(payment).iter().any(|id| state.invoice(id).is_some());
        if settled {
            for event in events {
                report.violate(format!(
                    "{event} still waits, but an invoice of its payment {payment} is known"
                ));
            }
        }
    }
}
