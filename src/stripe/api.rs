//! Calls to Stripe's API: requests and client of async-stripe, answers read like events.
//!
//! The typed answers of async-stripe are those of one API version, and refuse a whole page for one field that they
//! miss. So an answer is taken as JSON, and the narrow structs that read events read it too.

use std::fmt;
use std::time::Duration;

use miniserde::json::Value;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use stripe::{Client, ClientBuilder, RequestStrategy, StripeError, StripeRequest};
use stripe_billing::invoice_payment::{
    ListInvoicePayment, ListInvoicePaymentPayment, ListInvoicePaymentPaymentType,
};
use stripe_client_core::{RequestBuilder, StripeMethod};
use stripe_core::charge::RetrieveCharge;
use stripe_core::refund::ListRefund;
use thiserror::Error;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::fields::{Amount, FieldError, Id, PromotionCodes, read};
use super::objects::{InvoicePayment, Line, Refund};
use super::words;
use crate::domain::{InvoiceId, PaymentId, RefundFacts, RefundId, Timestamp};

/// Objects of one page: as many as Stripe gives.
const PAGE_OBJECTS: i64 = 100;
/// Pages of one list. One payment of 2000 invoices is not a payment but a mistake.
const PAGES_LIMIT: u32 = 20;

/// Why Stripe's API did not answer what it was asked. No text holds the key or anything of a body.
#[derive(Debug, Error)]
pub enum ApiError {
    /// The key, the address or the account cannot be put into a request.
    #[error("stripe.secret_key, stripe.api_base or stripe.account cannot be used")]
    Unusable(#[source] StripeError),
    /// No connection, no answer in time, or one that is not from Stripe's API (the error page of a proxy).
    #[error("Stripe's API cannot be reached")]
    Unreachable(#[source] StripeError),
    /// Stripe has trouble of its own, and says so.
    #[error("Stripe's API is in trouble (status {status})")]
    Failing {
        /// The HTTP status.
        status: u16,
    },
    /// Status 429. async-stripe does not hand on the `Retry-After` of the answer, so the caller has to choose how long
    /// it waits.
    #[error("Stripe's API was asked too often")]
    RateLimited,
    /// Stripe does not do what it was asked: 401 and 403 are about the key, all else about the object.
    #[error("Stripe's API refuses the request (status {status})")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The answer lacks what a rule needs.
    #[error("an answer of Stripe's API cannot be read")]
    Unreadable(#[from] FieldError),
    /// A list did not come to its end.
    #[error("a list of Stripe's API did not end after {pages} pages")]
    Endless {
        /// Pages read.
        pages: u32,
    },
}

impl ApiError {
    /// True when it is about the object that was asked for; asking for another one may well succeed.
    pub const fn is_of_the_object(&self) -> bool {
        match self {
            Self::Refused { status } => !matches!(status, 401 | 403),
            Self::Unreadable(_) | Self::Endless { .. } => true,
            Self::Unusable(_) | Self::Unreachable(_) | Self::Failing { .. } | Self::RateLimited => false,
        }
    }
}

impl From<StripeError> for ApiError {
    fn from(error: StripeError) -> Self {
        match error {
            // What Stripe says in the body quotes the request; only the status goes on.
            StripeError::Stripe(_, 429) => Self::RateLimited,
            StripeError::Stripe(_, status @ (408 | 409 | 424 | 425 | 500..)) => Self::Failing { status },
            StripeError::Stripe(_, status) => Self::Refused { status },
            StripeError::ConfigError(_) => Self::Unusable(error),
            // Any JSON is taken as an answer, so this one was none: the client then tells no status either.
            StripeError::ClientError(_) | StripeError::JSONDeserialize(_) | StripeError::Timeout => {
                Self::Unreachable(error)
            }
        }
    }
}

/// A payment pays (part of) an invoice, as Stripe's API says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceLink {
    /// The invoice.
    pub invoice: InvoiceId,
    /// `pi_…`: the payment intent, also when its charge was asked for.
    pub payment_intent: PaymentId,
    /// `invoice_payment.amount_paid`.
    pub amount_minor: Option<i64>,
}

/// What Stripe's API says of the invoices of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InvoicesOfPayment {
    /// Those that it has paid.
    pub links: Vec<InvoiceLink>,
    /// Stripe was asked and knows of none, not even of one that is still to be paid.
    pub none_at_all: bool,
}

/// Stripe's API, asked with our key. Cheap to clone.
#[derive(Clone)]
pub struct StripeApi {
    client: Client,
}

impl fmt::Debug for StripeApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeApi").finish_non_exhaustive()
    }
}

impl StripeApi {
    /// An API at `base` (no path) whose every answer must come within `timeout`. With `account`, what is asked for
    /// are the objects of that Connect account.
    ///
    /// Each request is sent once: when to try again is decided where the whole round is known.
    ///
    /// # Errors
    /// [`ApiError::Unusable`]; the text does not hold the key.
    pub fn new(
        key: &SecretString,
        base: &str,
        timeout: Duration,
        account: Option<&str>,
    ) -> Result<Self, ApiError> {
        let builder = ClientBuilder::new(key.expose_secret()).url(base).timeout(timeout);
        let mut builder = builder.request_strategy(RequestStrategy::Once);
        if let Some(account) = account {
            builder = builder.account_id(account.into());
        }
        Ok(Self { client: builder.build().map_err(ApiError::Unusable)? })
    }

    /// The invoices that a payment has paid, all pages of them; none when Stripe knows of none.
    ///
    /// Stripe lists by payment intent only. A charge is first asked for its payment intent; the invoice of a charge
    /// that has none (an invoice finalized before March 2019) cannot be found this way, since the API version of
    /// async-stripe no longer has `charge.invoice`.
    ///
    /// # Errors
    /// [`ApiError`]; nothing is known then, not even a part.
    pub async fn invoices_of(&self, payment: &PaymentId) -> Result<InvoicesOfPayment, ApiError> {
        if !is_charge(payment) {
            return self.invoices_of_intent(payment).await;
        }
        match self.payment_intent_of(payment).await? {
            Some(payment_intent) => self.invoices_of_intent(&payment_intent).await,
            None => Ok(InvoicesOfPayment::default()),
        }
    }

    async fn invoices_of_intent(&self, intent: &PaymentId) -> Result<InvoicesOfPayment, ApiError> {
        let mut filter = ListInvoicePaymentPayment::new(ListInvoicePaymentPaymentType::PaymentIntent);
        filter.payment_intent = Some(intent.to_string());
        let request = ListInvoicePayment::new().payment(filter).limit(PAGE_OBJECTS);
        let page = |after: Option<String>| match after {
            Some(after) => request.clone().starting_after(after),
            None => request.clone(),
        };
        let mut links = Vec::new();
        let objects = self.all("invoice_payments", page).await?;
        for object in &objects {
            let listed: Listed = read(object, "invoice_payments.data[]")?;
            if words::is_paid(listed.status.as_deref()) {
                links.extend(link_of(&read(object, "invoice_payments.data[]")?, intent));
            }
        }
        Ok(InvoicesOfPayment { links, none_at_all: objects.is_empty() })
    }

    /// All lines of an invoice.
    ///
    /// # Errors
    /// [`ApiError`]; nothing is known then, not even a part.
    pub async fn lines_of(&self, invoice: &InvoiceId) -> Result<Vec<Line>, ApiError> {
        let path = format!("/invoices/{}/lines", plain(invoice)?);
        let page = |starting_after: Option<String>| GetList {
            path: path.clone(),
            query: PageQuery { limit: PAGE_OBJECTS, starting_after },
        };
        let lines = self.all("lines", page).await?;
        Ok(lines.iter().map(|line| read(line, "lines.data[]")).collect::<Result<_, _>>()?)
    }

    /// The promotion codes among the discounts of an invoice, each with the place of its discount.
    ///
    /// # Errors
    /// [`ApiError`] when Stripe does not answer.
    pub async fn promotion_codes_of(&self, invoice: &InvoiceId) -> Result<PromotionCodes, ApiError> {
        let query = Expansion { expand: ["discounts"] };
        let answer = self.get(&GetList { path: format!("/invoices/{}", plain(invoice)?), query }).await?;
        let invoice: DiscountsOfInvoice = read(&answer, "invoice")?;
        Ok(invoice.discounts)
    }

    /// The refunds of a payment, all pages of them, in all states.
    ///
    /// # Errors
    /// [`ApiError`]; nothing is known then, not even a part.
    pub async fn refunds_of(&self, payment: &PaymentId) -> Result<Vec<(RefundId, RefundFacts)>, ApiError> {
        let request = ListRefund::new().limit(PAGE_OBJECTS);
        let request = if is_charge(payment) {
            request.charge(payment.as_str())
        } else {
            request.payment_intent(payment.as_str())
        };
        let page = |after: Option<String>| match after {
            Some(after) => request.clone().starting_after(after),
            None => request.clone(),
        };
        let mut refunds = Vec::new();
        for object in self.all("refunds", page).await? {
            let refund: Refund = read(&object, "refunds.data[]")?;
            // A server that does not know the filter would list the refunds of others.
            let named = refund.payment_intent.iter().chain(&refund.charge);
            if named.map(|Id(name)| name.as_str()).any(|name| name == payment.as_str()) {
                let state = words::refund_state(refund.status.as_deref());
                let (payment, amount_minor) = (payment.clone(), refund.amount.0);
                let created = refund.created.map(Timestamp::from_unix);
                let facts = RefundFacts { payment, amount_minor, state, created };
                refunds.push((RefundId::new(refund.id.0), facts));
            }
        }
        Ok(refunds)
    }

    /// All objects of a list, page after page.
    async fn all<R: StripeRequest + Sync>(
        &self,
        path: &str,
        request: impl Fn(Option<String>) -> R,
    ) -> Result<Vec<Box<RawValue>>, ApiError> {
        let (mut objects, mut after) = (Vec::new(), None);
        for _ in 0..PAGES_LIMIT {
            let answer = self.get(&request(after.take())).await?;
            let page: Page<'_> = read(&answer, path)?;
            objects.extend(page.data.iter().map(|object| (*object).to_owned()));
            let last = page.data.last().filter(|_| page.has_more);
            let Some(last) = last else { return Ok(objects) };
            after = Some(read::<Listed>(last, path)?.id.0);
        }
        Err(ApiError::Endless { pages: PAGES_LIMIT })
    }

    async fn payment_intent_of(&self, charge: &PaymentId) -> Result<Option<PaymentId>, ApiError> {
        let answer = self.get(&RetrieveCharge::new(charge.as_str())).await?;
        let charge: ChargeOfIntent = read(&answer, "charge")?;
        Ok(charge.payment_intent.map(|Id(intent)| PaymentId::new(intent)))
    }

    /// async-stripe collects the whole answer, without a bound of its own; the timeout is the bound. It also logs each
    /// failure, twice; ours is logged once, where the round ends, so it is kept quiet.
    async fn get(&self, request: &(impl StripeRequest + Sync)) -> Result<Box<RawValue>, ApiError> {
        let answer = request.build().customize::<Value>().send(&self.client);
        let answer = answer.with_subscriber(NoSubscriber::default()).await?;
        RawValue::from_string(miniserde::json::to_string(&answer)).map_err(|error| {
            let rule = format!("not readable as JSON ({:?})", error.classify());
            ApiError::from(FieldError { path: "answer".to_owned(), rule })
        })
    }
}

/// A request that the crates of async-stripe in use have no type for.
struct GetList<Q> {
    path: String,
    query: Q,
}

impl<Q: Serialize> StripeRequest for GetList<Q> {
    type Output = Value;

    fn build(&self) -> RequestBuilder {
        RequestBuilder::new(StripeMethod::Get, self.path.as_str()).query(&self.query)
    }
}

#[derive(Serialize)]
struct PageQuery {
    limit: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_after: Option<String>,
}

#[derive(Serialize)]
struct Expansion {
    expand: [&'static str; 1],
}

/// `invoice`, where only its discounts are wanted.
#[derive(Deserialize)]
struct DiscountsOfInvoice {
    #[serde(default)]
    discounts: PromotionCodes,
}

/// A page of a list.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    #[serde(default)]
    has_more: bool,
}

/// An object of a list: its id is the cursor. What is not `paid` is not read any further, however it looks.
#[derive(Deserialize)]
struct Listed {
    id: Id,
    status: Option<String>,
}

/// `charge`, where only its payment intent is wanted.
#[derive(Deserialize)]
struct ChargeOfIntent {
    payment_intent: Option<Id>,
}

/// The link that a paid invoice payment makes; none when it is of another payment than was asked for, as it would be
/// with a server that does not know the filter.
fn link_of(paid: &InvoicePayment, intent: &PaymentId) -> Option<InvoiceLink> {
    let is_asked_for = paid.payment.payment_intent.as_ref().is_some_and(|Id(of)| of == intent.as_str());
    is_asked_for.then(|| InvoiceLink {
        invoice: InvoiceId::new(&paid.invoice.0),
        payment_intent: intent.clone(),
        amount_minor: paid.amount_paid.map(|Amount(minor)| minor),
    })
}

/// True for a name that can only be a charge's. It becomes part of a path, so it must be a plain word.
fn is_charge(payment: &PaymentId) -> bool {
    let name = payment.as_str();
    (name.starts_with("ch_") || name.starts_with("py_")) && is_plain(name)
}

/// The id of an invoice as a part of a path.
fn plain(invoice: &InvoiceId) -> Result<&str, FieldError> {
    let (id, path) = (invoice.as_str(), "invoice.id".to_owned());
    if is_plain(id) { Ok(id) } else { Err(FieldError { path, rule: "no plain word".to_owned() }) }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}
