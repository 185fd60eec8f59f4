//! The only transaction that changes the ledger.

use super::error::ServiceError;
use crate::domain::Timestamp;
use crate::domain::ledger::{Needs, State, UnitOfWork};
use crate::store::{Database, StoreError, commit, load};

/// How often an act may find that more must be loaded. Each time brings it nearer to the end of what is connected; few
/// acts need a second time.
const ROUNDS_LIMIT: u32 = 64;

/// Takes the lock of the ledger, loads what is needed, does `act`, and commits what it changed. `act` may run more than
/// once: it never sees the database, and what it did before is thrown away when it turns out that more must be loaded. `now`
/// is the time of the call; the unit of work is done at that time, or at that of the last commit if it was later.
///
/// A connection that is lost before the commit is replaced once: nothing was written.
///
/// # Errors
/// What `act` returns, or [`ServiceError::Store`] when the database does not do its part. Nothing has changed then, unless
/// the store says that the commit went unanswered.
pub async fn change<T>(
    db: &Database,
    needs: &Needs,
    now: Timestamp,
    act: impl Fn(&mut UnitOfWork) -> Result<T, ServiceError>,
) -> Result<T, ServiceError> {
    match change_once(db, needs, now, &act).await {
        Err(ServiceError::Store(StoreError::Lost(error))) => {
            tracing::warn!(%error, "the connection was lost before the commit; doing it again on another one");
            change_once(db, needs, now, &act).await
        }
        done => done,
    }
}

async fn change_once<T>(
    db: &Database,
    needs: &Needs,
    now: Timestamp,
    act: &impl Fn(&mut UnitOfWork) -> Result<T, ServiceError>,
) -> Result<T, ServiceError> {
    let mut txn = db.begin_exclusive(now).await?;
    let mut state = State::default();
    state.require(needs.clone());
    for _ in 0..ROUNDS_LIMIT {
        load(&txn.txn, &mut txn.memory, &mut state).await?;
        let mut unit = UnitOfWork::over(&state, txn.stamp());
        let done = act(&mut unit);
        if let Some(missing) = unit.take_missing() {
            state.require(missing);
            continue;
        }
        let changes = unit.into_changes();
        if done.is_err() || changes.is_empty() {
            txn.end().await?;
        } else {
            commit(txn, &changes).await?;
        }
        return done;
    }
    Err(StoreError::Endless.into())
}
