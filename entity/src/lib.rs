//! One SeaORM entity a table. Times are Unix seconds (UTC), amounts are minor units of the row's currency.
//! Only the store of the daemon writes these tables. Ids are those of Stripe or of the host where there are any.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::wildcard_imports
)]

pub mod claim;
pub mod claim_used_up;
pub mod code;
pub mod code_click;
pub mod code_version;
pub mod commission;
pub mod credit_note;
pub mod customer_email;
pub mod dispute;
pub mod event;
pub mod event_payload;
pub mod invoice;
pub mod ledger_entry;
pub mod ledger_head;
pub mod line_lookup;
pub mod payment;
pub mod payment_link;
pub mod program;
pub mod program_version;
pub mod promoter;
pub mod promoter_email;
pub mod promotion_code;
pub mod redemption;
pub mod referral;
pub mod referral_counter;
pub mod referral_number;
pub mod refund;
pub mod review;
pub mod stripe_customer;
pub mod subscription;
pub mod unread_discounts;
