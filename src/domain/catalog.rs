//! What operators set up: promoters and codes, as they are made and as they are shown.

use super::codes::CodeFacts;
use super::ids::{Code, PromoterId, UserId};
use super::time::Timestamp;

/// A promoter that is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPromoter {
    /// `prm_…`.
    pub id: PromoterId,
    /// The promoter as a user of the host.
    pub user: UserId,
    /// Trimmed, lower case.
    pub email: Option<String>,
    /// The time of the call.
    pub created_at: Timestamp,
}

/// A code that is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCode {
    /// The code, as it is to be shown.
    pub code: Code,
    /// Whose it is, its first version and its limit.
    pub facts: CodeFacts,
}

/// A code as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeRecord {
    /// The code.
    pub code: Code,
    /// Whose it is, and what claims are judged by.
    pub facts: CodeFacts,
    /// Its promoter as a user of the host.
    pub promoter_user: UserId,
    /// Stripe's promotion codes that it carries.
    pub promotion_codes: Vec<String>,
    /// Clicks counted.
    pub clicks: i64,
}

/// A promoter as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promoter {
    /// `prm_…`.
    pub id: PromoterId,
    /// The promoter as a user of the host.
    pub user_id: String,
    /// Trimmed, lower case.
    pub email: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}
