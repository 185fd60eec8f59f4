//! The story of a code: whose it is, and whether it would make a referral now.

use super::words;
use crate::domain::Timestamp;
use crate::domain::catalog::CodeRecord;
use crate::service::ServiceError;
use crate::service::queries::codes;
use crate::store::Database;

/// `None` when there is no such code, in any case, or it is that of the promoter who was told about under this name.
pub async fn tell(
    db: &Database,
    name: &str,
    told_of: Option<&str>,
    now: Timestamp,
) -> Result<Option<Vec<String>>, ServiceError> {
    let Some(code) = codes::one(db, name).await? else { return Ok(None) };
    let owner = &code.facts.owner;
    if told_of
        .is_some_and(|told| [code.promoter_user.as_str(), owner.promoter.as_str()].contains(&told.trim()))
    {
        return Ok(None);
    }
    let promoter = words::named(&code.promoter_user, &owner.promoter);
    let mut told = vec![format!("Code {} belongs to promoter {promoter}.", code.code), sentence(&code)];
    if !code.promotion_codes.is_empty() {
        let codes = if code.promotion_codes.len() == 1 { "code" } else { "codes" };
        told.push(format!("It carries the promotion {codes} {}.", code.promotion_codes.join(", ")));
    }
    if let Some(reason) = codes::why_invalid(db, name, now).await? {
        told.push(format!("A claim made now would make no referral ({}).", reason.as_str()));
    }
    Ok(Some(told))
}

/// A code with its program, state and uses.
pub fn sentence(code: &CodeRecord) -> String {
    let latest = code.facts.version_at(Timestamp::from_unix(i64::MAX));
    let state = if latest.is_none_or(|version| version.active) { "active" } else { "inactive" };
    let expires = latest.and_then(|version| version.expires_at);
    let expires = expires.map(|at| format!(", expires at {at}")).unwrap_or_default();
    let uses = words::uses(code.facts.uses, code.facts.max_uses);
    format!("Code {} in program {} is {state}; {uses}{expires}.", code.code, code.facts.owner.program)
}
