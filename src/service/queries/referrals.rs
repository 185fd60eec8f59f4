//! Referrals as they are shown: with everything that is derived.

use std::collections::BTreeSet;

use crate::domain::ledger::{Needs, State};
use crate::domain::{Customer, PromoterId, Referral, ReferralId, ReferralStatus, StripeCustomerId, UserId};
use crate::service::ServiceError;
use crate::store::referrals::{self, Found};
use crate::store::snapshot::Snapshot;
use crate::store::{Database, customers};

/// A referral as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferralView {
    /// The referral.
    pub referral: Referral,
    /// The Stripe customers of its customer, under all their names.
    pub stripe_customers: BTreeSet<StripeCustomerId>,
    /// Where it stands.
    pub status: ReferralStatus,
}

/// The referral of an id, or the one that it became one with; `None` when there is none.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn one(db: &Database, id: &str) -> Result<Option<ReferralView>, ServiceError> {
    let snapshot = Snapshot::of(db).await?;
    let found = referrals::find(&snapshot.txn, id).await?;
    Ok(views(snapshot, found.into_iter().collect()).await?.pop())
}

/// The referral of a user of the host; `None` when nobody referred it.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn of_user(db: &Database, user: &str) -> Result<Option<ReferralView>, ServiceError> {
    let snapshot = Snapshot::of(db).await?;
    let found = referrals::of_customer(&snapshot.txn, &Customer::User(UserId::new(user))).await?;
    Ok(views(snapshot, found.into_iter().collect()).await?.pop())
}

/// A page of referrals, by id.
///
/// # Errors
/// [`ServiceError::Store`] when the database is away.
pub async fn list(
    db: &Database,
    promoter: Option<&PromoterId>,
    after: Option<&ReferralId>,
    limit: u64,
) -> Result<Vec<ReferralView>, ServiceError> {
    let snapshot = Snapshot::of(db).await?;
    let found = referrals::list(&snapshot.txn, promoter, after, limit).await?;
    views(snapshot, found).await
}

async fn views(mut snapshot: Snapshot, found: Vec<Found>) -> Result<Vec<ReferralView>, ServiceError> {
    let whole = found.iter().map(|found| found.customer.clone()).collect();
    let state = snapshot.load(Needs { all_invoices_of: whole, ..Needs::default() }).await?;
    let mut views = Vec::with_capacity(found.len());
    for found in found {
        let Some(referral) = state.referrals.get(&found.customer) else { continue };
        views.push(view(&snapshot, &state, referral).await?);
    }
    snapshot.end().await?;
    Ok(views)
}

/// A referral whose invoices are all loaded.
///
/// # Errors
/// [`ServiceError`] when the database is away.
pub async fn view(
    snapshot: &Snapshot,
    state: &State,
    referral: &Referral,
) -> Result<ReferralView, ServiceError> {
    let stripe_customers = state.customers.stripe_customers_of(&referral.customer);
    let subscriptions = customers::subscriptions(&snapshot.txn, &stripe_customers).await?;
    let ended: Vec<bool> = subscriptions.into_iter().map(|(_, ended)| ended).collect();
    let status = ReferralStatus::of(state, referral, &ended)?;
    Ok(ReferralView { referral: referral.clone(), stripe_customers, status })
}
