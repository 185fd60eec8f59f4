//! What an operator or the host does to a referral that exists: adds a customer, releases, refuses or moves it.

use uuid::Uuid;

use super::contention::{ATTEMPTS, Contention};
use super::error::{RefusalCode, ServiceError};
use super::fields::{invalid, name};
use super::post_events::{add_party, wanted_of};
use crate::domain::attribution::{Ruling, Verdict};
use crate::domain::{
    Book, Claim, ClaimId, ClaimSource, Code, CustomerId, Fact, Party, PromoterId, Reduced, Referral,
    RulingId, Timestamp, UserId,
};
use crate::store::book::Wanted;
use crate::store::referrals::{self, Found};
use crate::store::{Database, StoreError, book};

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
    /// An operator says of (customer, promoter) whether it earns; for good.
    Rule {
        /// What is said.
        verdict: Verdict,
        /// The promoter; by default that of the referral.
        promoter: Option<String>,
    },
    /// It goes to the promoter of this code, whatever was claimed.
    Move {
        /// The code.
        code: String,
        /// From when on; as before, by default.
        claimed_at: Option<Timestamp>,
    },
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
    let mut contention = Contention::at_most(ATTEMPTS);
    loop {
        let result = change_once(db, id, change, now).await;
        if !contention.is_worth_another_try(&result).await {
            return result;
        }
    }
}

async fn change_once(
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
        Change::Rule { verdict, promoter } => rule(db, &found, *verdict, promoter.as_deref(), now).await,
        Change::Move { code, claimed_at } => move_to(db, &found, code, *claimed_at, now).await,
    }
}

async fn add_customer(
    db: &Database,
    found: &Found,
    customer: Option<&str>,
    user_id: Option<&str>,
    now: Timestamp,
) -> Result<Referral, ServiceError> {
    let (customer, user) = match (&found.party, customer, user_id) {
        (Party::User(user), Some(customer), None) => (name("customer", customer)?, user.clone()),
        (Party::User(user), Some(customer), Some(named)) if named.trim() == user.as_str() => {
            (name("customer", customer)?, user.clone())
        }
        (Party::Customer(own), None, Some(user)) => (own.to_string(), UserId::new(name("user_id", user)?)),
        (Party::Customer(own), Some(customer), Some(user)) if customer.trim() == own.as_str() => {
            (own.to_string(), UserId::new(name("user_id", user)?))
        }
        (Party::User(_), _, _) => {
            let message = "customer: needed; and user_id, when it is named, is that of the referral";
            return Err(invalid(message.to_owned()));
        }
        (Party::Customer(_), _, _) => {
            let message = "user_id: the user of the referral's own customer comes first";
            return Err(invalid(message.to_owned()));
        }
    };
    let customer = CustomerId::new(customer);
    let mut wanted = Wanted::default();
    wanted.keys.customers.insert(customer.clone());
    wanted.keys.users.insert(user.clone());
    let act = |book: &mut Book| {
        if book.parties.user_of(&customer).is_some_and(|known| *known != user) {
            let message = "customer: it belongs to another user_id already";
            return Err(ServiceError::refused(RefusalCode::CustomerOfAnotherUser, message));
        }
        book.bind(customer.clone(), user.clone())?;
        present(book, &Party::User(user.clone()))
    };
    let (txn, book, referral) = book::transact(db, wanted, act).await?;
    book::save(&txn, &book, now).await?;
    txn.commit().await.map_err(StoreError::from)?;
    Ok(referral)
}

async fn rule(
    db: &Database,
    found: &Found,
    verdict: Verdict,
    promoter: Option<&str>,
    now: Timestamp,
) -> Result<Referral, ServiceError> {
    let named = promoter.map(|named| name("promoter", named).map(PromoterId::new)).transpose()?;
    let id = RulingId::new(format!("rul_{}", Uuid::now_v7().simple()));
    let mut wanted = Wanted::default();
    add_party(&mut wanted.keys, &found.party);
    let act = |book: &mut Book| {
        let party = book.parties.present(&found.party);
        let promoter = named.as_ref().unwrap_or(&found.promoter);
        if !book.promoters.contains_key(promoter) {
            let message = format!("promoter: this customer has no claim for a promoter {promoter}");
            return Err(ServiceError::refused(RefusalCode::UnknownPromoter, message));
        }
        // Said again, as after an answer that was lost, it must not hit the promoter whose claim counts since.
        let is_held = book.referrals.get(&party).is_some_and(|referral| referral.held);
        if named.is_none() && !is_held && book.has_verdict(&party, verdict) {
            return present(book, &party);
        }
        match book.verdict_on(&party, promoter) {
            Some(known) if known == verdict => return present(book, &party),
            Some(_) => {
                let message = "status: it was ruled the other way, which holds for good";
                return Err(ServiceError::refused(RefusalCode::AlreadyRuled, message));
            }
            None => {}
        }
        book.rule(&party, promoter, Ruling { id: id.clone(), verdict, ruled_at: now })?;
        present(book, &party)
    };
    let (txn, book, referral) = book::transact(db, wanted, act).await?;
    book::save(&txn, &book, now).await?;
    txn.commit().await.map_err(StoreError::from)?;
    Ok(referral)
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
    let (customer, user) = match &found.party {
        Party::Customer(customer) => (Some(customer.clone()), None),
        Party::User(user) => (None, Some(user.clone())),
    };
    let claim = Claim {
        id: ClaimId::new(format!("clm_{}", Uuid::now_v7().simple())),
        customer,
        user,
        code: Code::new(name("code", code)?),
        source: ClaimSource::Move,
        claimed_at: claimed_at.unwrap_or(found.claimed_at),
        moved_at: Some(now),
        lookback_s: found.lookback_s,
        invitation_method: None,
    };
    let told = Reduced { facts: vec![Fact::Claim(claim.clone())], ..Reduced::default() };
    let act = |book: &mut Book| {
        let party = book.parties.present(&found.party);
        let Some(facts) = book.codes.get(&claim.code) else { return Err(super::codes::unknown(&claim.code)) };
        if book.verdict_on(&party, &facts.owner.promoter) == Some(Verdict::Refused) {
            let message = "code: this customer was refused to its promoter";
            return Err(ServiceError::refused(RefusalCode::ReferralRefused, message));
        }
        // Another replica's clock may be ahead of ours: the last move counts.
        let last = book.parties.claims_of(&party).filter_map(|known| known.moved_at).max();
        let after_last = last.map(|last| last.minus_seconds(-1));
        let moved_at = claim.moved_at.max(after_last);
        book.refer(Claim { moved_at, ..claim.clone() }, None)?;
        present(book, &party)
    };
    let (txn, book, referral) = book::transact(db, wanted_of(&told), act).await?;
    book::save(&txn, &book, now).await?;
    txn.commit().await.map_err(StoreError::from)?;
    Ok(referral)
}

fn present(book: &Book, party: &Party) -> Result<Referral, ServiceError> {
    book.referrals.get(party).cloned().ok_or_else(|| unknown("of this customer"))
}

fn unknown(id: &str) -> ServiceError {
    ServiceError::refused(RefusalCode::UnknownReferral, format!("there is no referral {id}"))
}
