//! What the daemon does by itself, beside answering requests: one file a job, and [`supervisor`] that runs them all.

mod batches;
pub mod give_up;
pub mod lookups;
pub mod redrive;
pub mod reminders;
pub mod retention;
pub mod summary;
pub mod supervisor;

use std::sync::Arc;

use self::give_up::GiveUp;
use self::lookups::Lookups;
use self::redrive::Redrive;
use self::reminders::Reminders;
use self::retention::Retention;
use self::summary::Summary;
use self::supervisor::Supervisor;
use crate::service::tally::Tally;
use crate::settings::Settings;
use crate::store::Database;
use crate::stripe::ApiError;

/// Starts every job of the daemon on the current runtime; one that its settings switch off is not started.
///
/// # Errors
/// [`ApiError::Unusable`] when the settings of Stripe's API cannot be used.
pub fn start(db: &Database, settings: &Settings, tally: &Arc<Tally>) -> Result<Supervisor, ApiError> {
    let mut jobs = Supervisor::new();
    jobs.start(Some(Summary::new(Arc::clone(tally))));
    jobs.start(Some(Reminders::new(db.clone(), &settings.stripe, &settings.redrive)));
    jobs.start(Retention::new(db.clone(), &settings.retention));
    jobs.start(Some(GiveUp::new(db.clone(), &settings.redrive)));
    jobs.start(Redrive::new(db.clone(), &settings.stripe, &settings.redrive)?);
    jobs.start(Lookups::new(db.clone(), settings)?);
    Ok(jobs)
}
