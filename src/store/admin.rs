//! Programs and promoters.

use entity::{party_email, program, program_version, promoter, promoter_email};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::database::Txn;
use super::error::StoreError;
use super::rows;
use crate::domain::{EmailHash, Party, ProgramKey, PromoterId, Terms, TermsVersion, Timestamp};

/// A promoter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promoter {
    /// `prm_…`.
    pub id: PromoterId,
    /// The promoter as a user of the host.
    pub user_id: String,
    /// Trimmed, lower case.
    pub email: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Makes a program with its first terms. False when the key is taken; then nothing is written.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn insert_program(
    txn: &Txn,
    key: &ProgramKey,
    terms: &Terms,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let row = program::ActiveModel { key: Set(key.to_string()), created_at: Set(now.unix()) };
    let once = OnConflict::column(program::Column::Key).do_nothing().to_owned();
    if !inserted(program::Entity::insert(row).on_conflict(once).exec_without_returning(txn).await)? {
        return Ok(false);
    }
    insert_terms(txn, key, terms, now).await?;
    Ok(true)
}

/// Adds a version to the terms of a program.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn insert_terms(
    txn: &Txn,
    program: &ProgramKey,
    terms: &Terms,
    valid_from: Timestamp,
) -> Result<(), StoreError> {
    let row = rows::terms_row(program, terms, valid_from);
    program_version::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// All versions of the terms of a program, or of all programs, oldest first.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn terms_versions(
    db: &impl ConnectionTrait,
    program: Option<&ProgramKey>,
) -> Result<Vec<TermsVersion>, StoreError> {
    let mut query = program_version::Entity::find().order_by_asc(program_version::Column::Id);
    if let Some(program) = program {
        query = query.filter(program_version::Column::ProgramKey.eq(program.as_str()));
    }
    query.all(db).await?.into_iter().map(rows::terms_version).collect()
}

/// Makes a promoter. False when the user is a promoter already; then nothing is written.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn insert_promoter(txn: &Txn, promoter: &Promoter) -> Result<bool, StoreError> {
    let row = promoter::ActiveModel {
        id: Set(promoter.id.to_string()),
        user_id: Set(promoter.user_id.clone()),
        email: Set(promoter.email.clone()),
        created_at: Set(promoter.created_at.unix()),
    };
    let once = OnConflict::column(promoter::Column::UserId).do_nothing().to_owned();
    if !inserted(promoter::Entity::insert(row).on_conflict(once).exec_without_returning(txn).await)? {
        return Ok(false);
    }
    if let Some(email) = &promoter.email {
        insert_promoter_email(txn, &promoter.id, email).await?;
    }
    Ok(true)
}

/// Keeps an e-mail of a promoter; one that is known already changes nothing.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn insert_promoter_email(txn: &Txn, promoter: &PromoterId, email: &str) -> Result<(), StoreError> {
    let row =
        promoter_email::ActiveModel { promoter_id: Set(promoter.to_string()), email: Set(email.to_owned()) };
    let columns = [promoter_email::Column::PromoterId, promoter_email::Column::Email];
    let once = OnConflict::columns(columns).do_nothing().to_owned();
    inserted(promoter_email::Entity::insert(row).on_conflict(once).exec_without_returning(txn).await)?;
    Ok(())
}

/// Sets the present e-mail of a promoter, and keeps it among those ever known.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn set_promoter_email(txn: &Txn, promoter: &PromoterId, email: &str) -> Result<(), StoreError> {
    promoter::Entity::update_many()
        .col_expr(promoter::Column::Email, Expr::value(email))
        .filter(promoter::Column::Id.eq(promoter.as_str()))
        .exec(txn)
        .await?;
    insert_promoter_email(txn, promoter, email).await
}

/// The parties, as they were named, of which this e-mail was told.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn parties_with_email(
    db: &impl ConnectionTrait,
    email: &EmailHash,
) -> Result<Vec<Party>, StoreError> {
    let of_email = party_email::Column::EmailHash.eq(email.as_bytes().to_vec());
    let rows = party_email::Entity::find().filter(of_email).all(db).await?;
    rows.iter().map(|row| rows::party("party_email", &row.party)).collect()
}

/// The promoter of this id, or of this user of the host.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn promoter(db: &impl ConnectionTrait, name: &str) -> Result<Option<Promoter>, StoreError> {
    let by_name = promoter::Column::Id.eq(name).or(promoter::Column::UserId.eq(name));
    let by_id_first = promoter::Entity::find().filter(by_name).all(db).await?;
    let found = by_id_first.iter().find(|row| row.id == name).or_else(|| by_id_first.first());
    Ok(found.cloned().map(promoter_of))
}

/// Promoters, oldest first, at most `limit` after the one named `after`.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn promoters(
    db: &impl ConnectionTrait,
    after: Option<&PromoterId>,
    limit: u64,
) -> Result<Vec<Promoter>, StoreError> {
    let mut query = promoter::Entity::find().order_by_asc(promoter::Column::Id).limit(limit);
    if let Some(after) = after {
        query = query.filter(promoter::Column::Id.gt(after.as_str()));
    }
    Ok(query.all(db).await?.into_iter().map(promoter_of).collect())
}

fn promoter_of(row: promoter::Model) -> Promoter {
    Promoter {
        id: PromoterId::new(row.id),
        user_id: row.user_id,
        email: row.email,
        created_at: Timestamp::from_unix(row.created_at),
    }
}

/// Whether an insert that does nothing on conflict did something.
pub(super) fn inserted(rows: Result<u64, DbErr>) -> Result<bool, StoreError> {
    match rows {
        Ok(rows) => Ok(rows > 0),
        Err(DbErr::RecordNotInserted) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
