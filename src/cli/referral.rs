//! `referral list|show|release|refuse|move`: the queue of held referrals, and what an operator says of them.

use std::env;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::database;
use super::output::{self, Format};
use super::refer::{point_in_time, sentence};
use crate::clock;
use crate::domain::attribution::ReviewDecision;
use crate::domain::{Currency, ReferralId, ReferralStatus, Timestamp};
use crate::service::queries;
use crate::service::queries::referrals::ReferralFilter;
use crate::service::queries::shown::{LossBody, ReferralBody};
use crate::service::referrals::change::{Change, ReviewRequest, change};
use crate::settings::Settings;
use crate::store::Database;

/// Where the operating system says who types.
const USER_NAMES: [&str; 3] = ["USER", "LOGNAME", "USERNAME"];

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List referrals, oldest first; `--status held` is what waits for an operator.
    List(List),
    /// Show one referral, with the evidence and all reviews.
    Show {
        /// Its id (ref_…).
        referral: String,
        /// How to print.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Let a held referral earn: the customer is not its own promoter.
    Release(Said),
    /// Remove all claims of the customer for the promoter, present and future.
    Refuse(Said),
    /// Give a referral to the promoter of a code, whatever was claimed.
    Move(Move),
}

#[derive(Debug, Args)]
pub struct List {
    /// Only those with this status.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(ReferralStatus::WORDS))]
    status: Option<String>,
    /// Only those of this promoter, by id or user id.
    #[arg(long, value_name = "PROMOTER")]
    promoter: Option<String>,
    /// Only those in this program.
    #[arg(long, value_name = "KEY")]
    program: Option<String>,
    /// Only that of this Stripe customer.
    #[arg(long, value_name = "CUS")]
    customer: Option<String>,
    /// Only that of this user of the host.
    #[arg(long, value_name = "USER")]
    user_id: Option<String>,
    /// The referral after which to go on.
    #[arg(long, value_name = "REF")]
    after: Option<String>,
    /// Rows to print.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    limit: u64,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Args)]
pub struct Said {
    /// The id of the referral (ref_…).
    referral: String,
    /// About which promoter, by id or user id; that of the referral by default.
    #[arg(long, value_name = "PROMOTER")]
    promoter: Option<String>,
    /// Who says it; the variable `USER` by default, and nobody where that is not set.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Args)]
pub struct Move {
    /// The id of the referral (ref_…).
    referral: String,
    /// The code to whose promoter it goes.
    code: String,
    /// From when on it counts (RFC 3339); as before by default.
    #[arg(long, value_name = "TIME", value_parser = point_in_time)]
    claimed_at: Option<Timestamp>,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// Runs the command.
pub async fn run(settings: &Settings, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(arguments) => list(&database::existing(settings).await?, arguments).await?,
        Command::Show { referral, format } => {
            show(&shown(&database::existing(settings).await?, &referral).await?, format)?;
        }
        Command::Release(said) => review(settings, ReviewDecision::Released, said).await?,
        Command::Refuse(said) => review(settings, ReviewDecision::Refused, said).await?,
        Command::Move(Move { referral, code, claimed_at, format }) => {
            let db = database::changing(settings).await?;
            let done = change(&db, &referral, &Change::Move { code, claimed_at }, clock::now()).await?;
            done_to(&shown(&db, done.id.as_str()).await?, format)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn review(settings: &Settings, decision: ReviewDecision, said: Said) -> anyhow::Result<()> {
    let db = database::changing(settings).await?;
    let Said { referral, promoter, by, reason, format } = said;
    let reviewed_by = by.or_else(|| USER_NAMES.iter().find_map(|name| env::var(name).ok()));
    let request = Change::Review(ReviewRequest { decision, promoter, reviewed_by, reason });
    let done = change(&db, &referral, &request, clock::now()).await?;
    done_to(&shown(&db, done.id.as_str()).await?, format)
}

async fn shown(db: &Database, id: &str) -> anyhow::Result<ReferralBody> {
    let view = queries::referrals::one(db, id.trim()).await?;
    view.map(ReferralBody::from).with_context(|| format!("there is no referral {id}"))
}

async fn list(db: &Database, arguments: List) -> anyhow::Result<()> {
    let List { status, promoter, program, customer, user_id, after, limit, format } = arguments;
    let filter = ReferralFilter { promoter, program, status, customer, user_id };
    let (views, next) = queries::referrals::list(db, &filter, after.map(ReferralId::new), limit).await?;
    let referrals: Vec<ReferralBody> = views.into_iter().map(ReferralBody::from).collect();
    match format {
        Format::Json => println!("{}", serde_json::to_value(&referrals)?),
        Format::Table => {
            let head = ["referral", "customer", "promoter", "code", "status", "evidence", "last review"];
            println!("{}", output::table(head, referrals.iter().map(row)));
            if let Some(next) = next {
                println!("… and more: go on with --after {next}");
            }
        }
    }
    Ok(())
}

fn row(referral: &ReferralBody) -> [String; 7] {
    let evidence: Vec<String> =
        referral.evidence.iter().map(|known| format!("{} ({})", known.kind, known.told_by)).collect();
    let review = referral.reviews.last();
    let review = review.map(|review| {
        let by = review.reviewed_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        format!("{}{by} at {}", review.decision, Timestamp::from_unix(review.reviewed_at))
    });
    [
        referral.id.clone(),
        referral.user_id.as_ref().or(referral.customer.as_ref()).cloned().unwrap_or_default(),
        referral.promoter_user_id.as_ref().unwrap_or(&referral.promoter).clone(),
        referral.code.clone(),
        referral.status.to_owned(),
        evidence.join(", "),
        review.unwrap_or_default(),
    ]
}

fn show(referral: &ReferralBody, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        println!("{}", serde_json::to_value(referral)?);
        return Ok(());
    }
    println!("{}", sentence(referral));
    let number = referral.referral_number.map(|number| format!(", number {number} there"));
    println!("program {}{}", referral.program, number.unwrap_or_default());
    if referral.customers.is_empty() {
        println!("no Stripe customer yet");
    } else {
        println!("Stripe customers: {}", referral.customers.join(", "));
    }
    if let Some(loss) = &referral.loss {
        let LossBody { invoice, currency, amount_paid, refunds, disputes } = loss;
        let shown = |minor: i64| {
            Currency::parse(currency).map_or_else(|| minor.to_string(), |known| known.display(minor))
        };
        let (refunds, disputes, paid) = (shown(*refunds), shown(*disputes), shown(*amount_paid));
        println!("refunds took {refunds} and disputes {disputes} of the {paid} paid for {invoice}");
    }
    if let Some(invited) = &referral.invitation_method {
        println!("invited by {invited}");
    }
    let evidence = referral.evidence.iter().map(|known| {
        let since = known.promoter_since.map(|since| Timestamp::from_unix(since).to_string());
        [known.kind.to_owned(), known.told_by.clone(), since.unwrap_or_default()]
    });
    if referral.evidence.is_empty() {
        println!("nothing says that the customer is the promoter");
    } else {
        println!("{}", output::table(["evidence", "told by", "the promoter's since"], evidence));
    }
    let reviews = referral.reviews.iter().map(|review| {
        [
            review.decision.to_owned(),
            review.promoter_user_id.as_ref().unwrap_or(&review.promoter).clone(),
            Timestamp::from_unix(review.reviewed_at).to_string(),
            review.reviewed_by.clone().unwrap_or_default(),
            review.reason.clone().unwrap_or_default(),
            review.covers.join(", "),
        ]
    });
    if referral.reviews.is_empty() {
        println!("never reviewed");
    } else {
        println!("{}", output::table(["review", "promoter", "at", "by", "reason", "covers"], reviews));
    }
    Ok(())
}

fn done_to(referral: &ReferralBody, format: Format) -> anyhow::Result<()> {
    output::made(format, &sentence(referral), &serde_json::to_value(referral)?);
    Ok(())
}
