//! What the ledger is made of: entries that are only ever inserted, and the assessment beside them.

use std::fmt;

use super::assess::Assessment;
use super::attribution::Referral;
use super::ids::{
    ClaimId, EventId, InvoiceId, ProgramKey, PromoterId, ReferralId, ReviewId, StripeCustomerId, UserId,
};
use super::money::Currency;
use super::time::Timestamp;

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What a paid invoice earned.
    Commission,
    /// What refunds took back (negative), or what a failed refund gave back (positive).
    Refund,
    /// What disputes took beyond refunds (negative), or what a won one gave back (positive).
    Dispute,
}

impl Kind {
    /// The kinds that an invoice posts, in the order in which they are posted.
    pub const OF_INVOICE: [Self; 3] = [Self::Commission, Self::Refund, Self::Dispute];

    /// The word in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Commission => "commission",
            Self::Refund => "refund",
            Self::Dispute => "dispute",
        }
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::OF_INVOICE.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// The one cause of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A Stripe event.
    Event(EventId),
    /// A claim that came through the API or the command line.
    Claim(ClaimId),
    /// Another invoice took or left a place that this one had or has: `superseded by in_…`.
    Superseded(InvoiceId),
    /// An operator released or refused a held referral.
    Review(ReviewId),
    /// A customer was added to a user.
    Customer(StripeCustomerId),
    /// More became known of a promoter.
    Promoter(PromoterId),
}

impl Cause {
    /// The word for what it is, in the database.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Event(_) => "event",
            Self::Claim(_) => "claim",
            Self::Superseded(_) => "invoice",
            Self::Review(_) => "review",
            Self::Customer(_) => "customer",
            Self::Promoter(_) => "promoter",
        }
    }

    /// The id of what it is.
    pub fn id(&self) -> &str {
        match self {
            Self::Event(event) => event.as_str(),
            Self::Claim(claim) => claim.as_str(),
            Self::Superseded(invoice) => invoice.as_str(),
            Self::Review(review) => review.as_str(),
            Self::Customer(stripe_customer) => stripe_customer.as_str(),
            Self::Promoter(promoter) => promoter.as_str(),
        }
    }

    /// The cause of that [`Self::kind`] and [`Self::id`]; `None` for a kind that there is not.
    pub fn parse(kind: &str, id: String) -> Option<Self> {
        Some(match kind {
            "event" => Self::Event(EventId::new(id)),
            "claim" => Self::Claim(ClaimId::new(id)),
            "invoice" => Self::Superseded(InvoiceId::new(id)),
            "review" => Self::Review(ReviewId::new(id)),
            "customer" => Self::Customer(StripeCustomerId::new(id)),
            "promoter" => Self::Promoter(PromoterId::new(id)),
            _ => return None,
        })
    }
}

/// The words of the API: the id of the cause, after `superseded by` for another invoice.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superseded(invoice) => write!(f, "superseded by {invoice}"),
            Self::Event(_) | Self::Claim(_) | Self::Review(_) | Self::Customer(_) | Self::Promoter(_) => {
                f.write_str(self.id())
            }
        }
    }
}

/// One signed amount for one promoter in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Who gains (positive) or loses (negative).
    pub promoter: PromoterId,
    /// The invoice that it is about.
    pub invoice: InvoiceId,
    /// What it is.
    pub kind: Kind,
    /// The signed amount in minor units.
    pub amount_minor: i64,
    /// The currency of the amount.
    pub currency: Currency,
    /// From when on it may be paid out.
    pub available_at: Timestamp,
    /// Why it was posted.
    pub cause: Cause,
}

/// The referral that earns, with its promoter and program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earner {
    /// The referral.
    pub referral: ReferralId,
    /// Its promoter.
    pub promoter: PromoterId,
    /// Its program.
    pub program: ProgramKey,
}

impl Earner {
    /// The earner of a referral.
    pub fn of(referral: &Referral) -> Self {
        Self {
            referral: referral.id.clone(),
            promoter: referral.promoter.clone(),
            program: referral.program.clone(),
        }
    }
}

/// The present assessment of one paid invoice, as it is stored: one row an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commission {
    /// Who earns; `None` when nobody does.
    pub earner: Option<Earner>,
    /// The currency of the invoice.
    pub currency: Currency,
    /// The figures.
    pub assessment: Assessment,
}

/// An entry as it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedEntry {
    /// Its number, in the order of commits.
    pub id: i64,
    /// Who gains or loses.
    pub promoter: PromoterId,
    /// The promoter as a user of the host.
    pub promoter_user: UserId,
    /// The invoice that it is about.
    pub invoice: Option<InvoiceId>,
    /// What it is.
    pub kind: Kind,
    /// The signed amount.
    pub amount_minor: i64,
    /// Its currency.
    pub currency: Currency,
    /// From when on it may be paid out.
    pub available_at: Timestamp,
    /// What it follows from.
    pub cause: Cause,
    /// When it was posted.
    pub posted_at: Timestamp,
}

/// The sums of one promoter in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// The currency; balances are never summed across currencies.
    pub currency: Currency,
    /// Σ commission and refund; may be negative.
    pub earned_minor: i64,
    /// The part of it that is not available yet.
    pub held_minor: i64,
}

impl Balance {
    /// What may be paid out now: earned, less the part that is held.
    pub const fn available_minor(&self) -> i64 {
        self.earned_minor.saturating_sub(self.held_minor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cause_is_read_as_it_was_written(kind in "[a-z]{1,9}|event|claim|invoice|review|customer|promoter", id in ".{1,40}") {
            if let Some(cause) = Cause::parse(&kind, id.clone()) {
                prop_assert_eq!((cause.kind(), cause.id()), (kind.as_str(), id.as_str()));
            } else {
                prop_assert!(!["event", "claim", "invoice", "review", "customer", "promoter"].contains(&kind.as_str()));
            }
        }
    }
}
