//! Codes as they are shown.

use crate::domain::catalog::CodeRecord;
use crate::domain::{Code, NoCommission, ProgramKey, Timestamp};
use crate::service::ServiceError;
use crate::store::codes::{self, Filter};
use crate::store::{Database, programs, promoters};

/// One code; `None` when there is none.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn one(db: &Database, code: &str) -> Result<Option<CodeRecord>, ServiceError> {
    Ok(codes::one(db.reader(), &Code::new(code)).await?)
}

/// A page of codes in alphabetical order, of a user of the host and in a program if they are named. A user who is no
/// promoter has none.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn list(
    db: &Database,
    user_id: Option<&str>,
    program: Option<&str>,
    after: Option<&Code>,
    limit: u64,
) -> Result<Vec<CodeRecord>, ServiceError> {
    let mut filter = Filter { program: program.map(ProgramKey::new), ..Filter::default() };
    if let Some(user_id) = user_id {
        let Some(promoter) = promoters::one(db.reader(), user_id).await? else { return Ok(Vec::new()) };
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
