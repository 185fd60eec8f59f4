//! The queue in front of the ledger: a signed event goes in, the answer comes out once it is committed.
//!
//! One writer takes whatever has arrived since the last commit as one batch, so that the cost of a commit is shared
//! by all who wait for it, and nobody waits for a batch to fill. The queue is bounded; what does not fit is refused.

mod accept;
mod queue;
mod writer;

pub use accept::Intake;
pub use queue::IntakeError;
