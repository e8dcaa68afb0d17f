//! The graph of a crate's files: which file names something that another one defines.
//!
//! A name that a module passes on (`pub use`) counts for the file that defines it, and `mod x;`
//! counts for nothing: a folder's `mod.rs` may offer what its files define without depending on
//! them.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Segments, Source};

/// Crates whose use is an architectural decision.
const CRATES: [(&str, &str); 4] = [
    ("aya", "aya"),
    ("aya_log", "aya"),
    ("aya_obj", "aya"),
    ("tokio", "tokio"),
];

/// A crate's files by path below `src`: `model/report.rs`.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The files that each file imports from.
    pub imports: BTreeMap<String, BTreeSet<String>>,
    /// Which of `aya`, `tokio` and `unsafe` each file uses.
    pub uses: BTreeMap<String, BTreeSet<&'static str>>,
}

impl Graph {
    /// Makes the graph of files given by path below `src` and text; files of tests are left out.
    pub fn of_crate(texts: &BTreeMap<String, String>, crate_name: &str) -> Self {
        // A package may have a library and a program; the program is then a module of its own.
        let root = ["lib.rs", "main.rs"]
            .into_iter()
            .find(|root| texts.contains_key(*root))
            .expect("a crate has a root");
        let files: BTreeMap<Segments, &String> = texts
            .keys()
            .map(|file| (module_of(file, root), file))
            .collect();
        let read = |(module, file): (&Segments, &&String)| {
            let source = Source::read(&texts[*file], crate_name)
                .unwrap_or_else(|error| panic!("{file} is no Rust: {error}"));
            (module.clone(), source)
        };
        let mut modules: BTreeMap<Segments, Source> = files.iter().map(read).collect();
        let tests: Vec<Segments> = modules
            .iter()
            .flat_map(|(module, source)| {
                let tests = source.test_children.iter();
                tests.map(|test| joined(module, test))
            })
            .collect();
        modules.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));

        let modules = Modules(modules);
        let mut graph = Self {
            imports: BTreeMap::new(),
            uses: BTreeMap::new(),
        };
        for (module, source) in &modules.0 {
            let targets = modules.imports(module).into_iter();
            let targets = targets.filter_map(|target| files.get(&target).map(|f| (*f).clone()));
            let file = files[module].clone();
            graph.imports.insert(file.clone(), targets.collect());
            graph.uses.insert(file, uses(source));
        }
        graph
    }

    /// Returns the circles: sets of two or more files that reach one another, each in order.
    pub fn circles(&self) -> Vec<Vec<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> = self
            .imports
            .keys()
            .map(|file| (file.as_str(), self.reached(file)))
            .collect();
        let mut circles = BTreeSet::new();
        for (file, there) in &reached {
            let back = |other: &&str| reached[other].contains(file);
            let circle: Vec<&str> = there.iter().copied().filter(back).collect();
            if !circle.is_empty() {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    /// Takes out what files import from the `mod.rs` of a folder around them, where the folder's
    /// common types stand.
    pub fn leave_out_folders_around(&mut self) {
        for (file, targets) in &mut self.imports {
            targets.retain(|target| {
                let folder = target.strip_suffix("mod.rs");
                folder.is_none_or(|folder| !file.starts_with(folder))
            });
        }
    }

    /// Returns the files that a file leads to in one step or more.
    fn reached(&self, from: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(file) = open.pop() {
            for next in self.imports.get(file).into_iter().flatten() {
                if reached.insert(next.as_str()) {
                    open.push(next);
                }
            }
        }
        reached
    }
}

/// The modules of a crate by path; the root has the empty path.
struct Modules(BTreeMap<Segments, Source>);

/// The end of a path.
enum Found {
    /// A module.
    Module,
    /// A name that this module defines.
    Name(Segments),
    /// A name of this module that its text does not show: a macro makes it.
    Unseen(Segments),
    /// Another crate, or a local name.
    Outside,
}

impl Modules {
    /// Returns the modules that one imports from.
    fn imports(&self, module: &Segments) -> BTreeSet<Segments> {
        let source = &self.0[module];
        let target = |path: &Segments| match self.follow(module, path, 0) {
            Found::Name(target) | Found::Unseen(target) => Some(target),
            Found::Module | Found::Outside => None,
        };
        // Re-exports of a folder's own files by its `mod.rs` are no imports.
        let passed_on = source.passed_on.iter().filter_map(target);
        let passed_on = passed_on.filter(|target| !target.starts_with(module));
        let mut targets: BTreeSet<Segments> = source
            .references
            .iter()
            .filter_map(target)
            .chain(passed_on)
            .collect();
        targets.remove(module);
        targets
    }

    /// Follows a path that is written in a module, through at most so many names passed on.
    fn follow(&self, module: &Segments, path: &[String], depth: usize) -> Found {
        // A name that stands for itself is a crate's: `use libc;`.
        if depth > 20 {
            return Found::Outside;
        }
        let supers = path.iter().take_while(|s| *s == "super").count();
        match path.first().map(String::as_str) {
            None => Found::Module,
            Some("crate") => self.descend(&[], &path[1..], depth),
            Some("self") => self.descend(module, &path[1..], depth),
            Some("super") => {
                let above = &module[..module.len() - supers];
                self.descend(above, &path[supers..], depth)
            }
            Some(_) => match self.descend(module, path, depth) {
                Found::Unseen(_) => Found::Outside,
                found => found,
            },
        }
    }

    /// Follows a path from a module downwards.
    fn descend(&self, module: &[String], path: &[String], depth: usize) -> Found {
        let Some((first, rest)) = path.split_first() else {
            return Found::Module;
        };
        let Some(source) = self.0.get(module) else {
            return Found::Outside;
        };
        if source.children.contains(first) {
            return self.descend(&joined(module, first), rest, depth);
        }
        let here = module.to_vec();
        if source.items.contains(first) {
            return Found::Name(here);
        }
        if let Some(target) = source.names.get(first) {
            let target = [target.as_slice(), rest].concat();
            return self.follow(&here, &target, depth + 1);
        }
        for glob in &source.globs {
            let target = [glob.as_slice(), path].concat();
            if let found @ Found::Name(_) = self.follow(&here, &target, depth + 1) {
                return found;
            }
        }
        Found::Unseen(here)
    }
}

/// Returns which of `aya`, `tokio` and `unsafe` a file uses.
fn uses(source: &Source) -> BTreeSet<&'static str> {
    let crates = CRATES.into_iter().filter(|(name, _)| {
        let mut paths = source.references.iter().chain(&source.globs);
        paths.any(|path| path[0] == *name)
    });
    let mut uses: BTreeSet<&str> = crates.map(|(_, shown)| shown).collect();
    if source.is_unsafe {
        uses.insert("unsafe");
    }
    uses
}

/// Returns the module of a file: `model/report.rs` is `model::report`, `model/mod.rs` is `model`.
fn module_of(file: &str, root: &str) -> Segments {
    if file == root {
        return Segments::new();
    }
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

fn joined(module: &[String], child: &str) -> Segments {
    let mut path = module.to_vec();
    path.push(child.to_owned());
    path
}
