//! Fetching what [`Needs`] names: from memory, else from the database, all tables in one statement. Knows no rule.

use std::collections::BTreeSet;

use sea_orm::ConnectionTrait;

use super::batch::BatchSelect;
use super::error::StoreError;
use super::memory::Memory;
use super::select::KEYS_PER_STATEMENT;
use super::{
    claims, codes, commissions, customers, entries, inbox, invoices, payments, programs, promoters, referrals,
};
use crate::domain::ProgramKey;
use crate::domain::ledger::{Fetched, Needs};

/// Fetches what is needed, and remembers what claims are judged by.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn fetch(
    db: &impl ConnectionTrait,
    memory: &mut Memory,
    needs: &Needs,
) -> Result<Fetched, StoreError> {
    let mut left = needs.clone();
    let mut fetched = memory.recall(&mut left);
    while let Some(part) = left.take_part(KEYS_PER_STATEMENT) {
        fetch_part(db, memory, &part, &mut fetched).await?;
    }
    Ok(fetched)
}

async fn fetch_part(
    db: &impl ConnectionTrait,
    memory: &mut Memory,
    needs: &Needs,
    fetched: &mut Fetched,
) -> Result<(), StoreError> {
    let mut batch = BatchSelect::new(db);
    let of_events = inbox::select(&mut batch, needs);
    let of_payments = payments::select(&mut batch, needs);
    let of_invoices = invoices::select(&mut batch, needs);
    let of_entries = entries::select(&mut batch, needs);
    let of_commissions = commissions::select(&mut batch, needs);
    let of_customers = customers::select(&mut batch, needs);
    let of_claims = claims::select(&mut batch, needs);
    let of_referrals = referrals::select(&mut batch, needs);
    let of_codes = codes::select(&mut batch, needs);
    let of_programs = programs::select(&mut batch, needs);
    let of_promoters = promoters::select(&mut batch, needs);
    let answers = batch.fetch(db).await?;
    of_events.read(&answers, fetched)?;
    of_payments.read(&answers, fetched)?;
    of_invoices.read(&answers, fetched)?;
    of_entries.read(&answers, fetched)?;
    of_commissions.read(&answers, fetched)?;
    of_customers.read(&answers, fetched)?;
    of_claims.read(&answers, fetched)?;
    of_codes.read(&answers, fetched)?;
    of_programs.read(&answers, fetched)?;
    of_promoters.read(&answers, fetched)?;
    memory.remember(needs, fetched);
    let rows = of_referrals.rows(&answers, fetched)?;
    let mut rivals = Vec::new();
    for (group, first) in &needs.slots {
        rivals.push((group.clone(), referrals::rivals(db, group, *first).await?));
    }
    // Referrals come with the terms that they are frozen to.
    let all_rows = rows.iter().chain(rivals.iter().flat_map(|(_, rows)| rows));
    let programs: BTreeSet<ProgramKey> = all_rows.map(|row| ProgramKey::new(&row.program_key)).collect();
    let unknown = programs.into_iter().filter(|program| memory.versions(program).is_none()).collect();
    programs::remember(db, memory, unknown).await?;
    for row in rows {
        fetched.referrals.extend(referrals::referral(row, memory)?);
    }
    for (group, rows) in rivals {
        fetched.slots.push((group, referrals::slots(rows, memory)?));
    }
    Ok(())
}
