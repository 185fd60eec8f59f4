//! Making programs, promoters and codes.

use uuid::Uuid;

use super::contention::{ATTEMPTS, Contention};
use super::error::{RefusalCode, ServiceError};
use crate::domain::attribution::CodeOwner;
use crate::domain::{BasisPoints, Code, CommissionBase, ProgramKey, PromoterId, Terms, Timestamp};
use crate::store::admin::{self, Promoter};
use crate::store::book::Wanted;
use crate::store::{Database, StoreError, book};
use crate::stripe::fields::is_name;

/// The longest hold period: ten years of 365 days.
const HOLD_DAYS_LIMIT: u16 = 3_650;

/// Makes a program; its terms are valid for all claims, also earlier ones.
///
/// # Errors
/// [`ServiceError::Refused`] when a field is out of bounds or the key is taken.
pub async fn create_program(
    db: &Database,
    key: &str,
    rate_bps: u16,
    base: CommissionBase,
    hold_days: u16,
    now: Timestamp,
) -> Result<Terms, ServiceError> {
    let key = ProgramKey::new(name("key", key)?);
    let too_much = || invalid(format!("rate: {rate_bps} basis points are more than all (10000)"));
    let rate = BasisPoints::new(rate_bps).ok_or_else(too_much)?;
    if hold_days > HOLD_DAYS_LIMIT {
        return Err(invalid(format!("hold_days: at most {HOLD_DAYS_LIMIT}, not {hold_days}")));
    }
    let terms = Terms { rate, base, hold_days };
    let txn = db.begin().await?;
    if !admin::insert_program(&txn, &key, &terms, now).await? {
        let message = format!("key: a program named {key} exists already");
        return Err(ServiceError::refused(RefusalCode::AlreadyExists, message));
    }
    txn.commit().await.map_err(StoreError::from)?;
    Ok(terms)
}

/// Makes a user of the host a promoter.
///
/// # Errors
/// [`ServiceError::Refused`] when a field is not of its form, or the user is a promoter already.
pub async fn create_promoter(
    db: &Database,
    user_id: &str,
    email: Option<&str>,
    now: Timestamp,
) -> Result<Promoter, ServiceError> {
    let promoter = Promoter {
        id: PromoterId::new(format!("prm_{}", Uuid::now_v7().simple())),
        user_id: name("user_id", user_id)?,
        email: email.map(normal_email).transpose()?,
        created_at: now,
    };
    let txn = db.begin().await?;
    if !admin::insert_promoter(&txn, &promoter).await? {
        let message = format!("user_id: {user_id} is a promoter already");
        return Err(ServiceError::refused(RefusalCode::AlreadyExists, message));
    }
    txn.commit().await.map_err(StoreError::from)?;
    Ok(promoter)
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
    now: Timestamp,
) -> Result<NewCode, ServiceError> {
    let code = Code::new(name("code", code)?);
    let program = ProgramKey::new(name("program", program)?);
    let mut contention = Contention::at_most(ATTEMPTS);
    loop {
        let result = create_code_once(db, &code, promoter, &program, now).await;
        if !contention.is_worth_another_try(&result).await {
            return result;
        }
    }
}

async fn create_code_once(
    db: &Database,
    code: &Code,
    promoter: &str,
    program: &ProgramKey,
    now: Timestamp,
) -> Result<NewCode, ServiceError> {
    let mut wanted = Wanted { new_code: Some(code.clone()), ..Wanted::default() };
    wanted.keys.codes.insert(code.clone());
    let (txn, mut book) = book::open(db, wanted).await?;
    let Some(promoter) = admin::promoter(&txn, promoter).await? else {
        let message = format!("promoter: there is no promoter {promoter}");
        return Err(ServiceError::refused(RefusalCode::UnknownPromoter, message));
    };
    let versions = admin::terms_versions(&txn, Some(program)).await?;
    if versions.is_empty() {
        let message = format!("program: there is no program {program}");
        return Err(ServiceError::refused(RefusalCode::UnknownProgram, message));
    }
    let owner = CodeOwner { promoter: promoter.id, program: program.clone() };
    if !admin::insert_code(&txn, code, &owner, now).await? {
        let message = format!("code: {code} exists already");
        return Err(ServiceError::refused(RefusalCode::AlreadyExists, message));
    }
    book.versions.retain(|version| version.program != owner.program);
    book.versions.extend(versions);
    book.codes.insert(code.clone(), owner.clone());
    let settled_referrals = book.judge_again(code)?;
    book::save(&txn, &book, now).await?;
    txn.commit().await.map_err(StoreError::from)?;
    Ok(NewCode { code: code.clone(), owner, settled_referrals })
}

/// An e-mail as it is compared: trimmed, lower case.
///
/// # Errors
/// [`ServiceError::Refused`] when it has no `@` or is too long.
pub fn normal_email(email: &str) -> Result<String, ServiceError> {
    let email = email.trim().to_lowercase();
    if is_name(&email) && email.contains('@') {
        Ok(email)
    } else {
        Err(invalid("email: an address of at most 255 characters with an @".to_owned()))
    }
}

/// A name that came from outside, trimmed.
///
/// # Errors
/// [`ServiceError::Refused`] when it is empty, too long, or has control characters.
pub fn name(field: &str, value: &str) -> Result<String, ServiceError> {
    let value = value.trim();
    if is_name(value) {
        Ok(value.to_owned())
    } else {
        Err(invalid(format!("{field}: 1 to 255 printable characters")))
    }
}

pub(super) fn invalid(message: String) -> ServiceError {
    ServiceError::refused(RefusalCode::InvalidField, message)
}
