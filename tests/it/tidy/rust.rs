//! Rust by its tokens only: words, signs, and the paths that they make. A path that a macro makes escapes it.

/// A word, `::` or one sign, with its line.
pub type Token<'a> = (usize, &'a str);

/// A path that the code names.
#[derive(Debug, Clone)]
pub struct Named {
    /// The line of its last part.
    pub line: usize,
    /// As it is written; a branch of `a::{b, c}` with what stands before the brace.
    pub path: String,
    /// What the code calls it: its last part, or the word after `as`.
    pub name: String,
}

/// All tokens of a file, without comments and literals.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
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
        let gone = rest.get(..rest.len().saturating_sub(tail.len())).unwrap_or_default();
        line = line.saturating_add(gone.matches('\n').count());
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

/// What stands before the module of unit tests; clippy (`items_after_test_module`) keeps that module the last.
pub fn before_tests<'t, 'a>(tokens: &'t [Token<'a>]) -> &'t [Token<'a>] {
    let opening = ["#", "[", "cfg", "(", "test", ")", "]", "mod", "tests", "{"];
    let mut windows = tokens.windows(opening.len());
    let end = windows.position(|window| window.iter().map(|(_, text)| *text).eq(opening));
    end.map_or(tokens, |end| tokens.split_at(end).0)
}

/// Every path that the code names. A keyword is a path of one word.
pub fn paths(tokens: &[Token]) -> Vec<Named> {
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

/// Every path of a `use`, and whether other modules may name it through this file.
pub fn imports(tokens: &[Token]) -> Vec<(Named, bool)> {
    let mut found = Vec::new();
    let (mut rest, mut before) = (tokens, "");
    while let Some(((_, text), tail)) = rest.split_first() {
        let is_import = *text == "use" && tail.first().is_some_and(|(_, next)| next.starts_with(is_word));
        if is_import {
            let mut branches = Vec::new();
            rest = branch(tail, "", &mut branches);
            // Before it stands `pub`, or `pub(crate)`.
            let is_public = matches!(before, "pub" | ")");
            found.extend(branches.into_iter().map(|import| (named_by_module(import), is_public)));
        } else {
            rest = tail;
        }
        before = *text;
    }
    found
}

/// `use a::b::{self}` is `use a::b`.
fn named_by_module(mut import: Named) -> Named {
    if let Some(module) = import.path.strip_suffix("::self").filter(|_| import.name == "self") {
        import.name = module.rsplit("::").next().unwrap_or(module).to_owned();
    }
    import
}

/// Reads a path and, where it ends in `::{…}`, each of its branches. Gives back what follows it.
fn branch<'t, 'a>(tokens: &'t [Token<'a>], stem: &str, found: &mut Vec<Named>) -> &'t [Token<'a>] {
    let Some(((line, first), mut rest)) = tokens.split_first() else { return tokens };
    let (mut path, mut name) = (format!("{stem}{first}"), *first);
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
        (rest, path, name) = (tail, format!("{path}::{next}"), next);
    }
    // Behind the `as` of an expression may stand a path; behind that of a `use` stands one word.
    if let [(_, "as"), (_, alias), (_, "," | "}" | ";"), ..] = rest {
        (rest, name) = (rest.get(2..).unwrap_or_default(), alias);
    }
    found.push(Named { line: *line, path, name: name.to_owned() });
    rest
}
