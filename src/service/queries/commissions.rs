//! Commissions as they are shown: assessed anew from the facts.

use crate::domain::entries::PostedEntry;
use crate::domain::ledger::Needs;
use crate::domain::{
    Assessment, CommissionStatus, InvoiceId, PaidInvoice, ProgramKey, PromoterId, Referral, Timestamp, UserId,
};
use crate::service::ServiceError;
use crate::service::programs::named_key;
use crate::service::promoters::named_id;
use crate::store::snapshot::Snapshot;
use crate::store::{Database, commissions, entries};

/// Entries of one invoice that are shown.
const ENTRIES_LIMIT: u64 = 1_000;
/// Commissions looked at for one page of a list that is filtered by status.
const SCAN_LIMIT: u64 = 500;

/// Which commissions to list.
#[derive(Debug, Clone, Default)]
pub struct CommissionFilter {
    /// Only those of this promoter, by id or user id.
    pub promoter: Option<String>,
    /// Only those of referrals in this program.
    pub program: Option<String>,
    /// Only this invoice.
    pub invoice: Option<InvoiceId>,
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
    /// Its promoter as a user of the host.
    pub promoter_user: Option<UserId>,
    /// Where it stands.
    pub status: CommissionStatus,
    /// False for an invoice that no claim concerns (any more), and for which nothing was posted: it is not listed.
    pub is_listed: bool,
}

/// One commission with its entries, oldest first; `None` for an invoice that is not known as paid.
///
/// # Errors
/// [`ServiceError`] when the database is away.
pub async fn one(
    db: &Database,
    invoice: &InvoiceId,
    now: Timestamp,
) -> Result<Option<(CommissionView, Vec<PostedEntry>)>, ServiceError> {
    let mut snapshot = Snapshot::of(db).await?;
    let mut views = views(&mut snapshot, std::slice::from_ref(invoice), now).await?;
    let Some(view) = views.pop() else { return Ok(None) };
    let entries = entries::of_invoices(&snapshot.txn, [invoice], ENTRIES_LIMIT).await?;
    snapshot.end().await?;
    Ok(Some((view, entries)))
}

/// A page of commissions by invoice, of one status when it is named. The second is the invoice after which to go on, when
/// there may be more: where few have the status a page may be short, or empty, and not the last.
///
/// # Errors
/// [`ServiceError::Refused`] when promoter or program do not exist; else [`ServiceError`] when the database is away.
pub async fn list(
    db: &Database,
    filter: &CommissionFilter,
    status: Option<&str>,
    after: Option<InvoiceId>,
    limit: u64,
    now: Timestamp,
) -> Result<(Vec<CommissionView>, Option<InvoiceId>), ServiceError> {
    let promoter = named_id(db, filter.promoter.as_deref()).await?;
    let program = named_key(db, filter.program.as_deref()).await?;
    let of = (promoter.as_ref(), program.as_ref(), filter.invoice.as_ref());
    let mut snapshot = Snapshot::of(db).await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut page, mut after, mut scanned) = (Vec::new(), after, 0_u64);
    while scanned < SCAN_LIMIT {
        let ids = page_of(&snapshot, of, after.as_ref(), limit).await?;
        let found = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        for view in views(&mut snapshot, &ids, now).await? {
            after = Some(view.id.clone());
            if view.is_listed && status.is_none_or(|status| view.status.as_str() == status) {
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

async fn views(
    snapshot: &mut Snapshot,
    ids: &[InvoiceId],
    now: Timestamp,
) -> Result<Vec<CommissionView>, ServiceError> {
    let needs = Needs { invoices: ids.iter().cloned().collect(), ..Needs::default() };
    let state = snapshot.load(needs).await?;
    let mut assessor = state.assessor();
    let mut views = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(invoice) = state.invoice(id) else { continue };
        let Some((assessment, referral)) = assessor.assess(id)? else { continue };
        let status = CommissionStatus::of(&state, id, &assessment, now);
        let promoter = referral.and_then(|referral| state.promoters.get(&referral.promoter));
        let promoter_user = promoter.map(|promoter| promoter.user.clone());
        let is_listed =
            !assessment.is_not_referred() || state.posted.get(id).is_some_and(|sums| !sums.is_empty());
        let (id, invoice, referral) = (id.clone(), invoice.clone(), referral.cloned());
        views.push(CommissionView { id, invoice, assessment, referral, promoter_user, status, is_listed });
    }
    Ok(views)
}

async fn page_of(
    snapshot: &Snapshot,
    (promoter, program, invoice): (Option<&PromoterId>, Option<&ProgramKey>, Option<&InvoiceId>),
    after: Option<&InvoiceId>,
    limit: u64,
) -> Result<Vec<InvoiceId>, ServiceError> {
    Ok(commissions::invoices(&snapshot.txn, promoter, program, invoice, after, limit).await?)
}
