//! Asks a database how it would run a statement, and finds where it would read all of a growing table.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};

use referrald::store::PLANNER;

use super::{GROWING, is_about_growing, names};
use crate::support::World;

/// Reading on along an index without a key is right here: words of the statement, steps of its plans, and why.
const WALKS: [(&str, [&str; 2], &str); 6] = [
    (
        r#"FROM "commission" ORDER BY "commission"."invoice_id" ASC LIMIT"#,
        ["SCAN commission", "Index Only Scan using commission_pkey"],
        "the first page of a list",
    ),
    (
        r#"FROM "referral" WHERE "referral"."customer" IS NOT NULL ORDER BY "referral"."id" ASC LIMIT"#,
        ["USING INDEX sqlite_autoindex_referral_1", "Index Scan using referral_pkey"],
        "the first page of a list",
    ),
    (
        r#"AND (held) ORDER BY "referral"."id" ASC LIMIT"#,
        ["USING INDEX referral_held", "using referral_held"],
        "the first page of an index that has the held referrals only",
    ),
    (
        "SELECT 1 AS seen FROM event WHERE event_type IN ('refund.created', 'refund.updated', 'refund.failed') LIMIT 1",
        ["USING INDEX event_refund", "using event_refund"],
        "any of an index that has no other events",
    ),
    (
        r#"FROM "event" ORDER BY "event"."number" DESC"#,
        ["SCAN event", "Index Scan Backward using event_pkey"],
        "the first page of a list",
    ),
    (
        "FROM commission c WHERE c.unseen_lines",
        ["INDEX commission_unseen", "commission_unseen"],
        "all of what is to be read from Stripe, which nothing else is in",
    ),
];

/// What a database would do.
#[derive(Debug, Default)]
pub struct Plans {
    /// Where a statement reads all of a growing table: the step of the plan and the statement.
    pub scans: Vec<(String, String)>,
    /// Indexes that no statement uses. Those of keys and of what is unique are there for more than reading.
    pub unused: BTreeSet<String>,
}

/// Has each of these statements planned by its database.
pub async fn plans(world: &World, logged: &BTreeSet<String>) -> Plans {
    let options = ConnectOptions::new(&world.url).max_connections(1).sqlx_logging(false).to_owned();
    let db = Database::connect(options).await.unwrap();
    let indexes = if world.is_sqlite() {
        // A new parent is checked against its children only while a foreign key is violated (`FkIfZero`), yet the plan
        // tells of that scan. Parents of ours are never deleted.
        db.execute_unprepared("PRAGMA foreign_keys = OFF").await.unwrap();
        "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    } else {
        // With the settings of the connection that changes the ledger.
        for (name, value) in PLANNER {
            db.execute_unprepared(&format!("SET {name} = {value}")).await.unwrap();
        }
        "SELECT CAST(CAST(indexrelid AS regclass) AS TEXT) FROM pg_index \
         WHERE NOT indisunique AND CAST(CAST(indrelid AS regclass) AS TEXT) NOT LIKE 'pg_%'"
    };
    let unused = lines(&db, indexes, 0).await.into_iter().collect();
    let first_columns = if world.is_sqlite() { BTreeMap::new() } else { first_columns(&db).await };
    let mut plans = Plans { unused, ..Plans::default() };
    for sql in logged.iter().filter(|sql| is_about_tables(sql)) {
        let plan = plan(&db, world.is_sqlite(), sql).await;
        let uses = |index: &str| plan.iter().any(|step| names(step, index));
        plans.unused.retain(|index| !uses(index));
        if !is_about_growing(sql) {
            continue;
        }
        let steps = if world.is_sqlite() { on_sqlite(plan) } else { on_postgres(&first_columns, &plan) };
        let steps = steps.into_iter().filter(|step| !is_a_walk(sql, step));
        plans.scans.extend(steps.map(|step| (step, sql.clone())));
    }
    db.close().await.unwrap();
    plans
}

/// Whether a statement can be explained.
fn is_about_tables(sql: &str) -> bool {
    ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].iter().any(|word| sql.starts_with(word))
}

fn is_a_walk(sql: &str, step: &str) -> bool {
    WALKS.iter().any(|(words, walks, _)| sql.contains(words) && walks.iter().any(|walk| step.contains(walk)))
}

/// The steps by which a database would run a statement.
async fn plan(db: &DatabaseConnection, is_sqlite: bool, sql: &str) -> Vec<String> {
    let mut plan = Vec::new();
    if is_sqlite {
        // A batch that writes is several statements.
        for one in sql.split("; ").filter(|one| !one.trim().is_empty()) {
            plan.extend(lines(db, &format!("EXPLAIN QUERY PLAN {one}"), 3).await);
        }
        return plan;
    }
    let types: Vec<&str> = (1..=parameters(sql)).map(|number| type_of(sql, number)).collect();
    let (types, values) = (types.join(", "), vec!["NULL"; types.len()].join(", "));
    let [types, values] =
        [types, values].map(|list| if list.is_empty() { list } else { format!("({list})") });
    let prepared = db.execute_unprepared(&format!("PREPARE asked {types} AS {sql}")).await;
    prepared.unwrap_or_else(|error| panic!("{error}: {sql}"));
    plan.extend(lines(db, &format!("EXPLAIN (COSTS OFF) EXECUTE asked {values}"), 0).await);
    db.execute_unprepared("DEALLOCATE asked").await.unwrap();
    plan
}

/// `SCAN table` reads all of it, also `USING INDEX`; an automatic index is made of all of it each time.
fn on_sqlite(plan: Vec<String>) -> Vec<String> {
    let reads_all = |step: &String| {
        let mut words = step.split_whitespace();
        let (how, table) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        GROWING.contains(&table) && (how == "SCAN" || step.contains("AUTOMATIC"))
    };
    plan.into_iter().filter(reads_all).collect()
}

/// `Seq Scan` reads all of it, and so does the scan of an index whose condition does not name its first column.
fn on_postgres(first_columns: &BTreeMap<String, String>, plan: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, line) in plan.iter().enumerate() {
        let node = line.trim_start().trim_start_matches("->").trim_start();
        let Some((how, on)) = node.split_once(" on ") else { continue };
        let on = on.split_whitespace().next().unwrap_or_default();
        // A bitmap scan of an index names the index; its table stands above it.
        let index = how.split_once(" using ").map(|(_, index)| index);
        let index = index.or_else(|| (how == "Bitmap Index Scan").then_some(on));
        let mut properties = plan.iter().skip(at + 1).take_while(|line| !line.contains("->"));
        let key = properties.find(|line| line.trim_start().starts_with("Index Cond:"));
        let has_key = |index| key.is_some_and(|key| names(key, &first_columns[index]));
        let is_growing = GROWING.contains(&on) || Some(on) == index;
        if is_growing && (how.contains("Seq Scan") || index.is_some_and(|index| !has_key(index))) {
            found.push(node.to_owned());
        }
    }
    found
}

/// The first column of each index.
async fn first_columns(db: &DatabaseConnection) -> BTreeMap<String, String> {
    let columns = "SELECT CAST(CAST(indexrelid AS regclass) AS TEXT) || ' ' || pg_get_indexdef(indexrelid, 1, TRUE) \
                   FROM pg_index WHERE CAST(CAST(indexrelid AS regclass) AS TEXT) NOT LIKE 'pg_%'";
    let columns = lines(db, columns, 0).await;
    let columns = columns.iter().map(|line| line.split_once(' ').unwrap());
    columns.map(|(index, column)| (index.to_owned(), column.to_owned())).collect()
}

/// The type of a parameter where the statement does not say it and the driver does.
fn type_of(sql: &str, number: usize) -> &'static str {
    if sql.contains(&format!("substring(${number} FROM")) { "bytea" } else { "unknown" }
}

/// The number of parameters of a statement: the greatest `$n`.
fn parameters(sql: &str) -> usize {
    let numbers = sql.split('$').skip(1).filter_map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    numbers.max().unwrap_or(0)
}

/// One text of every row.
async fn lines(db: &DatabaseConnection, sql: &str, column: usize) -> Vec<String> {
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await;
    let rows = rows.unwrap_or_else(|error| panic!("{error}: {sql}"));
    rows.iter().map(|row| row.try_get_by_index(column).unwrap()).collect()
}
