//! Writing what changed in a book. Every row is either new or under a lock of this transaction, so an upsert loses
//! nothing.

use std::collections::{BTreeMap, BTreeSet};

use entity::{
    claim, claim_used_up, code_use, commission, credit_note, customer, dispute, invoice, ledger_entry,
    ordinal, party_email, payment, payment_link, referral, refund, ruling, subscription,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde::Serialize;

use crate::domain::{Book, Code, ReferralId, Timestamp};
use crate::store::database::Txn;
use crate::store::error::StoreError;
use crate::store::rows;
use crate::store::tell::{Known, Tell};

/// Writes the changes of a book; `posted_at` is the time of its entries. Settled events are the inbox's to write.
///
/// # Errors
/// [`StoreError`] when the database is away or refuses a row; the transaction must then be rolled back.
pub async fn save(txn: &Txn, book: &Book, posted_at: Timestamp) -> Result<(), StoreError> {
    for (merged, into) in &book.changes.merged {
        merge_referral(txn, merged, into).await?;
    }
    count_uses(txn, book).await?;
    let mut tell = Tell::new(txn);
    facts(&mut tell, book)?;
    attribution(&mut tell, book)?;
    let commissions = book.changes.commissions.iter();
    let commissions = commissions.map(|(invoice, commission)| rows::commission_row(invoice, commission));
    tell.rows::<commission::Entity>(commissions, Known::Overwritten)?;
    let entries = book.changes.entries.iter().map(|entry| rows::entry_row(entry, posted_at));
    tell.rows::<ledger_entry::Entity>(entries, Known::Refused)?;
    tell.send(txn).await?;
    Ok(())
}

fn facts(tell: &mut Tell, book: &Book) -> Result<(), StoreError> {
    let changes = &book.changes;
    let invoices = changes.invoices.iter().filter_map(|id| Some(rows::invoice_row(id, book.invoice(id)?)));
    tell.rows::<invoice::Entity>(invoices, Known::Overwritten)?;
    let payments = changes.payments.iter();
    let payments = payments.filter_map(|id| Some(rows::payment_row(id, book.graph.payment(id)?)));
    tell.rows::<payment::Entity>(payments, Known::Overwritten)?;
    let links = changes.links.iter().filter_map(|(invoice, payment)| {
        Some(payment_link::Model {
            invoice_id: invoice.to_string(),
            payment_id: payment.to_string(),
            amount_minor: book.graph.link(invoice, payment)?,
        })
    });
    tell.rows::<payment_link::Entity>(links, Known::Overwritten)?;
    let refunds = changes.refunds.iter().filter_map(|id| Some(rows::refund_row(id, book.graph.refund(id)?)));
    tell.rows::<refund::Entity>(refunds, Known::Overwritten)?;
    let disputes = changes.disputes.iter();
    let disputes = disputes.filter_map(|id| Some(rows::dispute_row(id, book.graph.dispute(id)?)));
    tell.rows::<dispute::Entity>(disputes, Known::Overwritten)?;
    let notes = changes.credit_notes.iter();
    let notes = notes.filter_map(|id| Some(rows::credit_note_row(id, book.graph.credit_note(id)?)));
    tell.rows::<credit_note::Entity>(notes, Known::Overwritten)?;
    subscriptions(tell, book)
}

/// Subscriptions are written without having been read: one that has ended stays so.
fn subscriptions(tell: &mut Tell, book: &Book) -> Result<(), StoreError> {
    let rows = |ended: bool| {
        let told = book.changes.subscriptions.iter().filter(move |(_, (_, is))| *is == ended);
        told.map(|(id, (customer, ended))| rows::subscription_row(id, customer, *ended))
    };
    tell.rows::<subscription::Entity>(rows(false), Known::Kept)?;
    tell.rows::<subscription::Entity>(rows(true), Known::Overwritten)?;
    Ok(())
}

fn attribution(tell: &mut Tell, book: &Book) -> Result<(), StoreError> {
    let changes = &book.changes;
    let customers = changes.customers.iter().map(|id| rows::customer_row(id, &book.parties));
    tell.rows::<customer::Entity>(customers, Known::Overwritten)?;
    let emails = changes.emails.iter().map(|(party, email)| rows::email_row(party, email));
    tell.rows::<party_email::Entity>(emails, Known::Kept)?;
    let claims = changes.claims.iter().filter_map(|id| Some(rows::claim_row(book.parties.claim(id)?)));
    tell.rows::<claim::Entity>(claims, Known::Kept)?;
    let used_up = changes.used_up.iter();
    let used_up = used_up.map(|claim| claim_used_up::Model { claim_id: claim.to_string() });
    tell.rows::<claim_used_up::Entity>(used_up, Known::Refused)?;
    let rulings = changes
        .rulings
        .iter()
        .filter_map(|key| Some(rows::ruling_row(&key.0, &key.1, book.rulings.get(key)?)));
    tell.rows::<ruling::Entity>(rulings, Known::Refused)?;
    let grants = changes.grants.iter();
    let grants = grants
        .filter_map(|(party, code)| Some(rows::grant_row(party, code, book.grants.get(party)?.get(code)?)));
    tell.rows::<code_use::Entity>(grants, Known::Refused)?;
    tell.rows::<ordinal::Entity>(last_ordinals(book), Known::Overwritten)?;
    let referrals = changes.referrals.iter();
    let referrals = referrals.filter_map(|party| Some(rows::referral_row(book.referrals.get(party)?)));
    tell.rows::<referral::Entity>(referrals, Known::Overwritten)?;
    Ok(())
}

/// The last ordinals of the groups in which ordinals were given.
fn last_ordinals(book: &Book) -> impl Iterator<Item = ordinal::Model> {
    let grants = book.changes.grants.iter().filter_map(|(party, code)| book.grants.get(party)?.get(code));
    let groups: BTreeSet<_> = grants.map(|grant| (grant.promoter.clone(), grant.program.clone())).collect();
    groups.into_iter().filter_map(|group| {
        let last = i64::from(*book.last_ordinals.get(&group)?);
        Some(ordinal::Model { promoter_id: group.0.into_string(), program_key: group.1.into_string(), last })
    })
}

/// Counts the uses of codes in the statement that checks that they are left: should another have taken one, although
/// that takes the lock of the promoter, everything is begun again.
async fn count_uses(txn: &Txn, book: &Book) -> Result<(), StoreError> {
    #[derive(Debug, Serialize)]
    struct Counted<'b> {
        code: &'b str,
        now: i64,
        before: i64,
    }
    let mut given: BTreeMap<&Code, i64> = BTreeMap::new();
    for (_, code) in &book.changes.grants {
        let uses = given.entry(code).or_default();
        *uses = uses.saturating_add(1);
    }
    let counted: Vec<Counted<'_>> = given
        .into_iter()
        .filter_map(|(code, given)| {
            let now = i64::from(book.codes.get(code)?.uses);
            Some(Counted { code: code.as_str(), now, before: now.saturating_sub(given) })
        })
        .collect();
    if counted.is_empty() {
        return Ok(());
    }
    let mut tell = Tell::new(txn);
    let columns = [("code", "text"), ("now", "bigint"), ("before", "bigint")];
    let is_left = "code.code = told.code AND code.uses = told.before";
    tell.update("code", "uses = told.now", &columns, is_left, &counted)?;
    let met = tell.send(txn).await?;
    if u64::try_from(counted.len()).is_ok_and(|codes| codes == met) {
        Ok(())
    } else {
        Err(StoreError::Contention(None))
    }
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
