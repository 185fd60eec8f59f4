//! The story of a customer: who it is, who claims what about it, and what its invoices came to.

use super::{invoice, words};
use crate::domain::ledger::Needs;
use crate::domain::{
    CommissionStatus, Customer, NoCommission, ReviewDecision, StripeCustomerId, Timestamp, UserId,
};
use crate::service::ServiceError;
use crate::service::queries::referrals;
use crate::store::Database;
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
    let mut told = Vec::new();
    let names: Vec<String> =
        state.customers.stripe_customers_of(&customer).iter().map(ToString::to_string).collect();
    told.push(match &customer {
        Customer::User(user) => {
            format!("User {user} of the host has the Stripe customers {}.", names.join(", "))
        }
        Customer::Stripe(_) => {
            format!("Customer {}: the host has not said which user it is.", names.join(", "))
        }
    });
    told.extend(invoice::claims(&state, &customer));
    match state.referral_of(&customer) {
        Ok(referral) => {
            told.push(words::referral(referral));
            let view = referrals::view(&snapshot, &state, referral).await?;
            told.push(format!("The referral has the status {}.", view.status.as_str()));
            if referral.held {
                told.push(format!("It earns nothing: {}.", words::reason(NoCommission::SelfReferral)));
            }
            if matches!(state.decision_on(&customer, &referral.promoter), Some((ReviewDecision::Released, _)))
            {
                told.push("An operator released it.".to_owned());
            }
        }
        Err(reason) => {
            told.push(format!("It has no referral ({}): {}.", reason.as_str(), words::reason(reason)));
        }
    }
    let mut assessor = state.assessor();
    let paid = state.paid_invoices_of(&customer);
    for (id, paid_invoice) in paid.iter().take(INVOICES_LIMIT) {
        let Some((assessment, _)) = assessor.assess(id)? else { continue };
        let claim = &paid_invoice.snapshot;
        let amount = claim.currency.display(claim.amount_paid_minor);
        let status = CommissionStatus::of(&state, id, &assessment, now);
        let what = if let Some(reason) = assessment.reason {
            format!("earns nothing ({})", reason.as_str())
        } else {
            let net = claim.currency.display(assessment.net_minor());
            let earned = claim.currency.display(assessment.commission_minor);
            format!("earned {earned}, {net} of it is left ({})", status.as_str())
        };
        told.push(format!("Invoice {id}, {amount} paid at {}, {what}.", paid_invoice.paid_at));
    }
    if paid.len() > INVOICES_LIMIT {
        told.push(format!("… and {} more invoices.", paid.len().saturating_sub(INVOICES_LIMIT)));
    }
    snapshot.end().await?;
    Ok(Some(told))
}
