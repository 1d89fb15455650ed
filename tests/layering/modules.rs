//! The modules of a crate as its text declares them, and which file each path leads to.

use std::collections::{BTreeMap, BTreeSet};

use crate::tokens::{self, Kind, Token};

/// A module's names from the crate's root on; the root has none.
pub(crate) type ModulePath = Vec<String>;

/// One module: a file.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// From the repository's root.
    pub(crate) file: String,
    children: BTreeSet<String>,
    imports: Vec<Import>,
    tokens: Vec<Token>,
}

/// One name that a `use` brings in.
#[derive(Debug)]
struct Import {
    /// As it is written.
    path: Vec<String>,
    /// The name that it has here; none for `*`.
    name: Option<String>,
    public: bool,
    line: usize,
}

/// The modules of one crate.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    all: BTreeMap<ModulePath, Module>,
}

/// What a path leads to.
#[derive(Debug, PartialEq)]
enum Target {
    /// A module itself.
    Module(ModulePath),
    /// An item that this module's file defines.
    Item(ModulePath),
}

/// A module whose code needs what another one's file defines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Need {
    pub(crate) who: ModulePath,
    pub(crate) whom: ModulePath,
    /// The line in the file of `who`.
    pub(crate) line: usize,
}

/// The module of a file, by its path below the crate's `src/`; none for a second crate's root.
fn module_of(path: &str) -> Option<ModulePath> {
    let path = path.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    match path {
        "main" => None,
        "lib" => Some(Vec::new()),
        _ => Some(path.split('/').map(str::to_owned).collect()),
    }
}

impl Modules {
    /// Takes in a file of the crate; `below_src`: its path from there.
    pub(crate) fn add(&mut self, file: &str, below_src: &str, text: &str) {
        let Some(module) = module_of(below_src) else { return };
        let tokens = tokens::code(text);
        let (imports, tokens) = take_imports(tokens);
        let mut children = BTreeSet::new();
        for pair in tokens.windows(3) {
            if pair[0].is_word("mod") && pair[2].is(';') {
                children.extend(pair[1].word().map(str::to_owned));
            }
        }
        let file = file.to_owned();
        self.all.insert(module, Module { file, children, imports, tokens });
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &ModulePath> {
        self.all.keys()
    }

    pub(crate) fn file(&self, module: &ModulePath) -> &str {
        self.all.get(module).map_or("", |module| &module.file)
    }

    /// Everything that any file needs of another one.
    pub(crate) fn needs(&self) -> Vec<Need> {
        self.all.iter().flat_map(|(path, module)| self.needs_of(path, module)).collect()
    }

    fn needs_of(&self, who: &ModulePath, module: &Module) -> Vec<Need> {
        let mut needs = Vec::new();
        let mut need = |target: Option<Target>, line| {
            let whom = match target {
                Some(Target::Item(whom)) => whom,
                // A module alone is a name to reach its items by.
                Some(Target::Module(_)) | None => return,
            };
            if whom != *who {
                needs.push(Need { who: who.clone(), whom, line });
            }
        };
        let mut passed_on = BTreeSet::new();
        for import in &module.imports {
            let target = self.resolve(who, &import.path, 0);
            let whom = match &target {
                Some(Target::Item(whom) | Target::Module(whom)) => whom,
                None => continue,
            };
            let of_child = whom.len() > who.len() && whom.starts_with(who);
            match &import.name {
                Some(name) if import.public && of_child => {
                    passed_on.insert(name.as_str());
                }
                Some(_) => need(target, import.line),
                None if import.public && of_child => {}
                None => need(Some(Target::Item(whom.clone())), import.line),
            }
        }
        for (path, line) in paths(&module.tokens) {
            let known = path.len() > 1 || path.first().is_some_and(|n| passed_on.contains(&**n));
            if known {
                need(self.resolve(who, &path, 0), line);
            }
        }
        needs
    }

    /// Where `path`, as written in the module `at`, leads to within this crate.
    fn resolve(&self, at: &ModulePath, path: &[String], depth: usize) -> Option<Target> {
        // Two modules that pass on one another's names would go on for ever.
        if depth > 16 {
            return None;
        }
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.descend(Vec::new(), rest, depth),
            "self" => self.descend(at.clone(), rest, depth),
            "super" => {
                let mut parent = at.clone();
                parent.pop()?;
                let mut rest = rest;
                while let Some((next, after)) = rest.split_first()
                    && next == "super"
                {
                    parent.pop()?;
                    rest = after;
                }
                self.descend(parent, rest, depth)
            }
            name => {
                let module = self.all.get(at)?;
                if module.children.contains(name) {
                    return self.descend(at.clone(), path, depth);
                }
                let import = module.imports.iter().find(|i| i.name.as_deref() == Some(name))?;
                let whole: Vec<String> = import.path.iter().chain(rest).cloned().collect();
                // `use serde::Serialize` leads out of the crate, and so does `use std::fmt`.
                self.resolve(at, &whole, depth + 1).filter(|_| import.path[0] != *name)
            }
        }
    }

    fn descend(&self, mut at: ModulePath, mut rest: &[String], depth: usize) -> Option<Target> {
        loop {
            let module = self.all.get(&at)?;
            let Some((name, after)) = rest.split_first() else { return Some(Target::Module(at)) };
            if module.children.contains(name) {
                at.push(name.clone());
                rest = after;
                continue;
            }
            let import = module.imports.iter().find(|i| i.name.as_deref() == Some(name));
            return match import {
                Some(import) => {
                    let whole: Vec<String> = import.path.iter().chain(after).cloned().collect();
                    self.resolve(&at, &whole, depth + 1)
                }
                None => Some(Target::Item(at)),
            };
        }
    }
}

/// The `use` declarations, and the tokens without them.
fn take_imports(tokens: Vec<Token>) -> (Vec<Import>, Vec<Token>) {
    let (mut imports, mut others, mut at) = (Vec::new(), Vec::new(), 0);
    while at < tokens.len() {
        // `impl Trait + use<'a>` is no import.
        let is_use = tokens[at].is_word("use") && !tokens.get(at + 1).is_some_and(|t| t.is('<'));
        if !is_use {
            others.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let public = others.last().is_some_and(|before| before.is_word("pub"))
            || others.last().is_some_and(|before| before.is(')'));
        at = take_tree(&tokens, at + 1, &[], public, &mut imports);
    }
    (imports, others)
}

/// One branch of a tree of imports; gives the place behind it.
fn take_tree(
    tokens: &[Token],
    mut at: usize,
    stem: &[String],
    public: bool,
    imports: &mut Vec<Import>,
) -> usize {
    let mut path = stem.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    let mut add = |path: Vec<String>, name| imports.push(Import { path, name, public, line });
    while let Some(token) = tokens.get(at) {
        match &token.kind {
            Kind::Word(word) if word == "as" => {
                let name = tokens.get(at + 1).and_then(Token::word).map(str::to_owned);
                add(path, name);
                return at + 2;
            }
            Kind::Word(word) => path.push(word.clone()),
            Kind::Separator => {}
            Kind::Sign('*') => {
                add(path, None);
                return at + 1;
            }
            Kind::Sign('{') => {
                at += 1;
                while tokens.get(at).is_some_and(|token| !token.is('}')) {
                    at = take_tree(tokens, at, &path, public, imports);
                    if tokens.get(at).is_some_and(|token| token.is(',')) {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Kind::Sign(_) => break,
        }
        at += 1;
    }
    if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
        path.pop();
    }
    let name = path.last().cloned();
    if !path.is_empty() {
        add(path, name);
    }
    at
}

/// The paths that code names, and their lines; a word behind a dot is a field or a method.
fn paths(tokens: &[Token]) -> Vec<(Vec<String>, usize)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let Some(word) = tokens[at].word() else {
            at += 1;
            continue;
        };
        let before = at.checked_sub(1).map(|before| &tokens[before].kind);
        let begins = !matches!(before, Some(Kind::Separator | Kind::Sign('.')));
        let (mut path, line) = (vec![word.to_owned()], tokens[at].line);
        at += 1;
        while tokens.get(at).is_some_and(|token| token.kind == Kind::Separator)
            && let Some(next) = tokens.get(at + 1).and_then(Token::word)
        {
            path.push(next.to_owned());
            at += 2;
        }
        if begins {
            found.push((path, line));
        }
    }
    found
}
