//! Making promoters, and learning more of them.

use uuid::Uuid;

use super::contention::{ATTEMPTS, Contention};
use super::error::{RefusalCode, ServiceError};
use super::fields::{name, normal_email};
use super::post_events::add_party;
use crate::domain::{Book, EmailHash, PromoterId, Timestamp};
use crate::store::admin::{self, Promoter};
use crate::store::book::Wanted;
use crate::store::{Database, StoreError, book};

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
    let mut contention = Contention::at_most(ATTEMPTS);
    loop {
        let result = change_email_once(db, promoter, &email, now).await;
        if !contention.is_worth_another_try(&result).await {
            return result;
        }
    }
}

async fn change_email_once(
    db: &Database,
    promoter: &str,
    email: &str,
    now: Timestamp,
) -> Result<Promoter, ServiceError> {
    // A customer may tell the same address in this moment: nobody else is in a transaction.
    let txn = book::begin_alone(db).await?;
    let Some(promoter) = admin::promoter(&txn, promoter).await? else {
        let message = format!("promoter: there is no promoter {promoter}");
        return Err(ServiceError::refused(RefusalCode::UnknownPromoter, message));
    };
    admin::set_promoter_email(&txn, &promoter.id, email).await?;
    let mut wanted = Wanted::default();
    let hash = EmailHash::of(email);
    if let Some(hash) = &hash {
        for party in admin::parties_with_email(&txn, hash).await? {
            add_party(&mut wanted.keys, &party);
        }
    }
    let act = |book: &mut Book| match hash {
        Some(hash) => book.learn_of_promoter(&promoter.id, hash).map_err(ServiceError::from),
        None => Ok(()),
    };
    let (book, ()) = book::apply_alone(&txn, wanted, act).await?;
    book::save(&txn, &book, now).await?;
    txn.commit().await.map_err(StoreError::from)?;
    Ok(Promoter { email: Some(email.to_owned()), ..promoter })
}
