//! Reading referrals.

use entity::referral;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::error::StoreError;
use super::rows;
use crate::domain::{Party, PromoterId, ReferralId, Timestamp};

/// A referral, as far as it is needed to find everything else of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its id.
    pub id: ReferralId,
    /// Whose it is.
    pub party: Party,
    /// Who earns.
    pub promoter: PromoterId,
    /// `claimed_at` of its claim.
    pub claimed_at: Timestamp,
    /// Its frozen lookback in seconds.
    pub lookback_s: i64,
}

/// How often a merged referral is followed to the one that it became one with.
const MERGES_LIMIT: u32 = 32;

/// The referral of an id, or the one that it became one with.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn find(db: &impl ConnectionTrait, id: &str) -> Result<Option<Found>, StoreError> {
    let mut id = id.to_owned();
    for _ in 0..MERGES_LIMIT {
        let Some(row) = referral::Entity::find_by_id(&id).one(db).await? else { return Ok(None) };
        match (row.merged_into.clone(), found(row)?) {
            (_, Some(found)) => return Ok(Some(found)),
            (Some(into), None) => id = into,
            (None, None) => return Ok(None),
        }
    }
    Ok(None)
}

/// The referral of a party, if there is one.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn of_party(db: &impl ConnectionTrait, party: &Party) -> Result<Option<Found>, StoreError> {
    let of_party = referral::Column::Party.eq(party.to_string());
    let row = referral::Entity::find().filter(of_party).one(db).await?;
    row.map_or(Ok(None), found)
}

/// Referrals by id, at most `limit` after the one named `after`; of one promoter when it is named.
///
/// # Errors
/// [`StoreError`] when the database is away, or a row cannot be read.
pub async fn list(
    db: &impl ConnectionTrait,
    promoter: Option<&PromoterId>,
    after: Option<&ReferralId>,
    limit: u64,
) -> Result<Vec<Found>, StoreError> {
    let mut query = referral::Entity::find().filter(referral::Column::Party.is_not_null());
    if let Some(promoter) = promoter {
        query = query.filter(referral::Column::PromoterId.eq(promoter.as_str()));
    }
    if let Some(after) = after {
        query = query.filter(referral::Column::Id.gt(after.as_str()));
    }
    let rows = query.order_by_asc(referral::Column::Id).limit(limit).all(db).await?;
    let found: Result<Vec<Option<Found>>, StoreError> = rows.into_iter().map(found).collect();
    Ok(found?.into_iter().flatten().collect())
}

fn found(row: referral::Model) -> Result<Option<Found>, StoreError> {
    let Some(party) = row.party else { return Ok(None) };
    Ok(Some(Found {
        party: Party::parse(&party).ok_or_else(|| rows::corrupt("referral", &row.id, &party))?,
        id: ReferralId::new(row.id),
        promoter: PromoterId::new(row.promoter_id),
        claimed_at: Timestamp::from_unix(row.claimed_at),
        lookback_s: row.lookback_s,
    }))
}
