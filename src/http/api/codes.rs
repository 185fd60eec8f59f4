//! Referral codes.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Query};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use super::page::{Page, cursor, page_limit};
use crate::clock;
use crate::domain::catalog::CodeRecord;
use crate::domain::{Code, NoCommission, Timestamp};
use crate::http::auth::Admin;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::state::HttpState;
use crate::service::codes::{self, CodeChange, max_uses};
use crate::service::error::{RefusalCode, ServiceError};
use crate::service::fields::{Limit, invalid};
use crate::service::queries;
use crate::service::queries::codes::CodeFilter;

/// The body of a new code.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCode {
    code: String,
    promoter: String,
    program: String,
    status: Option<String>,
    max_uses: Option<i64>,
    /// Unix seconds.
    expires_at: Option<i64>,
    promotion_code: Option<String>,
    /// Unix seconds.
    made_at: Option<i64>,
}

/// The body of a change: what it does not name stays, and null takes a limit away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangedCode {
    status: Option<String>,
    #[serde(default, deserialize_with = "named")]
    max_uses: Option<Limit<i64>>,
    #[serde(default, deserialize_with = "named")]
    expires_at: Option<Limit<i64>>,
    promotion_code: Option<String>,
}

/// The query of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    promoter: Option<String>,
    user_id: Option<String>,
    program: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

/// A code as the API shows it.
#[derive(Debug, Serialize)]
struct CodeBody {
    code: String,
    object: &'static str,
    promoter: String,
    promoter_user_id: String,
    program: String,
    status: &'static str,
    uses: u32,
    max_uses: Option<u32>,
    /// Unix seconds.
    expires_at: Option<i64>,
    promotion_codes: Vec<String>,
    clicks: i64,
    /// Unix seconds.
    made_at: i64,
}

/// Makes a code.
pub async fn create(
    _: Admin,
    JsonBody(new): JsonBody<NewCode>,
    state: Data<HttpState>,
) -> Result<HttpResponse, Problem> {
    let change = new.change()?;
    let made = state.uncancelled(|db| async move {
        let now = clock::now();
        let made = codes::create_code(&db, &new.code, &new.promoter, &new.program, &change, now).await?;
        queries::codes::one(&db, made.code.as_str()).await
    });
    Ok(HttpResponse::Created().json(CodeBody::from(made.await??.ok_or_else(no_such_code)?)))
}

/// Changes a code, from now on.
pub async fn update(
    _: Admin,
    code: Path<String>,
    JsonBody(changed): JsonBody<ChangedCode>,
    state: Data<HttpState>,
) -> Result<HttpResponse, Problem> {
    let change = changed.change()?;
    let changed =
        state.uncancelled(|db| async move { codes::update_code(&db, &code, &change, clock::now()).await });
    Ok(HttpResponse::Ok().json(CodeBody::from(changed.await?.map_err(of_path)?)))
}

/// One code.
pub async fn show(_: Admin, code: Path<String>, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    let view = state.uncancelled(|db| async move { queries::codes::one(&db, &code).await }).await??;
    Ok(HttpResponse::Ok().json(CodeBody::from(view.ok_or_else(no_such_code)?)))
}

/// A page of codes in alphabetical order.
pub async fn list(_: Admin, query: Query<Filter>, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    let Filter { promoter, user_id, program, cursor: after, limit } = query.into_inner();
    let limit = page_limit(limit.as_deref())?;
    let (after, one_more) = (cursor(after, "")?.map(Code::new), limit.saturating_add(1));
    let filter = CodeFilter { promoter, user_id, program };
    let views = state
        .uncancelled(|db| async move { queries::codes::list(&db, &filter, after.as_ref(), one_more).await });
    let page = Page::of(views.await?.map_err(Problem::of_query)?, limit, |view| view.code.to_string());
    Ok(HttpResponse::Ok().json(page.map(CodeBody::from)))
}

/// Whether a code would make a referral now, or the reason why not.
pub async fn validity(_: Admin, code: Path<String>, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    let reason =
        state.uncancelled(|db| async move { queries::codes::why_invalid(&db, &code, clock::now()).await });
    let reason = reason.await??.map(NoCommission::as_str);
    Ok(HttpResponse::Ok().json(json!({ "valid": reason.is_none(), "reason": reason })))
}

/// Counts a click. Called from landing pages, so it needs no token; at most `api.clicks_per_minute`.
pub async fn click(code: Path<String>, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    if let Some(retry_after_s) = state.clicks.refuse() {
        let detail = "too many clicks at once; this one is not counted";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        return Err(problem.retry_after(retry_after_s));
    }
    state.uncancelled(|db| async move { codes::click(&db, &code).await }).await?.map_err(of_path)?;
    Ok(HttpResponse::Ok().json(json!({ "counted": true })))
}

/// A field that is null is named, too.
fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Limit<i64>>, D::Error> {
    Option::<i64>::deserialize(deserializer).map(|value| Some(Limit(value)))
}

fn is_active(status: &str) -> Result<bool, ServiceError> {
    match status {
        "active" => Ok(true),
        "inactive" => Ok(false),
        _ => Err(invalid("status: active or inactive".to_owned())),
    }
}

/// A code that does not exist is not found where it stands in the path.
fn of_path(error: ServiceError) -> Problem {
    Problem::of_path(error, RefusalCode::UnknownCode, no_such_code)
}

fn no_such_code() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown_code", "there is no such code")
}

impl NewCode {
    fn change(&self) -> Result<CodeChange, ServiceError> {
        Ok(CodeChange {
            active: self.status.as_deref().map(is_active).transpose()?,
            expires_at: self.expires_at.map(|at| Limit(Some(Timestamp::from_unix(at)))),
            max_uses: self.max_uses.map(max_uses).transpose()?.map(|uses| Limit(Some(uses))),
            promotion_code: self.promotion_code.clone(),
            made_at: self.made_at.map(Timestamp::from_unix),
        })
    }
}

impl ChangedCode {
    fn change(self) -> Result<CodeChange, ServiceError> {
        let max_uses = self.max_uses.map(|Limit(uses)| uses.map(max_uses).transpose().map(Limit));
        Ok(CodeChange {
            active: self.status.as_deref().map(is_active).transpose()?,
            expires_at: self.expires_at.map(|Limit(at)| Limit(at.map(Timestamp::from_unix))),
            max_uses: max_uses.transpose()?,
            promotion_code: self.promotion_code,
            made_at: None,
        })
    }
}

impl From<CodeRecord> for CodeBody {
    fn from(view: CodeRecord) -> Self {
        let latest = view.facts.version_at(Timestamp::from_unix(i64::MAX));
        let active = latest.is_none_or(|version| version.active);
        Self {
            expires_at: latest.and_then(|version| version.expires_at).map(Timestamp::unix),
            code: view.code.into_string(),
            object: "code",
            status: if active { "active" } else { "inactive" },
            uses: view.facts.uses,
            max_uses: view.facts.max_uses,
            promoter: view.facts.owner.promoter.into_string(),
            promoter_user_id: view.promoter_user.into_string(),
            program: view.facts.owner.program.into_string(),
            promotion_codes: view.promotion_codes,
            clicks: view.clicks,
            made_at: view.facts.made_at.unix(),
        }
    }
}
