//! Referrals and commissions as they are shown: with everything that is derived.

use std::collections::BTreeSet;

use super::error::ServiceError;
use super::post_events::add_party;
use crate::domain::{
    Assessment, Assessor, Book, CommissionStatus, CustomerId, InvoiceId, PaidInvoice, Party, PromoterId,
    Referral, ReferralId, ReferralStatus, Timestamp, UserId,
};
use crate::store::book::Wanted;
pub use crate::store::ledger::CommissionFilter;
use crate::store::ledger::{self, About, EntryView};
use crate::store::referrals::{self, Found};
use crate::store::{Database, StoreError, Txn};

/// Entries of one invoice that are shown.
const ENTRIES_LIMIT: u64 = 1_000;
/// Commissions looked at for one page of a list that is filtered by status.
const SCAN_LIMIT: u64 = 2_000;

/// A referral as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferralView {
    /// The referral.
    pub referral: Referral,
    /// The Stripe customers of its party, under all their names.
    pub customers: BTreeSet<CustomerId>,
    /// Where it stands.
    pub status: ReferralStatus,
}

/// A commission as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommissionView {
    /// The invoice.
    pub id: InvoiceId,
    /// What is known of it.
    pub invoice: PaidInvoice,
    /// The figures, assessed anew from the facts.
    pub assessment: Assessment,
    /// The referral that earns.
    pub referral: Option<Referral>,
    /// Where it stands.
    pub status: CommissionStatus,
}

/// The referral of an id, or the one that it became one with; `None` when there is none.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn referral(db: &Database, id: &str) -> Result<Option<ReferralView>, ServiceError> {
    let txn = ledger::snapshot(db).await?;
    let found = referrals::find(&txn, id).await?;
    Ok(referral_views(txn, found.into_iter().collect()).await?.pop())
}

/// The referral of a user of the host; `None` when nobody referred it.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn referral_of_user(db: &Database, user: &str) -> Result<Option<ReferralView>, ServiceError> {
    let txn = ledger::snapshot(db).await?;
    let found = referrals::of_party(&txn, &Party::User(UserId::new(user))).await?;
    Ok(referral_views(txn, found.into_iter().collect()).await?.pop())
}

/// A page of referrals, by id.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn referrals(
    db: &Database,
    promoter: Option<&PromoterId>,
    after: Option<&ReferralId>,
    limit: u64,
) -> Result<Vec<ReferralView>, ServiceError> {
    let txn = ledger::snapshot(db).await?;
    let found = referrals::list(&txn, promoter, after, limit).await?;
    referral_views(txn, found).await
}

async fn referral_views(txn: Txn, found: Vec<Found>) -> Result<Vec<ReferralView>, ServiceError> {
    let mut wanted = Wanted { whole: true, ..Wanted::default() };
    for found in &found {
        add_party(&mut wanted.keys, &found.party);
    }
    let book = ledger::book_of(&txn, &wanted).await?;
    let mut views = Vec::with_capacity(found.len());
    for found in found {
        let Some(referral) = book.referrals.get(&found.party) else { continue };
        views.push(referral_view(&txn, &book, referral).await?);
    }
    txn.rollback().await.map_err(StoreError::from)?;
    Ok(views)
}

/// A referral whose invoices are all at hand.
pub(super) async fn referral_view(
    txn: &Txn,
    book: &Book,
    referral: &Referral,
) -> Result<ReferralView, ServiceError> {
    let customers = book.parties.customers_of(&referral.party);
    let subscriptions = ledger::subscriptions(txn, &customers).await?;
    let status = ReferralStatus::of(book, referral, &subscriptions)?;
    Ok(ReferralView { referral: referral.clone(), customers, status })
}

/// One commission with its entries, oldest first; `None` for an invoice that is not known as paid.
///
/// # Errors
/// [`ServiceError`] when the database is away.
pub async fn commission(
    db: &Database,
    invoice: &InvoiceId,
    now: Timestamp,
) -> Result<Option<(CommissionView, Vec<EntryView>)>, ServiceError> {
    let txn = ledger::snapshot(db).await?;
    let mut views = commission_views(&txn, std::slice::from_ref(invoice), now).await?;
    let Some(view) = views.pop() else { return Ok(None) };
    let entries = ledger::entries_about(&txn, About::Invoice(invoice), ENTRIES_LIMIT).await?;
    txn.rollback().await.map_err(StoreError::from)?;
    Ok(Some((view, entries)))
}

/// A page of commissions by invoice, of one status when it is named. The second is the invoice after which to go on, when
/// there may be more: where few have the status a page may be short, or empty, and not the last.
///
/// # Errors
/// [`ServiceError`] when the database is away.
pub async fn commissions(
    db: &Database,
    filter: &CommissionFilter,
    status: Option<&str>,
    after: Option<InvoiceId>,
    limit: u64,
    now: Timestamp,
) -> Result<(Vec<CommissionView>, Option<InvoiceId>), ServiceError> {
    let txn = ledger::snapshot(db).await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut page, mut after, mut scanned) = (Vec::new(), after, 0_u64);
    while scanned < SCAN_LIMIT {
        let ids = ledger::invoices_with_commission(&txn, filter, after.as_ref(), limit).await?;
        let found = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        for view in commission_views(&txn, &ids, now).await? {
            after = Some(view.id.clone());
            if status.is_none_or(|status| view.status.as_str() == status) {
                page.push(view);
            }
            if page.len() == wanted {
                return Ok((page, after));
            }
        }
        if found < limit {
            return Ok((page, None));
        }
        scanned = scanned.saturating_add(found);
    }
    Ok((page, after))
}

async fn commission_views(
    txn: &Txn,
    ids: &[InvoiceId],
    now: Timestamp,
) -> Result<Vec<CommissionView>, ServiceError> {
    let mut wanted = Wanted::default();
    wanted.keys.invoices.extend(ids.iter().cloned());
    let book = ledger::book_of(txn, &wanted).await?;
    let mut assessor = Assessor::new(&book);
    let mut views = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(invoice) = book.invoice(id) else { continue };
        let Some((assessment, referral)) = assessor.assess(id)? else { continue };
        let status = CommissionStatus::of(&book, id, &assessment, now);
        let (id, invoice, referral) = (id.clone(), invoice.clone(), referral.cloned());
        views.push(CommissionView { id, invoice, assessment, referral, status });
    }
    Ok(views)
}
