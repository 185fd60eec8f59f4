//! Making promoters, and learning more of them.

use super::error::{RefusalCode, ServiceError};
use super::fields::{name, normal_email};
use super::ledger;
use crate::domain::catalog::{NewPromoter, Promoter};
use crate::domain::ledger::Needs;
use crate::domain::{PromoterId, Timestamp, UserId};
use crate::store::{Database, promoters};
use crate::stripe::fields::is_name;

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
    let user = UserId::new(name("user_id", user_id)?);
    let email = email.map(normal_email).transpose()?;
    let needs = Needs { promoters_by_user: [user.clone()].into(), ..Needs::default() };
    ledger::change(db, &needs, now, |unit| {
        let id = PromoterId::new(unit.new_id("prm"));
        let (user, email, created_at) = (user.clone(), email.clone(), unit.now());
        if !unit.create_promoter(NewPromoter {
            id: id.clone(),
            user: user.clone(),
            email: email.clone(),
            created_at,
        }) {
            let message = format!("user_id: {user} is a promoter already");
            return Err(ServiceError::refused(RefusalCode::AlreadyExists, message));
        }
        Ok(Promoter { id, user_id: user.into_string(), email, created_at })
    })
    .await
}

/// Gives a promoter another e-mail. Those that it had before still count: its referrals with any of them are held.
///
/// # Errors
/// [`ServiceError::Refused`] when the e-mail is not of its form, or there is no such promoter.
pub async fn change_email(
    db: &Database,
    promoter: &str,
    email: &str,
    now: Timestamp,
) -> Result<Promoter, ServiceError> {
    let email = normal_email(email)?;
    let promoter = named(db, promoter).await?;
    let of_promoter = [promoter.id.clone()];
    let needs = Needs {
        promoters: of_promoter.clone().into(),
        // Its referrals are compared with the new address.
        customers_of: of_promoter.into(),
        ..Needs::default()
    };
    ledger::change(db, &needs, now, |unit| Ok(unit.change_promoter_email(&promoter.id, &email)?)).await?;
    Ok(Promoter { email: Some(email), ..promoter })
}

/// The id of the promoter that a request names by id or user of the host; `None` where it names none.
///
/// # Errors
/// [`ServiceError::Refused`] when there is no such promoter.
pub async fn named_id(db: &Database, promoter: Option<&str>) -> Result<Option<PromoterId>, ServiceError> {
    match promoter {
        Some(promoter) => Ok(Some(named(db, promoter).await?.id)),
        None => Ok(None),
    }
}

/// The promoter of an id (`prm_…`) or of a user of the host.
///
/// # Errors
/// [`ServiceError::Refused`] when there is none.
pub async fn named(db: &Database, promoter: &str) -> Result<Promoter, ServiceError> {
    let promoter = promoter.trim();
    // What cannot name one is not looked for: PostgreSQL takes no text with a NUL.
    let found = if is_name(promoter) { promoters::one(db.reader(), promoter).await? } else { None };
    found.ok_or_else(|| unknown(promoter))
}

/// The refusal of a promoter that does not exist.
pub fn unknown(promoter: &str) -> ServiceError {
    let message = format!("promoter: there is no promoter {promoter}");
    ServiceError::refused(RefusalCode::UnknownPromoter, message)
}
