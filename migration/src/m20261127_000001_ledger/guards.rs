//! What the database itself refuses to change.

use sea_orm_migration::sea_orm::DatabaseBackend;

use crate::dialect::{POSTGRES_REFUSE_CHANGE, refuse_change, refuse_replace, refuse_update};

/// Columns of an event that nobody may change; its outcome may.
const EVENT_IDENTITY: [&str; 6] = ["number", "id", "event_type", "api_version", "created_at", "received_at"];

/// Tables whose rows nobody may change or delete.
const ONLY_INSERTED: [&str; 9] = [
    "ledger_entry",
    "claim",
    "claim_used_up",
    "code_version",
    "program_version",
    "promotion_code",
    "redemption",
    "referral_number",
    "review",
];

/// The statements that make it refuse.
pub fn statements(backend: DatabaseBackend) -> Vec<String> {
    let mut statements = Vec::new();
    if backend == DatabaseBackend::Postgres {
        statements.push(POSTGRES_REFUSE_CHANGE.to_owned());
    }
    let only_inserted = ONLY_INSERTED.map(|table| (table, [].as_slice()));
    for (table, columns) in only_inserted.into_iter().chain([("event", EVENT_IDENTITY.as_slice())]) {
        statements.extend(refuse_change(table, columns, backend));
    }
    // Retention deletes payloads.
    statements.push(refuse_update("event_payload", &[], backend));
    if backend == DatabaseBackend::Sqlite {
        statements.push(refuse_replace("ledger_entry"));
    }
    statements
}
