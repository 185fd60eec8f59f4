//! New databases with the schema in place. The schema is made once for a build of the daemon and once for a cluster, by
//! `referrald migrate`, and copied from then on; tests of `migrate` itself begin with an empty database.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sea_orm::{ConnectionTrait, Database, DatabaseBackend, Statement};

use super::{REFERRALD, command, postgres};

/// Makes a SQLite database with the schema in this file.
pub fn sqlite(file: &Path) {
    let template = directory().join(format!("{}.db", build()));
    let lock = File::create(directory().join("sqlite.lock")).unwrap();
    lock.lock().unwrap();
    if !template.exists() {
        let unfinished = template.with_extension("unfinished");
        forget_older(&template);
        migrate(&format!("sqlite://{}", unfinished.display()));
        fs::rename(unfinished, &template).unwrap();
    }
    fs::copy(template, file).unwrap();
}

/// A new PostgreSQL database with the schema, on the cluster of this test run.
pub async fn postgres() -> String {
    let cluster = postgres::cluster();
    let template = format!("schema_{}", build());
    let db = Database::connect(&cluster).await.unwrap();
    let lock = File::create(directory().join("postgres.lock")).unwrap();
    lock.lock().unwrap();
    let made = format!("SELECT 1 FROM pg_database WHERE datname = '{template}'");
    let made = db.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, made)).await.unwrap();
    if made.is_none() {
        let unfinished = postgres::new_database().await;
        migrate(&unfinished);
        let (_, name) = unfinished.rsplit_once('/').unwrap();
        db.execute_unprepared(&format!("ALTER DATABASE {name} RENAME TO {template}")).await.unwrap();
    }
    lock.unlock().unwrap();
    db.close().await.unwrap();
    postgres::copy_of(&template).await
}

/// Tells builds of the daemon apart.
fn build() -> String {
    let binary = fs::metadata(REFERRALD).unwrap();
    let made = binary.modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
    format!("{}_{}", binary.len(), made.as_nanos())
}

fn directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// Templates of older builds, and one that a test run did not finish.
fn forget_older(template: &Path) {
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "lock") && path != template {
            fs::remove_file(path).unwrap();
        }
    }
}

fn migrate(url: &str) {
    let output = command(url).arg("migrate").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
