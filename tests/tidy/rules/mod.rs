//! The rules. Each is a function from files to findings. Its fixtures in `fixtures/` are named
//! after it: one that breaks the rule on the lines marked with `~RED`, and one that follows it.
mod atomics;
mod circles;
mod documents;
mod errors;
mod flags;
mod folders;
mod globs;
mod lengths;
mod points;
mod prose;
mod receipts;
mod rooms;
mod signatures;
mod words;

use crate::tree::{Finding, Tree};

pub struct Rule {
    /// The name of its fixtures, and of its lines in ratchet.txt.
    pub name: &'static str,
    pub check: fn(&Tree) -> Vec<Finding>,
}

pub const RULES: &[Rule] = &[
    Rule { name: "rooms", check: rooms::check },
    Rule { name: "table", check: rooms::table },
    Rule { name: "permissions", check: rooms::permissions },
    Rule { name: "folders", check: folders::check },
    Rule { name: "doors", check: folders::doors },
    Rule { name: "circles", check: circles::check },
    Rule { name: "globs", check: globs::check },
    Rule { name: "lines", check: lengths::lines },
    Rule { name: "files", check: lengths::files },
    Rule { name: "functions", check: lengths::functions },
    Rule { name: "first_line", check: lengths::first_line },
    Rule { name: "parameters", check: signatures::parameters },
    Rule { name: "bools", check: signatures::bools },
    Rule { name: "points", check: points::check },
    Rule { name: "undocumented", check: signatures::undocumented },
    Rule { name: "words", check: words::check },
    Rule { name: "sleeps", check: words::sleeps },
    Rule { name: "clients", check: words::clients },
    Rule { name: "partners", check: atomics::partners },
    Rule { name: "orderings", check: atomics::orderings },
    Rule { name: "widths", check: documents::widths },
    Rule { name: "paths", check: documents::paths },
    Rule { name: "named_tests", check: documents::named_tests },
    Rule { name: "named_functions", check: documents::named_functions },
    Rule { name: "prose", check: prose::check },
    Rule { name: "receipts", check: receipts::check },
    Rule { name: "causes", check: errors::causes },
    Rule { name: "error_types", check: errors::types },
    Rule { name: "flags", check: flags::check },
];
