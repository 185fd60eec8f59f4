//! Making promoters, and learning more of them.

use uuid::Uuid;

use super::error::{RefusalCode, ServiceError};
use super::fields::{name, normal_email};
use crate::domain::{PromoterId, Timestamp};
use crate::store::admin::{self, Promoter};
use crate::store::{Database, StoreError};

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
