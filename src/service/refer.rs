//! A claim that comes from the host application or an operator: this customer was referred by this code.

use uuid::Uuid;

use super::contention::{ATTEMPTS, Contention};
use super::error::{RefusalCode, ServiceError};
use super::post_events::wanted_of;
use super::programs::{invalid, name, normal_email};
use crate::domain::{
    Book, Claim, ClaimId, ClaimSource, Code, CustomerId, Fact, Reduced, Referral, Timestamp, UserId,
};
use crate::store::{Database, StoreError, Txn, admin, book};

/// A request to attribute a customer; at least one of `customer` and `user_id`.
#[derive(Debug, Clone, Default)]
pub struct ReferRequest {
    /// The code.
    pub code: String,
    /// The Stripe customer.
    pub customer: Option<String>,
    /// The user of the host application. Named together with a customer, that customer is this user's from now on.
    pub user_id: Option<String>,
    /// The customer's e-mail; only compared with the promoter's.
    pub email: Option<String>,
    /// How the customer was invited; kept and shown.
    pub invitation_method: Option<String>,
    /// When the customer was referred, for imports; now by default.
    pub claimed_at: Option<Timestamp>,
}

/// What [`refer`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referred {
    /// The referral that holds now: not of this claim when an earlier valid one is known.
    pub referral: Referral,
    /// The Stripe customer that the request named.
    pub customer: Option<CustomerId>,
    /// False when the request told nothing new.
    pub is_new: bool,
}

/// Records a claim and posts what follows from it, also for invoices that were paid before it arrived.
///
/// # Errors
/// [`ServiceError::Refused`] when the code is unknown, the promoter would refer itself, or the customer belongs to
/// another user: then no claim is made.
pub async fn refer(
    db: &Database,
    request: &ReferRequest,
    lookback_s: i64,
    now: Timestamp,
) -> Result<Referred, ServiceError> {
    let (claim, email) = claim_of(request, lookback_s, now)?;
    let mut contention = Contention::at_most(ATTEMPTS);
    loop {
        let result = refer_once(db, &claim, email.as_deref(), now).await;
        if !contention.is_worth_another_try(&result).await {
            return result;
        }
    }
}

async fn refer_once(
    db: &Database,
    claim: &Claim,
    email: Option<&str>,
    now: Timestamp,
) -> Result<Referred, ServiceError> {
    let told = Reduced { facts: vec![Fact::Claim(claim.clone())], ..Reduced::default() };
    let (txn, mut book) = book::open(db, wanted_of(&told)).await?;
    check(&txn, &book, claim, email).await?;
    let referral = book.refer(claim.clone())?.cloned();
    let referral = referral.ok_or_else(|| unknown_code(claim.code.as_str()))?;
    book::save(&txn, &book, now).await?;
    txn.commit().await.map_err(StoreError::from)?;
    let customer = claim.customer.clone();
    Ok(Referred { referral, customer, is_new: !book.changes.claims.is_empty() })
}

fn claim_of(
    request: &ReferRequest,
    lookback_s: i64,
    now: Timestamp,
) -> Result<(Claim, Option<String>), ServiceError> {
    let optional =
        |field: &str, value: &Option<String>| value.as_deref().map(|value| name(field, value)).transpose();
    let customer = optional("customer", &request.customer)?.map(CustomerId::new);
    let user = optional("user_id", &request.user_id)?.map(UserId::new);
    if customer.is_none() && user.is_none() {
        return Err(invalid("customer, user_id: at least one of them is needed".to_owned()));
    }
    let claimed_at = request.claimed_at.unwrap_or(now);
    if claimed_at > now {
        return Err(invalid(format!("claimed_at: {claimed_at} is in the future")));
    }
    let claim = Claim {
        id: ClaimId::new(format!("clm_{}", Uuid::now_v7().simple())),
        customer,
        user,
        code: Code::new(name("code", &request.code)?),
        source: ClaimSource::Api,
        claimed_at,
        lookback_s,
        invitation_method: optional("invitation_method", &request.invitation_method)?,
    };
    Ok((claim, request.email.as_deref().map(normal_email).transpose()?))
}

async fn check(txn: &Txn, book: &Book, claim: &Claim, email: Option<&str>) -> Result<(), ServiceError> {
    let Some(owner) = book.codes.get(&claim.code) else { return Err(unknown_code(claim.code.as_str())) };
    let known_user = claim.customer.as_ref().and_then(|customer| book.parties.user_of(customer));
    if let (Some(known), Some(user)) = (known_user, &claim.user)
        && known != user
    {
        let message = "customer: it belongs to another user_id already";
        return Err(ServiceError::refused(RefusalCode::CustomerOfAnotherUser, message));
    }
    let promoter = admin::promoter(txn, owner.promoter.as_str()).await?;
    let is_promoter = promoter.is_some_and(|promoter| {
        let user = claim.user.as_ref().or(known_user);
        user.is_some_and(|user| user.as_str() == promoter.user_id)
            || email.is_some_and(|email| promoter.email.as_deref() == Some(email))
    });
    if is_promoter {
        let message = "code: it belongs to this very user; nobody can refer themselves";
        return Err(ServiceError::refused(RefusalCode::SelfReferral, message));
    }
    Ok(())
}

fn unknown_code(code: &str) -> ServiceError {
    ServiceError::refused(RefusalCode::UnknownCode, format!("code: there is no code {code}"))
}
