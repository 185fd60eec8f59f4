//! The rules of the ledger, pure: no I/O, no clock, no async, nothing of Stripe's JSON.
//!
//! Read in this order: [`money`] and [`terms`] are the units; [`facts`] says what Stripe has told us and how
//! two tellings merge; [`payments`] turns facts into the loss of an invoice; [`attribution`] and [`codes`] choose the
//! referral; [`rewards`] says what an invoice earns and [`mod@assess`] what the ledger should hold; [`book`] holds the
//! facts that one transaction touches and posts the difference between that target and what is already posted;
//! [`status`] says where a referral or a commission stands.

pub mod assess;
pub mod attribution;
pub mod book;
pub mod codes;
pub mod disputes;
pub mod email;
pub mod facts;
pub mod ids;
pub mod ledger;
pub mod money;
pub mod outcome;
pub mod payments;
pub mod rewards;
pub mod status;
pub mod terms;
pub mod time;

pub use assess::{Assessment, NoCommission, Standing, assess};
pub use attribution::{Claim, ClaimSource, Party, Referral};
pub use book::{Assessor, Book, Cause, Judged};
pub use codes::{CodeFacts, CodeOwner};
pub use disputes::{CreditNoteFacts, DisputeFacts, DisputeState};
pub use email::EmailHash;
pub use facts::{Fact, Lines, PaidClaim, PaidInvoice, PaymentFacts, Reduced, RefundFacts, RefundState};
pub use ids::{
    ClaimId, Code, CreditNoteId, CustomerId, DisputeId, EventId, InvoiceId, PaymentId, ProgramKey,
    PromoterId, ReferralId, RefundId, RulingId, SubscriptionId, UserId,
};
pub use ledger::{Commission, Kind, LedgerEntry};
pub use money::{BasisPoints, Currency, MoneyError};
pub use outcome::Outcome;
pub use status::{CommissionStatus, ReferralStatus};
pub use terms::{CommissionBase, Recurrence, Reward, Terms, TermsVersion, Tier};
pub use time::Timestamp;
