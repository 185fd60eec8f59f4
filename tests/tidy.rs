//! Reads the sources and fails where they break the map of ARCHITECTURE.md, so that nobody has to remember it:
//! forbidden arrows between modules, files that are too long, code that may panic, lints silenced without a reason.
//!
//! It knows Rust by its tokens only. That is enough for every path that is written out; an alias (`use crate as x`)
//! or a path made by a macro escapes it, and a review has to see those.

use std::path::Path;
use std::{fs, io};

/// What each module may name of ours; naming itself is always allowed. A row for a submodule adds to its parent's.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("lib", &[]),
    ("cli", &["app", "domain", "migration", "service", "settings", "store::database", "stripe", "telemetry"]),
    (
        "app",
        &["domain", "http", "intake", "migration", "service", "settings", "store", "stripe", "telemetry"],
    ),
    ("http", &["domain", "intake", "service", "settings", "stripe", "telemetry"]),
    ("intake", &["domain", "service", "settings", "stripe"]),
    ("service", &["domain", "store", "stripe"]),
    ("store", &["domain", "entity"]),
    ("store::database", &["migration", "settings"]),
    ("stripe", &["domain"]),
    ("domain", &[]),
    ("settings", &["domain"]),
    ("telemetry", &["settings"]),
    ("entity", &[]),
    ("migration", &[]),
];

/// What a module must never name of others: crates, and for the pure rules also clocks and everything that waits.
const NEVER: &[(&str, &[&str])] = &[
    ("http", &["sea_orm", "sqlx"]),
    ("intake", &["actix_web"]),
    ("service", &["actix_web"]),
    ("store", &["actix_web", "serde_json::Value"]),
    ("stripe", &["actix_web", "sea_orm", "sqlx"]),
    (
        "domain",
        &["sea_orm", "sqlx", "actix_web", "reqwest", "serde_json", "tokio", "tracing", "async", "await"],
    ),
    ("domain", &["stripe_billing", "stripe_shared", "stripe_types", "std::env", "std::fs", "std::net"]),
    ("domain", &["std::time::SystemTime", "SystemTime::now", "Instant::now", "Utc::now", "Local::now"]),
];

/// Beyond this a file is a question about its design.
const MAX_LINES: usize = 400;

const SOURCES: &[&str] = &["src", "entity/src", "migration/src", "tests", "benches"];

#[test]
fn the_sources_keep_to_the_architecture() -> io::Result<()> {
    let mut files = Vec::new();
    for directory in SOURCES {
        collect(directory, &mut files)?;
    }
    assert!(files.iter().any(|(path, _)| path == "src/lib.rs"), "the sources are not where this test looks");
    let found: Vec<String> = files.iter().flat_map(|(path, text)| violations(path, text)).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
    Ok(())
}

/// Every Rust file under a directory of the repository, with its text.
fn collect(directory: &str, files: &mut Vec<(String, String)>) -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !root.join(directory).is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(root.join(directory))? {
        let entry = entry?;
        let path = format!("{directory}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&path, files)?;
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            files.push((path, fs::read_to_string(entry.path())?));
        }
    }
    Ok(())
}

/// All that is wrong with one file, as `path:line: what`.
fn violations(path: &str, text: &str) -> Vec<String> {
    let code = without_comments_and_literals(text);
    let tokens = tokens(&code);
    let mut found = silenced_without_reason(&tokens);
    if text.lines().count() > MAX_LINES {
        found.push((MAX_LINES, format!("a file has at most {MAX_LINES} lines")));
    }
    if let Some(row) = row_of(path) {
        let has_row = ARROWS.iter().any(|(known, _)| begins_with(&row, known));
        found.extend((!has_row).then(|| (1, format!("`{row}` has no row in ARROWS of tests/tidy.rs"))));
        found.extend(paths(&tokens).iter().filter_map(|(line, path)| Some((*line, objection(&row, path)?))));
        if !path.ends_with("/tests.rs") && !path.contains("/tests/") {
            found.extend(may_panic(&without_tests(&tokens)));
        }
    }
    found.sort();
    found.into_iter().map(|(line, message)| format!("{path}:{line}: {message}")).collect()
}

/// The name of a file in the tables: its module, or the crate's name for `entity` and `migration`. Tests and
/// benchmarks have none, they may name anything.
fn row_of(path: &str) -> Option<String> {
    let (package, file) = path.strip_suffix(".rs")?.split_once("src/")?;
    let module = file.strip_suffix("/mod").unwrap_or(file).replace('/', "::");
    Some(package.strip_suffix('/').map_or(module, str::to_owned))
}

/// Why a module may not name a path, or None when it may.
fn objection(row: &str, path: &[&str]) -> Option<String> {
    let written = path.join("::");
    let mut never = NEVER.iter().filter(|(from, _)| begins_with(row, from)).flat_map(|(_, list)| *list);
    if let Some(what) = never.find(|what| format!("::{written}::").contains(&format!("::{what}::"))) {
        return Some(format!("`{row}` must not name `{what}` (here `{written}`)"));
    }
    let target = ours(row, path)?;
    let is_known =
        ARROWS.iter().any(|(known, _)| begins_with(&target, known)) || begins_with(&target, "referrald");
    let is_own = target.split("::").next() == row.split("::").next();
    let mut rows = ARROWS.iter().filter(|(from, _)| begins_with(row, from));
    let is_allowed = rows.any(|(_, list)| list.iter().any(|to| begins_with(&target, to)));
    (is_known && !is_own && !is_allowed).then(|| format!("forbidden arrow `{row}` → `{target}`"))
}

/// The path from the daemon's root, or with the name of the other crate in front; None when it is not of ours.
fn ours(row: &str, path: &[&str]) -> Option<String> {
    let is_daemon = row != "entity" && row != "migration";
    let (head, mut rest) = path.split_first()?;
    let mut base: Vec<&str> = Vec::new();
    match *head {
        "crate" | "referrald" if is_daemon => {}
        "self" | "super" if is_daemon => {
            base.extend(row.split("::").filter(|name| *name != "lib" && *name != "main"));
            rest = path;
            while let Some((step @ (&"self" | &"super"), tail)) = rest.split_first() {
                if *step == "super" {
                    base.pop();
                }
                rest = tail;
            }
        }
        // One word alone is a variable that happens to have this name.
        "referrald" | "entity" | "migration" if path.len() > 1 => base.push(head),
        _ => return None,
    }
    base.extend(rest);
    Some(base.join("::"))
}

/// Whether a path is `start` or lies below it.
fn begins_with(path: &str, start: &str) -> bool {
    path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// An attribute that silences a lint has to say why.
fn silenced_without_reason(tokens: &[Token]) -> Vec<(usize, String)> {
    find(tokens, |texts| {
        let attribute = texts.split(|text| *text == "]").next()?;
        let is_silent = matches!(texts, ["[", "allow" | "expect", "(", ..]) && !attribute.contains(&"reason");
        is_silent.then(|| "a silenced lint needs `reason = \"…\"`".to_owned())
    })
}

fn may_panic(tokens: &[Token]) -> Vec<(usize, String)> {
    find(tokens, |texts| match texts {
        [".", name @ ("unwrap" | "expect"), "(", ..] => Some(format!("`.{name}(` outside tests")),
        [name @ ("panic" | "todo" | "unimplemented" | "dbg"), "!", ..] => {
            Some(format!("`{name}!` outside tests"))
        }
        _ => None,
    })
}

/// Runs a rule at every token.
fn find(tokens: &[Token], rule: impl Fn(&[&str]) -> Option<String>) -> Vec<(usize, String)> {
    let texts: Vec<&str> = tokens.iter().map(|token| token.text).collect();
    let at = |(index, token): (usize, &Token)| Some((token.line, rule(texts.get(index..)?)?));
    tokens.iter().enumerate().filter_map(at).collect()
}

/// The tokens less every item behind `#[cfg(test)]`: up to its `;`, or to the bracket that closes its body.
fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let (mut kept, mut rest) = (Vec::new(), tokens);
    while let Some((token, tail)) = rest.split_first() {
        let starts: Vec<&str> = rest.iter().take(7).map(|token| token.text).collect();
        if starts != ["#", "[", "cfg", "(", "test", ")", "]"] {
            kept.push(*token);
            rest = tail;
            continue;
        }
        let mut depth = 0_u32;
        rest = rest.get(starts.len()..).unwrap_or_default();
        while let Some((token, tail)) = rest.split_first() {
            rest = tail;
            match token.text {
                "(" | "[" | "{" => depth = depth.saturating_add(1),
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && matches!(token.text, ";" | "}") {
                break;
            }
        }
    }
    kept
}

#[derive(Clone, Copy)]
struct Token<'a> {
    line: usize,
    text: &'a str,
}

/// A path as it is written, and the line of its last part.
type Named<'a> = (usize, Vec<&'a str>);

/// The source with its lines kept, and a space for every comment and literal.
fn without_comments_and_literals(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        if let Some(tail) = after_comment_or_literal(rest) {
            code.push(' ');
            code.extend(rest.strip_suffix(tail).unwrap_or_default().chars().filter(|c| *c == '\n'));
            rest = tail;
        } else {
            code.push(first);
            rest = rest.strip_prefix(first).unwrap_or_default();
        }
    }
    code
}

/// What follows the comment or literal that the text begins with; None when it begins with something else.
fn after_comment_or_literal(text: &str) -> Option<&str> {
    if text.starts_with("//") {
        return Some(text.find('\n').map_or("", |end| text.split_at(end).1));
    }
    if let Some(body) = text.strip_prefix("/*") {
        return Some(after_block_comment(body));
    }
    if let Some(body) = text.strip_prefix('"') {
        let mut chars = body.chars();
        while let Some(c) = chars.next().filter(|c| *c != '"') {
            if c == '\\' {
                chars.next();
            }
        }
        return Some(chars.as_str());
    }
    if let Some(body) = text.strip_prefix('r') {
        let string = body.trim_start_matches('#');
        let hashes = body.strip_suffix(string)?;
        let end = format!("\"{hashes}");
        return Some(string.strip_prefix('"')?.split_once(&end).map_or("", |(_, tail)| tail));
    }
    let mut chars = text.strip_prefix('\'')?.chars();
    if chars.next()? == '\\' {
        chars.next();
        return Some(chars.as_str().split_once('\'').map_or("", |(_, tail)| tail));
    }
    // No quote after one character: a lifetime.
    chars.as_str().strip_prefix('\'')
}

fn after_block_comment(mut text: &str) -> &str {
    loop {
        if let Some(tail) = text.strip_prefix("*/") {
            return tail;
        }
        let mut chars = text.chars();
        text = match text.strip_prefix("/*") {
            Some(inner) => after_block_comment(inner),
            None if chars.next().is_some() => chars.as_str(),
            None => return "",
        };
    }
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (line, text) in (1..).zip(code.lines()) {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let end = match first {
                c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                _ if rest.starts_with("::") => "::".len(),
                c => c.len_utf8(),
            };
            let (text, tail) = rest.split_at(end);
            tokens.push(Token { line, text });
            rest = tail.trim_start();
        }
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Every path that the code names, in a `use`, a type or an expression. A keyword is a path of one word.
fn paths<'a>(tokens: &[Token<'a>]) -> Vec<Named<'a>> {
    let mut found = Vec::new();
    let (mut rest, mut before) = (tokens, "");
    while let Some((token, tail)) = rest.split_first() {
        if token.text.starts_with(is_word) && before != "." && before != "::" {
            rest = path_tree(rest, &[], &mut found);
            before = "";
        } else {
            // Two colons after a closing `>` go on with a path, elsewhere they begin one.
            before = if token.text == "::" && before != ">" { "" } else { token.text };
            rest = tail;
        }
    }
    found
}

/// Reads a path and, where it ends in `::{…}`, each of its branches. Gives back what follows it.
fn path_tree<'t, 'a>(
    tokens: &'t [Token<'a>],
    stem: &[&'a str],
    found: &mut Vec<Named<'a>>,
) -> &'t [Token<'a>] {
    let Some((first, mut rest)) = tokens.split_first() else {
        return tokens;
    };
    let mut path = stem.to_vec();
    path.push(first.text);
    while let [colons, next, tail @ ..] = rest
        && colons.text == "::"
    {
        if next.text == "{" {
            rest = tail;
            while let Some((token, tail)) = rest.split_first().filter(|(token, _)| token.text != "}") {
                rest = if token.text == "," { tail } else { path_tree(rest, &path, found) };
            }
            return rest.get(1..).unwrap_or_default();
        } else if !next.text.starts_with(is_word) && next.text != "*" {
            break;
        }
        path.push(next.text);
        rest = tail;
    }
    found.push((first.line, path));
    rest
}

#[test]
fn a_planted_violation_is_found_at_its_line() {
    let planted = [
        (
            "src/domain/money.rs",
            "use chrono::NaiveDate;\nuse sea_orm::Value;",
            "2: `domain::money` must not name `sea_orm`",
        ),
        ("src/domain.rs", "fn f() { let t = chrono::Utc::now(); }", "1: `domain` must not name `Utc::now`"),
        ("src/domain/mod.rs", "async fn f() {}", "1: `domain` must not name `async`"),
        (
            "src/domain/facts.rs",
            "use super::super::stripe::Event;",
            "1: forbidden arrow `domain::facts` → `stripe::Event`",
        ),
        (
            "src/http/api/mod.rs",
            "use crate::{\n  service,\n  store::{self}};",
            "3: forbidden arrow `http::api` → `store::self`",
        ),
        (
            "src/http/mod.rs",
            "fn f(a: entity::event::Model) {}",
            "1: forbidden arrow `http` → `entity::event::Model`",
        ),
        ("src/intake.rs", "#[actix_web::get(\"/\")] fn f() {}", "1: `intake` must not name `actix_web`"),
        (
            "src/service/refer.rs",
            "type T = Vec<crate::http::Error>;",
            "1: forbidden arrow `service::refer` → `http::Error`",
        ),
        ("src/cli/demo.rs", "use crate::store::*;", "1: forbidden arrow `cli::demo` → `store::*`"),
        ("src/main.rs", "fn main() { referrald::app::run() }", "1: forbidden arrow `main` → `app::run`"),
        ("migration/src/lib.rs", "use entity::event;", "1: forbidden arrow `migration` → `entity::event`"),
        ("src/mail.rs", "", "1: `mail` has no row"),
        ("src/app.rs", "/* a\n/* b */ */ fn f() { x().unwrap() }", "2: `.unwrap(` outside tests"),
        ("src/app.rs", "#[cfg(test)] use a::{b};\nfn f() { panic!(\"\") }", "2: `panic!` outside tests"),
        ("tests/api.rs", "#![allow(dead_code)]", "1: a silenced lint needs"),
        ("tests/api.rs", &"\n".repeat(401), "400: a file has at most"),
    ];
    for (path, text, expected) in planted {
        let found = violations(path, text);
        let is_found = matches!(found.as_slice(), [one] if one.starts_with(&format!("{path}:{expected}")));
        assert!(is_found, "{path} {text:?}\nexpected {expected}\nfound {found:?}");
    }
}

#[test]
fn what_is_allowed_is_left_alone() {
    let allowed = [
        ("src/cli/demo.rs", "use crate::store::{database, database::Pool};\nuse crate::app::App;"),
        ("src/store/database.rs", "use crate::settings::Settings;\nuse super::events;\nuse entity::event;"),
        (
            "src/http/mod.rs",
            "// crate::store\n/// `sea_orm::Value`\nconst A: &str = r#\"\" entity::x \"#;\nuse super::service;",
        ),
        (
            "src/service/mod.rs",
            "fn f<'a>(entity: &'a str) -> char { entity.len(); b.http(); '\\'' }\nuse sea_orm::{entity::X};",
        ),
        (
            "src/domain/mod.rs",
            "#[cfg(test)]\nmod tests { #[test] fn f() { let a: [u8; 1] = g().unwrap(); } }",
        ),
        (
            "src/app.rs",
            "#[expect(dead_code, reason = \"used soon\")]\nfn expect() { a.unwrap_or(b).expect_err() }",
        ),
    ];
    for (path, text) in allowed {
        assert_eq!(violations(path, text), Vec::<String>::new(), "{path} {text:?}");
    }
}
