//! Why a referral is held, and what operators said of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::ledger::State;
use crate::domain::{Customer, EmailHash, PromoterId, Referral, Review, Timestamp, UserId};
use crate::service::ServiceError;
use crate::store::snapshot::Snapshot;
use crate::store::{claims, promoters};

/// In what a customer looks like its own promoter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceKind {
    /// They are one user of the host.
    SameUser,
    /// An e-mail ever known of the one was ever known of the other.
    SameEmail,
}

impl EvidenceKind {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameUser => "same_user",
            Self::SameEmail => "same_email",
        }
    }
}

/// One thing that shows it. Addresses are kept as hashes and never shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What it shows.
    pub kind: EvidenceKind,
    /// What told it first of the customer: an event (`evt_…`), a claim (`clm_…`), or `api` for a call that made no claim.
    pub told_by: String,
    /// Since when the promoter has that e-mail; the user it has always been.
    pub promoter_since: Option<Timestamp>,
}

/// A review as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewView {
    /// The customer, as it was named then.
    pub customer: Customer,
    /// The promoter.
    pub promoter: PromoterId,
    /// The promoter as a user of the host.
    pub promoter_user: Option<UserId>,
    /// What was said.
    pub review: Review,
}

/// What is shown with referrals and is no part of the state.
#[derive(Debug, Default)]
pub struct About {
    reviews: Vec<(Customer, PromoterId, Review)>,
    users: BTreeMap<PromoterId, UserId>,
    emails_since: Vec<(PromoterId, EmailHash, Timestamp)>,
}

/// Reads what is shown with these referrals.
///
/// # Errors
/// [`ServiceError`] when the database is away.
pub async fn about(
    snapshot: &Snapshot,
    state: &State,
    referrals: &[&Referral],
) -> Result<About, ServiceError> {
    let names: BTreeSet<Customer> =
        referrals.iter().flat_map(|referral| state.customers.names_of(&referral.customer)).collect();
    let reviews = claims::reviews_of(&snapshot.txn, &names).await?;
    let of_referrals = referrals.iter().map(|referral| referral.promoter.clone());
    let shown = of_referrals.chain(reviews.iter().map(|(_, promoter, _)| promoter.clone())).collect();
    let users = promoters::users(&snapshot.txn, &shown).await?;
    let by_email = referrals.iter().filter(|known| state.likeness(&known.customer, &known.promoter).email);
    let by_email = by_email.map(|referral| referral.promoter.clone()).collect();
    let emails_since = promoters::emails_since(&snapshot.txn, &by_email).await?;
    Ok(About { reviews, users, emails_since })
}

impl About {
    /// A promoter as a user of the host.
    pub fn user(&self, promoter: &PromoterId) -> Option<&UserId> {
        self.users.get(promoter)
    }

    /// Everything that shows a customer to look like its promoter, also where an operator has released it.
    pub fn evidence(&self, state: &State, referral: &Referral) -> Vec<Evidence> {
        let Referral { customer, promoter, .. } = referral;
        let Some(facts) = state.promoters.get(promoter) else { return Vec::new() };
        let mut evidence = Vec::new();
        if state.likeness(customer, promoter).user {
            let claims = state.customers.claims_of(customer);
            let naming = claims.filter(|claim| claim.user.as_ref() == Some(&facts.user));
            let first = naming.min_by_key(|claim| (claim.claimed_at, &claim.id));
            evidence.push(Evidence {
                kind: EvidenceKind::SameUser,
                told_by: first.map_or_else(|| "api".to_owned(), |claim| claim.id.to_string()),
                promoter_since: None,
            });
        }
        let names = state.customers.names_of(customer);
        for hash in &facts.emails {
            let told = names.iter().find_map(|name| state.customers.email_told_by(name, hash));
            if let Some(told_by) = told {
                let (kind, told_by) = (EvidenceKind::SameEmail, told_by.to_owned());
                let promoter_since = self.email_since(promoter, hash);
                evidence.push(Evidence { kind, told_by, promoter_since });
            }
        }
        evidence
    }

    fn email_since(&self, promoter: &PromoterId, hash: &EmailHash) -> Option<Timestamp> {
        let of_promoter = self.emails_since.iter().filter(|(of, email, _)| of == promoter && email == hash);
        of_promoter.map(|(_, _, since)| *since).min()
    }

    /// Everything that operators said of a customer, oldest first.
    pub fn reviews(&self, state: &State, customer: &Customer) -> Vec<ReviewView> {
        let names = state.customers.names_of(customer);
        let of_customer = self.reviews.iter().filter(|(name, _, _)| names.contains(name));
        let view = |(customer, promoter, review): &(Customer, PromoterId, Review)| ReviewView {
            customer: customer.clone(),
            promoter: promoter.clone(),
            promoter_user: self.users.get(promoter).cloned(),
            review: review.clone(),
        };
        of_customer.map(view).collect()
    }
}
