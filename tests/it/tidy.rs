//! Reads the sources and fails where they break the map of ARCHITECTURE.md, so that nobody has to remember it:
//! forbidden arrows between modules, files that are too long, code that may panic, lints silenced without a reason.
//!
//! It knows Rust by its tokens only: a path that a macro or an alias (`use crate as x`) makes escapes it.

use std::path::Path;
use std::{fs, io};

/// What each module may name of ours; naming itself is always allowed. A row for a submodule adds to its parent's.
const ARROWS: &str = "
    main            → cli
    lib             →
    cli             → app service stripe store::Database store::database settings telemetry domain clock
    app             → http intake service store stripe settings telemetry domain clock
    http            → intake service stripe settings telemetry domain clock
    intake          → service stripe settings domain clock
    service         → store stripe domain
    store           → entity domain
    store::database → settings migration
    stripe          → domain
    domain          →
    settings        → domain
    telemetry       → settings
    clock           → domain
    entity          →
    migration       →
";

/// What a module must never name of others: crates, and for the pure rules also clocks and all that waits.
const NEVER: &str = "
    http    → sea_orm sqlx
    intake  → actix_web
    service → actix_web
    store   → actix_web
    stripe  → actix_web sea_orm sqlx
    domain  → actix_web sea_orm sqlx reqwest serde_json tokio stripe_billing stripe_shared stripe_types
    domain  → async await std::env std::fs std::net std::thread
    domain  → std::time::SystemTime SystemTime::now Instant::now Utc::now Local::now
";

/// Beyond this a file is a question about its design.
const MAX_LINES: usize = 400;

#[test]
fn the_sources_keep_to_the_architecture() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut directories = ["src", "entity/src", "migration/src", "tests"].map(|at| root.join(at)).to_vec();
    let mut found = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
                found.extend(violations(&name, &fs::read_to_string(&path)?));
            }
        }
    }
    found.sort();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
    Ok(())
}

/// All that is wrong with one file, as `path:line: what`.
fn violations(path: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut found = find(&tokens, silenced_without_reason);
    if text.lines().count() > MAX_LINES {
        found.push((MAX_LINES, format!("a file has at most {MAX_LINES} lines")));
    }
    if let Some(row) = row_of(path) {
        found.extend(
            rows(ARROWS, &row).next().is_none().then(|| (1, format!("`{row}` has no row in ARROWS"))),
        );
        found.extend(paths(&tokens).iter().filter_map(|(line, path)| Some((*line, objection(&row, path)?))));
        if !path.ends_with("/tests.rs") && !path.contains("/tests/") {
            found.extend(find(before_tests(&tokens), may_panic));
        }
    }
    found.sort();
    found.into_iter().map(|(line, message)| format!("{path}:{line}: {message}")).collect()
}

/// A file's name in the tables: its module, or `entity` and `migration`; None for tests, which may name anything.
fn row_of(path: &str) -> Option<String> {
    let (package, file) = path.strip_suffix(".rs")?.split_once("src/")?;
    let module = file.strip_suffix("/mod").unwrap_or(file).replace('/', "::");
    Some(package.strip_suffix('/').map_or(module, str::to_owned))
}

/// The right sides of a table's rows for a module and for all that it lies in.
fn rows<'a>(table: &'a str, module: &'a str) -> impl Iterator<Item = &'a str> {
    let rows = table.lines().filter_map(|row| row.split_once('→'));
    rows.filter(|(from, _)| begins_with(module, from.trim())).map(|(_, to)| to)
}

/// Whether a path is `start` or lies below it.
fn begins_with(path: &str, start: &str) -> bool {
    path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Why a module may not name a path, or None when it may.
fn objection(row: &str, path: &str) -> Option<String> {
    let mut never = rows(NEVER, row).flat_map(str::split_whitespace);
    if let Some(what) = never.find(|what| format!("::{path}::").contains(&format!("::{what}::"))) {
        return Some(format!("`{row}` must not name `{what}` (here `{path}`)"));
    }
    let target = ours(row, path)?;
    let is_module = begins_with(&target, "referrald") || rows(ARROWS, &target).next().is_some();
    let is_own = target.split("::").next() == row.split("::").next();
    let is_allowed = rows(ARROWS, row).flat_map(str::split_whitespace).any(|to| begins_with(&target, to));
    (is_module && !is_own && !is_allowed).then(|| format!("forbidden arrow `{row}` → `{target}`"))
}

/// The path from the daemon's root, or with the name of the other crate in front; None when it is not of ours.
fn ours(row: &str, path: &str) -> Option<String> {
    let is_daemon = row != "entity" && row != "migration";
    let mut base = Vec::new();
    match path.split("::").next()? {
        "crate" if is_daemon => {}
        "self" | "super" if row == "lib" || row == "main" => {}
        "self" | "super" if is_daemon => base.extend(row.split("::")),
        // One word alone is a variable that happens to have this name.
        "referrald" | "entity" | "migration" if path.contains("::") => {}
        _ => return None,
    }
    for name in path.split("::") {
        match name {
            "super" => drop(base.pop()),
            "crate" | "self" => {}
            "referrald" if is_daemon => {}
            name => base.push(name),
        }
    }
    Some(base.join("::"))
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

/// What stands before the module of unit tests; clippy (`items_after_test_module`) keeps that module the last.
fn before_tests<'t, 'a>(tokens: &'t [Token<'a>]) -> &'t [Token<'a>] {
    let opening = ["#", "[", "cfg", "(", "test", ")", "]", "mod", "tests", "{"];
    let mut windows = tokens.windows(opening.len());
    let end = windows.position(|window| window.iter().map(|(_, text)| *text).eq(opening));
    end.map_or(tokens, |end| tokens.split_at(end).0)
}

/// A word, `::` or one sign, with its line.
type Token<'a> = (usize, &'a str);

fn tokens(source: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut rest, mut line) = (Vec::new(), source, 1_usize);
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (text, tail) = match after_comment_or_literal(rest) {
            Some(tail) => ("", tail),
            None if word > 0 => rest.split_at(word),
            None if rest.starts_with("::") => rest.split_at("::".len()),
            None => rest.split_at(first.len_utf8()),
        };
        tokens.extend((!text.trim().is_empty()).then_some((line, text)));
        line = line.saturating_add(rest.strip_suffix(tail).map_or(0, |gone| gone.matches('\n').count()));
        rest = tail;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What follows the comment or literal that the text begins with; None when it begins with something else.
fn after_comment_or_literal(text: &str) -> Option<&str> {
    if text.starts_with("//") {
        return Some(text.find('\n').map_or("", |end| text.split_at(end).1));
    }
    if let Some(mut body) = text.strip_prefix("/*") {
        while !body.is_empty() && !body.starts_with("*/") {
            let inner = after_comment_or_literal(body).filter(|_| body.starts_with("/*"));
            body = inner.unwrap_or(after_one(body));
        }
        return Some(body.strip_prefix("*/").unwrap_or_default());
    }
    if let Some(mut body) = text.strip_prefix('"') {
        while !body.is_empty() && !body.starts_with('"') {
            body = after_one(body.strip_prefix('\\').unwrap_or(body));
        }
        return Some(after_one(body));
    }
    if let Some(body) = text.strip_prefix("br").or_else(|| text.strip_prefix('r')) {
        let string = body.trim_start_matches('#');
        let end = format!("\"{}", body.strip_suffix(string)?);
        return Some(string.strip_prefix('"')?.split_once(&end).map_or("", |(_, tail)| tail));
    }
    // No quote after one character: a lifetime.
    let body = text.strip_prefix('\'')?;
    after_one(body.strip_prefix('\\').unwrap_or(body)).strip_prefix('\'')
}

fn after_one(text: &str) -> &str {
    text.strip_prefix(|_| true).unwrap_or_default()
}

/// Every path that the code names, with the line of its last part. A keyword is a path of one word.
fn paths(tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut rest, mut before) = (tokens, "");
    while let Some(((_, text), tail)) = rest.split_first() {
        if text.starts_with(is_word) && before != "." && before != "::" {
            rest = branch(rest, "", &mut found);
            before = "";
        } else {
            // Two colons after a closing `>` go on with a path, elsewhere they begin one.
            before = if *text == "::" && before != ">" { "" } else { *text };
            rest = tail;
        }
    }
    found
}

/// Reads a path and, where it ends in `::{…}`, each of its branches. Gives back what follows it.
fn branch<'t, 'a>(tokens: &'t [Token<'a>], stem: &str, found: &mut Vec<(usize, String)>) -> &'t [Token<'a>] {
    let Some(((line, first), mut rest)) = tokens.split_first() else { return tokens };
    let mut path = format!("{stem}{first}");
    while let [(_, "::"), (_, next), tail @ ..] = rest {
        if *next == "{" {
            (rest, path) = (tail, format!("{path}::"));
            while let Some(((_, text), tail)) = rest.split_first().filter(|((_, text), _)| *text != "}") {
                rest = if *text == "," { tail } else { branch(rest, &path, found) };
            }
            return rest.get(1..).unwrap_or_default();
        }
        if !next.starts_with(is_word) && *next != "*" {
            break;
        }
        (rest, path) = (tail, format!("{path}::{next}"));
    }
    found.push((*line, path));
    rest
}

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
    src/cli/demo.rs       | use crate::store::{database, database::Pool};            |
    src/store/database.rs | use crate::settings::A; use super::events; use entity::B; |
    src/http/mod.rs       | // crate::store¶const A: B = r#"" entity::x "#;          |
    src/service/mod.rs    | use sea_orm::{entity::X, A as B}; fn f<'a>(entity: &'a str) { entity.b('\'') } |
    src/domain/mod.rs     | #[cfg(test)] mod tests { fn f() { g().unwrap() } }       |
    src/app.rs            | #[expect(a, reason = "b")] fn expect() { a.unwrap_or(b).expect_err() } |
"##;

#[test]
fn a_planted_violation_is_found_and_nothing_else() {
    for example in EXAMPLES.lines().filter(|line| !line.is_empty()) {
        let mut cells = example.split('|').map(str::trim);
        let mut cell = || cells.next().unwrap_or_default();
        let (path, text, expected) = (cell(), cell().replace('¶', "\n"), cell());
        let found = violations(path, &text);
        let is_expected = found.iter().all(|one| one.starts_with(&format!("{path}:{expected}")));
        let count = usize::from(!expected.is_empty());
        assert!(found.len() == count && is_expected, "{example}\nfound {found:?}");
    }
    let too_long = violations("tests/api.rs", &"\n".repeat(MAX_LINES.saturating_add(1)));
    assert_eq!(too_long, ["tests/api.rs:400: a file has at most 400 lines"]);
}
