//! Referrals: the host application says who referred a customer, and operators what is to be done about it.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use serde::Deserialize;

use super::page::{Page, cursor, page_limit};
use crate::clock;
use crate::domain::attribution::ReviewDecision;
use crate::domain::{ReferralId, StripeCustomerId, Timestamp};
use crate::http::auth::Admin;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::state::HttpState;
use crate::service::error::{RefusalCode, ServiceError};
use crate::service::fields::invalid;
use crate::service::queries::referrals::{self, ReferralFilter, ReferralView};
use crate::service::queries::shown::{ClaimBody, ReferralBody};
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
    program: Option<String>,
    status: Option<String>,
    customer: Option<String>,
    user_id: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

/// Records a claim. 201 when that made or moved the referral that holds now, which is the body, else 200; `claim` says
/// whether it won. Repeating the call is safe with or without an `Idempotency-Key`: the same claim of the same customer
/// changes nothing.
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
    let mut response = if referred.is_made { HttpResponse::Created() } else { HttpResponse::Ok() };
    let mut shown = ReferralBody::from(view.ok_or_else(no_such_referral)?);
    shown.customer = referred.stripe_customer.map(StripeCustomerId::into_string).or(shown.customer);
    shown.claim = Some(ClaimBody::from(referred.claim));
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

/// A page of referrals, by id. With `status` a page may be short, or empty, and still not be the last.
pub async fn list(_: Admin, query: Query<Filter>, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    let Filter { promoter, program, status, customer, user_id, cursor: after, limit } = query.into_inner();
    let limit = page_limit(limit.as_deref())?;
    let filter = ReferralFilter { promoter, program, status, customer, user_id };
    let after = cursor(after, "ref_")?.map(ReferralId::new);
    let page = state.uncancelled(|db| async move { referrals::list(&db, &filter, after, limit).await });
    let (views, next) = page.await?.map_err(Problem::of_query)?;
    let data: Vec<ReferralBody> = views.into_iter().map(ReferralBody::from).collect();
    let next_cursor = next.map(ReferralId::into_string);
    Ok(HttpResponse::Ok().json(Page { data, has_more: next_cursor.is_some(), next_cursor }))
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
