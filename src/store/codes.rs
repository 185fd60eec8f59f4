//! Codes, their versions, the promotion codes that they carry, and clicks on them.

use std::collections::BTreeMap;

use entity::{code, code_click, code_version, promotion_code, redemption};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, OnConflict as OnKey};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Value,
};

use super::batch::{Answers, BatchSelect, BatchUpsert, OnConflict, Selection};
use super::database::Database;
use super::error::{StoreError, corrupt};
use super::promoters;
use super::select::rows_in;
use super::values::number;
use crate::domain::catalog::CodeRecord;
use crate::domain::codes::CodeVersion;
use crate::domain::ledger::{Changes, Fetched, Needs};
use crate::domain::{Code, CodeFacts, CodeOwner, ProgramKey, PromoterId, Timestamp};

/// The selections of codes.
#[derive(Debug, Default)]
pub(super) struct Selected {
    codes: Option<Selection<code::Model>>,
    versions: Option<Selection<code_version::Model>>,
    promotion_codes: Option<Selection<promotion_code::Model>>,
}

/// Selects the codes that are needed with their versions, and what carries promotion codes.
pub(super) fn select(batch: &mut BatchSelect, needs: &Needs) -> Selected {
    let mut selected = Selected::default();
    if !needs.codes.is_empty() {
        let keys = batch.texts(needs.codes.iter().map(Code::folded));
        selected.codes = Some(batch.rows_in::<code::Entity>(code::Column::Key, keys));
        selected.versions = Some(batch.rows_in::<code_version::Entity>(code_version::Column::CodeKey, keys));
    }
    if !needs.promotion_codes.is_empty() {
        let ids = batch.texts(needs.promotion_codes.iter().map(Code::folded));
        selected.promotion_codes =
            Some(batch.rows_in::<promotion_code::Entity>(promotion_code::Column::Id, ids));
    }
    selected
}

impl Selected {
    /// Reads what was selected.
    pub(super) fn read(self, answers: &mut Answers, fetched: &mut Fetched) -> Result<(), StoreError> {
        let take_codes = self.codes.map(|codes| answers.take(codes)).transpose()?;
        let mut codes: BTreeMap<Code, CodeFacts> = BTreeMap::new();
        for row in take_codes.unwrap_or_default() {
            let (code, facts) = value(row)?;
            codes.insert(code, facts);
        }
        let versions = self.versions.map(|versions| answers.take(versions)).transpose()?;
        for row in versions.unwrap_or_default() {
            if let Some(facts) = codes.get_mut(&Code::new(&row.code_key)) {
                facts.versions.push(version(&row));
            }
        }
        fetched.codes.extend(codes);
        let promotions = self.promotion_codes.map(|codes| answers.take(codes)).transpose()?;
        let promotions = promotions.unwrap_or_default().into_iter();
        fetched
            .promotion_codes
            .extend(promotions.map(|row| (Code::promotion(row.id), Code::new(row.code_key))));
        Ok(())
    }
}

/// Adds new codes, versions and promotion codes, new limits, and how often codes are redeemed now.
pub(super) fn upsert(batch: &mut BatchUpsert, changes: &Changes) {
    let catalog = &changes.catalog;
    if !catalog.codes.is_empty() {
        let codes = catalog.codes.iter().map(|new| code::Model {
            key: new.code.folded().to_owned(),
            code: new.code.to_string(),
            promoter_id: new.facts.owner.promoter.to_string(),
            program_key: new.facts.owner.program.to_string(),
            made_at: new.facts.made_at.unix(),
            max_uses: new.facts.max_uses.map(i64::from),
            uses: 0,
        });
        batch.rows::<code::Entity>(codes, OnConflict::Refuse);
        // What refers to them, and what they are given at once, must see them.
        batch.end_statement();
    }
    let first =
        catalog.codes.iter().flat_map(|new| new.facts.versions.iter().map(|first| (&new.code, first)));
    let later = catalog.code_versions.iter().map(|(code, version)| (code, version));
    let versions = first.chain(later).map(|(code, version)| version_row(code, version));
    batch.rows::<code_version::Entity>(versions, OnConflict::Refuse);
    let carried = catalog.promotion_codes.iter();
    let carried = carried.map(|(promotion, code)| promotion_code::Model {
        id: promotion.to_string(),
        code_key: code.folded().to_owned(),
    });
    batch.rows::<promotion_code::Entity>(carried, OnConflict::Refuse);
    let uses = changes.code_uses.iter();
    let uses = uses.map(|(code, uses)| vec![i64::from(*uses).into(), code.folded().into()]);
    batch.update::<code::Entity>(&[code::Column::Uses], &[code::Column::Key], uses.collect());
    let limits = catalog.code_limits.iter();
    let limits: Vec<Vec<Value>> =
        limits.map(|(code, max)| vec![max.map(i64::from).into(), code.folded().into()]).collect();
    if !limits.is_empty() {
        // The same code may have been redeemed just now.
        batch.end_statement();
        batch.update::<code::Entity>(&[code::Column::MaxUses], &[code::Column::Key], limits);
    }
}

/// A code without its versions.
fn value(row: code::Model) -> Result<(Code, CodeFacts), StoreError> {
    let owner =
        CodeOwner { promoter: PromoterId::new(row.promoter_id), program: ProgramKey::new(row.program_key) };
    let max_uses = row.max_uses.map(|uses| number("code", &row.code, uses)).transpose()?;
    let uses = number("code", &row.code, row.uses)?;
    let made_at = Timestamp::from_unix(row.made_at);
    Ok((Code::new(row.code), CodeFacts { owner, made_at, versions: Vec::new(), max_uses, uses }))
}

fn version(row: &code_version::Model) -> CodeVersion {
    CodeVersion {
        id: row.version,
        valid_from: Timestamp::from_unix(row.valid_from),
        active: row.active,
        expires_at: row.expires_at.map(Timestamp::from_unix),
    }
}

fn version_row(code: &Code, version: &CodeVersion) -> code_version::Model {
    code_version::Model {
        code_key: code.folded().to_owned(),
        version: version.id,
        valid_from: version.valid_from.unix(),
        active: version.active,
        expires_at: version.expires_at.map(Timestamp::unix),
    }
}

/// Counts a click. Bookkeeping: without the lock of the ledger. False when there is no such code.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn count_click(db: &Database, code: &Code) -> Result<bool, StoreError> {
    if code::Entity::find_by_id(code.folded()).one(db.reader()).await?.is_none() {
        return Ok(false);
    }
    let row = code_click::ActiveModel { code_key: Set(code.folded().to_owned()), clicks: Set(1) };
    let one_more = Expr::col((code_click::Entity, code_click::Column::Clicks)).add(1);
    let counted =
        OnKey::column(code_click::Column::CodeKey).value(code_click::Column::Clicks, one_more).to_owned();
    let insert = code_click::Entity::insert(row).on_conflict(counted);
    db.bookkeep(insert.build(db.backend())).await?;
    Ok(true)
}

/// One code.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn one(db: &impl ConnectionTrait, code: &Code) -> Result<Option<CodeRecord>, StoreError> {
    let row = code::Entity::find_by_id(code.folded()).one(db).await?;
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
) -> Result<Vec<CodeRecord>, StoreError> {
    let mut query = code::Entity::find().order_by_asc(code::Column::Key).limit(limit);
    if let Some(promoter) = &filter.promoter {
        query = query.filter(code::Column::PromoterId.eq(promoter.as_str()));
    }
    if let Some(program) = &filter.program {
        query = query.filter(code::Column::ProgramKey.eq(program.as_str()));
    }
    if let Some(after) = after {
        query = query.filter(code::Column::Key.gt(after.folded()));
    }
    views(db, query.all(db).await?).await
}

async fn views(db: &impl ConnectionTrait, rows: Vec<code::Model>) -> Result<Vec<CodeRecord>, StoreError> {
    let promoters = rows.iter().map(|row| PromoterId::new(row.promoter_id.clone())).collect();
    let users = promoters::users(db, &promoters).await?;
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        let (code, facts) = value(row)?;
        let user = users.get(&facts.owner.promoter).cloned();
        let promoter_user = user.ok_or_else(|| corrupt("code", code.as_str(), "a promoter that is gone"))?;
        let promotion_codes = Vec::new();
        views.push(CodeRecord { code, facts, promoter_user, promotion_codes, clicks: 0 });
    }
    let keys: Vec<String> = views.iter().map(|view| view.code.folded().to_owned()).collect();
    let versions =
        rows_in::<code_version::Entity, _>(db, code_version::Column::CodeKey, keys.clone()).await?;
    let carried =
        rows_in::<promotion_code::Entity, _>(db, promotion_code::Column::CodeKey, keys.clone()).await?;
    let clicks = rows_in::<code_click::Entity, _>(db, code_click::Column::CodeKey, keys).await?;
    for view in &mut views {
        let key = view.code.folded();
        let own = versions.iter().filter(|row| row.code_key == key);
        view.facts.versions.extend(own.map(version));
        let own = carried.iter().filter(|row| row.code_key == key);
        view.promotion_codes.extend(own.map(|row| row.id.clone()));
        view.clicks = clicks.iter().find(|row| row.code_key == key).map_or(0, |row| row.clicks);
    }
    Ok(views)
}

/// Codes whose counted uses are not as many as were redeemed, with their count: there must be none.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn with_wrong_uses(
    txn: &DatabaseTransaction,
    limit: u64,
) -> Result<Vec<(String, i64)>, StoreError> {
    let given = redemption::Entity::find()
        .select_only()
        .column(redemption::Column::CodeKey)
        .column_as(redemption::Column::CodeKey.count(), "given")
        .group_by(redemption::Column::CodeKey)
        .into_tuple::<(String, i64)>();
    let given: BTreeMap<String, i64> = given.all(txn).await?.into_iter().collect();
    let columns = [code::Column::Key, code::Column::Code];
    let codes = code::Entity::find().select_only().columns(columns).column(code::Column::Uses);
    let codes = codes.into_tuple::<(String, String, i64)>().all(txn).await?;
    let differs = |(key, _, uses): &(String, String, i64)| given.get(key).copied().unwrap_or(0) != *uses;
    let wrong = codes.into_iter().filter(differs).map(|(_, code, uses)| (code, uses));
    Ok(wrong.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect())
}
