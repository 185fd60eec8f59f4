//! Writing what changed in a book. Every row is either new or under a lock of this transaction, so an upsert loses
//! nothing.

use entity::{
    claim, claim_used_up, code, code_use, credit_note, customer, dispute, invoice, ledger_entry, ordinal,
    party_email, payment, payment_link, referral, refund, ruling, subscription,
};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, Iterable, PrimaryKeyToColumn, QueryFilter,
};

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Book, Code, Party, ReferralId, Timestamp};
use crate::store::database::Txn;
use crate::store::error::StoreError;
use crate::store::rows;
use crate::store::select::pieces;

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
    upsert::<credit_note::ActiveModel>(txn, notes).await?;
    subscriptions(txn, book).await
}

/// Subscriptions are written without having been read: one that has ended stays so.
async fn subscriptions(txn: &Txn, book: &Book) -> Result<(), StoreError> {
    let rows = |ended: bool| {
        let told = book.changes.subscriptions.iter().filter(move |(_, (_, is))| *is == ended);
        told.map(|(id, (customer, ended))| rows::subscription_row(id, customer, *ended))
    };
    let key = subscription::Column::Id;
    let alive = OnConflict::column(key).do_nothing().to_owned();
    insert::<subscription::ActiveModel>(txn, rows(false), Some(alive)).await?;
    upsert::<subscription::ActiveModel>(txn, rows(true)).await
}

async fn attribution(txn: &Txn, book: &Book) -> Result<(), StoreError> {
    let changes = &book.changes;
    let customers = changes.customers.iter().map(|id| rows::customer_row(id, &book.parties));
    upsert::<customer::ActiveModel>(txn, customers).await?;
    let emails = changes.emails.iter().map(|(party, email)| rows::email_row(party, email));
    let columns = [party_email::Column::Party, party_email::Column::EmailHash];
    let once = OnConflict::columns(columns).do_nothing().to_owned();
    insert::<party_email::ActiveModel>(txn, emails, Some(once)).await?;
    let claims = changes.claims.iter().filter_map(|id| Some(rows::claim_row(book.parties.claim(id)?)));
    let once = OnConflict::column(claim::Column::Id).do_nothing().to_owned();
    insert::<claim::ActiveModel>(txn, claims, Some(once)).await?;
    let used_up = changes.used_up.iter();
    let used_up = used_up.map(|claim| claim_used_up::ActiveModel { claim_id: Set(claim.to_string()) });
    insert::<claim_used_up::ActiveModel>(txn, used_up, None).await?;
    let rulings = changes
        .rulings
        .iter()
        .filter_map(|key| Some(rows::ruling_row(&key.0, &key.1, book.rulings.get(key)?)));
    insert::<ruling::ActiveModel>(txn, rulings, None).await?;
    uses(txn, book).await?;
    for (merged, into) in &changes.merged {
        merge_referral(txn, merged, into).await?;
    }
    let referral = |party: &Party| Some(rows::referral_row(book.referrals.get(party)?));
    upsert::<referral::ActiveModel>(txn, changes.referrals.iter().filter_map(referral)).await
}

/// Gives uses and ordinals. The use is counted in the statement that checks that one is left: should another have taken
/// it, although that takes the lock of the promoter, everything is begun again.
async fn uses(txn: &Txn, book: &Book) -> Result<(), StoreError> {
    let grant = |key: &(Party, Code)| book.grants.get(&key.0)?.get(&key.1);
    let rows =
        book.changes.grants.iter().filter_map(|key| Some(rows::grant_row(&key.0, &key.1, grant(key)?)));
    insert::<code_use::ActiveModel>(txn, rows, None).await?;
    let mut given: BTreeMap<&Code, i64> = BTreeMap::new();
    let mut groups = BTreeSet::new();
    for key in &book.changes.grants {
        let uses = given.entry(&key.1).or_default();
        *uses = uses.saturating_add(1);
        groups.extend(grant(key).map(|grant| (grant.promoter.clone(), grant.program.clone())));
    }
    for (code, uses) in given {
        let Some(facts) = book.codes.get(code) else { continue };
        let expected = i64::from(facts.uses).saturating_sub(uses);
        let counted = code::Entity::update_many()
            .col_expr(code::Column::Uses, Expr::value(i64::from(facts.uses)))
            .filter(code::Column::Code.eq(code.as_str()))
            .filter(code::Column::Uses.eq(expected))
            .exec(txn)
            .await?;
        if counted.rows_affected != 1 {
            return Err(StoreError::Contention(None));
        }
    }
    let last = groups.into_iter().filter_map(|group| {
        let last = book.last_ordinals.get(&group)?;
        Some(ordinal::ActiveModel {
            promoter_id: Set(group.0.to_string()),
            program_key: Set(group.1.to_string()),
            last: Set(i64::from(*last)),
        })
    });
    upsert::<ordinal::ActiveModel>(txn, last).await
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
    for piece in pieces(&rows) {
        let mut insert = A::Entity::insert_many(piece.iter().cloned());
        if let Some(on_conflict) = &on_conflict {
            insert = insert.on_conflict(on_conflict.clone());
        }
        insert.exec_without_returning(txn).await?;
    }
    Ok(())
}
