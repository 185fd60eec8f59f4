//! What all drivers are told.

use log::LevelFilter;

/// Prepared statements that a connection keeps. Those of a batch depend on which tables it touches and not on how many
/// keys or rows (`store::batch`), so all of them fit.
pub const STATEMENTS_KEPT: usize = 512;
/// The text of a statement, never its values, is logged for whoever asks for `sqlx=trace`: the test of their plans does.
/// Statements that are slow are told apart nowhere.
pub const LOG_LEVEL: LevelFilter = LevelFilter::Trace;
