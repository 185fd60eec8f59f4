//! Codes, their versions, and the promotion codes that they carry.

use entity::{code, code_version, promotion_code};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};

use super::admin::inserted;
use super::database::Txn;
use super::error::StoreError;
use super::rows;
use super::select::rows_in;
use crate::domain::codes::CodeVersion;
use crate::domain::{Code, CodeFacts, ProgramKey, PromoterId, Timestamp};

/// A code as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeView {
    /// The code.
    pub code: Code,
    /// Whose it is, and what claims are judged by.
    pub facts: CodeFacts,
    /// Stripe's promotion codes that it carries.
    pub promotion_codes: Vec<String>,
    /// Clicks counted.
    pub clicks: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Makes a code with its first version. False when it is taken; then nothing is written.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn insert(txn: &Txn, code: &Code, facts: &CodeFacts, now: Timestamp) -> Result<bool, StoreError> {
    let row = code::ActiveModel {
        code: Set(code.to_string()),
        promoter_id: Set(facts.owner.promoter.to_string()),
        program_key: Set(facts.owner.program.to_string()),
        created_at: Set(now.unix()),
        max_uses: Set(facts.max_uses.map(i64::from)),
        uses: Set(0),
        clicks: Set(0),
    };
    let once = OnConflict::column(code::Column::Code).do_nothing().to_owned();
    if !inserted(code::Entity::insert(row).on_conflict(once).exec_without_returning(txn).await)? {
        return Ok(false);
    }
    for version in &facts.versions {
        insert_version(txn, code, version).await?;
    }
    Ok(true)
}

/// Adds a version to a code; its row number is the database's to give.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn insert_version(txn: &Txn, code: &Code, version: &CodeVersion) -> Result<(), StoreError> {
    let row = code_version::ActiveModel {
        id: NotSet,
        code: Set(code.to_string()),
        valid_from: Set(version.valid_from.unix()),
        active: Set(version.active),
        expires_at: Set(version.expires_at.map(Timestamp::unix)),
    };
    code_version::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Sets how many referrals a code may make.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn set_max_uses(txn: &Txn, code: &Code, max_uses: Option<u32>) -> Result<(), StoreError> {
    code::Entity::update_many()
        .col_expr(code::Column::MaxUses, Expr::value(max_uses.map(i64::from)))
        .filter(code::Column::Code.eq(code.as_str()))
        .exec(txn)
        .await?;
    Ok(())
}

/// Makes a code carry a promotion code of Stripe, for good. False when another code carries it.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn carry(txn: &Txn, promotion: &Code, code: &Code) -> Result<bool, StoreError> {
    let row = promotion_code::ActiveModel { id: Set(promotion.to_string()), code: Set(code.to_string()) };
    let once = OnConflict::column(promotion_code::Column::Id).do_nothing().to_owned();
    if inserted(promotion_code::Entity::insert(row).on_conflict(once).exec_without_returning(txn).await)? {
        return Ok(true);
    }
    let known = promotion_code::Entity::find_by_id(promotion.as_str()).one(txn).await?;
    Ok(known.is_some_and(|known| known.code == code.as_str()))
}

/// Counts a click. False when there is no such code.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn count_click(txn: &Txn, code: &Code) -> Result<bool, StoreError> {
    let one_more = Expr::col(code::Column::Clicks).add(1);
    let counted = code::Entity::update_many()
        .col_expr(code::Column::Clicks, one_more)
        .filter(code::Column::Code.eq(code.as_str()))
        .exec(txn)
        .await?;
    Ok(counted.rows_affected > 0)
}

/// One code.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn one(db: &impl ConnectionTrait, code: &Code) -> Result<Option<CodeView>, StoreError> {
    let row = code::Entity::find_by_id(code.as_str()).one(db).await?;
    Ok(views(db, row.into_iter().collect()).await?.pop())
}

/// Which codes to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those of this promoter.
    pub promoter: Option<PromoterId>,
    /// Only those of this program.
    pub program: Option<ProgramKey>,
}

/// Codes in alphabetical order, at most `limit` after the one named `after`.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: &Filter,
    after: Option<&Code>,
    limit: u64,
) -> Result<Vec<CodeView>, StoreError> {
    let mut query = code::Entity::find().order_by_asc(code::Column::Code).limit(limit);
    if let Some(promoter) = &filter.promoter {
        query = query.filter(code::Column::PromoterId.eq(promoter.as_str()));
    }
    if let Some(program) = &filter.program {
        query = query.filter(code::Column::ProgramKey.eq(program.as_str()));
    }
    if let Some(after) = after {
        query = query.filter(code::Column::Code.gt(after.as_str()));
    }
    views(db, query.all(db).await?).await
}

async fn views(db: &impl ConnectionTrait, rows: Vec<code::Model>) -> Result<Vec<CodeView>, StoreError> {
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        let (clicks, created_at) = (row.clicks, Timestamp::from_unix(row.created_at));
        let (code, facts) = rows::code(row)?;
        views.push(CodeView { code, facts, promotion_codes: Vec::new(), clicks, created_at });
    }
    let names: Vec<String> = views.iter().map(|view| view.code.to_string()).collect();
    for row in rows_in::<code_version::Entity, _>(db, code_version::Column::Code, names.clone()).await? {
        if let Some(view) = views.iter_mut().find(|view| view.code.as_str() == row.code) {
            view.facts.versions.push(rows::code_version(&row));
        }
    }
    for row in rows_in::<promotion_code::Entity, _>(db, promotion_code::Column::Code, names).await? {
        if let Some(view) = views.iter_mut().find(|view| view.code.as_str() == row.code) {
            view.promotion_codes.push(row.id);
        }
    }
    Ok(views)
}
