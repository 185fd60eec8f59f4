//! The story of a customer: who it is, who claims what about it, and what its invoices came to.

use super::{invoice, words};
use crate::domain::attribution::Verdict;
use crate::domain::{Assessor, CommissionStatus, CustomerId, NoCommission, Party, Timestamp, UserId};
use crate::service::ServiceError;
use crate::service::views::referral_view;
use crate::store::book::Wanted;
use crate::store::{Database, StoreError, ledger};

/// Invoices of one customer that are told; the first ones.
const INVOICES_LIMIT: usize = 200;

/// `None` when nothing is known of such a customer, or user.
pub async fn tell(db: &Database, id: &str, now: Timestamp) -> Result<Option<Vec<String>>, ServiceError> {
    let txn = ledger::snapshot(db).await?;
    let mut wanted = Wanted { whole: true, ..Wanted::default() };
    wanted.keys.customers.insert(CustomerId::new(id));
    wanted.keys.users.insert(UserId::new(id));
    let book = ledger::book_of(&txn, &wanted).await?;
    let of_customer = book.parties.party_of(&CustomerId::new(id));
    let of_user = Party::User(UserId::new(id));
    let knows = |party: &Party| {
        book.parties.claims_of(party).next().is_some()
            || !book.paid_invoices_of(party).is_empty()
            || book.referrals.contains_key(party)
            || book.parties.emails_of(party).next().is_some()
            || book.parties.customers_of(party).len() > 1
    };
    let Some(party) = [of_customer, of_user].into_iter().find(knows) else { return Ok(None) };
    let mut told = Vec::new();
    let names: Vec<String> = book.parties.customers_of(&party).iter().map(ToString::to_string).collect();
    told.push(match &party {
        Party::User(user) => {
            format!("User {user} of the host has the Stripe customers {}.", names.join(", "))
        }
        Party::Customer(_) => {
            format!("Customer {}: the host has not said which user it is.", names.join(", "))
        }
    });
    told.extend(invoice::claims(&book, &party));
    match book.referral_of_party(&party) {
        Ok(referral) => {
            told.push(words::referral(referral));
            let view = referral_view(&txn, &book, referral).await?;
            told.push(format!("The referral is {}.", view.status.as_str()));
            if referral.held {
                told.push(format!("It earns nothing: {}.", words::reason(NoCommission::SelfReferral)));
            }
            if book.verdict_on(&party, &referral.promoter) == Some(Verdict::Released) {
                told.push("An operator released it.".to_owned());
            }
        }
        Err(reason) => {
            told.push(format!("It has no referral ({}): {}.", reason.as_str(), words::reason(reason)));
        }
    }
    let mut assessor = Assessor::new(&book);
    let paid = book.paid_invoices_of(&party);
    for (id, paid_invoice) in paid.iter().take(INVOICES_LIMIT) {
        let Some((assessment, _)) = assessor.assess(id)? else { continue };
        let claim = &paid_invoice.claim;
        let amount = claim.currency.display(claim.amount_paid_minor);
        let status = CommissionStatus::of(&book, id, &assessment, now);
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
    txn.rollback().await.map_err(StoreError::from)?;
    Ok(Some(told))
}
