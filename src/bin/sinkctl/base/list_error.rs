//! The errors of lists that users write, with a line for each bad row.
use std::error::Error;
use std::fmt;

use sinkd::sender::ListError;

/// An error whose message has a line for each bad row of a list.
#[derive(Debug)]
struct NamedRows(Box<dyn ListError + Send + Sync>);

impl fmt::Display for NamedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for NamedRows {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Returns the error of a list, so that [`text_of`] knows whether its message has lines about rows.
pub fn list_error(error: impl ListError + Send + Sync + 'static) -> anyhow::Error {
    if error.names_rows() { NamedRows(Box::new(error)).into() } else { error.into() }
}

/// Returns the text of an error with its causes. Each line about a bad row begins with the name of
/// the program, as the first line does.
pub fn text_of(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    if error.is::<NamedRows>() { text.replace('\n', "\nsinkctl: ") } else { text }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sinkd::sender::blast::list::List;
    use sinkd::sender::replay::RecipientMap;

    use super::*;

    #[test]
    fn each_line_about_a_row_begins_with_the_name_of_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        std::fs::write(&path, "a@b.test c@d.test e@f.test\n").unwrap();
        let errors = [
            list_error(List::read(&path).unwrap_err()),
            list_error(RecipientMap::open(&path).unwrap_err()),
        ];
        for error in errors {
            let (text, row) = (text_of(&error), format!("\nsinkctl: {}:1: ", path.display()));
            assert!(text.contains(": 1 bad row; ") && text.contains(&row), "{text}");
        }
        // Another error of a list is one line, as it is.
        let error = list_error(RecipientMap::open(Path::new("no\nlist")).unwrap_err());
        assert!(text_of(&error).starts_with("no\nlist: cannot be read: "), "{error:#}");
    }
}
