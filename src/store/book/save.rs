//! Writing what changed in a book. Every row is either new or under a lock of this transaction, so an upsert loses
//! nothing.

use entity::{
    claim, credit_note, customer, dispute, invoice, ledger_entry, payment, payment_link, referral, refund,
};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, Iterable, PrimaryKeyToColumn, QueryFilter,
};

use crate::domain::{Book, CustomerId, Party, ReferralId, Timestamp};
use crate::store::database::Txn;
use crate::store::error::StoreError;
use crate::store::rows;
use crate::store::select::ROWS_PER_STATEMENT;

/// Writes the changes of a book; `posted_at` is the time of its entries. Settled events are the inbox's to write.
///
/// # Errors
/// [`StoreError`] when the database is away or refuses a row; the transaction must then be rolled back.
pub async fn save(txn: &Txn, book: &Book, posted_at: Timestamp) -> Result<(), StoreError> {
    facts(txn, book).await?;
    attribution(txn, book).await?;
    let commissions = &book.changes.commissions;
    upsert(txn, commissions.iter().map(|(invoice, commission)| rows::commission_row(invoice, commission)))
        .await?;
    let entries = book.changes.entries.iter().map(|entry| rows::entry_row(entry, posted_at));
    insert::<ledger_entry::ActiveModel>(txn, entries, None).await
}

async fn facts(txn: &Txn, book: &Book) -> Result<(), StoreError> {
    let changes = &book.changes;
    let invoices = changes.invoices.iter().filter_map(|id| Some(rows::invoice_row(id, book.invoice(id)?)));
    upsert::<invoice::ActiveModel>(txn, invoices).await?;
    let payments = changes.payments.iter();
    let payments = payments.filter_map(|id| Some(rows::payment_row(id, book.graph.payment(id)?)));
    upsert::<payment::ActiveModel>(txn, payments).await?;
    let links = changes.links.iter().filter_map(|(invoice, payment)| {
        Some(payment_link::ActiveModel {
            invoice_id: Set(invoice.to_string()),
            payment_id: Set(payment.to_string()),
            amount_minor: Set(book.graph.link(invoice, payment)?),
        })
    });
    upsert::<payment_link::ActiveModel>(txn, links).await?;
    let refunds = changes.refunds.iter().filter_map(|id| Some(rows::refund_row(id, book.graph.refund(id)?)));
    upsert::<refund::ActiveModel>(txn, refunds).await?;
    let disputes = changes.disputes.iter();
    let disputes = disputes.filter_map(|id| Some(rows::dispute_row(id, book.graph.dispute(id)?)));
    upsert::<dispute::ActiveModel>(txn, disputes).await?;
    let notes = changes.credit_notes.iter();
    let notes = notes.filter_map(|id| Some(rows::credit_note_row(id, book.graph.credit_note(id)?)));
    upsert::<credit_note::ActiveModel>(txn, notes).await
}

async fn attribution(txn: &Txn, book: &Book) -> Result<(), StoreError> {
    let changes = &book.changes;
    let customer = |id: &CustomerId| {
        let user = book.parties.user_of(id)?;
        Some(customer::ActiveModel { id: Set(id.to_string()), user_id: Set(user.to_string()) })
    };
    upsert::<customer::ActiveModel>(txn, changes.customers.iter().filter_map(customer)).await?;
    let claims = changes.claims.iter().filter_map(|id| Some(rows::claim_row(book.parties.claim(id)?)));
    let once = OnConflict::column(claim::Column::Id).do_nothing().to_owned();
    insert::<claim::ActiveModel>(txn, claims, Some(once)).await?;
    for (merged, into) in &changes.merged {
        merge_referral(txn, merged, into).await?;
    }
    let referral = |party: &Party| Some(rows::referral_row(book.referrals.get(party)?));
    upsert::<referral::ActiveModel>(txn, changes.referrals.iter().filter_map(referral)).await
}

async fn merge_referral(txn: &Txn, merged: &ReferralId, into: &ReferralId) -> Result<(), StoreError> {
    let row = referral::ActiveModel {
        party: Set(None),
        merged_into: Set(Some(into.to_string())),
        ..Default::default()
    };
    let of_merged = referral::Column::Id.eq(merged.as_str());
    referral::Entity::update_many().set(row).filter(of_merged).exec(txn).await?;
    Ok(())
}

/// Inserts rows; one whose key exists is overwritten.
async fn upsert<A>(txn: &Txn, rows: impl Iterator<Item = A>) -> Result<(), StoreError>
where
    A: ActiveModelTrait + Send,
{
    let key = || <A::Entity as EntityTrait>::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column);
    let is_key = |column: &<A::Entity as EntityTrait>::Column| {
        use sea_orm::IdenStatic;
        key().any(|of_key| of_key.as_str() == column.as_str())
    };
    let others = <A::Entity as EntityTrait>::Column::iter().filter(|column| !is_key(column));
    let on_conflict = OnConflict::columns(key()).update_columns(others).to_owned();
    insert(txn, rows, Some(on_conflict)).await
}

async fn insert<A>(
    txn: &Txn,
    rows: impl Iterator<Item = A>,
    on_conflict: Option<OnConflict>,
) -> Result<(), StoreError>
where
    A: ActiveModelTrait + Send,
{
    let rows: Vec<A> = rows.collect();
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        let mut insert = A::Entity::insert_many(chunk.iter().cloned());
        if let Some(on_conflict) = &on_conflict {
            insert = insert.on_conflict(on_conflict.clone());
        }
        insert.exec_without_returning(txn).await?;
    }
    Ok(())
}
