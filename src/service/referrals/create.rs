//! A claim that comes from the host application or an operator: this customer was referred by this code.

use uuid::Uuid;

use crate::domain::attribution::Likeness;
use crate::domain::ids::encoded;
use crate::domain::ledger::{Needs, State};
use crate::domain::{
    Claim, ClaimId, ClaimSource, Code, Customer, EmailHash, NoCommission, Referral, ReviewDecision,
    StripeCustomerId, Timestamp, UserId,
};
use crate::service::codes::unknown;
use crate::service::error::{RefusalCode, ServiceError};
use crate::service::fields::{self, invalid, name, normal_email};
use crate::service::ledger;
use crate::store::Database;

/// A request to attribute a customer; at least one of `customer` and `user_id`.
#[derive(Debug, Clone, Default)]
pub struct ReferRequest {
    /// The code.
    pub code: String,
    /// The Stripe customer.
    pub customer: Option<String>,
    /// The user of the host application. Named together with a customer, that customer is this user's from now on.
    pub user_id: Option<String>,
    /// The customer's e-mail; only compared with those of promoters, and kept as a hash.
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
    pub stripe_customer: Option<StripeCustomerId>,
    /// True when the call made the referral that holds now, or moved it.
    pub is_made: bool,
    /// What became of the claim.
    pub claim: ClaimOutcome,
}

/// What became of a claim of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimOutcome {
    /// The code that it named.
    pub code: Code,
    /// What the referral that holds is made by instead.
    pub lost_to: Option<Stronger>,
}

/// What a claim can lose to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stronger {
    /// Another claim was made earlier.
    EarlierClaim,
    /// An operator moved the referral.
    Move,
}

impl Stronger {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EarlierClaim => "earlier_claim",
            Self::Move => "moved",
        }
    }
}

/// Records a claim and posts what follows from it, also for invoices that were paid before it arrived.
///
/// # Errors
/// [`ServiceError::Refused`] when the code is unknown or makes no referral, the promoter would refer itself, or the
/// customer belongs to another user: then no claim is made.
pub async fn refer(
    db: &Database,
    request: &ReferRequest,
    lookback_s: i64,
    now: Timestamp,
) -> Result<Referred, ServiceError> {
    let (claim, email) = claim_of(request, lookback_s, now)?;
    let mut needs = Needs::default();
    needs.add_claim(&claim);
    ledger::change(db, &needs, now, |unit| {
        check(unit.state(), &claim, email)?;
        let before = customers_of(unit.state(), &claim).into_iter();
        let before: Vec<Referral> =
            before.filter_map(|customer| unit.state().referrals.get(&customer).cloned()).collect();
        unit.refer(claim.clone(), email)?;
        let customer = claim.named_customer().map(|named| unit.state().customers.present(&named));
        let referral = customer.and_then(|customer| unit.state().referral_of(&customer).ok().cloned());
        let referral = referral.ok_or_else(|| unknown(&claim.code))?;
        let is_known = |known: &Referral| known.claim == referral.claim && !known.void;
        Ok(Referred {
            is_made: !before.iter().any(is_known),
            claim: ClaimOutcome { code: claim.code.clone(), lost_to: stronger(&claim, &referral) },
            stripe_customer: claim.stripe_customer.clone(),
            referral,
        })
    })
    .await
}

/// The customers that a claim names, as they are known now; they become one by it when it names two.
fn customers_of(state: &State, claim: &Claim) -> Vec<Customer> {
    let named = claim.stripe_customer.clone().map(Customer::Stripe).into_iter().chain(claim.named_customer());
    named.map(|named| state.customers.present(&named)).collect()
}

/// What makes the referral instead of this claim; nothing where an equal one does.
fn stronger(claim: &Claim, referral: &Referral) -> Option<Stronger> {
    let is_equal = referral.claim == claim.id || referral.code == claim.code;
    let is_moved = referral.source == ClaimSource::Move;
    let lost_to = if is_moved { Stronger::Move } else { Stronger::EarlierClaim };
    (!is_equal).then_some(lost_to)
}

fn claim_of(
    request: &ReferRequest,
    lookback_s: i64,
    now: Timestamp,
) -> Result<(Claim, Option<EmailHash>), ServiceError> {
    let optional =
        |field: &str, value: &Option<String>| value.as_deref().map(|value| name(field, value)).transpose();
    let stripe_customer = request.customer.as_deref().map(|id| fields::stripe_customer("customer", id));
    let stripe_customer = stripe_customer.transpose()?.map(StripeCustomerId::new);
    let user = optional("user_id", &request.user_id)?.map(UserId::new);
    if stripe_customer.is_none() && user.is_none() {
        return Err(invalid("customer, user_id: at least one of them is needed".to_owned()));
    }
    let claimed_at = request.claimed_at.unwrap_or(now);
    if claimed_at < Timestamp::from_unix(0) {
        return Err(invalid("claimed_at: it is before 1970".to_owned()));
    }
    if claimed_at > now {
        return Err(invalid(format!("claimed_at: {claimed_at} is in the future")));
    }
    let claim = Claim {
        id: ClaimId::new(encoded("clm", Uuid::now_v7().as_u128())),
        stripe_customer,
        user,
        code: Code::new(name("code", &request.code)?),
        source: ClaimSource::Api,
        claimed_at,
        moved_at: None,
        lookback_s,
        invitation_method: optional("invitation_method", &request.invitation_method)?,
    };
    let email = request.email.as_deref().map(normal_email).transpose()?;
    Ok((claim, email.as_deref().and_then(EmailHash::of)))
}

/// What the request itself shows to be wrong: then it makes no claim. What is known of its customer beside is no reason to
/// refuse it: a referral that comes of it is held.
fn check(state: &State, claim: &Claim, email: Option<EmailHash>) -> Result<(), ServiceError> {
    let Some(facts) = state.codes.get(&claim.code) else { return Err(unknown(&claim.code)) };
    let known_user =
        claim.stripe_customer.as_ref().and_then(|stripe_customer| state.customers.user_of(stripe_customer));
    if let (Some(known), Some(user)) = (known_user, &claim.user)
        && known != user
    {
        let message = "customer: it belongs to another user_id already";
        return Err(ServiceError::refused(RefusalCode::CustomerOfAnotherUser, message));
    }
    let customers = customers_of(state, claim);
    let promoter = &facts.owner.promoter;
    let reviews = customers.iter().filter_map(|customer| state.latest_review(customer, promoter));
    let latest = reviews.max_by_key(|review| review.order());
    if latest.is_some_and(|review| review.decision == ReviewDecision::Refused) {
        return Err(refusal(NoCommission::Refused));
    }
    let shown = state.promoters.get(promoter).map(|promoter| Likeness {
        user: claim.user.as_ref() == Some(&promoter.user),
        email: email.is_some_and(|email| promoter.emails.contains(&email)),
    });
    let shown = shown.unwrap_or_default();
    if shown != Likeness::default() && !latest.is_some_and(|review| review.releases(shown)) {
        let message = "code: it belongs to this very person, by user or e-mail; nobody can refer themselves";
        return Err(ServiceError::refused(RefusalCode::SelfReferral, message));
    }
    facts.judge(claim, &state.versions).map_err(refusal)?;
    let has_use = customers.iter().any(|customer| state.has_redeemed(customer, &claim.code));
    if facts.is_used_up() && !has_use {
        return Err(refusal(NoCommission::CodeUsedUp));
    }
    Ok(())
}

/// The refusal of a claim that makes no referral.
fn refusal(reason: NoCommission) -> ServiceError {
    let (code, message) = match reason {
        NoCommission::CodeInactive => (RefusalCode::CodeInactive, "code: it is switched off"),
        NoCommission::CodeExpired => (RefusalCode::CodeExpired, "code: it has expired"),
        NoCommission::CodeUsedUp => (RefusalCode::CodeUsedUp, "code: it has no use left"),
        NoCommission::Refused => {
            (RefusalCode::ReferralRefused, "code: this customer was refused to its promoter")
        }
        NoCommission::ProgramInactive
        | NoCommission::NotReferred
        | NoCommission::UnknownCode
        | NoCommission::ZeroAmount
        | NoCommission::BeforeReferral
        | NoCommission::BelowMinimum
        | NoCommission::ExistingCustomer
        | NoCommission::RewardExhausted
        | NoCommission::ConversionWindow
        | NoCommission::DurationOver
        | NoCommission::CurrencyMismatch
        | NoCommission::SelfReferral => {
            (RefusalCode::ProgramInactive, "code: its program takes no new referrals")
        }
    };
    ServiceError::refused(code, message)
}
