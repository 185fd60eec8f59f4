//! The daemon and its commands through the front door: one module a concern, one harness ([`support`]).
//!
//! The rule of the house: a test is a sentence, with one act, through the front door. It asks the API or a command, and
//! SQL only for what nothing else shows (`support::tables`); it runs on SQLite and PostgreSQL where the database may
//! matter; it states times instead of sleeping, and polls what it waits for, so that it is slow and not red on a busy
//! machine; and it ends with `referrald verify`. What takes the whole machine is named `heavy_…` and runs alone of its kind.

// Its macro is used by the modules below.
#[macro_use]
mod support;

// The generator of the model's histories, which `partial` tells to the real store.
#[path = "../model/acts.rs"]
mod acts;
#[path = "../model/history.rs"]
mod history;
#[allow(dead_code, reason = "orders are shuffled by the model only")]
#[path = "../model/random.rs"]
mod random;
#[path = "../model/reading.rs"]
mod reading;
#[allow(dead_code, reason = "statuses are looked at by the model only")]
#[path = "../model/setup.rs"]
mod setup;
#[path = "../model/stripe.rs"]
mod stripe;
#[path = "../model/tellings.rs"]
mod tellings;
#[path = "../model/themes.rs"]
mod themes;
#[allow(dead_code, reason = "what is told is taken in by the model only")]
#[path = "../model/told.rs"]
mod told;
#[path = "../model/world.rs"]
mod world;

mod attribution;
mod claims;
mod cli;
mod codes;
mod connected;
mod connections;
mod crash;
mod cut;
mod explain;
mod filters;
mod footprint;
mod held;
mod hostile;
mod http;
mod inbox;
mod ledger;
mod lints;
mod lockstep;
mod logs;
mod lookups;
mod memory;
mod money;
mod moves;
mod one_writer;
mod operator;
mod order;
mod partial;
mod plans;
mod preload;
mod races;
mod redrive;
mod replay;
mod retention;
mod review;
mod rewards;
mod settings;
mod statuses;
mod storage;
mod tampering;
mod tidy;
mod uses;
mod webhook;
