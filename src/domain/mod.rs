//! The rules of the ledger, pure: no I/O, no clock, no async, nothing of Stripe's JSON.
//!
//! Read in this order: [`money`] and [`terms`] are the units; [`facts`] says what Stripe has told us and how
//! two tellings merge; [`payments`] turns facts into the loss of an invoice; [`attribution`] and [`codes`] choose the
//! referral; [`rewards`] says what an invoice earns and [`mod@assess`] what the ledger should hold; [`ledger`] is the
//! state machine that merges facts and posts the difference between that target and what is already posted; [`status`] says where a referral or a commission stands.

pub mod assess;
pub mod attribution;
pub mod catalog;
pub mod codes;
pub mod disputes;
pub mod email;
pub mod entries;
pub mod facts;
pub mod ids;
pub mod inbox;
pub mod ledger;
pub mod lines;
pub mod money;
pub mod no_commission;
pub mod outcome;
pub mod payments;
pub mod rewards;
pub mod status;
pub mod terms;
pub mod time;

pub use assess::{Assessment, InvoiceContext, assess};
pub use attribution::{Claim, ClaimSource, Customer, Referral, Review, ReviewDecision};
pub use codes::{CodeFacts, CodeOwner};
pub use disputes::{BalanceTransaction, CreditNoteFacts, DisputeFacts, DisputeState};
pub use email::EmailHash;
pub use entries::{Cause, Commission, Kind, LedgerEntry};
pub use facts::{
    Extracted, Fact, InvoiceSnapshot, PaidInvoice, PaymentFacts, RefundFacts, RefundState, Release,
};
pub use ids::{
    BalanceTransactionId, ClaimId, Code, CreditNoteId, DisputeId, EventId, InvoiceId, PaymentId, ProgramKey,
    PromoterId, ReferralId, RefundId, ReviewId, StripeCustomerId, SubscriptionId, UserId,
};
pub use ledger::{Assessor, Changes, Judged, Needs, State, UnitOfWork};
pub use lines::Lines;
pub use money::{BasisPoints, Currency, MoneyError};
pub use no_commission::NoCommission;
pub use outcome::Outcome;
pub use payments::PaymentGraph;
pub use status::{CommissionStatus, ReferralStatus};
pub use terms::{CommissionBase, Recurrence, Reward, Terms, TermsVersion, Tier, TiersBy};
pub use time::Timestamp;
