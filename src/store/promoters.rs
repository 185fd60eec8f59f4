//! Promoters, their e-mails and their last referral numbers.

use std::collections::{BTreeMap, BTreeSet};

use entity::{promoter, promoter_email, referral_counter};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};

use super::batch::{Answers, BatchSelect, BatchUpsert, OnConflict, Selection};
use super::error::StoreError;
use super::select::rows_in;
use super::values::number;
use crate::domain::catalog::Promoter;
use crate::domain::ledger::{Changes, Fetched, Needs, PromoterFacts};
use crate::domain::{EmailHash, ProgramKey, PromoterId, Timestamp, UserId};

/// The selections of promoters.
#[derive(Debug, Default)]
pub(super) struct Selected {
    promoters: Vec<Selection<promoter::Model>>,
    emails: Vec<Selection<promoter_email::Model>>,
    numbers: Option<Selection<referral_counter::Model>>,
}

/// Selects the promoters that are needed, with everything by which their customers are judged.
pub(super) fn select(batch: &mut BatchSelect, needs: &Needs) -> Selected {
    let mut selected = Selected::default();
    if !needs.promoters.is_empty() {
        let ids = batch.texts(needs.promoters.iter().map(PromoterId::as_str));
        selected.promoters.push(batch.rows_in::<promoter::Entity>(promoter::Column::Id, ids));
        selected
            .emails
            .push(batch.rows_in::<promoter_email::Entity>(promoter_email::Column::PromoterId, ids));
        selected.numbers =
            Some(batch.rows_in::<referral_counter::Entity>(referral_counter::Column::PromoterId, ids));
    }
    if !needs.promoters_by_user.is_empty() {
        let users = batch.texts(needs.promoters_by_user.iter().map(UserId::as_str));
        let is_user = batch.is_in("user_id", users);
        let is_theirs = batch.is_among("promoter_id", &format!("SELECT id FROM promoter WHERE {is_user}"));
        selected.promoters.push(batch.rows::<promoter::Entity>(&is_user));
        selected.emails.push(batch.rows::<promoter_email::Entity>(&is_theirs));
    }
    selected
}

impl Selected {
    /// Reads what was selected.
    pub(super) fn read(self, answers: &mut Answers, fetched: &mut Fetched) -> Result<(), StoreError> {
        let mut promoters: BTreeMap<PromoterId, PromoterFacts> = BTreeMap::new();
        for selection in self.promoters {
            for row in answers.take(selection)? {
                let facts = PromoterFacts { user: UserId::new(row.user_id), emails: [].into() };
                promoters.insert(PromoterId::new(row.id), facts);
            }
        }
        for selection in self.emails {
            for row in answers.take(selection)? {
                if let Some(facts) = promoters.get_mut(&PromoterId::new(row.promoter_id)) {
                    facts.emails.extend(EmailHash::of(&row.email));
                }
            }
        }
        fetched.promoters.extend(promoters);
        for row in self.numbers.map(|numbers| answers.take(numbers)).transpose()?.unwrap_or_default() {
            let last = number("referral_counter", &row.promoter_id, row.last)?;
            let group = (PromoterId::new(row.promoter_id), ProgramKey::new(row.program_key));
            fetched.last_referral_numbers.push((group, last));
        }
        Ok(())
    }
}

/// Adds new promoters and e-mails, which are known since `at`.
pub(super) fn upsert(batch: &mut BatchUpsert, changes: &Changes, at: Timestamp) {
    let catalog = &changes.catalog;
    let promoters = catalog.promoters.iter().map(|new| promoter::Model {
        id: new.id.to_string(),
        user_id: new.user.to_string(),
        email: new.email.clone(),
        created_at: new.created_at.unix(),
    });
    batch.rows::<promoter::Entity>(promoters, OnConflict::Refuse);
    let first = catalog.promoters.iter().filter_map(|new| Some((&new.id, new.email.as_ref()?)));
    let later = catalog.promoter_emails.iter().map(|(promoter, email)| (promoter, email));
    let emails = first.chain(later).map(|(promoter, email)| promoter_email::Model {
        promoter_id: promoter.to_string(),
        email: email.clone(),
        known_since: at.unix(),
    });
    batch.rows::<promoter_email::Entity>(emails, OnConflict::Keep);
    let present = catalog.promoter_emails.iter();
    let present = present.map(|(promoter, email)| vec![email.as_str().into(), promoter.as_str().into()]);
    batch.update::<promoter::Entity>(&[promoter::Column::Email], &[promoter::Column::Id], present.collect());
}

/// The promoter of this id, or of this user of the host.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn one(db: &impl ConnectionTrait, name: &str) -> Result<Option<Promoter>, StoreError> {
    let by_name = promoter::Column::Id.eq(name).or(promoter::Column::UserId.eq(name));
    let rows = promoter::Entity::find().filter(by_name).all(db).await?;
    let found = rows.iter().find(|row| row.id == name).or_else(|| rows.first());
    Ok(found.cloned().map(view))
}

/// Promoters, oldest first, at most `limit` after the one named `after`.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn list(
    db: &impl ConnectionTrait,
    after: Option<&PromoterId>,
    limit: u64,
) -> Result<Vec<Promoter>, StoreError> {
    let mut query = promoter::Entity::find().order_by_asc(promoter::Column::Id).limit(limit);
    if let Some(after) = after {
        query = query.filter(promoter::Column::Id.gt(after.as_str()));
    }
    Ok(query.all(db).await?.into_iter().map(view).collect())
}

/// The users of the host that these promoters are.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn users(
    db: &impl ConnectionTrait,
    promoters: &BTreeSet<PromoterId>,
) -> Result<BTreeMap<PromoterId, UserId>, StoreError> {
    let ids = promoters.iter().map(PromoterId::as_str);
    let rows = rows_in::<promoter::Entity, _>(db, promoter::Column::Id, ids).await?;
    Ok(rows.into_iter().map(|row| (PromoterId::new(row.id), UserId::new(row.user_id))).collect())
}

/// Since when each e-mail of these promoters is known.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn emails_since(
    db: &impl ConnectionTrait,
    promoters: &BTreeSet<PromoterId>,
) -> Result<Vec<(PromoterId, EmailHash, Timestamp)>, StoreError> {
    let ids = promoters.iter().map(PromoterId::as_str);
    let rows = rows_in::<promoter_email::Entity, _>(db, promoter_email::Column::PromoterId, ids).await?;
    let since = rows.into_iter().filter_map(|row| {
        let hash = EmailHash::of(&row.email)?;
        Some((PromoterId::new(row.promoter_id), hash, Timestamp::from_unix(row.known_since)))
    });
    Ok(since.collect())
}

fn view(row: promoter::Model) -> Promoter {
    Promoter {
        id: PromoterId::new(row.id),
        user_id: row.user_id,
        email: row.email,
        created_at: Timestamp::from_unix(row.created_at),
    }
}
