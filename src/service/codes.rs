//! Making and changing codes.

use super::error::{RefusalCode, ServiceError};
use super::fields::{self, Limit, invalid, name, new_code};
use super::programs::unknown as unknown_program;
use super::{ledger, promoters};
use crate::domain::catalog::CodeRecord;
use crate::domain::codes::CodeVersion;
use crate::domain::ledger::Needs;
use crate::domain::{Code, CodeFacts, CodeOwner, ProgramKey, Timestamp, catalog};
use crate::store::{Database, codes};

/// What a request says of a code; what it does not name stays as it is, or is without limit.
#[derive(Debug, Clone, Default)]
pub struct CodeChange {
    /// Whether it makes referrals.
    pub active: Option<bool>,
    /// From when on it makes none.
    pub expires_at: Option<Limit<Timestamp>>,
    /// How many it may make.
    pub max_uses: Option<Limit<u32>>,
    /// A promotion code of Stripe (`promo_…`) that it carries from now on, and for good.
    pub promotion_code: Option<String>,
    /// When it was made, for one that was in use elsewhere before; the time of the call by default. Never changed.
    pub made_at: Option<Timestamp>,
}

/// What [`create_code`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCode {
    /// The code.
    pub code: Code,
    /// Whose it is, and under which terms it earns.
    pub owner: CodeOwner,
    /// Referrals that came of claims that had named the code before it existed.
    pub settled_referrals: usize,
}

/// Makes a code for a promoter, named by id or user, and judges the claims that waited for it.
///
/// # Errors
/// [`ServiceError::Refused`] when the code is taken, or program or promoter do not exist.
pub async fn create_code(
    db: &Database,
    code: &str,
    promoter: &str,
    program: &str,
    change: &CodeChange,
    now: Timestamp,
) -> Result<NewCode, ServiceError> {
    let code = Code::new(new_code("code", code)?);
    let program = ProgramKey::new(name("program", program)?);
    let promoter = promoters::named(db, promoter).await?;
    let promotion = promotion_code(change)?;
    if change.made_at.is_some_and(|at| at > now || at < Timestamp::from_unix(0)) {
        return Err(invalid("made_at: between 1970 and now".to_owned()));
    }
    let ever = Timestamp::from_unix(i64::MIN);
    let waiting = promotion.iter().chain([&code]).map(Code::folded);
    let needs = Needs {
        codes: [code.clone()].into(),
        programs: [program.clone()].into(),
        promoters: [promoter.id.clone()].into(),
        promotion_codes: promotion.iter().cloned().collect(),
        claims_naming: waiting.map(|key| (key.to_owned(), ever)).collect(),
        ..Needs::default()
    };
    let owner = CodeOwner { promoter: promoter.id, program };
    ledger::change(db, &needs, now, |unit| {
        if unit.state().versions.iter().all(|version| version.program != owner.program) {
            return Err(unknown_program("program", &owner.program));
        }
        if promotion.as_ref().is_some_and(|promotion| unit.state().promotion_codes.contains_key(promotion)) {
            return Err(carried_by_another(promotion.as_ref()));
        }
        let first = CodeVersion {
            id: 1,
            valid_from: unit.now(),
            active: change.active.unwrap_or(true),
            expires_at: change.expires_at.and_then(|limit| limit.0),
        };
        let max_uses = change.max_uses.and_then(|limit| limit.0);
        let made_at = change.made_at.unwrap_or(unit.now());
        let facts = CodeFacts { owner: owner.clone(), made_at, versions: vec![first], max_uses, uses: 0 };
        let new = catalog::NewCode { code: code.clone(), facts };
        let Some(settled_referrals) = unit.create_code(new, promotion.as_ref())? else {
            let message = format!("code: {code} exists already");
            return Err(ServiceError::refused(RefusalCode::AlreadyExists, message));
        };
        Ok(NewCode { code: code.clone(), owner: owner.clone(), settled_referrals })
    })
    .await
}

fn carried_by_another(promotion: Option<&Code>) -> ServiceError {
    let promotion = promotion.map_or("", Code::as_str);
    let message = format!("promotion_code: {promotion} is carried by another code");
    ServiceError::refused(RefusalCode::AlreadyExists, message)
}

fn promotion_code(change: &CodeChange) -> Result<Option<Code>, ServiceError> {
    let promotion = change.promotion_code.as_deref();
    let promotion = promotion.map(|id| fields::promotion_code("promotion_code", id)).transpose()?;
    Ok(promotion.map(Code::promotion))
}

/// Changes a code, from now on. Referrals that it has made stay. The code as it is then.
///
/// # Errors
/// [`ServiceError::Refused`] when there is no such code, or another one carries the promotion code.
pub async fn update_code(
    db: &Database,
    code: &str,
    change: &CodeChange,
    now: Timestamp,
) -> Result<CodeRecord, ServiceError> {
    let code = Code::new(name("code", code)?);
    let promotion = promotion_code(change)?;
    // A promotion code decides about all claims that wait for it, a version about those made since.
    let ever = Timestamp::from_unix(i64::MIN);
    let waiting = promotion.iter().map(|promotion| (promotion.folded().to_owned(), ever));
    let needs = Needs {
        codes: [code.clone()].into(),
        promotion_codes: promotion.iter().cloned().collect(),
        claims_naming: waiting.chain([(code.folded().to_owned(), now)]).collect(),
        ..Needs::default()
    };
    ledger::change(db, &needs, now, |unit| {
        if !unit.state().codes.contains_key(&code) {
            return Err(unknown(&code));
        }
        // The newest limit is the one that counts, also for the claims that the promotion code decides about.
        if let Some(max_uses) = change.max_uses {
            unit.limit_code(&code, max_uses.0);
        }
        if let Some(promotion) = &promotion {
            if !unit.carry(promotion, &code) {
                return Err(carried_by_another(Some(promotion)));
            }
            unit.judge_again(&code)?;
        }
        let expires_at = change.expires_at.map(|limit| limit.0);
        unit.add_code_version(&code, change.active, expires_at)?;
        Ok(())
    })
    .await?;
    codes::one(db.reader(), &code).await?.ok_or_else(|| unknown(&code))
}

/// Counts a click on a code.
///
/// # Errors
/// [`ServiceError::Refused`] when there is no such code.
pub async fn click(db: &Database, code: &str) -> Result<(), ServiceError> {
    let code = Code::new(name("code", code)?);
    if codes::count_click(db, &code).await? { Ok(()) } else { Err(unknown(&code)) }
}

/// The refusal of a code that does not exist.
pub fn unknown(code: &Code) -> ServiceError {
    ServiceError::refused(RefusalCode::UnknownCode, format!("code: there is no code {code}"))
}

/// A number of uses that came from outside.
///
/// # Errors
/// [`ServiceError::Refused`] when it is 0 or too large.
pub fn max_uses(uses: i64) -> Result<u32, ServiceError> {
    let uses = u32::try_from(uses).ok().filter(|uses| *uses > 0);
    uses.ok_or_else(|| invalid("max_uses: 1 to 4294967295".to_owned()))
}
