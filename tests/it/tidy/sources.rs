//! The files as modules: what a path means, in whichever file it is defined, and which files name which.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::tidy::rust::{Named, before_tests, imports, paths, tokens};

/// Re-exports of re-exports that are followed.
const STEPS: usize = 16;

/// The files of the daemon, of `entity` and of `migration`, by module.
#[derive(Debug, Default)]
pub struct Sources {
    files: BTreeMap<String, File>,
}

#[derive(Debug)]
struct File {
    path: String,
    named: Vec<Named>,
    imports: BTreeMap<String, Import>,
}

#[derive(Debug)]
struct Import {
    path: String,
    is_public: bool,
}

/// What a path means.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// The module in whose file it is defined.
    pub module: String,
    /// The path from there: from the daemon's root, or with the name of the other crate in front.
    pub path: String,
}

/// The module of a file, with `entity` or `migration` in front in those crates; None for tests.
pub fn module_of(path: &str) -> Option<String> {
    let (package, file) = path.strip_suffix(".rs")?.split_once("src/")?;
    let module = file.strip_suffix("/mod").unwrap_or(file).replace('/', "::");
    Some(match (package.strip_suffix('/'), module.as_str()) {
        (None, _) => module,
        (Some(package), "lib") => package.to_owned(),
        (Some(package), _) => format!("{package}::{module}"),
    })
}

/// Whether a path is `start` or lies below it.
pub fn begins_with(path: &str, start: &str) -> bool {
    path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

impl Sources {
    /// Reads a file; one of the tests is left out. Code in a module of unit tests may name what it likes.
    pub fn add(&mut self, path: &str, text: &str) {
        let Some(module) = module_of(path) else { return };
        let tokens = tokens(text);
        let code = before_tests(&tokens);
        let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
        let named = if is_test { Vec::new() } else { paths(code) };
        let imports = imports(code).into_iter();
        let imports =
            imports.map(|(Named { path, name, .. }, is_public)| (name, Import { path, is_public })).collect();
        self.files.insert(module, File { path: path.to_owned(), named, imports });
    }

    /// What a path means that the file of a module names; None when it is not of ours. A re-export does not hide where
    /// it comes from.
    pub fn target(&self, from: &str, path: &str) -> Option<Target> {
        let mut path = self.absolute(from, path)?;
        for _ in 0..STEPS {
            let module = self.module_above(&path);
            let rest = path.strip_prefix(module).unwrap_or_default();
            let rest = if module == "lib" { path.as_str() } else { rest.trim_start_matches("::") };
            let (name, below) = rest.split_once("::").unwrap_or((rest, ""));
            // A private import is for its own module and what lies in it; a function may have the name of one.
            let import = self.files.get(module).and_then(|file| file.imports.get(name));
            let Some(import) = import.filter(|import| import.is_public || begins_with(from, module)) else {
                return Some(Target { module: module.to_owned(), path });
            };
            let import = self.absolute(module, &import.path)?;
            path = if below.is_empty() { import } else { format!("{import}::{below}") };
        }
        None
    }

    /// The innermost module that a path lies in; `lib` when it is in none.
    fn module_above<'p>(&self, path: &'p str) -> &'p str {
        let mut above = path;
        while !self.files.contains_key(above) {
            match above.rsplit_once("::") {
                Some((parent, _)) => above = parent,
                None => return "lib",
            }
        }
        above
    }

    /// The path from the daemon's root, or with the name of the other crate in front, with imports not yet followed.
    fn absolute(&self, module: &str, path: &str) -> Option<String> {
        let package = module.split("::").next().filter(|first| matches!(*first, "entity" | "migration"));
        let is_root = matches!(module, "lib" | "main");
        let (first, rest) = path.split_once("::").unwrap_or((path, ""));
        let mut base: Vec<&str> = match first {
            "crate" => package.into_iter().collect(),
            "self" | "super" if is_root => Vec::new(),
            "self" | "super" => module.split("::").collect(),
            // One word alone is a variable that happens to have this name, or was imported in another line.
            _ if rest.is_empty() => return None,
            "referrald" if package.is_none() => Vec::new(),
            "entity" | "migration" | "referrald" => vec![first],
            _ => return self.relative(module, first, rest),
        };
        if first == "super" {
            base.pop();
        }
        for name in rest.split("::").filter(|name| !name.is_empty()) {
            match name {
                "super" => drop(base.pop()),
                "self" => {}
                name => base.push(name),
            }
        }
        // Nothing is left of the `crate` in `pub(crate)`.
        Some(base.join("::")).filter(|path| !path.is_empty())
    }

    /// A path that begins with an imported name or a child module.
    fn relative(&self, module: &str, first: &str, rest: &str) -> Option<String> {
        let import = self.files.get(module).and_then(|file| file.imports.get(first));
        // An import of its own name, `use serde::…`, is of another crate.
        if let Some(Import { path, .. }) =
            import.filter(|import| import.path.split("::").next() != Some(first))
        {
            return self.absolute(module, path).map(|import| format!("{import}::{rest}"));
        }
        let child = if module == "lib" { first.to_owned() } else { format!("{module}::{first}") };
        self.files.contains_key(&child).then(|| format!("{child}::{rest}"))
    }

    /// All that the file of a module names of ours, with the line.
    pub fn targets<'s>(&'s self, module: &'s str) -> impl Iterator<Item = (usize, &'s str, Target)> {
        let named = self.files.get(module).into_iter().flat_map(|file| &file.named);
        named.filter_map(move |named| {
            let target = self.target(module, &named.path)?;
            Some((named.line, named.path.as_str(), target))
        })
    }

    /// Every circle of files, each once, as `path:line: what`: the shortest one through each file.
    pub fn circles(&self) -> Vec<String> {
        let arrows: BTreeMap<&str, BTreeMap<String, usize>> =
            self.files.keys().map(|module| (module.as_str(), self.arrows_of(module))).collect();
        let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
        for (module, file) in &self.files {
            let Some(circle) = shortest_circle(module, &arrows) else { continue };
            let second = circle.get(1).unwrap_or(module);
            let line = arrows.get(module.as_str()).and_then(|arrows| arrows.get(second)).unwrap_or(&1);
            let circle_text = circle.join(" → ");
            if seen.insert(circle.into_iter().collect::<BTreeSet<_>>()) {
                found.push(format!("{}:{line}: circle of files {circle_text}", file.path));
            }
        }
        found
    }

    /// The other files that a file names, and where first. A module that is imported as a whole counts where something
    /// of it is named.
    fn arrows_of(&self, module: &str) -> BTreeMap<String, usize> {
        let mut arrows = BTreeMap::new();
        for (line, _, target) in self.targets(module) {
            if target.module != module && target.module != "lib" && target.path != target.module {
                arrows.entry(target.module).or_insert(line);
            }
        }
        arrows
    }
}

/// The shortest way from a module back to itself, with the module at both ends.
fn shortest_circle(start: &str, arrows: &BTreeMap<&str, BTreeMap<String, usize>>) -> Option<Vec<String>> {
    let mut ways = VecDeque::from([vec![start.to_owned()]]);
    let mut visited = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        let last = way.last()?;
        for next in arrows.get(last.as_str()).into_iter().flat_map(BTreeMap::keys) {
            let longer = || way.iter().cloned().chain([next.clone()]).collect::<Vec<_>>();
            if next == start {
                return Some(longer());
            }
            if visited.insert(next.clone()) {
                ways.push_back(longer());
            }
        }
    }
    None
}
