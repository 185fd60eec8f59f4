//! Reading for people and programs: promoters, balances, entries.

use super::error::ServiceError;
use crate::domain::{PromoterId, TermsVersion, Timestamp};
use crate::store::Database;
use crate::store::admin::{self, Promoter};
use crate::store::codes::{self, CodeView, Filter};
use crate::store::ledger;
pub use crate::store::ledger::{Balance, EntryView};

/// Codes that a promoter is shown with.
const CODES_LIMIT: u64 = 200;

/// A promoter with codes and balances.
#[derive(Debug, Clone)]
pub struct PromoterView {
    /// The promoter.
    pub promoter: Promoter,
    /// Its codes, the first ones in alphabetical order.
    pub codes: Vec<CodeView>,
    /// Its balances, by currency.
    pub balances: Vec<Balance>,
}

/// The terms of all programs, all versions, oldest first.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn programs(db: &Database) -> Result<Vec<TermsVersion>, ServiceError> {
    Ok(admin::terms_versions(db.reader(), None).await?)
}

/// A page of promoters, oldest first.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn promoters(
    db: &Database,
    after: Option<&PromoterId>,
    limit: u64,
) -> Result<Vec<Promoter>, ServiceError> {
    Ok(admin::promoters(db.reader(), after, limit).await?)
}

/// One promoter, named by id or user; `None` when there is none.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn promoter(
    db: &Database,
    name: &str,
    now: Timestamp,
) -> Result<Option<PromoterView>, ServiceError> {
    let Some(promoter) = admin::promoter(db.reader(), name).await? else { return Ok(None) };
    let filter = Filter { promoter: Some(promoter.id.clone()), program: None };
    let codes = codes::list(db.reader(), &filter, None, CODES_LIMIT).await?;
    let balances = ledger::balances(db.reader(), &promoter.id, now).await?;
    Ok(Some(PromoterView { promoter, codes, balances }))
}

/// A page of the ledger, oldest first.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn entries(
    db: &Database,
    promoter: Option<&PromoterId>,
    after: i64,
    limit: u64,
) -> Result<Vec<EntryView>, ServiceError> {
    Ok(ledger::entries(db.reader(), promoter, after, limit).await?)
}
