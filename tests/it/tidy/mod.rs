//! Reads the sources and fails where they break the map of ARCHITECTURE.md, so that nobody has to remember it:
//! forbidden arrows between modules, circles of files, files that are too long, code that may panic, lints silenced
//! without a reason.

mod rust;
mod sources;

use std::path::Path;
use std::{fs, io};

use rust::{Token, before_tests, paths, tokens};
use sources::{Sources, Target, begins_with, module_of};

/// What each module may name of ours; naming itself is always allowed. A row for a submodule adds to its parent's. The
/// plain data of `domain` may be named from everywhere, and a database be held by all who hand it on.
const ARROWS: &str = "
    main            → cli
    lib             →
    cli             → app service stripe settings telemetry store::database::Database domain clock
    app             → http jobs intake handlers::policy settings telemetry store::database::Database domain
    http            → intake service stripe settings store::database::Database domain clock
    jobs            → service stripe settings store::database::Database domain clock
    intake          → service handlers::policy stripe settings store::database::Database domain clock
    service         → handlers store stripe domain
    handlers        → stripe domain
    stripe          → domain
    store           → entity domain
    store::database → settings migration
    store::postgres → settings
    domain          →
    settings        → domain
    telemetry       → settings
    clock           → domain
    entity          →
    migration       →
";

/// What modules must never name of others: crates, and for the pure rules also clocks and all that waits.
const NEVER: &str = "
    app cli http jobs intake           → sea_orm sqlx
    cli jobs intake service store      → actix_web
    handlers stripe domain             → actix_web sea_orm sqlx
    domain                             → reqwest serde_json tokio stripe_billing stripe_core stripe_shared
    domain                             → async await std::env std::fs std::net std::thread
    domain                             → std::time::SystemTime SystemTime::now Instant::now Utc::now Local::now
";

/// Beyond this a file is a question about its design.
const MAX_LINES: usize = 400;

#[test]
fn the_sources_keep_to_the_architecture() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut directories = ["src", "entity/src", "migration/src", "tests"].map(|at| root.join(at)).to_vec();
    let mut files = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                files.push((name, fs::read_to_string(&path)?));
            }
        }
    }
    let found = all_violations(&files);
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
    Ok(())
}

/// All that is wrong with these files together, as `path:line: what`.
fn all_violations<P: AsRef<str>>(files: &[(P, String)]) -> Vec<String> {
    let mut sources = Sources::default();
    for (path, text) in files {
        sources.add(path.as_ref(), text);
    }
    let mut found = sources.circles();
    found.extend(files.iter().flat_map(|(path, text)| violations(path.as_ref(), text, &sources)));
    found.sort();
    found
}

/// All that is wrong with one file.
fn violations(path: &str, text: &str, sources: &Sources) -> Vec<String> {
    let tokens = tokens(text);
    let mut found = find(&tokens, silenced_without_reason);
    if text.lines().count() > MAX_LINES {
        found.push((MAX_LINES, format!("a file has at most {MAX_LINES} lines")));
    }
    if let Some(module) = module_of(path) {
        if rows(ARROWS, &module).next().is_none() {
            found.push((1, format!("`{module}` has no row in ARROWS")));
        }
        let never: Vec<&str> = rows(NEVER, &module).flat_map(str::split_whitespace).collect();
        found.extend(
            paths(&tokens)
                .iter()
                .filter_map(|named| Some((named.line, banned(&module, &named.path, &never)?))),
        );
        let targets = sources.targets(&module);
        found.extend(
            targets.filter_map(|(line, path, target)| Some((line, objection(&module, path, &target)?))),
        );
        if !path.ends_with("/tests.rs") && !path.contains("/tests/") {
            found.extend(find(before_tests(&tokens), may_panic));
        }
    }
    found.sort();
    found.into_iter().map(|(line, message)| format!("{path}:{line}: {message}")).collect()
}

/// The right sides of a table's rows for a module and for all that it lies in.
fn rows<'a>(table: &'a str, module: &'a str) -> impl Iterator<Item = &'a str> {
    let rows = table.lines().filter_map(|row| row.split_once('→'));
    rows.filter(|(from, _)| from.split_whitespace().any(|from| begins_with(module, from))).map(|(_, to)| to)
}

/// Why a module may not name a path of anybody: a part of it stands in the table.
fn banned(module: &str, path: &str, never: &[&str]) -> Option<String> {
    let what = never
        .iter()
        .find(|what| path.contains(*what) && format!("::{path}::").contains(&format!("::{what}::")))?;
    Some(format!("`{module}` must not name `{what}` (here `{path}`)"))
}

/// Why a module may not name a path of ours, or None when it may.
fn objection(module: &str, path: &str, Target { path: target, .. }: &Target) -> Option<String> {
    let is_module = begins_with(target, "referrald") || rows(ARROWS, target).next().is_some();
    let is_own = target.split("::").next() == module.split("::").next();
    let is_allowed = rows(ARROWS, module).flat_map(str::split_whitespace).any(|to| begins_with(target, to));
    (is_module && !is_own && !is_allowed)
        .then(|| format!("forbidden arrow `{module}` → `{target}` (here `{path}`)"))
}

fn silenced_without_reason(code: &[&str]) -> Option<String> {
    let attribute = code.split(|text| *text == "]").next()?;
    let is_silent = matches!(code, ["[", "allow" | "expect", "(", ..]) && !attribute.contains(&"reason");
    is_silent.then(|| "a silenced lint needs `reason = \"…\"`".to_owned())
}

fn may_panic(code: &[&str]) -> Option<String> {
    match code {
        [".", name @ ("unwrap" | "expect"), "(", ..] | [name @ ("panic" | "todo" | "dbg"), "!", ..] => {
            Some(format!("`{name}` outside tests"))
        }
        _ => None,
    }
}

/// Asks a rule at every token, which sees the code from there on.
fn find(tokens: &[Token], rule: fn(&[&str]) -> Option<String>) -> Vec<(usize, String)> {
    let code: Vec<&str> = tokens.iter().map(|(_, text)| *text).collect();
    tokens.iter().zip(0..).filter_map(|((line, _), from)| Some((*line, rule(code.get(from..)?)?))).collect()
}

/// Files that every example stands beside.
const WORLD: &str = "
    src/store/mod.rs        | pub mod database; pub use database::{Database as Db, Txn};
    src/store/database.rs   |
    src/store/events.rs     |
    src/service/mod.rs      | pub mod queries; pub use crate::store::{Db as Hidden, Txn as Hid}; pub use queries::Page;
    src/service/queries.rs  |
    src/handlers/mod.rs     | pub use policy::Policy;
    src/handlers/policy.rs  |
    src/domain/ledger/mod.rs | pub use state::State; pub use needs::Needs;
    src/domain/ledger/state.rs |
    src/domain/ledger/needs.rs | use super::State;
";

/// File, its text (`¶` ends a line), the line and the beginning of what is to be found there; nothing, if it is fine.
const EXAMPLES: &str = r##"
    src/domain/money.rs   | use chrono::NaiveDate;¶use sea_orm::Value;               | 2: `domain::money` must not name `sea_orm`
    src/domain.rs         | fn f() { let t = chrono::Utc::now(); }                   | 1: `domain` must not name `Utc::now`
    src/domain/mod.rs     | async fn f() {}                                          | 1: `domain` must not name `async`
    src/domain/facts.rs   | use super::super::stripe::Event;                         | 1: forbidden arrow `domain::facts` → `stripe::Event`
    src/http/api/mod.rs   | use crate::{¶  service,¶  store::{self}};                | 3: forbidden arrow `http::api` → `store`
    src/http/mod.rs       | fn f() { a::<u8>(::entity::B) }                          | 1: forbidden arrow `http` → `entity::B`
    src/service/refer.rs  | type T = Vec<crate::http::Error>;                        | 1: forbidden arrow `service::refer` → `http::Error`
    src/cli/demo.rs       | use crate::store::*;                                     | 1: forbidden arrow `cli::demo` → `store::*`
    src/main.rs           | fn main() { referrald::app::run() }                      | 1: forbidden arrow `main` → `app::run`
    migration/src/lib.rs  | use entity::event;                                       | 1: forbidden arrow `migration` → `entity::event`
    src/mail.rs           |                                                          | 1: `mail` has no row
    src/app.rs            | /* a¶/* b */ */ fn f() { x().unwrap() }                  | 2: `unwrap` outside tests
    src/app.rs            | #[cfg(test)] mod tests;¶fn f() { panic!("") }            | 2: `panic` outside tests
    tests/api.rs          | #![allow(dead_code)]                                     | 1: a silenced lint needs
    src/http/a.rs         | use crate::service::Hidden;                              |
    src/cli/demo.rs       | use crate::store::Txn;                                   | 1: forbidden arrow `cli::demo` → `store::database::Txn`
    src/http/b.rs         | use crate::{service};¶fn f() { service::Hid::g() }       | 2: forbidden arrow `http::b` → `store::database::Txn::g`
    src/domain/ledger/state.rs | ¶use super::Needs as N;                             | 1: circle of files domain::ledger::needs → domain::ledger::state → domain::ledger::needs
    src/service/queries.rs | use crate::service;¶fn f() { service::replay() }        | 1: circle of files service → service::queries → service
    src/cli/demo.rs       | use crate::store::Db; use crate::service::Page;          |
    src/app.rs            | use crate::handlers::Policy;                             |
    src/store/database.rs | use crate::settings::A; use super::events; use entity::B; |
    src/store/events.rs   | #[cfg(test)] mod tests { use crate::cli::x; }            |
    src/http/mod.rs       | // crate::store¶const A: B = r#"" entity::x "#;          |
    src/service/mod.rs    | use sea_orm::{entity::X, A as B}; fn f<'a>(entity: &'a str) { entity.b('\'') } |
    src/domain/mod.rs     | #[cfg(test)] mod tests { fn f() { g().unwrap() } }       |
    src/app.rs            | #[expect(a, reason = "b")] fn expect() { a.unwrap_or(b).expect_err() } |
"##;

/// The cells of a table's rows.
fn cells(table: &str) -> impl Iterator<Item = [&str; 3]> {
    table.lines().filter(|line| !line.is_empty()).map(|line| {
        let mut cells = line.split('|').map(str::trim);
        [(); 3].map(|()| cells.next().unwrap_or_default())
    })
}

#[test]
fn a_planted_violation_is_found_and_nothing_else() {
    for [path, text, expected] in cells(EXAMPLES) {
        let beside = cells(WORLD).filter(|[beside, ..]| *beside != path);
        let mut files: Vec<_> = beside.map(|[path, text, _]| (path, text.to_owned())).collect();
        assert_eq!(all_violations(&files), Vec::<String>::new());
        files.push((path, text.replace('¶', "\n")));
        let found = all_violations(&files);
        let is_expected = found.iter().all(|one| one.contains(expected));
        let count = usize::from(!expected.is_empty());
        assert!(found.len() == count && is_expected, "{path} | {text}\nfound {found:?}");
    }
    let too_long = all_violations(&[("tests/api.rs", "\n".repeat(MAX_LINES.saturating_add(1)))]);
    assert_eq!(too_long, ["tests/api.rs:400: a file has at most 400 lines"]);
}
