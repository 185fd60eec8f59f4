//! `POST /v1/referrals`: the host application says who referred a customer.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::domain::{CustomerId, Party, Timestamp};
use crate::http::auth::Admin;
use crate::http::error::Problem;
use crate::http::{HttpState, body};
use crate::service::refer::{ReferRequest, Referred, refer};

/// The body of the request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewReferral {
    code: String,
    customer: Option<String>,
    user_id: Option<String>,
    email: Option<String>,
    invitation_method: Option<String>,
    /// Unix seconds.
    claimed_at: Option<i64>,
}

/// A referral as the API shows it.
#[derive(Debug, Serialize)]
struct ReferralBody {
    id: String,
    object: &'static str,
    /// The Stripe customer that the request named.
    customer: Option<String>,
    /// The user that the referral is of, when one is known.
    user_id: Option<String>,
    promoter: String,
    program: String,
    code: String,
    source: &'static str,
    /// Unix seconds.
    claimed_at: i64,
}

/// Records a claim. 201 when it told something new, else 200; the body is the referral that holds now. Repeating the
/// call is safe with or without an `Idempotency-Key`: the same claim of the same customer changes nothing.
pub async fn create(
    _: Admin,
    request: HttpRequest,
    payload: Payload,
    state: Data<HttpState>,
) -> Result<HttpResponse, Problem> {
    let limits = state.limits;
    let raw = body::read(&request, payload, limits.body_bytes, limits.body_timeout).await?;
    let new: NewReferral = super::json(&raw)?;
    let request = ReferRequest {
        code: new.code,
        customer: new.customer,
        user_id: new.user_id,
        email: new.email,
        invitation_method: new.invitation_method,
        claimed_at: new.claimed_at.map(Timestamp::from_unix),
    };
    let (db, lookback_s) = (state.db.clone(), state.lookback_s);
    let referred = state.uncancelled(async move { refer(&db, &request, lookback_s, clock::now()).await });
    let referred = referred.await??;
    let mut response = if referred.is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.json(ReferralBody::from(referred)))
}

impl From<Referred> for ReferralBody {
    fn from(Referred { referral, customer, .. }: Referred) -> Self {
        let user_id = match referral.party {
            Party::Customer(_) => None,
            Party::User(user) => Some(user.into_string()),
        };
        Self {
            id: referral.id.into_string(),
            object: "referral",
            customer: customer.map(CustomerId::into_string),
            user_id,
            promoter: referral.promoter.into_string(),
            program: referral.program.into_string(),
            code: referral.code.into_string(),
            source: referral.source.as_str(),
            claimed_at: referral.claimed_at.unix(),
        }
    }
}
