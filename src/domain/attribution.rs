//! Who referred a customer: of all valid claims the one made first, whatever the order in which they arrive.

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

use super::ids::{
    ClaimId, Code, InvoiceId, ProgramKey, PromoterId, ReferralId, ReviewId, StripeCustomerId, UserId,
};
use super::terms::Terms;
use super::time::Timestamp;

/// Places of one source among the precedences; the metadata keys of the settings, and the discounts of an object, are
/// counted within it.
const PLACES_PER_SOURCE: u16 = 20;
/// Precedence of an operator's move, which beats every other claim anyway.
const MOVE_PLACE: u16 = 0;
/// Precedence of the first source (the API); greater is weaker.
const API_PLACE: u16 = 100;
/// Precedence of the second source (a checkout session); its metadata follows its `client_reference_id`.
const CHECKOUT_PLACE: u16 = 200;
/// Precedence of the third source (the metadata of the customer).
const CUSTOMER_PLACE: u16 = 300;
/// Precedence of the fourth source (the metadata of the subscription, its snapshot on an invoice, that of the invoice).
const SUBSCRIPTION_PLACE: u16 = 400;
/// Precedence of the fifth source (promotion codes): of the customer, of a checkout session, of an invoice.
const PROMOTION_PLACE: u16 = 500;

/// Where a claim comes from; its precedence decides between claims of one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClaimSource {
    /// An operator moved the referral.
    Move,
    /// `POST /v1/referrals`, or `refer` on the command line.
    Api,
    /// `checkout.session.client_reference_id`. Often it is the host's own user id, so it counts only for a code that was
    /// made by then.
    CheckoutReference,
    /// The metadata of a checkout session, by the place of its key in the settings.
    CheckoutMetadata(u16),
    /// The metadata of the customer, by the place of its key in the settings.
    CustomerMetadata(u16),
    /// The metadata of the subscription itself, by the place of its key in the settings.
    SubscriptionMetadata(u16),
    /// The snapshot of the subscription metadata that an invoice carries, in its newer or its older form, by the place of its
    /// key in the settings.
    SubscriptionSnapshot(u16),
    /// The metadata of the invoice itself, by the place of its key in the settings.
    InvoiceMetadata(u16),
    /// The promotion code of `customer.discount.created`; the claim names it instead of a code of ours.
    CustomerDiscount,
    /// A promotion code among the discounts of a checkout session, by its place there.
    CheckoutDiscount(u16),
    /// A promotion code among the discounts of an invoice, by its place there.
    InvoiceDiscount(u16),
}

impl ClaimSource {
    /// True when the claim names a promotion code of Stripe (`promo_…`), which a code of ours may carry.
    pub const fn names_promotion_code(self) -> bool {
        matches!(self, Self::CustomerDiscount | Self::CheckoutDiscount(_) | Self::InvoiceDiscount(_))
    }

    /// The precedence: a smaller one wins at equal `claimed_at`.
    pub fn precedence(self) -> u16 {
        let within =
            |first: u16, place: u16| first.saturating_add(place.min(PLACES_PER_SOURCE.saturating_sub(1)));
        let group = |first: u16, group: u16, place: u16| {
            within(first.saturating_add(PLACES_PER_SOURCE.saturating_mul(group)), place)
        };
        match self {
            Self::Move => MOVE_PLACE,
            Self::Api => API_PLACE,
            Self::CheckoutReference => CHECKOUT_PLACE,
            Self::CheckoutMetadata(key) => within(CHECKOUT_PLACE.saturating_add(1), key),
            Self::CustomerMetadata(key) => within(CUSTOMER_PLACE, key),
            Self::SubscriptionMetadata(key) => group(SUBSCRIPTION_PLACE, 0, key),
            Self::SubscriptionSnapshot(key) => group(SUBSCRIPTION_PLACE, 1, key),
            Self::InvoiceMetadata(key) => group(SUBSCRIPTION_PLACE, 2, key),
            Self::CustomerDiscount => PROMOTION_PLACE,
            Self::CheckoutDiscount(place) => group(PROMOTION_PLACE, 1, place),
            Self::InvoiceDiscount(place) => group(PROMOTION_PLACE, 2, place),
        }
    }

    /// The source of a stored precedence.
    pub fn from_precedence(precedence: u16) -> Option<Self> {
        let after = |first: u16| precedence.checked_sub(first).filter(|place| *place < PLACES_PER_SOURCE);
        let group = |first: u16| {
            let place = precedence.checked_sub(first)?;
            Some((place.checked_div(PLACES_PER_SOURCE)?, place.checked_rem(PLACES_PER_SOURCE)?))
        };
        match precedence {
            MOVE_PLACE => return Some(Self::Move),
            API_PLACE => return Some(Self::Api),
            CHECKOUT_PLACE => return Some(Self::CheckoutReference),
            PROMOTION_PLACE => return Some(Self::CustomerDiscount),
            _ => {}
        }
        if let Some((group, place)) = group(PROMOTION_PLACE) {
            return match group {
                1 => Some(Self::CheckoutDiscount(place)),
                2 => Some(Self::InvoiceDiscount(place)),
                _ => None,
            };
        }
        if let Some((group, key)) = group(SUBSCRIPTION_PLACE) {
            return match group {
                0 => Some(Self::SubscriptionMetadata(key)),
                1 => Some(Self::SubscriptionSnapshot(key)),
                2 => Some(Self::InvoiceMetadata(key)),
                _ => None,
            };
        }
        let of_checkout = after(CHECKOUT_PLACE.saturating_add(1)).map(Self::CheckoutMetadata);
        of_checkout.or_else(|| after(CUSTOMER_PLACE).map(Self::CustomerMetadata))
    }

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Api => "api",
            Self::CheckoutReference => "checkout_reference",
            Self::CheckoutMetadata(_) => "checkout_metadata",
            Self::CustomerMetadata(_) => "customer_metadata",
            Self::SubscriptionMetadata(_) | Self::SubscriptionSnapshot(_) => "subscription_metadata",
            Self::InvoiceMetadata(_) => "invoice_metadata",
            Self::CustomerDiscount => "customer_discount",
            Self::CheckoutDiscount(_) => "checkout_discount",
            Self::InvoiceDiscount(_) => "invoice_discount",
        }
    }
}

/// One statement that a customer was referred by a code. `customer` or `user`, or both, are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its id: made from the event for claims in events, so that a replay makes no second one.
    pub id: ClaimId,
    /// The Stripe customer that it is about.
    pub stripe_customer: Option<StripeCustomerId>,
    /// The user of the host application that it is about.
    pub user: Option<UserId>,
    /// The code; of a promotion code its `promo_…`.
    pub code: Code,
    /// Where it comes from.
    pub source: ClaimSource,
    /// `event.created`, or the time of the API call.
    pub claimed_at: Timestamp,
    /// For a move by the operator the time of the call; the last move counts.
    pub moved_at: Option<Timestamp>,
    /// The attribution lookback in seconds, frozen from the settings when the claim was recorded.
    pub lookback_s: i64,
    /// How the customer was invited, in the host's own words; only kept and shown.
    pub invitation_method: Option<String>,
}

/// What [`Claim::order`] compares: the last move, then the earliest claim.
pub type ClaimOrder<'c> = (Reverse<Option<(Timestamp, &'c ClaimId)>>, Timestamp, u16, &'c Code, &'c ClaimId);

impl Claim {
    /// Of two valid claims the one with the smaller key is the referral: a move before all others and the last of several
    /// moves, else by (`claimed_at`, precedence, code); the id only makes the choice total.
    pub fn order(&self) -> ClaimOrder<'_> {
        let moved = Reverse(self.moved_at.map(|moved_at| (moved_at, &self.id)));
        (moved, self.claimed_at, self.source.precedence(), &self.code, &self.id)
    }

    /// Where one event or act concerns several customers, the one with the smaller key is given its number, and a use of
    /// its code, first: by (`claimed_at`, precedence, the id that the claim names; of both a Stripe customer's).
    pub fn turn(&self) -> (Timestamp, u16, &str) {
        let stripe_customer = self.stripe_customer.as_ref().map(StripeCustomerId::as_str);
        let named = stripe_customer.or_else(|| self.user.as_ref().map(UserId::as_str));
        (self.claimed_at, self.source.precedence(), named.unwrap_or_default())
    }

    /// True for a reference of the host's, which counts only for a code that was made by then.
    pub fn is_reference(&self) -> bool {
        self.source == ClaimSource::CheckoutReference
    }

    /// Who the claim says it is about: a claim that names a user is about that user. `None` for a claim about nobody,
    /// which its makers refuse.
    pub fn named_customer(&self) -> Option<Customer> {
        let of_user = self.user.clone().map(Customer::User);
        of_user.or_else(|| self.stripe_customer.clone().map(Customer::Stripe))
    }
}

/// One customer of the host: the user, when a user is known, else the Stripe customer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Customer {
    /// A user with all Stripe customers named with it.
    User(UserId),
    /// A Stripe customer of no known user.
    Stripe(StripeCustomerId),
}

const USER_PREFIX: &str = "user:";
const STRIPE_PREFIX: &str = "customer:";

impl Customer {
    /// The customer of a stored key.
    pub fn parse(key: &str) -> Option<Self> {
        let user = key.strip_prefix(USER_PREFIX).map(|user| Self::User(UserId::new(user)));
        user.or_else(|| key.strip_prefix(STRIPE_PREFIX).map(|id| Self::Stripe(StripeCustomerId::new(id))))
    }
}

impl fmt::Display for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "{USER_PREFIX}{user}"),
            Self::Stripe(stripe_customer) => write!(f, "{STRIPE_PREFIX}{stripe_customer}"),
        }
    }
}

/// What an operator says of a referral that is held because the customer may be its own promoter; the latest holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReviewDecision {
    /// They are two: the referral earns.
    Released,
    /// They are one: all claims of this customer for this promoter are removed, present and future.
    Refused,
}

impl ReviewDecision {
    /// The word in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Refused => "refused",
        }
    }

    /// The decision of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Released, Self::Refused].into_iter().find(|decision| decision.as_str() == word)
    }
}

/// In which ways a customer looks like a promoter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Likeness {
    /// They are one user of the host.
    pub user: bool,
    /// An e-mail ever known of the one was ever known of the other.
    pub email: bool,
}

/// A decision on (customer, promoter). Of several the latest by (`reviewed_at`, id) holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Its id, the cause of what follows from it.
    pub id: ReviewId,
    /// What was said.
    pub decision: ReviewDecision,
    /// When.
    pub reviewed_at: Timestamp,
    /// Who said it; only kept and shown.
    pub reviewed_by: Option<String>,
    /// Why; only kept and shown.
    pub reason: Option<String>,
    /// A release covers that they are one user. A refusal covers nothing: it needs to know nothing.
    pub covers_user: bool,
    /// A release covers that they share an e-mail.
    pub covers_email: bool,
}

impl Review {
    /// Of two reviews of one (customer, promoter) the one with the greater key holds.
    pub fn order(&self) -> (Timestamp, &ReviewId) {
        (self.reviewed_at, &self.id)
    }

    /// True when saying this, knowing that, would say nothing that this review does not. `is_refused`: it makes no referral
    /// of the two, as a later move would.
    pub fn says(&self, decision: ReviewDecision, likeness: Likeness, is_refused: bool) -> bool {
        match decision {
            ReviewDecision::Released => self.releases(likeness),
            ReviewDecision::Refused => self.decision == decision && is_refused,
        }
    }

    /// True when this is a release that was said knowing all of that: what comes out later holds the referral again.
    pub const fn releases(&self, likeness: Likeness) -> bool {
        matches!(self.decision, ReviewDecision::Released)
            && (self.covers_user || !likeness.user)
            && (self.covers_email || !likeness.email)
    }
}

/// The invoice with which a referral takes its place under `max_rewards_per_promoter`: (`paid_at`, id).
pub type Qualified = (Timestamp, InvoiceId);

/// The bond between one customer of the host and one promoter, made by the winning claim; terms are frozen on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referral {
    /// Its id; it stays when an earlier claim moves the referral.
    pub id: ReferralId,
    /// The customer of the host.
    pub customer: Customer,
    /// The winning claim.
    pub claim: ClaimId,
    /// The source of that claim.
    pub source: ClaimSource,
    /// The code of that claim.
    pub code: Code,
    /// Who earns.
    pub promoter: PromoterId,
    /// Under which program.
    pub program: ProgramKey,
    /// The version of the frozen terms in that program.
    pub terms_version: i64,
    /// The terms, frozen at `claimed_at`.
    pub terms: Arc<Terms>,
    /// Its number among the promoter's referrals in that program, from 1; picks the tier. `None` until one is given:
    /// by the terms with the first invoice that has no reason to earn nothing, or when the referral is made.
    pub referral_number: Option<u32>,
    /// `claimed_at` of the winning claim.
    pub claimed_at: Timestamp,
    /// The attribution lookback in seconds, frozen.
    pub lookback_s: i64,
    /// No claim is left that makes it: it earns nothing, and its row only keeps its id.
    pub void: bool,
    /// The customer looks like its own promoter, and no operator has said otherwise: it earns nothing.
    pub held: bool,
    /// Its first invoice that has no reason to earn nothing but `reward_exhausted`.
    pub qualified: Option<Qualified>,
}

impl Referral {
    /// Invoices paid before this moment are `before_referral`.
    pub fn earns_from(&self) -> Timestamp {
        self.claimed_at.minus_seconds(self.lookback_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_is_read_back_from_its_precedence() {
        let sources = [
            ClaimSource::Move,
            ClaimSource::Api,
            ClaimSource::CheckoutReference,
            ClaimSource::CheckoutMetadata(0),
            ClaimSource::CheckoutMetadata(19),
            ClaimSource::CustomerMetadata(0),
            ClaimSource::CustomerMetadata(19),
            ClaimSource::SubscriptionMetadata(0),
            ClaimSource::SubscriptionMetadata(19),
            ClaimSource::SubscriptionSnapshot(0),
            ClaimSource::SubscriptionSnapshot(19),
            ClaimSource::InvoiceMetadata(0),
            ClaimSource::InvoiceMetadata(19),
            ClaimSource::CustomerDiscount,
            ClaimSource::CheckoutDiscount(0),
            ClaimSource::CheckoutDiscount(19),
            ClaimSource::InvoiceDiscount(0),
            ClaimSource::InvoiceDiscount(19),
        ];
        for source in sources {
            assert_eq!(ClaimSource::from_precedence(source.precedence()), Some(source));
        }
        assert!(sources.is_sorted_by_key(|source| source.precedence()));
        assert_eq!(ClaimSource::from_precedence(7), None);
    }

    #[test]
    fn a_party_is_read_back_from_its_key() {
        for customer in [Customer::User(UserId::new("42")), Customer::Stripe(StripeCustomerId::new("cus_1"))]
        {
            assert_eq!(Customer::parse(&customer.to_string()), Some(customer));
        }
    }
}
