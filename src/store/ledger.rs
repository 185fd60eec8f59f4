//! Reading the ledger: entries, sums, and the pages that `verify` walks through.

use std::collections::{BTreeMap, BTreeSet};

use entity::{code, code_use, commission, invoice, ledger_entry, referral, subscription};
use sea_orm::sea_query::Expr;
use sea_orm::{
    AccessMode, ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, ExprTrait, FromQueryResult,
    IsolationLevel, QueryFilter, QueryOrder, QuerySelect, TransactionTrait,
};

use super::book::{Wanted, load};
use super::database::{Database, Txn};
use super::error::StoreError;
use super::rows;
use crate::domain::{
    Book, Commission, Currency, CustomerId, InvoiceId, Kind, ProgramKey, PromoterId, Timestamp,
};

/// An entry as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryView {
    /// Row number, in order of posting.
    pub id: i64,
    /// Who gains or loses.
    pub promoter: PromoterId,
    /// The invoice that it is about.
    pub invoice: Option<InvoiceId>,
    /// What it is.
    pub kind: Kind,
    /// The signed amount.
    pub amount_minor: i64,
    /// Its currency.
    pub currency: Currency,
    /// From when on it may be paid out.
    pub available_at: Timestamp,
    /// The event or claim that it follows from.
    pub cause: String,
    /// When it was posted.
    pub posted_at: Timestamp,
}

/// The sums of one promoter in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// The currency; balances are never summed across currencies.
    pub currency: Currency,
    /// Σ commission and refund; may be negative.
    pub earned_minor: i64,
    /// The part of it that is not available yet.
    pub held_minor: i64,
}

impl Balance {
    /// What may be paid out now: earned, less the part that is held.
    pub const fn available_minor(&self) -> i64 {
        self.earned_minor.saturating_sub(self.held_minor)
    }
}

/// Entries, oldest first, at most `limit` after the row `after`.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn entries(
    db: &impl ConnectionTrait,
    promoter: Option<&PromoterId>,
    after: i64,
    limit: u64,
) -> Result<Vec<EntryView>, StoreError> {
    let mut query = ledger_entry::Entity::find().filter(ledger_entry::Column::Id.gt(after));
    if let Some(promoter) = promoter {
        query = query.filter(ledger_entry::Column::PromoterId.eq(promoter.as_str()));
    }
    let rows = query.order_by_asc(ledger_entry::Column::Id).limit(limit).all(db).await?;
    rows.into_iter().map(entry_view).collect()
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
        let currency = rows::currency("ledger_entry", promoter.as_str(), &row.currency)?;
        Ok(Balance { currency, earned_minor: row.earned, held_minor: row.held.unwrap_or(0) })
    };
    sums.into_iter().map(balance).collect()
}

/// Begins a transaction that sees one moment of the database and writes nothing.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn snapshot(db: &Database) -> Result<Txn, StoreError> {
    let reader = db.reader();
    if reader.get_database_backend() == DatabaseBackend::Postgres {
        let (isolation, access) = (IsolationLevel::RepeatableRead, AccessMode::ReadOnly);
        return Ok(reader.begin_with_config(Some(isolation), Some(access)).await?);
    }
    Ok(reader.begin().await?)
}

/// A page of paid invoices by id, filled into a book with everything that they connect to.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn page_of_invoices(
    txn: &Txn,
    after: Option<&InvoiceId>,
    limit: u64,
) -> Result<(Vec<InvoiceId>, Book), StoreError> {
    let mut query = invoice::Entity::find().select_only().column(invoice::Column::Id);
    if let Some(after) = after {
        query = query.filter(invoice::Column::Id.gt(after.as_str()));
    }
    let ids = query.order_by_asc(invoice::Column::Id).limit(limit).into_tuple::<String>().all(txn).await?;
    let ids: Vec<InvoiceId> = ids.into_iter().map(InvoiceId::new).collect();
    let mut wanted = Wanted::default();
    wanted.keys.invoices.extend(ids.iter().cloned());
    let book = load(txn, &wanted).await?.book;
    Ok((ids, book))
}

/// A book with everything that some keys connect to, to be read.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn book_of(txn: &Txn, wanted: &Wanted) -> Result<Book, StoreError> {
    Ok(load(txn, wanted).await?.book)
}

/// Of each subscription of these customers whether it has ended.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn subscriptions(
    txn: &impl ConnectionTrait,
    customers: &BTreeSet<CustomerId>,
) -> Result<Vec<bool>, StoreError> {
    let customers = customers.iter().map(CustomerId::as_str);
    let rows =
        super::select::rows_in::<subscription::Entity, _>(txn, subscription::Column::CustomerId, customers);
    Ok(rows.await?.into_iter().map(|row| row.ended).collect())
}

/// The entries of an invoice, or those that have a cause, oldest first, at most `limit`.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn entries_about(
    db: &impl ConnectionTrait,
    about: About<'_>,
    limit: u64,
) -> Result<Vec<EntryView>, StoreError> {
    let about = match about {
        About::Invoice(invoice) => ledger_entry::Column::InvoiceId.eq(invoice.as_str()),
        About::Cause(cause) => ledger_entry::Column::Cause.eq(cause),
    };
    let query = ledger_entry::Entity::find().filter(about);
    let rows = query.order_by_asc(ledger_entry::Column::Id).limit(limit).all(db).await?;
    rows.into_iter().map(entry_view).collect()
}

/// What entries are about.
#[derive(Debug, Clone, Copy)]
pub enum About<'a> {
    /// This invoice.
    Invoice(&'a InvoiceId),
    /// They have this cause.
    Cause(&'a str),
}

/// Which commissions to list.
#[derive(Debug, Clone, Default)]
pub struct CommissionFilter {
    /// Only those of this promoter.
    pub promoter: Option<PromoterId>,
    /// Only those of referrals in this program.
    pub program: Option<ProgramKey>,
    /// Only this invoice.
    pub invoice: Option<InvoiceId>,
}

/// Invoices with a commission, by id, at most `limit` after the one named `after`.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn invoices_with_commission(
    txn: &Txn,
    filter: &CommissionFilter,
    after: Option<&InvoiceId>,
    limit: u64,
) -> Result<Vec<InvoiceId>, StoreError> {
    use commission::Column;
    let mut query = commission::Entity::find().select_only().column(Column::InvoiceId);
    if let Some(promoter) = &filter.promoter {
        query = query.filter(Column::PromoterId.eq(promoter.as_str()));
    }
    if let Some(program) = &filter.program {
        let of_program = referral::Entity::find().select_only().column(referral::Column::Id);
        let of_program = of_program.filter(referral::Column::ProgramKey.eq(program.as_str()));
        query = query.filter(Column::ReferralId.in_subquery(sea_orm::QueryTrait::into_query(of_program)));
    }
    if let Some(invoice) = &filter.invoice {
        query = query.filter(Column::InvoiceId.eq(invoice.as_str()));
    }
    if let Some(after) = after {
        query = query.filter(Column::InvoiceId.gt(after.as_str()));
    }
    let ids = query.order_by_asc(Column::InvoiceId).limit(limit).into_tuple::<String>().all(txn).await?;
    Ok(ids.into_iter().map(InvoiceId::new).collect())
}

/// The stored commissions of these invoices.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn commissions(
    txn: &impl ConnectionTrait,
    invoices: &[InvoiceId],
) -> Result<BTreeMap<InvoiceId, Commission>, StoreError> {
    let ids = invoices.iter().map(InvoiceId::as_str);
    let rows =
        super::select::rows_in::<commission::Entity, _>(txn, commission::Column::InvoiceId, ids).await?;
    rows.into_iter().map(rows::commission).collect()
}

/// Codes whose counted uses are not as many as were given, with their count: there must be none.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn codes_with_wrong_uses(txn: &Txn, limit: u64) -> Result<Vec<(String, i64)>, StoreError> {
    let given = code_use::Entity::find().select_only().expr(code_use::Column::Party.count());
    let of_code =
        Expr::col((code_use::Entity, code_use::Column::Code)).equals((code::Entity, code::Column::Code));
    let given = sea_orm::QueryTrait::into_query(given.filter(of_code));
    let differs = Expr::col((code::Entity, code::Column::Uses))
        .ne(sea_orm::sea_query::SimpleExpr::SubQuery(None, Box::new(given.into())));
    let rows = code::Entity::find().select_only().column(code::Column::Code).column(code::Column::Uses);
    Ok(rows.filter(differs).limit(limit).into_tuple::<(String, i64)>().all(txn).await?)
}

/// Invoices that have entries but are not known as paid: there must be none.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn invoices_without_facts(txn: &Txn, limit: u64) -> Result<Vec<String>, StoreError> {
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

fn entry_view(row: ledger_entry::Model) -> Result<EntryView, StoreError> {
    Ok(EntryView {
        kind: Kind::parse(&row.kind).ok_or_else(|| rows::corrupt("ledger_entry", &row.id, &row.kind))?,
        currency: rows::currency("ledger_entry", &row.id.to_string(), &row.currency)?,
        id: row.id,
        promoter: PromoterId::new(row.promoter_id),
        invoice: row.invoice_id.map(InvoiceId::new),
        amount_minor: row.amount_minor,
        available_at: Timestamp::from_unix(row.available_at),
        cause: row.cause,
        posted_at: Timestamp::from_unix(row.posted_at),
    })
}
