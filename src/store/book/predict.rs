//! Guessing what a transaction will lock, so that it seldom has to begin again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use entity::{claim, code};
use sea_orm::{ConnectionTrait, DatabaseBackend, EntityTrait, QueryFilter, QuerySelect};

use super::wanted::Wanted;
use crate::domain::{Book, Claim, Code, CustomerId, PromoterId};
use crate::store::database::{Database, Txn};
use crate::store::error::StoreError;
use crate::store::select::one_of;

/// Codes whose promoters are remembered; beyond that they are read each time.
const REMEMBERED_CODES: usize = 100_000;

/// The promoters of codes: whose a code is never changes. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Owners(Arc<Mutex<BTreeMap<Code, PromoterId>>>);

impl Owners {
    /// Remembers the codes of a book.
    pub fn remember(&self, book: &Book) {
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (code, facts) in &book.codes {
            if owners.len() < REMEMBERED_CODES && !owners.contains_key(code) {
                owners.insert(code.clone(), facts.owner.promoter.clone());
            }
        }
    }

    fn get(&self, code: &Code) -> Option<PromoterId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(code).cloned()
    }
}

/// Adds the promoters whose locks new claims will need: those of codes by which their customers have not been claimed
/// before. A guess: what is missing is found after reading, and the transaction begun again.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn promoters(db: &Database, txn: &Txn, wanted: &mut Wanted) -> Result<(), StoreError> {
    let customers: BTreeSet<&CustomerId> =
        wanted.claims.iter().filter_map(|claim| claim.customer.as_ref()).collect();
    if customers.is_empty() || txn.get_database_backend() != DatabaseBackend::Postgres {
        return Ok(());
    }
    let of_customers =
        one_of(txn, claim::Column::CustomerId, customers.into_iter().map(CustomerId::as_str));
    let known =
        claim::Entity::find().select_only().column(claim::Column::CustomerId).column(claim::Column::Code);
    let known = known.filter(of_customers).into_tuple::<(String, String)>().all(txn).await?;
    let known: BTreeSet<(String, String)> = known.into_iter().collect();
    let is_new = |claim: &&Claim| {
        let customer = claim.customer.as_ref().map(ToString::to_string);
        customer.is_none_or(|customer| !known.contains(&(customer, claim.code.to_string())))
    };
    let codes: BTreeSet<Code> = wanted.claims.iter().filter(is_new).map(|claim| claim.code.clone()).collect();
    let mut unknown = Vec::new();
    for code in &codes {
        match db.owners().get(code) {
            Some(promoter) => {
                wanted.keys.promoters.insert(promoter);
            }
            None => unknown.push(code.as_str()),
        }
    }
    if !unknown.is_empty() {
        let owners = code::Entity::find().select_only().column(code::Column::PromoterId);
        let owners = owners.filter(one_of(txn, code::Column::Code, unknown));
        let owners = owners.into_tuple::<String>().all(txn).await?;
        wanted.keys.promoters.extend(owners.into_iter().map(PromoterId::new));
    }
    Ok(())
}
