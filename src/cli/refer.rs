//! `refer`: the same as `POST /v1/referrals`, for an operator.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::database;
use super::output::{self, Format};
use crate::clock;
use crate::domain::{StripeCustomerId, Timestamp};
use crate::service::queries;
use crate::service::queries::shown::{ClaimBody, ReferralBody};
use crate::service::referrals::create::{ReferRequest, refer};
use crate::settings::Settings;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("who").required(true).multiple(true).args(["customer", "user_id"]))]
pub struct Arguments {
    /// The code.
    code: String,
    /// The Stripe customer.
    #[arg(long, value_name = "CUS")]
    customer: Option<String>,
    /// The user of the host application.
    #[arg(long, value_name = "USER")]
    user_id: Option<String>,
    /// How the customer was invited, in your own words.
    #[arg(long, value_name = "TEXT")]
    invitation_method: Option<String>,
    /// The customer's e-mail; only compared with those of promoters.
    #[arg(long)]
    email: Option<String>,
    /// When the customer was referred (RFC 3339), for imports; now by default.
    #[arg(long, value_name = "TIME", value_parser = point_in_time)]
    claimed_at: Option<Timestamp>,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// Runs the command.
pub async fn run(settings: &Settings, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let db = database::migrated(settings).await?;
    let request = ReferRequest {
        code: arguments.code,
        customer: arguments.customer,
        user_id: arguments.user_id,
        email: arguments.email,
        invitation_method: arguments.invitation_method,
        claimed_at: arguments.claimed_at,
    };
    let lookback_s = settings.attribution.lookback_s.into();
    let referred = refer(&db, &request, lookback_s, clock::now()).await?;
    let view = queries::referrals::one(&db, referred.referral.id.as_str()).await?;
    let mut shown = ReferralBody::from(view.context("the referral is gone")?);
    shown.customer = referred.stripe_customer.map(StripeCustomerId::into_string).or(shown.customer);
    let (code, lost_to) = (&referred.claim.code, referred.claim.lost_to);
    let text = match (lost_to, referred.is_made) {
        (Some(lost_to), _) => {
            format!("{}; the claim of {code} did not win ({})", sentence(&shown), lost_to.as_str())
        }
        (None, true) => sentence(&shown),
        (None, false) => format!("{} (no new referral)", sentence(&shown)),
    };
    shown.claim = Some(ClaimBody::from(referred.claim));
    output::made(arguments.format, &text, &serde_json::to_value(&shown)?);
    Ok(ExitCode::SUCCESS)
}

/// A referral in a sentence.
pub fn sentence(referral: &ReferralBody) -> String {
    let customer = referral.user_id.as_ref().or(referral.customer.as_ref()).map_or("nobody", String::as_str);
    let promoter = referral.promoter_user_id.as_deref().unwrap_or_default();
    format!(
        "{}: {customer} was referred by {promoter} ({}) with {} at {}, {}",
        referral.id,
        referral.promoter,
        referral.code,
        Timestamp::from_unix(referral.claimed_at),
        referral.status
    )
}

/// A point in time of an argument.
pub fn point_in_time(text: &str) -> anyhow::Result<Timestamp> {
    let rule = "a date, a time and an offset, such as 2026-01-31T12:00:00Z";
    let time = chrono::DateTime::parse_from_rfc3339(text.trim()).ok().context(rule)?;
    Ok(Timestamp::from_unix(time.timestamp()))
}
