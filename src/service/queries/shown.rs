//! Referrals and events as the API and the command line print them.

use serde::Serialize;

use super::evidence::{Evidence, ReviewView};
use super::referrals::{Lost, ReferralView};
use crate::domain::inbox::KeptEvent;
use crate::domain::{Customer, PaymentId, PromoterId, StripeCustomerId, Timestamp, UserId};
use crate::service::referrals::create::{ClaimOutcome, Stronger};

/// A referral as it is printed.
#[derive(Debug, Serialize)]
pub struct ReferralBody {
    /// `ref_…`.
    pub id: String,
    /// `referral`.
    pub object: &'static str,
    /// The Stripe customer that the request named, else the first one known.
    pub customer: Option<String>,
    /// All Stripe customers known, under all their names.
    pub customers: Vec<String>,
    /// The user that the referral is of, when one is known.
    pub user_id: Option<String>,
    /// `prm_…`.
    pub promoter: String,
    /// The promoter as a user of the host.
    pub promoter_user_id: Option<String>,
    /// The program's key.
    pub program: String,
    /// The code of the claim that holds.
    pub code: String,
    /// Where that claim came from.
    pub source: &'static str,
    /// How the customer was invited, in the host's words.
    pub invitation_method: Option<String>,
    /// Its place among the promoter's referrals in that program, from 1; none before it has one.
    pub referral_number: Option<u32>,
    /// `held`, `refused`, `canceled`, `signup`, `refund` or `active`.
    pub status: &'static str,
    /// What was taken from its latest paid invoice, when the status is `refund`.
    pub loss: Option<LossBody>,
    /// Unix seconds.
    pub claimed_at: i64,
    /// Why it looks as if the customer were its own promoter.
    pub evidence: Vec<EvidenceBody>,
    /// What operators said, oldest first.
    pub reviews: Vec<ReviewBody>,
    /// What became of the claim of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimBody>,
}

/// What was taken from an invoice, as it is printed. Amounts in minor units of `currency`.
#[derive(Debug, Serialize)]
pub struct LossBody {
    /// `in_…`.
    pub invoice: String,
    /// Three letters in lower case.
    pub currency: String,
    /// What was paid of it.
    pub amount_paid: i64,
    /// What refunds and credit notes took.
    pub refunds: i64,
    /// What disputes took beyond that.
    pub disputes: i64,
}

/// Evidence as it is printed.
#[derive(Debug, Serialize)]
pub struct EvidenceBody {
    /// `same_user` or `same_email`.
    pub kind: &'static str,
    /// An event, a claim, or `api`.
    pub told_by: String,
    /// Unix seconds.
    pub promoter_since: Option<i64>,
}

/// A review as it is printed.
#[derive(Debug, Serialize)]
pub struct ReviewBody {
    /// `rev_…`.
    pub id: String,
    /// `prm_…`.
    pub promoter: String,
    /// The promoter as a user of the host.
    pub promoter_user_id: Option<String>,
    /// `released` or `refused`.
    pub decision: &'static str,
    /// Unix seconds.
    pub reviewed_at: i64,
    /// Who.
    pub reviewed_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// The kinds of evidence that a release knew of.
    pub covers: Vec<&'static str>,
}

/// What became of the claim of a call, as it is printed.
#[derive(Debug, Serialize)]
pub struct ClaimBody {
    /// The code that was named.
    pub code: String,
    /// True when the referral that holds is of this code.
    pub won: bool,
    /// Why it did not: `earlier_claim` or `moved`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

/// A telling of an event as it is printed. Times are Unix seconds.
#[derive(Debug, Serialize)]
pub struct EventBody {
    /// `evt_…`, or `body_…` where the body stands for the id.
    pub id: String,
    /// `event`.
    pub object: &'static str,
    /// The API version of this telling.
    pub api_version: Option<String>,
    /// Its type.
    pub r#type: Option<String>,
    /// When it happened.
    pub created: Option<i64>,
    /// When it was received.
    pub received_at: i64,
    /// `posted`, `recorded`, `ignored`, `parked` or `quarantined`.
    pub outcome: String,
    /// Why.
    pub reason: Option<String>,
    /// The payment whose invoice settles it.
    pub waits_for: Option<String>,
}

impl From<ReferralView> for ReferralBody {
    fn from(view: ReferralView) -> Self {
        let referral = view.referral;
        let user_id = match referral.customer {
            Customer::Stripe(_) => None,
            Customer::User(user) => Some(user.into_string()),
        };
        let customers: Vec<String> =
            view.stripe_customers.into_iter().map(StripeCustomerId::into_string).collect();
        Self {
            id: referral.id.into_string(),
            object: "referral",
            customer: customers.first().cloned(),
            customers,
            user_id,
            promoter: referral.promoter.into_string(),
            promoter_user_id: view.promoter_user.map(UserId::into_string),
            program: referral.program.into_string(),
            code: referral.code.into_string(),
            source: referral.source.as_str(),
            invitation_method: view.invitation_method,
            referral_number: referral.referral_number,
            status: view.status.as_str(),
            loss: view.lost.map(LossBody::from),
            claimed_at: referral.claimed_at.unix(),
            evidence: view.evidence.into_iter().map(EvidenceBody::from).collect(),
            reviews: view.reviews.into_iter().map(ReviewBody::from).collect(),
            claim: None,
        }
    }
}

impl From<Lost> for LossBody {
    fn from(Lost { invoice, currency, amount_paid_minor, loss }: Lost) -> Self {
        Self {
            invoice: invoice.into_string(),
            currency: currency.to_string(),
            amount_paid: amount_paid_minor,
            refunds: loss.refunds_minor,
            disputes: loss.disputes_minor(),
        }
    }
}

impl From<Evidence> for EvidenceBody {
    fn from(evidence: Evidence) -> Self {
        Self {
            kind: evidence.kind.as_str(),
            told_by: evidence.told_by,
            promoter_since: evidence.promoter_since.map(Timestamp::unix),
        }
    }
}

impl From<ReviewView> for ReviewBody {
    fn from(ReviewView { promoter, promoter_user, review, .. }: ReviewView) -> Self {
        let covers = [(review.covers_user, "same_user"), (review.covers_email, "same_email")];
        Self {
            id: review.id.into_string(),
            promoter: PromoterId::into_string(promoter),
            promoter_user_id: promoter_user.map(UserId::into_string),
            decision: review.decision.as_str(),
            reviewed_at: review.reviewed_at.unix(),
            reviewed_by: review.reviewed_by,
            reason: review.reason,
            covers: covers.into_iter().filter(|(is_covered, _)| *is_covered).map(|(_, kind)| kind).collect(),
        }
    }
}

impl From<ClaimOutcome> for ClaimBody {
    fn from(outcome: ClaimOutcome) -> Self {
        Self {
            code: outcome.code.into_string(),
            won: outcome.lost_to.is_none(),
            reason: outcome.lost_to.map(Stronger::as_str),
        }
    }
}

impl From<KeptEvent> for EventBody {
    fn from(event: KeptEvent) -> Self {
        let told = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            id: event.telling.id.into_string(),
            object: "event",
            api_version: told(event.telling.api_version),
            r#type: told(event.event_type),
            created: event.created_at.map(Timestamp::unix),
            received_at: event.received_at.unix(),
            outcome: event.outcome,
            reason: event.reason,
            waits_for: event.waits_for.map(PaymentId::into_string),
        }
    }
}
