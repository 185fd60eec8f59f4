//! A claim that comes from the host application or an operator: this customer was referred by this code.

use uuid::Uuid;

use super::codes::unknown;
use super::contention::{ATTEMPTS, Contention};
use super::error::{RefusalCode, ServiceError};
use super::fields::{invalid, name, normal_email};
use super::post_events::wanted_of;
use crate::domain::attribution::Verdict;
use crate::domain::{
    Book, Claim, ClaimId, ClaimSource, Code, CustomerId, EmailHash, Fact, NoCommission, Party, Reduced,
    Referral, Timestamp, UserId,
};
use crate::store::{Database, StoreError, book};

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
    pub customer: Option<CustomerId>,
    /// False when the request told nothing new.
    pub is_new: bool,
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
    let mut contention = Contention::at_most(ATTEMPTS);
    loop {
        let result = refer_once(db, &claim, email, now).await;
        if !contention.is_worth_another_try(&result).await {
            return result;
        }
    }
}

async fn refer_once(
    db: &Database,
    claim: &Claim,
    email: Option<EmailHash>,
    now: Timestamp,
) -> Result<Referred, ServiceError> {
    let told = Reduced { facts: vec![Fact::Claim(claim.clone())], ..Reduced::default() };
    let act = |book: &mut Book| {
        check(book, claim, email)?;
        book.refer(claim.clone(), email)?;
        let party = claim.named_party().map(|named| book.parties.present(&named));
        let referral = party.and_then(|party| book.referral_of_party(&party).ok().cloned());
        referral.ok_or_else(|| unknown(&claim.code))
    };
    let (txn, book, referral) = book::transact(db, wanted_of(&told), act).await?;
    book::save(&txn, &book, now).await?;
    txn.commit().await.map_err(StoreError::from)?;
    let customer = claim.customer.clone();
    Ok(Referred { referral, customer, is_new: !book.changes.claims.is_empty() })
}

fn claim_of(
    request: &ReferRequest,
    lookback_s: i64,
    now: Timestamp,
) -> Result<(Claim, Option<EmailHash>), ServiceError> {
    let optional =
        |field: &str, value: &Option<String>| value.as_deref().map(|value| name(field, value)).transpose();
    let customer = optional("customer", &request.customer)?.map(CustomerId::new);
    let user = optional("user_id", &request.user_id)?.map(UserId::new);
    if customer.is_none() && user.is_none() {
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
        id: ClaimId::new(format!("clm_{}", Uuid::now_v7().simple())),
        customer,
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

/// What the request itself shows to be wrong: then it makes no claim.
fn check(book: &Book, claim: &Claim, email: Option<EmailHash>) -> Result<(), ServiceError> {
    let Some(facts) = book.codes.get(&claim.code) else { return Err(unknown(&claim.code)) };
    let known_user = claim.customer.as_ref().and_then(|customer| book.parties.user_of(customer));
    if let (Some(known), Some(user)) = (known_user, &claim.user)
        && known != user
    {
        let message = "customer: it belongs to another user_id already";
        return Err(ServiceError::refused(RefusalCode::CustomerOfAnotherUser, message));
    }
    let named = claim.customer.clone().map(Party::Customer).into_iter().chain(claim.named_party());
    let parties: Vec<Party> = named.map(|named| book.parties.present(&named)).collect();
    let promoter = &facts.owner.promoter;
    let verdict = parties.iter().filter_map(|party| book.verdict_on(party, promoter)).max();
    if verdict == Some(Verdict::Refused) {
        return Err(refusal(NoCommission::Refused));
    }
    let of_promoter = book.promoters.get(promoter).filter(|_| verdict.is_none());
    let is_promoter = of_promoter.is_some_and(|promoter| {
        claim.user.as_ref().or(known_user) == Some(&promoter.user)
            || email.is_some_and(|email| promoter.emails.contains(&email))
    });
    if is_promoter {
        let message = "code: it belongs to this very user; nobody can refer themselves";
        return Err(ServiceError::refused(RefusalCode::SelfReferral, message));
    }
    facts.judge(claim, &book.versions).map_err(refusal)?;
    let has_use = parties.iter().any(|party| book.grant(party, &claim.code).is_some());
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
