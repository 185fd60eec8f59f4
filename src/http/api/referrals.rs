//! Referrals: the host application says who referred a customer, and operators what is to be done about it.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use serde::{Deserialize, Serialize};

use super::page::{Page, page_limit};
use crate::clock;
use crate::domain::attribution::ReviewDecision;
use crate::domain::{Customer, PromoterId, ReferralId, StripeCustomerId, Timestamp};
use crate::http::auth::Admin;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::state::HttpState;
use crate::service::error::{RefusalCode, ServiceError};
use crate::service::fields::invalid;
use crate::service::queries::referrals::{self, ReferralView};
use crate::service::referrals::change::{Change, ReviewRequest, change};
use crate::service::referrals::create::{ReferRequest, refer};

/// The body of a new referral.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewReferral {
    code: String,
    customer: Option<String>,
    user_id: Option<String>,
    email: Option<String>,
    invitation_method: Option<String>,
    /// Unix seconds.
    claimed_at: Option<i64>,
}

/// The body of a change: a customer to add, the review of a held referral, or a code to move it to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferralChange {
    customer: Option<String>,
    user_id: Option<String>,
    status: Option<String>,
    /// Whom `status` is about, when it is not the promoter of the referral as it is now.
    promoter: Option<String>,
    /// Who says it; only with `status`.
    reviewed_by: Option<String>,
    /// Why; only with `status`.
    reason: Option<String>,
    code: Option<String>,
    /// Unix seconds; only with `code`.
    claimed_at: Option<i64>,
}

/// The query of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    promoter: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

/// A referral as the API shows it.
#[derive(Debug, Serialize)]
struct ReferralBody {
    id: String,
    object: &'static str,
    /// The Stripe customer that the request named, else the first one known.
    customer: Option<String>,
    /// All Stripe customers known, under all their names.
    customers: Vec<String>,
    /// The user that the referral is of, when one is known.
    user_id: Option<String>,
    promoter: String,
    program: String,
    code: String,
    source: &'static str,
    /// Its place among the promoter's referrals in that program, from 1.
    referral_number: Option<u32>,
    /// `held`, `refused`, `canceled`, `signup`, `refund` or `active`.
    status: &'static str,
    /// Unix seconds.
    claimed_at: i64,
}

/// Records a claim. 201 when it says something new, else 200; the body is the referral that holds now. Repeating the
/// call is safe with or without an `Idempotency-Key`: the same claim of the same customer changes nothing.
pub async fn create(
    _: Admin,
    JsonBody(new): JsonBody<NewReferral>,
    state: Data<HttpState>,
) -> Result<HttpResponse, Problem> {
    let (request, lookback_s) = (ReferRequest::from(new), state.lookback_s);
    let referred = state.uncancelled(|db| async move {
        let referred = refer(&db, &request, lookback_s, clock::now()).await?;
        let view = referrals::one(&db, referred.referral.id.as_str()).await?;
        Ok::<_, ServiceError>((referred, view))
    });
    let (referred, view) = referred.await??;
    let mut response = if referred.is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    let mut shown = ReferralBody::from(view.ok_or_else(no_such_referral)?);
    shown.customer = referred.stripe_customer.map(StripeCustomerId::into_string).or(shown.customer);
    Ok(response.json(shown))
}

/// Adds a customer to a referral, reviews a held one, or moves it to another code.
pub async fn update(
    _: Admin,
    id: Path<String>,
    JsonBody(asked): JsonBody<ReferralChange>,
    state: Data<HttpState>,
) -> Result<HttpResponse, Problem> {
    let asked = asked.into_change()?;
    let changed = state.uncancelled(|db| async move {
        let referral = change(&db, &id, &asked, clock::now()).await?;
        referrals::one(&db, referral.id.as_str()).await
    });
    one(changed.await??)
}

/// One referral.
pub async fn show(_: Admin, id: Path<String>, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    one(state.uncancelled(|db| async move { referrals::one(&db, &id).await }).await??)
}

/// Who referred a user of the host.
pub async fn of_user(_: Admin, user: Path<String>, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    one(state.uncancelled(|db| async move { referrals::of_user(&db, &user).await }).await??)
}

/// A page of referrals, by id.
pub async fn list(_: Admin, query: Query<Filter>, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    let Filter { promoter, cursor, limit } = query.into_inner();
    let limit = page_limit(limit.as_deref())?;
    let (promoter, after) = (promoter.map(PromoterId::new), cursor.map(ReferralId::new));
    let one_more = limit.saturating_add(1);
    let views = state.uncancelled(|db| async move {
        referrals::list(&db, promoter.as_ref(), after.as_ref(), one_more).await
    });
    let page = Page::of(views.await??, limit, |view| view.referral.id.to_string());
    Ok(HttpResponse::Ok().json(page.map(ReferralBody::from)))
}

fn one(view: Option<ReferralView>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(ReferralBody::from(view.ok_or_else(no_such_referral)?)))
}

fn no_such_referral() -> Problem {
    ServiceError::refused(RefusalCode::UnknownReferral, "there is no such referral").into()
}

impl From<NewReferral> for ReferRequest {
    fn from(new: NewReferral) -> Self {
        Self {
            code: new.code,
            customer: new.customer,
            user_id: new.user_id,
            email: new.email,
            invitation_method: new.invitation_method,
            claimed_at: new.claimed_at.map(Timestamp::from_unix),
        }
    }
}

impl ReferralChange {
    fn into_change(self) -> Result<Change, ServiceError> {
        let adds = self.customer.is_some() || self.user_id.is_some();
        let reviews = self.promoter.is_some() || self.reviewed_by.is_some() || self.reason.is_some();
        match (self.status.as_deref(), self.code) {
            (None, None) if adds && self.claimed_at.is_none() && !reviews => {
                Ok(Change::AddCustomer { customer: self.customer, user_id: self.user_id })
            }
            (Some(status), None) if !adds && self.claimed_at.is_none() => {
                let decision = ReviewDecision::parse(status);
                let rule = || invalid("status: released or refused".to_owned());
                Ok(Change::Review(ReviewRequest {
                    decision: decision.ok_or_else(rule)?,
                    promoter: self.promoter,
                    reviewed_by: self.reviewed_by,
                    reason: self.reason,
                }))
            }
            (None, Some(code)) if !adds && !reviews => {
                Ok(Change::Move { code, claimed_at: self.claimed_at.map(Timestamp::from_unix) })
            }
            (_, _) => {
                let rule = "customer, user_id, status, code: one change at a time; claimed_at only with code, \
                            promoter, reviewed_by and reason only with status";
                Err(invalid(rule.to_owned()))
            }
        }
    }
}

impl From<ReferralView> for ReferralBody {
    fn from(ReferralView { referral, stripe_customers, status }: ReferralView) -> Self {
        let user_id = match referral.customer {
            Customer::Stripe(_) => None,
            Customer::User(user) => Some(user.into_string()),
        };
        let customers: Vec<String> =
            stripe_customers.into_iter().map(StripeCustomerId::into_string).collect();
        Self {
            id: referral.id.into_string(),
            object: "referral",
            customer: customers.first().cloned(),
            customers,
            user_id,
            promoter: referral.promoter.into_string(),
            program: referral.program.into_string(),
            code: referral.code.into_string(),
            source: referral.source.as_str(),
            referral_number: referral.referral_number,
            status: status.as_str(),
            claimed_at: referral.claimed_at.unix(),
        }
    }
}
