//! `refer`: the same as `POST /v1/referrals`, for an operator.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::database;
use super::output::{self, Format};
use crate::clock;
use crate::domain::Timestamp;
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
        invitation_method: None,
        claimed_at: arguments.claimed_at,
    };
    let lookback_s = settings.attribution.lookback_s.into();
    let referred = refer(&db, &request, lookback_s, clock::now()).await?;
    let referral = &referred.referral;
    let new = if referred.is_new { "" } else { " (nothing new)" };
    let (id, customer, promoter) = (&referral.id, &referral.customer, &referral.promoter);
    let (code, claimed_at) = (&referral.code, referral.claimed_at);
    let text = format!("{id}: {customer} was referred by {promoter} with {code} at {claimed_at}{new}");
    let json = json!({
        "id": id.as_str(),
        "customer": customer.to_string(),
        "promoter": promoter.as_str(),
        "code": code.as_str(),
        "claimed_at": claimed_at.unix(),
        "is_new": referred.is_new,
    });
    output::made(arguments.format, &text, &json);
    Ok(ExitCode::SUCCESS)
}

/// A point in time of an argument.
pub fn point_in_time(text: &str) -> Result<Timestamp, chrono::ParseError> {
    Ok(Timestamp::from_unix(chrono::DateTime::parse_from_rfc3339(text)?.timestamp()))
}
