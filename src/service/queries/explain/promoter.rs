//! The story of a promoter: codes, balances, referrals by status, and the last entries.

use std::collections::BTreeMap;

use super::{code, words};
use crate::domain::Timestamp;
use crate::service::ServiceError;
use crate::service::queries::referrals::ReferralFilter;
use crate::service::queries::{promoters, referrals};
use crate::store::Database;

/// Referrals that are looked at; beyond that their number is not told.
const REFERRALS_LIMIT: u64 = 1_000;

/// `None` when there is no such promoter.
pub async fn tell(db: &Database, name: &str, now: Timestamp) -> Result<Option<Vec<String>>, ServiceError> {
    let Some(view) = promoters::one(db, name, now).await? else { return Ok(None) };
    let (id, user) = (&view.promoter.id, &view.promoter.user_id);
    let mut told =
        vec![format!("Promoter {id} is user {user} of the host, since {}.", view.promoter.created_at)];
    told.extend(view.codes.iter().map(code::sentence));
    if view.codes.is_empty() {
        told.push("It has no code, so nobody can be referred by it.".to_owned());
    }
    for balance in &view.balances {
        let shown = |minor| balance.currency.display(minor);
        told.push(format!(
            "It has earned {}; {} of it is pending, and {} may be paid out.",
            shown(balance.earned_minor),
            shown(balance.held_minor),
            shown(balance.available_minor())
        ));
    }
    if view.balances.is_empty() {
        told.push("It has earned nothing: there is no entry for it.".to_owned());
    }
    let filter = ReferralFilter { promoter: Some(id.to_string()), ..ReferralFilter::default() };
    let (referrals, _more) = referrals::list(db, &filter, None, REFERRALS_LIMIT).await?;
    let mut by_status: BTreeMap<&str, usize> = BTreeMap::new();
    for referral in &referrals {
        let count = by_status.entry(referral.status.as_str()).or_default();
        *count = count.saturating_add(1);
    }
    let counted: Vec<String> = by_status.iter().map(|(status, count)| format!("{count} {status}")).collect();
    if !counted.is_empty() {
        told.push(format!("Referrals: {}.", counted.join(", ")));
    }
    for referral in referrals.iter().filter(|view| view.referral.held) {
        told.push(format!(
            "{} has referral {}, which is held: release or refuse it.",
            words::customer(&referral.referral.customer),
            referral.referral.id
        ));
    }
    Ok(Some(told))
}
