//! Who says that a customer was referred: `semantics.md` §5, as a list of statements, each with its place.

use std::cmp::Reverse;

use referrald::domain::{ClaimSource, StripeCustomerId, Timestamp, UserId};

use crate::setup::LOOKBACK_S;
use crate::told::{Event, Metadata, Named, Said};

/// One statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim<'a> {
    pub user: Option<&'a str>,
    pub stripe_customer: Option<&'a str>,
    /// In lower case; of a promotion code its id.
    pub code: String,
    /// What was said in which place of the list of sources, and the place within it.
    pub place: (Source, u16),
    pub claimed_at: i64,
    pub moved_at: Option<i64>,
    pub lookback_s: i64,
    /// The event or the call that it was said in.
    pub said_in: &'a str,
    /// Not as the code was made.
    pub spelled_otherwise: bool,
}

/// The sources, in the order of their precedence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    Move,
    Api,
    Reference,
    Checkout,
    Customer,
    Subscription,
    Snapshot,
    Invoice,
    CustomerPromotion,
    CheckoutPromotion,
    InvoicePromotion,
}

/// What of a claim is compared: whether it is a move, when moved, when claimed, place, code.
type Strength<'c> = (bool, Reverse<Option<i64>>, i64, (Source, u16), &'c str, &'c str);

impl<'a> Claim<'a> {
    /// One that was made through the API or by an operator.
    pub fn of_call(claim: &'a referrald::domain::Claim) -> Self {
        let source = if claim.source == ClaimSource::Move { Source::Move } else { Source::Api };
        Self {
            user: claim.user.as_ref().map(UserId::as_str),
            stripe_customer: claim.stripe_customer.as_ref().map(StripeCustomerId::as_str),
            code: claim.code.as_str().trim().to_lowercase(),
            place: (source, 0),
            claimed_at: claim.claimed_at.unix(),
            moved_at: claim.moved_at.map(Timestamp::unix),
            lookback_s: claim.lookback_s,
            said_in: claim.id.as_str(),
            spelled_otherwise: is_spelled_otherwise(claim.code.as_str()),
        }
    }

    pub fn names_promotion_code(&self) -> bool {
        let (source, _) = self.place;
        matches!(source, Source::CustomerPromotion | Source::CheckoutPromotion | Source::InvoicePromotion)
    }

    pub fn is_reference(&self) -> bool {
        self.place.0 == Source::Reference
    }

    /// The smallest wins: the last move, else the earliest claim. What said it only makes the choice total.
    pub fn strength(&self) -> Strength<'_> {
        let moved_at = self.moved_at;
        (moved_at.is_none(), Reverse(moved_at), self.claimed_at, self.place, &self.code, self.said_in)
    }

    /// Who is served first, where one step concerns several.
    pub fn turn(&self) -> (i64, (Source, u16), &'a str) {
        let named = self.stripe_customer.or(self.user);
        (self.claimed_at, self.place, named.unwrap_or_default())
    }
}

/// All that an event claims.
pub fn claims_in(event: &Event) -> Vec<Claim<'_>> {
    let mut said: Vec<((Source, u16), &str)> = Vec::new();
    let named: &Named = match &event.said {
        Said::Invoice(invoice) if invoice.is_paid() => {
            said.extend(of_keys(Source::Snapshot, &invoice.snapshot));
            said.extend(of_keys(Source::Snapshot, &invoice.older_snapshot));
            said.extend(of_keys(Source::Invoice, &invoice.metadata));
            said.extend(of_list(Source::InvoicePromotion, &invoice.promotions));
            &invoice.named
        }
        Said::Checkout(session) => {
            said.extend(session.reference.as_deref().map(|code| ((Source::Reference, 0), code)));
            said.extend(of_keys(Source::Checkout, &session.metadata));
            said.extend(of_list(Source::CheckoutPromotion, &session.promotions));
            &session.named
        }
        Said::Customer(customer) => {
            said.extend(of_keys(Source::Customer, &customer.metadata));
            &customer.named
        }
        Said::Subscription(subscription) => {
            said.extend(of_keys(Source::Subscription, &subscription.metadata));
            &subscription.named
        }
        Said::Discount { named, promotion } => {
            said.push(((Source::CustomerPromotion, 0), promotion.as_str()));
            named
        }
        Said::Invoice(_)
        | Said::Link(_)
        | Said::Charge(_)
        | Said::Refund(_)
        | Said::Dispute(_)
        | Said::CreditNote(_) => return Vec::new(),
    };
    let Some(name) = named.name() else { return Vec::new() };
    let claim = |(place, code): ((Source, u16), &str)| Claim {
        user: None,
        stripe_customer: Some(name.as_str()),
        code: code.trim().to_lowercase(),
        place,
        claimed_at: event.created,
        moved_at: None,
        lookback_s: LOOKBACK_S,
        said_in: &event.id,
        spelled_otherwise: is_spelled_otherwise(code),
    };
    said.into_iter().map(claim).collect()
}

fn of_keys(source: Source, metadata: &Metadata) -> impl Iterator<Item = ((Source, u16), &str)> {
    metadata.iter().map(move |(place, code)| ((source, *place), code.as_str()))
}

fn of_list(source: Source, promotions: &[String]) -> impl Iterator<Item = ((Source, u16), &str)> {
    (0..).zip(promotions).map(move |(place, promotion)| ((source, place), promotion.as_str()))
}

/// Codes of the histories are made in capitals.
fn is_spelled_otherwise(code: &str) -> bool {
    code.to_uppercase() != code || code.trim() != code
}
