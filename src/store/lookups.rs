//! Bookkeeping of what Stripe is asked about invoices: lines that events did not show, and discounts named by id only.

use entity::{promotion_code, unread_discounts};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Statement,
};

use super::database::Database;
use super::error::StoreError;
use crate::domain::lines::UnreadDiscounts;
use crate::domain::{EventId, InvoiceId, StripeCustomerId, Timestamp};

/// Something to be asked, and how often it was asked in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due<T> {
    /// What it is about.
    pub of: T,
    /// Questions so far.
    pub lookups: u16,
}

/// Invoices whose commission was picked by product rates although not all lines are known, as far as their turn has come
/// and they were asked about fewer than `max_lookups` times; those that wait longest first.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn due_lines(
    db: &impl ConnectionTrait,
    now: Timestamp,
    max_lookups: u16,
    limit: u16,
) -> Result<Vec<Due<InvoiceId>>, StoreError> {
    // Raw SQL: only with these very words, and not with a parameter, does a planner see that the partial index fits.
    let sql = "SELECT c.invoice_id, \
               COALESCE((SELECT l.lookups FROM line_lookup l WHERE l.invoice_id = c.invoice_id), 0) AS lookups, \
               COALESCE((SELECT l.lookup_at FROM line_lookup l WHERE l.invoice_id = c.invoice_id), 0) AS turn \
               FROM commission c WHERE c.unseen_lines AND NOT EXISTS (SELECT 1 FROM line_lookup l \
               WHERE l.invoice_id = c.invoice_id AND (l.lookups >= $1 OR l.lookup_at > $2)) \
               ORDER BY turn, c.invoice_id LIMIT $3";
    let values = [i64::from(max_lookups).into(), now.unix().into(), i64::from(limit).into()];
    let rows =
        db.query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await?;
    let mut due = Vec::with_capacity(rows.len());
    for row in rows {
        let (invoice, lookups): (String, i32) = (row.try_get("", "invoice_id")?, row.try_get("", "lookups")?);
        due.push(Due { of: InvoiceId::new(invoice), lookups: u16::try_from(lookups).unwrap_or(u16::MAX) });
    }
    Ok(due)
}

/// Sets the next turn of the lines of an invoice.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn postpone_lines(
    db: &Database,
    invoice: &InvoiceId,
    lookups: u16,
    next_at: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO line_lookup (invoice_id, lookups, lookup_at) VALUES ($1, $2, $3) \
               ON CONFLICT (invoice_id) DO UPDATE SET lookups = excluded.lookups, lookup_at = excluded.lookup_at";
    let values = [invoice.as_str().into(), i32::from(lookups).into(), next_at.unix().into()];
    db.bookkeep(Statement::from_sql_and_values(db.backend(), sql, values)).await.map(drop)
}

/// True when some code carries a promotion code: else no discount is of interest.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn any_promotion_code(db: &impl ConnectionTrait) -> Result<bool, StoreError> {
    let one = promotion_code::Entity::find().select_only().column(promotion_code::Column::Id).limit(1);
    Ok(one.into_tuple::<String>().one(db).await?.is_some())
}

/// Discounts that are still to be read, as far as their turn has come and they were asked about fewer than `max_lookups`
/// times; those that wait longest first.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn due_discounts(
    db: &impl ConnectionTrait,
    now: Timestamp,
    max_lookups: u16,
    limit: u16,
) -> Result<Vec<Due<UnreadDiscounts>>, StoreError> {
    use unread_discounts::Column;
    // Only with these very words does a planner see that the partial index fits.
    let rows = unread_discounts::Entity::find()
        .filter(Expr::cust("NOT is_read"))
        .filter(Column::Lookups.lt(i32::from(max_lookups)))
        .filter(Column::LookupAt.is_null().or(Column::LookupAt.lte(now.unix())))
        .order_by_asc(Expr::cust("COALESCE(lookup_at, 0)"))
        .order_by_asc(Column::InvoiceId)
        .limit(u64::from(limit));
    let due = rows.all(db).await?.into_iter().map(|row| Due {
        of: UnreadDiscounts {
            invoice: InvoiceId::new(row.invoice_id),
            event: EventId::new(row.event_id),
            stripe_customer: StripeCustomerId::new(row.stripe_customer_id),
            told_at: Timestamp::from_unix(row.told_at),
        },
        lookups: u16::try_from(row.lookups).unwrap_or(u16::MAX),
    });
    Ok(due.collect())
}

/// Sets the next turn of discounts; none when they were read.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn postpone_discounts(
    db: &Database,
    unread: &UnreadDiscounts,
    lookups: u16,
    next_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    use unread_discounts::Column;
    let update = unread_discounts::Entity::update_many()
        .col_expr(Column::Lookups, Expr::value(i32::from(lookups)))
        .col_expr(Column::LookupAt, Expr::value(next_at.map(Timestamp::unix)))
        .col_expr(Column::IsRead, Expr::value(next_at.is_none()))
        .filter(Column::InvoiceId.eq(unread.invoice.as_str()))
        .filter(Column::EventId.eq(unread.event.as_str()));
    db.bookkeep(update.build(db.backend())).await.map(drop)
}
