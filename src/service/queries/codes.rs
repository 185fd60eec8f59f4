//! Codes as they are shown.

use crate::domain::catalog::CodeRecord;
use crate::domain::{Code, NoCommission, Timestamp};
use crate::service::ServiceError;
use crate::service::programs::named_key;
use crate::service::promoters::named_id;
use crate::store::codes::{self, Filter};
use crate::store::{Database, programs, promoters};

/// One code; `None` when there is none.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn one(db: &Database, code: &str) -> Result<Option<CodeRecord>, ServiceError> {
    Ok(codes::one(db.reader(), &Code::new(code)).await?)
}

/// Which codes to list, as it was asked.
#[derive(Debug, Clone, Default)]
pub struct CodeFilter {
    /// Only those of this promoter, by id or user id.
    pub promoter: Option<String>,
    /// Only those of this user of the host; one who is no promoter has none.
    pub user_id: Option<String>,
    /// Only those of this program.
    pub program: Option<String>,
}

/// A page of codes in alphabetical order.
///
/// # Errors
/// [`ServiceError::Refused`] when promoter or program do not exist; [`ServiceError::Store`] when the database is away.
pub async fn list(
    db: &Database,
    asked: &CodeFilter,
    after: Option<&Code>,
    limit: u64,
) -> Result<Vec<CodeRecord>, ServiceError> {
    let program = named_key(db, asked.program.as_deref()).await?;
    let promoter = named_id(db, asked.promoter.as_deref()).await?;
    let mut filter = Filter { promoter, program };
    if let Some(user_id) = &asked.user_id {
        let Some(promoter) = promoters::one(db.reader(), user_id).await? else { return Ok(Vec::new()) };
        if filter.promoter.is_some_and(|named| named != promoter.id) {
            return Ok(Vec::new());
        }
        filter.promoter = Some(promoter.id);
    }
    Ok(codes::list(db.reader(), &filter, after, limit).await?)
}

/// Why a code would make no referral now; `None` when it would.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn why_invalid(
    db: &Database,
    code: &str,
    now: Timestamp,
) -> Result<Option<NoCommission>, ServiceError> {
    let Some(view) = codes::one(db.reader(), &Code::new(code)).await? else {
        return Ok(Some(NoCommission::UnknownCode));
    };
    let (facts, program) = (&view.facts, &view.facts.owner.program);
    let versions = programs::versions(db.reader(), Some(program)).await?;
    Ok(match facts.judge_at(now, &versions) {
        Err(reason) if reason < NoCommission::CodeUsedUp => Some(reason),
        Ok(_) | Err(_) if facts.is_used_up() => Some(NoCommission::CodeUsedUp),
        judged => judged.err(),
    })
}
