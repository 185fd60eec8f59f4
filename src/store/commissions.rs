//! Commissions: the present assessment of each paid invoice. One row an invoice, under its id.

use std::collections::BTreeMap;

use entity::commission;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::batch::{Answers, BatchSelect, BatchUpsert, OnConflict, Selection};
use super::error::{StoreError, corrupt};
use super::invoices::is_of_whole_customer;
use super::select::rows_in;
use super::values::currency;
use crate::domain::entries::Earner;
use crate::domain::ledger::{Changes, Fetched, Needs};
use crate::domain::{
    Assessment, BasisPoints, Commission, InvoiceId, NoCommission, ProgramKey, PromoterId, ReferralId,
    Timestamp,
};

/// The selections of commissions.
#[derive(Debug, Default)]
pub(super) struct Selected(Vec<Selection<commission::Model>>);

/// Selects the commissions of invoices that are known as paid: those that stay as they are, are not written again.
pub(super) fn select(batch: &mut BatchSelect, needs: &Needs) -> Selected {
    let mut selected = Vec::new();
    if !needs.postings.is_empty() {
        let ids = batch.texts(needs.postings.iter().map(InvoiceId::as_str));
        selected.push(batch.rows_in::<commission::Entity>(commission::Column::InvoiceId, ids));
    }
    if let Some(is_theirs) = is_of_whole_customer(batch, needs, "invoice_id") {
        selected.push(batch.rows::<commission::Entity>(&is_theirs));
    }
    Selected(selected)
}

impl Selected {
    /// Reads what was selected.
    pub(super) fn read(self, answers: &mut Answers, fetched: &mut Fetched) -> Result<(), StoreError> {
        for selection in self.0 {
            for row in answers.take(selection)? {
                fetched.commissions.push(value(row)?);
            }
        }
        Ok(())
    }
}

/// Adds the commissions that were assessed again and differ.
pub(super) fn upsert(batch: &mut BatchUpsert, changes: &Changes) {
    let rows = changes.commissions.iter().map(|(invoice, commission)| row(invoice, commission));
    batch.rows::<commission::Entity>(rows, OnConflict::Overwrite);
}

fn value(row: commission::Model) -> Result<(InvoiceId, Commission), StoreError> {
    let id = &row.invoice_id;
    let reason = row
        .reason
        .as_deref()
        .map(|word| NoCommission::parse(word).ok_or_else(|| corrupt("commission", id, word)));
    let rate = row.rate_bps.map(|bps| {
        let rate = u16::try_from(bps).ok().and_then(BasisPoints::new);
        rate.ok_or_else(|| corrupt("commission", id, &bps))
    });
    let assessment = Assessment {
        base_minor: row.base_minor,
        rate: rate.transpose()?,
        commission_minor: row.amount_minor,
        refund_minor: row.refund_minor,
        dispute_minor: row.dispute_minor,
        available_at: Timestamp::from_unix(row.available_at),
        reason: reason.transpose()?,
        unseen_lines: row.unseen_lines,
    };
    let earner = match (row.referral_id, row.promoter_id, row.program_key) {
        (Some(referral), Some(promoter), Some(program)) => Some(Earner {
            referral: ReferralId::new(referral),
            promoter: PromoterId::new(promoter),
            program: ProgramKey::new(program),
        }),
        (_, _, _) => None,
    };
    let currency = currency("commission", id, &row.currency)?;
    Ok((InvoiceId::new(row.invoice_id), Commission { earner, currency, assessment }))
}

fn row(invoice: &InvoiceId, commission: &Commission) -> commission::Model {
    let earner = commission.earner.as_ref();
    let assessment = &commission.assessment;
    commission::Model {
        invoice_id: invoice.to_string(),
        referral_id: earner.map(|earner| earner.referral.to_string()),
        promoter_id: earner.map(|earner| earner.promoter.to_string()),
        program_key: earner.map(|earner| earner.program.to_string()),
        currency: commission.currency.to_string(),
        base_minor: assessment.base_minor,
        rate_bps: assessment.rate.map(|rate| i32::from(rate.get())),
        amount_minor: assessment.commission_minor,
        refund_minor: assessment.refund_minor,
        dispute_minor: assessment.dispute_minor,
        available_at: assessment.available_at.unix(),
        reason: assessment.reason.map(|reason| reason.as_str().to_owned()),
        unseen_lines: assessment.unseen_lines,
    }
}

/// Invoices with a commission, by id, at most `limit` after the one named `after`; of this promoter, in this program, and
/// this one only, where they are named.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn invoices(
    db: &impl ConnectionTrait,
    promoter: Option<&PromoterId>,
    program: Option<&ProgramKey>,
    invoice: Option<&InvoiceId>,
    after: Option<&InvoiceId>,
    limit: u64,
) -> Result<Vec<InvoiceId>, StoreError> {
    use commission::Column;
    let mut query = commission::Entity::find().select_only().column(Column::InvoiceId);
    if let Some(promoter) = promoter {
        query = query.filter(Column::PromoterId.eq(promoter.as_str()));
    }
    if let Some(program) = program {
        query = query.filter(Column::ProgramKey.eq(program.as_str()));
    }
    if let Some(invoice) = invoice {
        query = query.filter(Column::InvoiceId.eq(invoice.as_str()));
    }
    if let Some(after) = after {
        query = query.filter(Column::InvoiceId.gt(after.as_str()));
    }
    let ids = query.order_by_asc(Column::InvoiceId).limit(limit).into_tuple::<String>().all(db).await?;
    Ok(ids.into_iter().map(InvoiceId::new).collect())
}

/// The stored commissions of these invoices.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn of(
    db: &impl ConnectionTrait,
    invoices: &[InvoiceId],
) -> Result<BTreeMap<InvoiceId, Commission>, StoreError> {
    let ids = invoices.iter().map(InvoiceId::as_str);
    let rows = rows_in::<commission::Entity, _>(db, commission::Column::InvoiceId, ids).await?;
    rows.into_iter().map(value).collect()
}
