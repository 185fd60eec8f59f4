//! Programs, promoters with their balances, and the entries of the ledger as they are shown.

use crate::domain::catalog::{CodeRecord, Promoter};
use crate::domain::entries::{Balance, PostedEntry};
use crate::domain::{PromoterId, TermsVersion, Timestamp};
use crate::service::ServiceError;
use crate::service::promoters::named_id;
use crate::store::codes::{self, Filter};
use crate::store::{Database, entries, programs, promoters};

/// Codes that a promoter is shown with.
const CODES_LIMIT: u64 = 200;

/// A promoter with codes and balances.
#[derive(Debug, Clone)]
pub struct PromoterView {
    /// The promoter.
    pub promoter: Promoter,
    /// Its codes, the first ones in alphabetical order.
    pub codes: Vec<CodeRecord>,
    /// Its balances, by currency.
    pub balances: Vec<Balance>,
}

/// The terms of all programs, all versions, oldest first.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn programs(db: &Database) -> Result<Vec<TermsVersion>, ServiceError> {
    Ok(programs::versions(db.reader(), None).await?)
}

/// A page of promoters, oldest first.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn list(
    db: &Database,
    after: Option<&PromoterId>,
    limit: u64,
) -> Result<Vec<Promoter>, ServiceError> {
    Ok(promoters::list(db.reader(), after, limit).await?)
}

/// One promoter, named by id or user; `None` when there is none.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn one(db: &Database, name: &str, now: Timestamp) -> Result<Option<PromoterView>, ServiceError> {
    let Some(promoter) = promoters::one(db.reader(), name).await? else { return Ok(None) };
    let filter = Filter { promoter: Some(promoter.id.clone()), program: None };
    let codes = codes::list(db.reader(), &filter, None, CODES_LIMIT).await?;
    let balances = entries::balances(db.reader(), &promoter.id, now).await?;
    Ok(Some(PromoterView { promoter, codes, balances }))
}

/// A page of the ledger, oldest first; of one promoter, by id or user, when it is named.
///
/// # Errors
/// [`ServiceError::Refused`] when there is no such promoter; [`ServiceError::Store`] when the database is away.
pub async fn entries(
    db: &Database,
    promoter: Option<&str>,
    after: i64,
    limit: u64,
) -> Result<Vec<PostedEntry>, ServiceError> {
    let promoter = named_id(db, promoter).await?;
    Ok(entries::list(db.reader(), promoter.as_ref(), after, limit).await?)
}
