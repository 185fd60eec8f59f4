//! Where SQLite and PostgreSQL spell one thing differently.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

/// Replaces `{number}` (a numeric primary key), `{bytes}` and `{narrow}` by the words of the database. Texts are ordered by
/// their bytes, whatever the collation of the database: the order of ids decides who is served first.
///
/// `{narrow}` ends a table of short rows with a key of several columns: SQLite then keeps it in one tree, by its key, and not
/// in two.
pub fn spell(sql: &str, backend: DatabaseBackend) -> Result<String, DbErr> {
    let (number, bytes, narrow) = if backend == DatabaseBackend::Sqlite {
        // Only under this very name it is the key of the table itself, and not of an index beside it.
        ("INTEGER PRIMARY KEY NOT NULL", "BLOB", " WITHOUT ROWID")
    } else if backend == DatabaseBackend::Postgres {
        ("BIGINT PRIMARY KEY", "BYTEA", "")
    } else {
        return Err(DbErr::Custom(format!("referrald runs on SQLite and PostgreSQL, not on {backend:?}")));
    };
    let text = if backend == DatabaseBackend::Sqlite { "TEXT" } else { "TEXT COLLATE \"C\"" };
    let sql = sql.replace("{number}", number).replace("{bytes}", bytes).replace("{narrow}", narrow);
    Ok(sql.replace(" TEXT", &format!(" {text}")))
}

/// The statements that make the database refuse to delete rows of `table`, or to change these columns of it (all
/// of them when none is named): a rule that holds even for someone at the SQL prompt.
pub fn refuse_change(table: &str, columns: &[&str], backend: DatabaseBackend) -> Vec<String> {
    let body = refusal(table, backend);
    let mut statements = vec![
        refuse_update(table, columns, backend),
        format!("CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {body}"),
    ];
    if backend == DatabaseBackend::Postgres {
        statements.push(format!(
            "CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} \
             FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        ));
    }
    statements
}

/// The statement that makes the database refuse to change these columns of `table` (all of them when none is named), whose
/// rows may be deleted.
pub fn refuse_update(table: &str, columns: &[&str], backend: DatabaseBackend) -> String {
    let of = if columns.is_empty() { String::new() } else { format!(" OF {}", columns.join(", ")) };
    let body = refusal(table, backend);
    format!("CREATE TRIGGER {table}_no_update BEFORE UPDATE{of} ON {table} {body}")
}

fn refusal(table: &str, backend: DatabaseBackend) -> String {
    if backend == DatabaseBackend::Sqlite {
        format!("FOR EACH ROW BEGIN SELECT RAISE(ABORT, 'rows of {table} are only ever inserted'); END")
    } else {
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()".to_owned()
    }
}

/// SQLite's `INSERT OR REPLACE` deletes without asking the trigger for deletes; this one refuses it before.
pub fn refuse_replace(table: &str) -> String {
    format!(
        "CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} FOR EACH ROW \
         WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) \
         BEGIN SELECT RAISE(ABORT, 'rows of {table} are only ever inserted'); END"
    )
}

/// The function that PostgreSQL's triggers call; SQLite's carry their body themselves.
pub const POSTGRES_REFUSE_CHANGE: &str = "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ \
     BEGIN RAISE EXCEPTION 'rows of % are only ever inserted', TG_TABLE_NAME; END $$";
