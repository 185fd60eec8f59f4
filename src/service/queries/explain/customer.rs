//! The story of a customer: who it is, who claims what about it, and what its invoices came to.

use super::{invoice, payment, summary, words};
use crate::domain::ledger::{Needs, State};
use crate::domain::{Customer, NoCommission, Referral, ReferralStatus, StripeCustomerId, Timestamp, UserId};
use crate::service::ServiceError;
use crate::service::queries::evidence::{Evidence, EvidenceKind, ReviewView};
use crate::service::queries::referrals;
use crate::store::Database;
use crate::store::referrals as store;
use crate::store::snapshot::Snapshot;

/// Invoices of one customer that are told; the first ones.
const INVOICES_LIMIT: usize = 200;

/// `None` when nothing is known of such a customer, or user.
pub async fn tell(db: &Database, id: &str, now: Timestamp) -> Result<Option<Vec<String>>, ServiceError> {
    let mut snapshot = Snapshot::of(db).await?;
    let names = [Customer::Stripe(StripeCustomerId::new(id)), Customer::User(UserId::new(id))];
    let state = snapshot.load(Needs { all_invoices_of: names.into(), ..Needs::default() }).await?;
    let of_customer = state.customers.customer_named(&StripeCustomerId::new(id));
    let of_user = Customer::User(UserId::new(id));
    let knows = |customer: &Customer| {
        state.customers.claims_of(customer).next().is_some()
            || !state.paid_invoices_of(customer).is_empty()
            || state.referrals.contains_key(customer)
            || state.customers.emails_of(customer).next().is_some()
            || state.customers.stripe_customers_of(customer).len() > 1
    };
    let Some(customer) = [of_customer, of_user].into_iter().find(knows) else { return Ok(None) };
    let mut told = vec![who(&state, &customer)];
    told.extend(invoice::claims(&state, &customer));
    match state.referral_of(&customer) {
        Ok(referral) => told.extend(of_referral(&snapshot, &state, referral).await?),
        Err(reason) => {
            told.push(format!("It has no referral ({}): {}.", reason.as_str(), words::reason(reason)));
        }
    }
    let mut assessor = state.assessor();
    let paid = state.paid_invoices_of(&customer);
    for (id, _) in paid.iter().take(INVOICES_LIMIT) {
        told.extend(summary::of_invoice(&state, &mut assessor, id, now)?);
    }
    if paid.len() > INVOICES_LIMIT {
        told.push(format!("… and {} more invoices.", paid.len().saturating_sub(INVOICES_LIMIT)));
    }
    snapshot.end().await?;
    Ok(Some(told))
}

fn who(state: &State, customer: &Customer) -> String {
    let names = state.customers.stripe_customers_of(customer);
    let names: Vec<&str> = names.iter().map(StripeCustomerId::as_str).collect();
    let listed = names.join(", ");
    match (customer, names.len()) {
        (Customer::User(user), 0) => format!("User {user} of the host has no Stripe customer yet."),
        (Customer::User(user), 1) => format!("User {user} of the host has the Stripe customer {listed}."),
        (Customer::User(user), _) => format!("User {user} of the host has the Stripe customers {listed}."),
        (Customer::Stripe(_), _) => format!("Customer {listed}: the host has not said which user it is."),
    }
}

/// The referral, where it stands and why.
async fn of_referral(
    snapshot: &Snapshot,
    state: &State,
    referral: &Referral,
) -> Result<Vec<String>, ServiceError> {
    let view = referrals::of_state(snapshot, state, referral).await?;
    let mut told = vec![words::referral(state, referral)];
    told.push(format!("The referral has the status {}.", view.status.as_str()));
    if view.status == ReferralStatus::Refund
        && let Some((latest, _)) = ReferralStatus::latest_paid(state, referral)
    {
        told.extend(payment::loss(state, latest)?);
    }
    if referral.held {
        told.push(format!("It earns nothing: {}.", words::reason(NoCommission::SelfReferral)));
    }
    told.extend(view.evidence.iter().map(evidence));
    told.extend(view.reviews.iter().map(|said| review(state, said)));
    Ok(told)
}

fn evidence(evidence: &Evidence) -> String {
    let told_by = match evidence.told_by.as_str() {
        "api" => "a call of the API",
        told_by => told_by,
    };
    match (evidence.kind, evidence.promoter_since) {
        (EvidenceKind::SameUser, _) => {
            format!("Customer and promoter are one user of the host, as {told_by} told.")
        }
        (EvidenceKind::SameEmail, None) => format!("They share an e-mail, which {told_by} told."),
        (EvidenceKind::SameEmail, Some(since)) => {
            format!("They share an e-mail, which {told_by} told; the promoter has it since {since}.")
        }
    }
}

fn review(state: &State, said: &ReviewView) -> String {
    let review = &said.review;
    let by = review.reviewed_by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
    let why = review.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let (decision, at) = (review.decision.as_str(), review.reviewed_at);
    let promoter = match &said.promoter_user {
        Some(user) => words::named(user, &said.promoter),
        None => words::promoter(state, &said.promoter),
    };
    format!("An operator{by} {decision} it for promoter {promoter} at {at}{why}.")
}

/// The story of the customer of a referral; `None` when there is no such referral.
pub async fn tell_of_referral(
    db: &Database,
    id: &str,
    now: Timestamp,
) -> Result<Option<Vec<String>>, ServiceError> {
    let Some(found) = store::find(db.reader(), id).await? else { return Ok(None) };
    let name = match &found.customer {
        Customer::User(user) => user.as_str(),
        Customer::Stripe(stripe_customer) => stripe_customer.as_str(),
    };
    tell(db, name, now).await
}
