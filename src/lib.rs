//! `referrald`: a Stripe webhook daemon that keeps the commission ledger of a referral programme.
//!
//! Signed events come in through [`http`], are reduced to facts, and wait in [`intake`] for the next batch;
//! [`service`] merges the facts and posts the difference between what the ledger should hold and what it holds;
//! [`domain`] knows what it should hold, [`stripe`] what Stripe means, and [`store`] how it is kept. [`app`] puts
//! them together from the [`settings`], and [`cli`] is the outside. `ARCHITECTURE.md` has the map.

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

pub mod app;
pub mod cli;
pub mod clock;
pub mod domain;
pub mod handlers;
pub mod http;
pub mod intake;
pub mod jobs;
pub mod service;
pub mod settings;
pub mod store;
pub mod stripe;
pub mod telemetry;
