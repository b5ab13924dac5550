//! An error with all its causes, for a person.
use std::error::Error;

use super::system_error::without_numbers;

/// Returns the texts of an error and its causes, separated by `: `, without the numbers of system
/// errors.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    without_numbers(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("list.csv: cannot be read")]
    struct Unreadable(#[source] std::io::Error);

    #[test]
    fn causes_follow_their_error() {
        let error = Unreadable(std::io::Error::from_raw_os_error(2));
        assert_eq!(with_causes(&error), "list.csv: cannot be read: No such file or directory");
        assert_eq!(with_causes(&std::io::Error::other("full")), "full");
    }
}
