//! What an operator or the host does to a referral that exists: adds a customer, releases, refuses or moves it.

use uuid::Uuid;

use crate::domain::ids::encoded;
use crate::domain::ledger::{Needs, UnitOfWork};
use crate::domain::{
    Claim, ClaimId, ClaimSource, Code, Customer, Referral, Review, ReviewDecision, ReviewId,
    StripeCustomerId, Timestamp, UserId,
};
use crate::service::codes::unknown as unknown_code;
use crate::service::error::{RefusalCode, ServiceError};
use crate::service::fields::{invalid, name, stripe_customer, text};
use crate::service::{ledger, promoters};
use crate::store::Database;
use crate::store::referrals::{self, Found};

/// What is done to a referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A customer turns out to be one of its user. The user must be named when the referral knows none.
    AddCustomer {
        /// The Stripe customer.
        customer: Option<String>,
        /// The user of the host.
        user_id: Option<String>,
    },
    /// An operator says of (customer, promoter) whether it earns; what is said last holds.
    Review(ReviewRequest),
    /// It goes to the promoter of this code, whatever was claimed.
    Move {
        /// The code.
        code: String,
        /// From when on; as before, by default.
        claimed_at: Option<Timestamp>,
    },
}

/// What an operator says of a held referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewRequest {
    /// What is said.
    pub decision: ReviewDecision,
    /// The promoter, by id or user id; by default that of the referral.
    pub promoter: Option<String>,
    /// Who says it, at most 255 characters; only kept and shown.
    pub reviewed_by: Option<String>,
    /// Why, at most 1 000 characters; only kept and shown.
    pub reason: Option<String>,
}

/// Changes a referral, and posts what follows from it. The referral as it is then; it may have become one with another.
///
/// # Errors
/// [`ServiceError::Refused`] when there is no such referral, or the change breaks a rule.
pub async fn change(
    db: &Database,
    id: &str,
    change: &Change,
    now: Timestamp,
) -> Result<Referral, ServiceError> {
    let found = referrals::find(db.reader(), id).await?.ok_or_else(|| unknown(id))?;
    match change {
        Change::AddCustomer { customer, user_id } => {
            add_customer(db, &found, customer.as_deref(), user_id.as_deref(), now).await
        }
        Change::Review(request) => review(db, &found, request, now).await,
        Change::Move { code, claimed_at } => move_to(db, &found, code, *claimed_at, now).await,
    }
}

async fn add_customer(
    db: &Database,
    found: &Found,
    stripe_customer: Option<&str>,
    user_id: Option<&str>,
    now: Timestamp,
) -> Result<Referral, ServiceError> {
    let (customer, user) = bond(&found.customer, stripe_customer, user_id)?;
    let names = [Customer::Stripe(customer.clone()), Customer::User(user.clone())];
    let needs = Needs { customers: names.into(), ..Needs::default() };
    ledger::change(db, &needs, now, |unit| {
        if unit.state().customers.user_of(&customer).is_some_and(|known| *known != user) {
            let message = "customer: it belongs to another user_id already";
            return Err(ServiceError::refused(RefusalCode::CustomerOfAnotherUser, message));
        }
        unit.bind(customer.clone(), user.clone())?;
        present(unit, &Customer::User(user.clone()))
    })
    .await
}

/// The Stripe customer and the user that a request makes one customer: one of them is the referral's own.
fn bond(
    of: &Customer,
    customer: Option<&str>,
    user_id: Option<&str>,
) -> Result<(StripeCustomerId, UserId), ServiceError> {
    let stripe = |customer: &str| stripe_customer("customer", customer).map(StripeCustomerId::new);
    let user = |user: &str| name("user_id", user).map(UserId::new);
    match (of, customer, user_id) {
        (Customer::User(own), Some(customer), None) => Ok((stripe(customer)?, own.clone())),
        (Customer::User(own), Some(customer), Some(named)) if named.trim() == own.as_str() => {
            Ok((stripe(customer)?, own.clone()))
        }
        (Customer::Stripe(own), None, Some(named)) => Ok((own.clone(), user(named)?)),
        (Customer::Stripe(own), Some(customer), Some(named)) if customer.trim() == own.as_str() => {
            Ok((own.clone(), user(named)?))
        }
        (Customer::User(_), _, _) => {
            let message =
                "customer: needed, because the user of this referral is known; user_id may only be that one";
            Err(invalid(message.to_owned()))
        }
        (Customer::Stripe(_), _, _) => {
            let message =
                "user_id: the user of this referral is not known; it comes first, then its further customers";
            Err(invalid(message.to_owned()))
        }
    }
}

async fn review(
    db: &Database,
    found: &Found,
    request: &ReviewRequest,
    now: Timestamp,
) -> Result<Referral, ServiceError> {
    let decision = request.decision;
    let reviewed_by = request.reviewed_by.as_deref().map(|by| name("reviewed_by", by)).transpose()?;
    let reason = request.reason.as_deref().map(|why| text("reason", why)).transpose()?;
    let named = promoters::named_id(db, request.promoter.as_deref()).await?;
    let needs = Needs {
        customers: [found.customer.clone()].into(),
        promoters: named.iter().cloned().collect(),
        ..Needs::default()
    };
    ledger::change(db, &needs, now, |unit| {
        let state = unit.state();
        let customer = state.customers.present(&found.customer);
        let referral = state.referrals.get(&customer);
        let of_referral = referral.map(|referral| referral.promoter.clone());
        let promoter = &named.clone().or(of_referral).unwrap_or_else(|| found.promoter.clone());
        // Said again, as after an answer that was lost, it must not hit the promoter whose claim counts since.
        let is_any_held = referral.is_some_and(|referral| referral.held);
        let latest = state.latest_review(&customer, promoter);
        if named.is_none() && !is_any_held && latest.is_none() && state.has_decision(&customer, decision) {
            return present(unit, &customer);
        }
        // A move beats the refusals before it: then a refusal says something new.
        let is_refused = referral.is_none_or(|referral| referral.void || referral.promoter != *promoter);
        let is_held = referral.is_some_and(|referral| referral.held && referral.promoter == *promoter);
        let likeness = state.likeness(&customer, promoter);
        match latest {
            Some(known) if known.says(decision, likeness, is_refused) => return present(unit, &customer),
            None if !is_held => {
                let message = format!(
                    "status: this customer is not held for promoter {promoter}, and was never reviewed for it"
                );
                return Err(ServiceError::refused(RefusalCode::NotHeld, message));
            }
            Some(_) | None => {}
        }
        let review = Review {
            id: ReviewId::new(unit.new_id("rev")),
            decision,
            reviewed_at: unit.at(),
            reviewed_by: reviewed_by.clone(),
            reason: reason.clone(),
            covers_user: false,
            covers_email: false,
        };
        unit.review(&customer, promoter, review)?;
        present(unit, &customer)
    })
    .await
}

async fn move_to(
    db: &Database,
    found: &Found,
    code: &str,
    claimed_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Referral, ServiceError> {
    if claimed_at.is_some_and(|at| at > now || at < Timestamp::from_unix(0)) {
        return Err(invalid("claimed_at: between 1970 and now".to_owned()));
    }
    let (stripe_customer, user) = match &found.customer {
        Customer::Stripe(id) => (Some(id.clone()), None),
        Customer::User(user) => (None, Some(user.clone())),
    };
    let claim = Claim {
        id: ClaimId::new(encoded("clm", Uuid::now_v7().as_u128())),
        stripe_customer,
        user,
        code: Code::new(name("code", code)?),
        source: ClaimSource::Move,
        claimed_at: claimed_at.unwrap_or(now),
        moved_at: Some(now),
        lookback_s: 0,
        invitation_method: None,
    };
    let mut needs = Needs::default();
    needs.add_claim(&claim);
    ledger::change(db, &needs, now, |unit| {
        let state = unit.state();
        let customer = state.customers.present(&found.customer);
        if !state.codes.contains_key(&claim.code) {
            return Err(unknown_code(&claim.code));
        }
        // Another replica's clock may be ahead of ours: the last move counts, and not what was refused before it.
        let after_last = state.last_said_at(&customer).map(|last| last.plus_seconds(1));
        let moved_at = claim.moved_at.max(after_last);
        let Some(referral) = state.referrals.get(&customer) else { return Err(unknown("of this customer")) };
        let lookback_s = referral.lookback_s;
        let known_since = Some(referral.claimed_at).filter(|_| !referral.void);
        let claimed_at = claimed_at.or(known_since).unwrap_or(now);
        unit.refer(Claim { claimed_at, moved_at, lookback_s, ..claim.clone() }, None)?;
        present(unit, &customer)
    })
    .await
}

fn present(unit: &UnitOfWork, customer: &Customer) -> Result<Referral, ServiceError> {
    unit.state().referrals.get(customer).cloned().ok_or_else(|| unknown("of this customer"))
}

fn unknown(id: &str) -> ServiceError {
    ServiceError::refused(RefusalCode::UnknownReferral, format!("there is no referral {id}"))
}
