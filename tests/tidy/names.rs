//! The names of modules that a file mentions, and the files that these names refer to.
use std::collections::HashMap;

use crate::tree::{File, Tree, folder_of_modules};

/// A path of names from the root of the crate, as `["log", "reader", "Folder"]`.
pub type Names = Vec<String>;

/// One mention.
#[derive(Debug, PartialEq, Eq)]
pub struct Mention {
    /// Offset at which it begins.
    pub at: usize,
    pub names: Names,
    /// Whether it occurs in a `pub use`, and nowhere else in the file.
    pub is_only_exported: bool,
}

/// Returns the module of a file below src. A program is a crate of its own: the names of its
/// modules begin with the names of its root, as in `["bin", "sinkctl", "stats"]`.
pub fn module_of(file: &File) -> Option<Names> {
    let path = file.name.strip_prefix("src/")?.trim_end_matches(".rs");
    let stem = ["/mod", "/main"].iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path);
    Some(if stem == "lib" { Vec::new() } else { stem.split('/').map(str::to_owned).collect() })
}

/// Returns the module that `crate` refers to in `module`.
fn root_of(module: &Names) -> Names {
    let is_program = module.first().is_some_and(|first| first == "bin");
    module[..if is_program { module.len().min(2) } else { 0 }].to_vec()
}

/// Modules by their names, and their files.
pub struct Modules<'a> {
    files: HashMap<Names, &'a File>,
    /// The names that each file mentions, used to resolve re-exports.
    mentions: HashMap<Names, Vec<Mention>>,
}

impl<'a> Modules<'a> {
    pub fn of(tree: &'a Tree) -> Modules<'a> {
        let known = tree.sources().filter_map(|file| Some((module_of(file)?, file)));
        let mut modules = Modules { files: known.collect(), mentions: HashMap::new() };
        let read = |(names, file): (&Names, &&File)| (names.clone(), modules.mentions(file));
        modules.mentions = modules.files.iter().map(read).collect();
        modules
    }

    /// Returns every mention of one of our modules in the code of `file`; groups are expanded.
    pub fn mentions(&self, file: &File) -> Vec<Mention> {
        let Some(module) = module_of(file) else { return Vec::new() };
        let mut found = Vec::new();
        let code = &file.code;
        let mut at = 0;
        while let Some(name) = next_name(code, at) {
            let end = name.0 + name.1.len();
            let is_inner = code[..name.0].ends_with("::") || code[..name.0].ends_with('.');
            let start = if is_inner { None } else { self.start(&module, name.1) };
            match start {
                Some(start) if code[end..].starts_with("::") => {
                    let is_exported = is_pub_use(&code[..name.0]);
                    let mut all = Vec::new();
                    at = tail(code, end + 2, start, &mut all);
                    found.extend(all.into_iter().map(|names| {
                        let is_only_exported = is_exported && !is_used_again(code, &names);
                        Mention { at: name.0, names, is_only_exported }
                    }));
                }
                _ => at = end,
            }
        }
        found
    }

    /// Resolves the first `name` of a path in `module`, seen from the root.
    fn start(&self, module: &Names, name: &str) -> Option<Names> {
        match name {
            "crate" => Some(root_of(module)),
            "self" => Some(module.clone()),
            "super" => Some(module[..module.len().saturating_sub(1)].to_vec()),
            child => {
                let names = [module.as_slice(), &[child.to_owned()]].concat();
                self.files.contains_key(&names).then_some(names)
            }
        }
    }

    /// Returns the file that defines these names, through re-exports as well.
    pub fn file_of(&self, names: &Names) -> Option<&'a File> {
        self.resolve(names, 0)
    }

    fn resolve(&self, names: &Names, depth: usize) -> Option<&'a File> {
        let length = (0..=names.len()).rev().find(|n| self.files.contains_key(&names[..*n]))?;
        let file = self.files[&names[..length]];
        let Some(name) = names.get(length).filter(|_| depth < 5) else { return Some(file) };
        let exported = self.mentions[&names[..length]].iter().find(|mention| {
            mention.names.last() == Some(name) && mention.names[..] != names[..=length]
        });
        match exported {
            Some(mention) => self.resolve(&mention.names, depth + 1),
            None => Some(file),
        }
    }
}

fn is_name(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'_'
}

fn next_name(code: &str, from: usize) -> Option<(usize, &str)> {
    let bytes = code.as_bytes();
    let start = (from..bytes.len())
        .find(|at| is_name(bytes[*at]) && (*at == 0 || !is_name(bytes[*at - 1])))?;
    let length = bytes[start..].iter().take_while(|octet| is_name(**octet)).count();
    Some((start, &code[start..start + length]))
}

/// Returns whether the code mentions the last of these names more than once: the entry file of a
/// module may need what it re-exports.
fn is_used_again(code: &str, names: &Names) -> bool {
    let Some(last) = names.last() else { return false };
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| word == last).count() > 1
}

/// Returns whether the statement that ends here is a `pub use`, of any scope.
fn is_pub_use(before: &str) -> bool {
    let statement = before.rsplit([';', '}', ']']).next().unwrap_or_default().trim_start();
    let words: Vec<&str> = statement.split_whitespace().collect();
    statement.starts_with("pub") && words.last() == Some(&"use")
}

/// Continues after `::`: adds the paths, and returns where they end.
fn tail(code: &str, at: usize, mut names: Names, found: &mut Vec<Names>) -> usize {
    let rest = &code[at..];
    let begin = at + rest.len() - rest.trim_start().len();
    if code[begin..].starts_with('{') {
        return group(code, begin + 1, &names, found);
    }
    let Some((_, name)) = next_name(code, begin).filter(|(start, _)| *start == begin) else {
        // `*`, or the `<` of a turbofish.
        found.push(names);
        return begin + 1;
    };
    let end = begin + name.len();
    match name {
        "self" => {}
        "super" => drop(names.pop()),
        name => names.push(name.to_owned()),
    }
    if code[end..].starts_with("::") {
        return tail(code, end + 2, names, found);
    }
    found.push(names);
    end
}

/// Reads a group, starting after its opening brace.
fn group(code: &str, mut at: usize, names: &Names, found: &mut Vec<Names>) -> usize {
    loop {
        at = tail(code, at, names.clone(), found);
        let rest = &code[at..];
        // An alias can precede the comma.
        let Some(next) = rest.find([',', '}']) else { return code.len() };
        at += next + 1;
        let is_end = rest[next..].starts_with('}');
        if is_end || code[at..].trim_start().starts_with('}') {
            let brace = if is_end { 0 } else { code[at..].find('}').map_or(0, |n| n + 1) };
            return at + brace;
        }
    }
}

/// Returns the folder of a file's own modules, for messages.
pub fn room_of(file: &File) -> &str {
    let path = file.name.strip_prefix("src/").unwrap_or(&file.name);
    let first = path.split('/').next().unwrap_or(path);
    if first == path { folder_of_modules(first) } else { first }
}
