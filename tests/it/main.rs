//! The daemon and its commands through the front door: one module a concern, one harness ([`support`]).
//!
//! A test is a sentence with one act. It says what it expects of answers of the API or of commands, on SQLite and on
//! PostgreSQL where the database may matter, and ends with `referrald verify`. It waits for what happens, never for
//! a time to pass, so that it holds on a busy machine too; what takes the whole machine is named `heavy_…`.

// Its macro is used by the modules below.
#[macro_use]
mod support;

mod attribution;
mod cli;
mod codes;
mod connected;
mod connections;
mod crash;
mod explain;
mod held;
mod hostile;
mod http;
mod ledger;
mod lockstep;
mod logs;
mod moves;
mod one_writer;
mod order;
mod races;
mod redrive;
mod replay;
mod retention;
mod rewards;
mod settings;
mod statuses;
mod tampering;
mod tidy;
mod uses;
mod webhook;
