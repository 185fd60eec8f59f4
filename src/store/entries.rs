//! Ledger entries: only ever inserted, numbered under the head of the ledger.

use std::collections::BTreeMap;

use entity::{invoice, ledger_entry};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, ExprTrait, FromQueryResult, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::batch::{Answers, BatchSelect, BatchUpsert, Column as BatchColumn, Holds, OnConflict, Selection};
use super::error::{StoreError, corrupt};
use super::head::Next;
use super::invoices::is_of_whole_customer;
use super::promoters;
use super::select::one_of;
use super::values::currency;
use crate::domain::entries::{Balance, PostedEntry};
use crate::domain::ledger::{Changes, Fetched, Needs};
use crate::domain::{Cause, InvoiceId, Kind, LedgerEntry, PromoterId, Timestamp, UserId};

/// Invoice, promoter, currency, kind, `available_at`, and the sum of these entries.
type PostedSum = (String, String, String, String, i64, i64);

/// The selections of posted sums.
#[derive(Debug, Default)]
pub(super) struct Selected(Vec<Selection<PostedSum>>);

/// Selects what is posted for invoices that are known as paid.
pub(super) fn select(batch: &mut BatchSelect, needs: &Needs) -> Selected {
    use ledger_entry::Column;
    let mut conditions = Vec::new();
    if !needs.postings.is_empty() {
        let ids = batch.texts(needs.postings.iter().map(InvoiceId::as_str));
        conditions.push(batch.is_in("invoice_id", ids));
    }
    conditions.extend(is_of_whole_customer(batch, needs, "invoice_id"));
    let group = "invoice_id, promoter_id, currency, kind, available_at";
    let columns: [BatchColumn; 6] = [
        BatchColumn::of(&Column::InvoiceId),
        BatchColumn::of(&Column::PromoterId),
        BatchColumn::of(&Column::Currency),
        BatchColumn::of(&Column::Kind),
        BatchColumn::of(&Column::AvailableAt),
        BatchColumn { name: "sum_minor", holds: Holds::BigInteger },
    ];
    let sums = conditions.into_iter().map(|condition| {
        let sums = format!(
            "(SELECT {group}, CAST(SUM(amount_minor) AS BIGINT) AS sum_minor FROM ledger_entry WHERE {condition} \
             GROUP BY {group}) AS sums"
        );
        batch.tuples("ledger_entry", &columns, sums)
    });
    Selected(sums.collect())
}

impl Selected {
    /// Reads what was selected.
    pub(super) fn read(self, answers: &mut Answers, fetched: &mut Fetched) -> Result<(), StoreError> {
        for selection in self.0 {
            for (invoice, promoter, code, word, available_at, sum_minor) in answers.take(selection)? {
                let kind = Kind::parse(&word).ok_or_else(|| corrupt("ledger_entry", &invoice, &word))?;
                let currency = currency("ledger_entry", &invoice, &code)?;
                let key = (PromoterId::new(promoter), currency, kind, Timestamp::from_unix(available_at));
                fetched.posted.push((InvoiceId::new(invoice), key, sum_minor));
            }
        }
        Ok(())
    }
}

/// Adds the entries to post, numbered and dated by the head.
pub(super) fn upsert(batch: &mut BatchUpsert, changes: &Changes, next: &mut Next) {
    let posted_at = next.stamp().at;
    let rows: Vec<_> =
        changes.entries.iter().map(|entry| row(entry, next.next_entry_id(), posted_at)).collect();
    batch.rows::<ledger_entry::Entity>(rows.into_iter(), OnConflict::Refuse);
}

fn row(entry: &LedgerEntry, id: i64, posted_at: Timestamp) -> ledger_entry::Model {
    ledger_entry::Model {
        id,
        promoter_id: entry.promoter.to_string(),
        invoice_id: Some(entry.invoice.to_string()),
        kind: entry.kind.as_str().to_owned(),
        amount_minor: entry.amount_minor,
        currency: entry.currency.to_string(),
        available_at: entry.available_at.unix(),
        cause_kind: entry.cause.kind().to_owned(),
        cause_id: entry.cause.id().to_owned(),
        posted_at: posted_at.unix(),
    }
}

/// Entries, oldest first, at most `limit` after the row `after`.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn list(
    db: &impl ConnectionTrait,
    promoter: Option<&PromoterId>,
    after: i64,
    limit: u64,
) -> Result<Vec<PostedEntry>, StoreError> {
    let mut query = ledger_entry::Entity::find().filter(ledger_entry::Column::Id.gt(after));
    if let Some(promoter) = promoter {
        query = query.filter(ledger_entry::Column::PromoterId.eq(promoter.as_str()));
    }
    let rows = query.order_by_asc(ledger_entry::Column::Id).limit(limit).all(db).await?;
    entry_views(db, rows).await
}

/// The balances of a promoter, by currency.
///
/// # Errors
/// [`StoreError`] when the database is away, or a sum does not fit 64 bits.
pub async fn balances(
    db: &impl ConnectionTrait,
    promoter: &PromoterId,
    now: Timestamp,
) -> Result<Vec<Balance>, StoreError> {
    #[derive(Debug, FromQueryResult)]
    struct Sums {
        currency: String,
        earned: i64,
        held: Option<i64>,
    }
    use ledger_entry::Column;
    let later = Expr::case(Column::AvailableAt.gt(now.unix()), Expr::col(Column::AmountMinor)).finally(0_i64);
    let sums = ledger_entry::Entity::find()
        .select_only()
        .column(Column::Currency)
        .column_as(Column::AmountMinor.sum().cast_as("BIGINT"), "earned")
        .column_as(Expr::expr(later).sum().cast_as("BIGINT"), "held")
        .filter(Column::PromoterId.eq(promoter.as_str()))
        .group_by(Column::Currency)
        .order_by_asc(Column::Currency)
        .into_model::<Sums>()
        .all(db)
        .await?;
    let balance = |row: Sums| {
        let currency = currency("ledger_entry", promoter.as_str(), &row.currency)?;
        Ok(Balance { currency, earned_minor: row.earned, held_minor: row.held.unwrap_or(0) })
    };
    sums.into_iter().map(balance).collect()
}

/// The entries of these invoices, by invoice, oldest first, at most `limit`.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn of_invoices(
    db: &impl ConnectionTrait,
    invoices: impl IntoIterator<Item = &InvoiceId>,
    limit: u64,
) -> Result<Vec<PostedEntry>, StoreError> {
    let ids = invoices.into_iter().map(InvoiceId::as_str);
    let query = ledger_entry::Entity::find().filter(one_of(db, ledger_entry::Column::InvoiceId, ids));
    // By id alone, PostgreSQL would walk through all entries in the order of their ids as long as they are few, and go on
    // doing so with a plan that it keeps.
    let query = query.order_by_asc(ledger_entry::Column::InvoiceId).order_by_asc(ledger_entry::Column::Id);
    let rows = query.limit(limit).all(db).await?;
    entry_views(db, rows).await
}

/// Invoices that have entries but are not known as paid: there must be none.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn invoices_without_facts(
    txn: &DatabaseTransaction,
    limit: u64,
) -> Result<Vec<String>, StoreError> {
    // `NOT IN` is planned as a loop over all invoices for each entry once they do not fit PostgreSQL's memory.
    let of_entry = Expr::col((invoice::Entity, invoice::Column::Id))
        .equals((ledger_entry::Entity, ledger_entry::Column::InvoiceId));
    let known = invoice::Entity::find().select_only().column(invoice::Column::Id).filter(of_entry);
    let is_known = Expr::exists(sea_orm::QueryTrait::into_query(known));
    let rows = ledger_entry::Entity::find().select_only().column(ledger_entry::Column::InvoiceId).distinct();
    let rows = rows.filter(ledger_entry::Column::InvoiceId.is_not_null()).filter(is_known.not());
    let rows = rows.limit(limit).into_tuple::<String>();
    Ok(rows.all(txn).await?)
}

async fn entry_views(
    db: &impl ConnectionTrait,
    rows: Vec<ledger_entry::Model>,
) -> Result<Vec<PostedEntry>, StoreError> {
    let promoters = rows.iter().map(|row| PromoterId::new(row.promoter_id.clone())).collect();
    let users = promoters::users(db, &promoters).await?;
    rows.into_iter().map(|row| entry_view(row, &users)).collect()
}

fn entry_view(
    row: ledger_entry::Model,
    users: &BTreeMap<PromoterId, UserId>,
) -> Result<PostedEntry, StoreError> {
    let promoter = PromoterId::new(row.promoter_id);
    let user = users.get(&promoter).cloned();
    let cause = Cause::parse(&row.cause_kind, row.cause_id);
    Ok(PostedEntry {
        promoter_user: user.ok_or_else(|| corrupt("ledger_entry", &row.id, "a promoter that is gone"))?,
        promoter,
        kind: Kind::parse(&row.kind).ok_or_else(|| corrupt("ledger_entry", &row.id, &row.kind))?,
        currency: currency("ledger_entry", &row.id.to_string(), &row.currency)?,
        id: row.id,
        invoice: row.invoice_id.map(InvoiceId::new),
        amount_minor: row.amount_minor,
        available_at: Timestamp::from_unix(row.available_at),
        cause: cause.ok_or_else(|| corrupt("ledger_entry", &row.id, &row.cause_kind))?,
        posted_at: Timestamp::from_unix(row.posted_at),
    })
}
