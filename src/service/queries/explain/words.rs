//! Words that several stories use.

use crate::domain::{
    Claim, ClaimId, Currency, Customer, DisputeState, Judged, NoCommission, PromoterId, Recurrence, Referral,
    RefundState, Reward, State, UserId,
};

/// A reason for no commission, in a sentence.
pub const fn reason(reason: NoCommission) -> &'static str {
    match reason {
        NoCommission::NotReferred => "nobody has said who referred this customer",
        NoCommission::UnknownCode => {
            "the customer was referred by a code that does not exist; once it is made, this is judged again"
        }
        NoCommission::CodeInactive => "the code was switched off when the customer was referred by it",
        NoCommission::CodeExpired => "the code had expired when the customer was referred by it",
        NoCommission::CodeUsedUp => "the code had no use left when the customer was referred by it",
        NoCommission::ProgramInactive => "the program took no new referrals then",
        NoCommission::Refused => "an operator refused this customer to this promoter",
        NoCommission::ZeroAmount => "nothing was paid on it, or nothing but tax and excluded shipping",
        NoCommission::BeforeReferral => "it was paid before the customer was referred, beyond the lookback",
        NoCommission::BelowMinimum => "less was paid than the program asks for",
        NoCommission::ExistingCustomer => {
            "the customer had paid before it was referred, and the program is for new customers only"
        }
        NoCommission::RewardExhausted => {
            "the promoter has as many earning referrals as the program allows, and others came first"
        }
        NoCommission::ConversionWindow => {
            "the first invoice was paid too long after the customer was referred"
        }
        NoCommission::DurationOver => "it comes after the last invoice, or month, that earns",
        NoCommission::CurrencyMismatch => "the reward is a fixed amount in another currency",
        NoCommission::SelfReferral => {
            "the customer shares its user or an e-mail with the promoter; an operator has to release or refuse it"
        }
    }
}

/// Where a claim stands beside the one that makes the referral.
pub fn judged(state: &State, claim: &Claim, customer: &Customer, winner: Option<&ClaimId>) -> String {
    match (state.judge(claim, customer), winner) {
        (Judged::Valid(..), Some(winner)) if *winner != claim.id => {
            format!("valid, but {winner} comes first")
        }
        (Judged::Valid(..), _) => "valid".to_owned(),
        (Judged::Refused(why), _) => format!("no referral: {}", reason(why)),
        (Judged::NoReason, _) if claim.source.names_promotion_code() => {
            "kept: no code carries this promotion code".to_owned()
        }
        (Judged::NoReason, _) => "kept: a reference of the host that named no code at that time".to_owned(),
    }
}

/// An amount; its currency may not be known yet.
pub fn amount(currency: Option<Currency>, minor: i64) -> String {
    currency.map_or_else(|| format!("{minor} minor units"), |known| known.display(minor))
}

/// A promoter: its user of the host, which people know, beside the id.
pub fn promoter(state: &State, id: &PromoterId) -> String {
    state.promoters.get(id).map_or_else(|| id.to_string(), |promoter| named(&promoter.user, id))
}

/// A promoter by user and id.
pub fn named(user: &UserId, id: &PromoterId) -> String {
    format!("{user} ({id})")
}

/// How many uses of a code were given.
pub fn uses(given: u32, limit: Option<u32>) -> String {
    match (given, limit) {
        (1, Some(limit)) => format!("1 of {limit} uses was given"),
        (_, Some(limit)) => format!("{given} of {limit} uses were given"),
        (0, None) => "no use was given".to_owned(),
        (1, None) => "1 use was given".to_owned(),
        (_, None) => format!("{given} uses were given"),
    }
}

/// The referral of a customer and its terms.
pub fn referral(state: &State, referral: &Referral) -> String {
    format!(
        "{} was referred by promoter {} with code {} in program {} (claim {} by {}, made at {}; referral {}{}).",
        customer(&referral.customer),
        promoter(state, &referral.promoter),
        referral.code,
        referral.program,
        referral.claim,
        referral.source.as_str(),
        referral.claimed_at,
        referral.id,
        referral
            .referral_number
            .map_or_else(String::new, |number| { format!(", number {number} of this promoter there") }),
    )
}

/// A customer, for people.
pub fn customer(customer: &Customer) -> String {
    match customer {
        Customer::User(user) => format!("User {user}"),
        Customer::Stripe(stripe_customer) => format!("Customer {stripe_customer}"),
    }
}

/// The reward of frozen terms.
pub fn reward(referral: &Referral, currency: Currency) -> String {
    let terms = &referral.terms;
    let shipping = if terms.exclude_shipping { " without shipping" } else { "" };
    let what = match terms.reward {
        Reward::Percentage(rate) => format!("{rate} of {}{shipping}", terms.base.as_str()),
        Reward::Flat(minor) => terms.currency.unwrap_or(currency).display(minor),
    };
    match terms.recurrence {
        Recurrence::OneTime => format!("{what} for the first invoice only"),
        Recurrence::Recurring { months: None, invoices: None } => what,
        Recurrence::Recurring { months, invoices } => {
            let months = months.map(|months| counted(months.into(), "month"));
            let invoices = invoices.map(|invoices| counted(invoices, "invoice"));
            let limits: Vec<String> = months.into_iter().chain(invoices).collect();
            format!("{what} for {}", limits.join(" and "))
        }
    }
}

/// So many of something.
pub fn counted(number: u32, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The state of a refund.
pub const fn refund_state(state: RefundState) -> &'static str {
    match state {
        RefundState::Pending => "pending, which counts at once",
        RefundState::Succeeded => "succeeded",
        RefundState::Failed => "failed or canceled, so it takes nothing",
    }
}

/// What is said of a refund that releases what was not captured.
pub const RELEASE: &str = "the release of what was not captured, so it takes nothing";

/// The state of a dispute.
pub const fn dispute_state(state: DisputeState) -> &'static str {
    match state {
        DisputeState::Inquiry => "an inquiry, which takes nothing",
        DisputeState::Open => "open: it takes its amount for now",
        DisputeState::Returned => "won or withdrawn, so it takes nothing",
        DisputeState::Lost => "lost",
    }
}
