//! Fetching what [`Needs`] names: from memory, else from the database, all tables in one statement. Knows no rule.

use super::batch::{Answers, BatchSelect};
use super::error::StoreError;
use super::memory::Memory;
use super::select::KEYS_PER_STATEMENT;
use super::source::Source;
use super::{
    claims, codes, commissions, customers, entries, inbox, invoices, payments, programs, promoters, referrals,
};
use crate::domain::ledger::{Fetched, Needs, State};

/// Loads what a state is known to need, and all that it depends on.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn load(db: &impl Source, memory: &mut Memory, state: &mut State) -> Result<(), StoreError> {
    while let Some(needs) = state.next_needs() {
        let fetched = fetch(db, memory, &needs).await?;
        state.supply(&needs, fetched);
    }
    Ok(())
}

/// Fetches what is needed, and remembers what claims are judged by.
async fn fetch(db: &impl Source, memory: &mut Memory, needs: &Needs) -> Result<Fetched, StoreError> {
    let mut left = needs.clone();
    let mut fetched = memory.recall(&mut left);
    while let Some(part) = left.take_part(KEYS_PER_STATEMENT) {
        fetch_part(db, memory, &part, &mut fetched).await?;
    }
    Ok(fetched)
}

async fn fetch_part(
    db: &impl Source,
    memory: &mut Memory,
    needs: &Needs,
    fetched: &mut Fetched,
) -> Result<(), StoreError> {
    let mut batch = BatchSelect::new(db.backend());
    let selected = Selected::of(&mut batch, needs);
    let mut answers = db.answer(batch).await?;
    let of_referrals = selected.read(&mut answers, fetched)?;
    memory.remember(needs, fetched);
    // Referrals come with the terms that they are frozen to.
    let referrals = of_referrals.rows(&mut answers, fetched)?;
    let mut programs = referrals.programs();
    programs.retain(|program| memory.versions(program).is_none());
    if !programs.is_empty() {
        let of_programs = Needs { programs, ..Needs::default() };
        let mut batch = BatchSelect::new(db.backend());
        let selected = programs::select(&mut batch, &of_programs);
        let mut versions = Fetched::default();
        selected.read(&mut db.answer(batch).await?, &mut versions)?;
        memory.remember(&of_programs, &versions);
    }
    referrals.read(memory, fetched)
}

/// What each family of tables selects.
#[derive(Debug)]
pub(super) struct Selected {
    events: inbox::Selected,
    payments: payments::Selected,
    invoices: invoices::Selected,
    entries: entries::Selected,
    commissions: commissions::Selected,
    customers: customers::Selected,
    claims: claims::Selected,
    referrals: referrals::Selected,
    codes: codes::Selected,
    programs: programs::Selected,
    promoters: promoters::Selected,
}

impl Selected {
    /// Adds the selections of all families to a statement.
    pub(super) fn of(batch: &mut BatchSelect, needs: &Needs) -> Self {
        Self {
            events: inbox::select(batch, needs),
            payments: payments::select(batch, needs),
            invoices: invoices::select(batch, needs),
            entries: entries::select(batch, needs),
            commissions: commissions::select(batch, needs),
            customers: customers::select(batch, needs),
            claims: claims::select(batch, needs),
            referrals: referrals::select(batch, needs),
            codes: codes::select(batch, needs),
            programs: programs::select(batch, needs),
            promoters: promoters::select(batch, needs),
        }
    }

    /// Reads all but the referrals, whose terms are still to be found.
    fn read(self, answers: &mut Answers, fetched: &mut Fetched) -> Result<referrals::Selected, StoreError> {
        self.events.read(answers, fetched)?;
        self.payments.read(answers, fetched)?;
        self.invoices.read(answers, fetched)?;
        self.entries.read(answers, fetched)?;
        self.commissions.read(answers, fetched)?;
        self.customers.read(answers, fetched)?;
        self.claims.read(answers, fetched)?;
        self.codes.read(answers, fetched)?;
        self.programs.read(answers, fetched)?;
        self.promoters.read(answers, fetched)?;
        Ok(self.referrals)
    }
}
