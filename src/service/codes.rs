//! Making and changing codes.

use super::contention::{ATTEMPTS, Contention};
use super::error::{RefusalCode, ServiceError};
use super::fields::{Limit, invalid, name};
use crate::domain::assess::NoCommission;
use crate::domain::codes::CodeVersion;
use crate::domain::{Book, Code, CodeFacts, CodeOwner, ProgramKey, Timestamp};
use crate::store::book::Wanted;
pub use crate::store::codes::CodeView;
use crate::store::codes::{self, Filter};
use crate::store::{Database, StoreError, Txn, admin, book};

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
    let code = Code::new(name("code", code)?);
    let program = ProgramKey::new(name("program", program)?);
    let Some(promoter) = admin::promoter(db.reader(), promoter).await? else {
        let message = format!("promoter: there is no promoter {promoter}");
        return Err(ServiceError::refused(RefusalCode::UnknownPromoter, message));
    };
    if admin::terms_versions(db.reader(), Some(&program)).await?.is_empty() {
        let message = format!("program: there is no program {program}");
        return Err(ServiceError::refused(RefusalCode::UnknownProgram, message));
    }
    let owner = CodeOwner { promoter: promoter.id, program };
    let first = CodeVersion {
        id: 0,
        valid_from: now,
        active: change.active.unwrap_or(true),
        expires_at: change.expires_at.and_then(|limit| limit.0),
    };
    let max_uses = change.max_uses.and_then(|limit| limit.0);
    let facts = CodeFacts { versions: vec![first], max_uses, ..CodeFacts::unlimited(owner) };
    let promotion = promotion_code(change)?;
    let mut contention = Contention::at_most(ATTEMPTS);
    loop {
        let result = create_code_once(db, &code, &facts, promotion.as_ref(), now).await;
        if !contention.is_worth_another_try(&result).await {
            return result;
        }
    }
}

async fn create_code_once(
    db: &Database,
    code: &Code,
    facts: &CodeFacts,
    promotion: Option<&Code>,
    now: Timestamp,
) -> Result<NewCode, ServiceError> {
    let judged: Vec<Code> = promotion.into_iter().chain([code]).cloned().collect();
    let new_code = Some((code.clone(), facts.clone()));
    let mut wanted = Wanted { judged: judged.clone(), new_code, ..Wanted::default() };
    wanted.keys.codes.extend(judged);
    let judge = |book: &mut Book| {
        book.promotion_codes.extend(promotion.map(|promotion| (promotion.clone(), code.clone())));
        book.judge_again(code).map_err(ServiceError::from)
    };
    let (txn, book, settled_referrals) = book::transact(db, wanted, judge).await?;
    if !codes::insert(&txn, code, facts, now).await? {
        let message = format!("code: {code} exists already");
        return Err(ServiceError::refused(RefusalCode::AlreadyExists, message));
    }
    if let Some(promotion) = promotion {
        carry(&txn, promotion, code).await?;
    }
    book::save(&txn, &book, now).await?;
    txn.commit().await.map_err(StoreError::from)?;
    Ok(NewCode { code: code.clone(), owner: facts.owner.clone(), settled_referrals })
}

async fn carry(txn: &Txn, promotion: &Code, code: &Code) -> Result<(), ServiceError> {
    if codes::carry(txn, promotion, code).await? {
        return Ok(());
    }
    let message = format!("promotion_code: {promotion} is carried by another code");
    Err(ServiceError::refused(RefusalCode::AlreadyExists, message))
}

fn promotion_code(change: &CodeChange) -> Result<Option<Code>, ServiceError> {
    let promotion = change.promotion_code.as_deref().map(|id| name("promotion_code", id)).transpose()?;
    Ok(promotion.map(Code::new))
}

/// Changes a code, from now on. Referrals that it has made stay.
///
/// # Errors
/// [`ServiceError::Refused`] when there is no such code, or another one carries the promotion code.
pub async fn update_code(
    db: &Database,
    code: &str,
    change: &CodeChange,
    now: Timestamp,
) -> Result<CodeView, ServiceError> {
    let code = Code::new(name("code", code)?);
    let mut contention = Contention::at_most(ATTEMPTS);
    loop {
        let result = update_code_once(db, &code, change, now).await;
        if !contention.is_worth_another_try(&result).await {
            return result;
        }
    }
}

async fn update_code_once(
    db: &Database,
    code: &Code,
    change: &CodeChange,
    now: Timestamp,
) -> Result<CodeView, ServiceError> {
    let txn = book::begin_alone(db).await?;
    let known = codes::one(&txn, code).await?.ok_or_else(|| unknown(code))?;
    let judged_since = add_version(&txn, &known, change, now).await?;
    if let Some(Limit(max_uses)) = change.max_uses {
        codes::set_max_uses(&txn, code, max_uses).await?;
    }
    let promotion = promotion_code(change)?;
    if let Some(promotion) = &promotion {
        carry(&txn, promotion, code).await?;
    }
    let wanted = Wanted { judged: promotion.iter().cloned().collect(), judged_since, ..Wanted::default() };
    let judge = |book: &mut Book| {
        if promotion.is_some() {
            book.judge_again(code)?;
        }
        judged_since.map_or(Ok(0), |since| book.judge_since(since)).map_err(ServiceError::from)
    };
    let (book, _) = book::apply_alone(&txn, wanted, judge).await?;
    book::save(&txn, &book, now).await?;
    let changed = codes::one(&txn, code).await?.ok_or_else(|| unknown(code))?;
    txn.commit().await.map_err(StoreError::from)?;
    Ok(changed)
}

/// Adds a version when the change needs one, and tells from when on it holds.
async fn add_version(
    txn: &Txn,
    known: &CodeView,
    change: &CodeChange,
    now: Timestamp,
) -> Result<Option<Timestamp>, ServiceError> {
    let latest = known.facts.version_at(Timestamp::from_unix(i64::MAX));
    let (active, expires_at) = latest.map_or((true, None), |latest| (latest.active, latest.expires_at));
    // Another replica's clock may be ahead of ours: the last version that was added is the one that holds.
    let valid_from = latest.map_or(now, |latest| now.max(latest.valid_from));
    let changed = CodeVersion {
        id: 0,
        valid_from,
        active: change.active.unwrap_or(active),
        expires_at: change.expires_at.map_or(expires_at, |limit| limit.0),
    };
    let is_new = (changed.active, changed.expires_at) != (active, expires_at);
    if is_new {
        codes::insert_version(txn, &known.code, &changed).await?;
    }
    Ok(is_new.then_some(valid_from))
}

/// One code; `None` when there is none.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn code(db: &Database, code: &str) -> Result<Option<CodeView>, ServiceError> {
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
) -> Result<Vec<CodeView>, ServiceError> {
    let mut filter = Filter { program: program.map(ProgramKey::new), ..Filter::default() };
    if let Some(user_id) = user_id {
        let Some(promoter) = admin::promoter(db.reader(), user_id).await? else { return Ok(Vec::new()) };
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
    let versions = admin::terms_versions(db.reader(), Some(program)).await?;
    Ok(match facts.judge_at(now, &versions) {
        Err(reason) if reason < NoCommission::CodeUsedUp => Some(reason),
        Ok(_) | Err(_) if facts.is_used_up() => Some(NoCommission::CodeUsedUp),
        judged => judged.err(),
    })
}

/// Counts a click on a code.
///
/// # Errors
/// [`ServiceError::Refused`] when there is no such code.
pub async fn click(db: &Database, code: &str) -> Result<(), ServiceError> {
    let code = Code::new(name("code", code)?);
    let txn = db.begin().await?;
    if !codes::count_click(&txn, &code).await? {
        return Err(unknown(&code));
    }
    txn.commit().await.map_err(StoreError::from)?;
    Ok(())
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
