//! Checking the ledger against the facts: every sum is computed anew and compared.

use std::collections::BTreeSet;

use super::error::ServiceError;
use super::post_events::add_party;
use crate::domain::{Assessor, Book, Commission, InvoiceId, Party, book::Sums};
use crate::store::book::Wanted;
use crate::store::ledger;
use crate::store::{Database, StoreError, Txn, referrals};

/// Invoices checked at a time.
const PAGE: u64 = 500;
/// Referrals checked at a time, each with all invoices of its party.
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
    let txn = ledger::snapshot(db).await?;
    let mut report = Report::default();
    let mut after: Option<InvoiceId> = None;
    loop {
        let (ids, book) = ledger::page_of_invoices(&txn, after.as_ref(), PAGE).await?;
        let commissions = ledger::commissions(&txn, &ids).await?;
        let (mut assessor, mut parties) = (Assessor::new(&book), BTreeSet::new());
        for id in &ids {
            check_invoice(&book, &mut assessor, id, commissions.get(id), &mut report)?;
            parties.extend(book.party_of_invoice(id));
        }
        for party in parties.iter().filter(|party| !book.referrals.contains_key(party)) {
            if let Some(claim) = book.winner(party) {
                report.violate(format!("{party}: {} is valid but makes no referral", claim.id));
            }
        }
        check_parked(&book, &mut report);
        let Some(last) = ids.last() else { break };
        report.invoices = report.invoices.saturating_add(u64::try_from(ids.len()).unwrap_or(u64::MAX));
        progress(report.invoices);
        after = Some(last.clone());
    }
    for (code, uses) in ledger::codes_with_wrong_uses(&txn, PAGE).await? {
        report.violate(format!("code {code} says that {uses} uses were given, which is not what was given"));
    }
    for invoice in ledger::invoices_without_facts(&txn, PAGE).await? {
        report.violate(format!("{invoice} has entries but was never told to be paid"));
    }
    check_referrals(&txn, &mut report).await?;
    txn.rollback().await.map_err(StoreError::from)?;
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
    book: &Book,
    assessor: &mut Assessor<'_>,
    id: &InvoiceId,
    stored: Option<&Commission>,
    report: &mut Report,
) -> Result<(), ServiceError> {
    let Some(invoice) = book.invoice(id) else { return Ok(()) };
    let Some((assessment, referral)) = assessor.assess(id)? else { return Ok(()) };
    if invoice.conflict {
        report.conflicts.push(id.clone());
    }
    let empty = Sums::new();
    let posted = book.posted.get(id).unwrap_or(&empty);
    let mut targets = Book::targets(&assessment, referral, invoice.claim.currency);
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
    let expected = Commission {
        referral: referral.map(|referral| (referral.id.clone(), referral.promoter.clone())),
        currency: invoice.claim.currency,
        assessment,
    };
    if stored != Some(&expected) {
        report.violate(format!("{id}: its commission row is not what the facts say"));
    }
    Ok(())
}

/// All referrals, with all invoices of their parties.
async fn check_referrals(txn: &Txn, report: &mut Report) -> Result<(), ServiceError> {
    let mut after = None;
    loop {
        let found = referrals::list(txn, None, after.as_ref(), REFERRALS_PAGE).await?;
        let Some(last) = found.last() else { return Ok(()) };
        after = Some(last.id.clone());
        let mut wanted = Wanted { whole: true, ..Wanted::default() };
        for found in &found {
            add_party(&mut wanted.keys, &found.party);
        }
        let book = ledger::book_of(txn, &wanted).await?;
        for found in &found {
            check_referral(&book, &found.party, report)?;
            if book.parties.present(&found.party) != found.party {
                report.violate(format!("{}: {} is another party by now", found.id, found.party));
            }
        }
    }
}

/// A referral is the one that its strongest valid claim makes, with what it was given.
fn check_referral(book: &Book, party: &Party, report: &mut Report) -> Result<(), ServiceError> {
    let winner = book.winner(party);
    let Some(referral) = book.referrals.get(party) else { return Ok(()) };
    let id = &referral.id;
    let made_by = winner.map(|claim| &claim.id);
    if made_by != (!referral.void).then_some(&referral.claim) {
        report.violate(format!("{id}: the referral of {party} is not made by the claim that wins"));
    }
    if referral.void {
        return Ok(());
    }
    if book.grant(party, &referral.code).is_none() {
        report.violate(format!("{id}: no use of code {} was counted for {party}", referral.code));
    }
    if book.ordinal_of(party, &referral.promoter, &referral.program) != Some(referral.ordinal) {
        report.violate(format!("{id}: its ordinal is not the one that was given"));
    }
    if referral.held != book.looks_like(party, &referral.promoter) {
        report.violate(format!("{id}: whether it is held is not what the facts say"));
    }
    if book.qualified_differs(referral)? {
        report.violate(format!("{id}: the invoice by which it qualifies is not what the facts say"));
    }
    Ok(())
}

fn check_parked(book: &Book, report: &mut Report) {
    for (payment, events) in &book.parked {
        let settled = book.graph.invoices_of(payment).iter().any(|id| book.invoice(id).is_some());
        if settled {
            for event in events {
                report
                    .violate(format!("{event} is parked, but an invoice of its payment {payment} is known"));
            }
        }
    }
}
