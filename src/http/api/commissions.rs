//! Commissions: what each paid invoice earned, or why it earned nothing.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Query};
use serde::{Deserialize, Serialize};

use super::entries::EntryBody;
use super::page::{Page, cursor, page_limit};
use crate::clock;
use crate::domain::{CommissionStatus, InvoiceId, NoCommission, StripeCustomerId, UserId};
use crate::http::auth::Admin;
use crate::http::problem::Problem;
use crate::http::state::HttpState;
use crate::service::queries::commissions::{self, CommissionFilter, CommissionView};

/// The query of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    promoter: Option<String>,
    program: Option<String>,
    status: Option<String>,
    invoice: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

/// A commission as the API shows it. Amounts in minor units of `currency`.
#[derive(Debug, Serialize)]
struct CommissionBody {
    invoice: String,
    object: &'static str,
    customer: Option<String>,
    referral: Option<String>,
    promoter: Option<String>,
    promoter_user_id: Option<String>,
    program: Option<String>,
    currency: String,
    amount_paid: i64,
    base: i64,
    rate_bps: Option<u16>,
    /// What it earned before any loss.
    amount: i64,
    /// What refunds and credit notes took of it, 0 or less.
    refund: i64,
    /// What disputes took beyond that, 0 or less.
    dispute: i64,
    /// What is left.
    net: i64,
    /// `none`, `disputed`, `lost`, `refunded`, `available` or `pending`.
    status: &'static str,
    /// Why it earns nothing, when the status is `none`.
    reason: Option<&'static str>,
    /// Rates of products were picked although Stripe did not show all lines.
    unseen_lines: bool,
    /// Events contradict each other about the invoice.
    conflict: bool,
    /// Unix seconds.
    paid_at: i64,
    available_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<Vec<EntryBody>>,
}

/// One commission with its entries.
pub async fn show(_: Admin, invoice: Path<String>, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    let invoice = InvoiceId::new(invoice.into_inner());
    let found = state.uncancelled(|db| async move { commissions::one(&db, &invoice, clock::now()).await });
    let (view, entries) = found.await??.ok_or_else(no_such_invoice)?;
    let mut shown = CommissionBody::from(view);
    shown.entries = Some(entries.into_iter().map(EntryBody::from).collect());
    Ok(HttpResponse::Ok().json(shown))
}

/// A page of commissions by invoice. With `status` a page may be short, or empty, and still not be the last.
pub async fn list(_: Admin, query: Query<Filter>, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    let Filter { promoter, program, status, invoice, cursor: after, limit } = query.into_inner();
    let limit = page_limit(limit.as_deref())?;
    check_status(status.as_deref())?;
    let filter = CommissionFilter { promoter, program, invoice: invoice.map(InvoiceId::new) };
    let after = cursor(after, "")?.map(InvoiceId::new);
    let page = state.uncancelled(|db| async move {
        commissions::list(&db, &filter, status.as_deref(), after, limit, clock::now()).await
    });
    let (views, next) = page.await?.map_err(Problem::of_query)?;
    let data: Vec<CommissionBody> = views.into_iter().map(CommissionBody::from).collect();
    let next_cursor = next.map(InvoiceId::into_string);
    Ok(HttpResponse::Ok().json(Page { data, has_more: next_cursor.is_some(), next_cursor }))
}

fn check_status(status: Option<&str>) -> Result<(), Problem> {
    match status {
        Some(status) if !CommissionStatus::WORDS.contains(&status) => {
            Err(Problem::invalid_query(format!("status: one of {}", CommissionStatus::WORDS.join(", "))))
        }
        Some(_) | None => Ok(()),
    }
}

fn no_such_invoice() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown_invoice", "this invoice is not known as paid")
}

impl From<CommissionView> for CommissionBody {
    fn from(
        CommissionView { id, invoice, assessment, referral, promoter_user, status, is_listed: _ }: CommissionView,
    ) -> Self {
        let snapshot = invoice.snapshot;
        Self {
            invoice: id.into_string(),
            object: "commission",
            customer: snapshot.stripe_customer.map(StripeCustomerId::into_string),
            referral: referral.as_ref().map(|referral| referral.id.to_string()),
            promoter: referral.as_ref().map(|referral| referral.promoter.to_string()),
            promoter_user_id: promoter_user.map(UserId::into_string),
            program: referral.as_ref().map(|referral| referral.program.to_string()),
            currency: snapshot.currency.to_string(),
            amount_paid: snapshot.amount_paid_minor,
            base: assessment.base_minor,
            rate_bps: assessment.rate.map(crate::domain::BasisPoints::get),
            amount: assessment.commission_minor,
            refund: assessment.refund_minor,
            dispute: assessment.dispute_minor,
            net: assessment.net_minor(),
            status: status.as_str(),
            reason: assessment.reason.map(NoCommission::as_str),
            unseen_lines: assessment.unseen_lines,
            conflict: invoice.conflict,
            paid_at: invoice.paid_at.unix(),
            available_at: assessment.available_at.unix(),
            entries: None,
        }
    }
}
