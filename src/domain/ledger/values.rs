//! What the state machine counts by.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::attribution::Qualified;
use crate::domain::{Currency, EmailHash, Kind, ProgramKey, PromoterId, Timestamp, UserId};

/// The posted sums of one invoice in minor units. The date from which an amount may be paid out is part of the key: when
/// the date moves, the amount moves with it.
pub type Sums = BTreeMap<SumKey, i64>;

/// What a sum is kept by: whose, in which currency, of which kind, available from when.
pub type SumKey = (PromoterId, Currency, Kind, Timestamp);

/// All referrals of one promoter in one program.
pub type Group = (PromoterId, ProgramKey);

/// What is known of a promoter: whom its customers are compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromoterFacts {
    /// The promoter as a user of the host.
    pub user: UserId,
    /// The e-mails ever known of it.
    pub emails: BTreeSet<EmailHash>,
}

/// A referral's slot under `max_rewards_per_promoter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewardSlot {
    /// Its first invoice without another reason.
    pub qualified: Qualified,
    /// The limit of its own terms.
    pub limit: Option<u32>,
}
