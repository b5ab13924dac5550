//! What to do about an error of the library, which knows no flag.
use sinkd::config::{AuthError, ConfigError, TlsError};
use sinkd::http::{HttpBindError, NotReady};
use sinkd::log::OpenError;
use sinkd::server::{GenerationError, ListenError, ReloadError, StartError};
use sinkd::wording::with_causes;

/// Returns the flags that help against an error, as the end of its message; empty if none does.
pub fn advice(error: &anyhow::Error) -> String {
    match &settings_of(error)[..] {
        [] => flag_of(error).to_owned(),
        settings => {
            let flags = settings.iter().map(|name| format!("--{}", name.replace('_', "-")));
            format!(" ({})", flags.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Returns the settings that contradict each other and have flags.
fn settings_of(error: &anyhow::Error) -> Vec<&'static str> {
    let put_in_force = match (error.downcast_ref(), error.downcast_ref()) {
        (Some(StartError::Settings(error)), _) => Some(error),
        (_, Some(ReloadError::Settings(error))) => Some(error),
        _ => None,
    };
    let found = [
        error.downcast_ref().map(ConfigError::settings),
        error.downcast_ref().map(AuthError::settings),
        error.downcast_ref().map(TlsError::settings),
        put_in_force.map(GenerationError::settings),
    ];
    found.into_iter().flatten().flatten().collect()
}

fn flag_of(error: &anyhow::Error) -> &'static str {
    match error.downcast_ref() {
        Some(StartError::Log(error)) => return about_folder(error),
        Some(StartError::Bind(ListenError::InUse { .. })) => return " with --listen",
        _ => {}
    }
    if let Some(error) = error.downcast_ref() {
        return about_folder(error);
    }
    match (error.downcast_ref(), error.downcast_ref()) {
        (Some(HttpBindError::InUse(_)), _) => " with --http",
        (_, Some(NotReady::NoAddress(_))) => " (--http ADDR)",
        _ => "",
    }
}

fn about_folder(error: &OpenError) -> &'static str {
    match error {
        OpenError::NotWritable { .. }
        | OpenError::Locked { .. }
        | OpenError::NotAFolder { .. }
        | OpenError::NoSpace { .. }
        | OpenError::FileTooLarge { .. } => " with --data",
        _ => "",
    }
}

/// Returns the warning that sinkd runs without HTTP, because the default address can't be bound.
pub fn without_http(error: &HttpBindError) -> String {
    let why = match error {
        HttpBindError::InUse(address) => format!("{address} is in use"),
        HttpBindError::Io { .. } => with_causes(error),
    };
    format!("{why}: no HTTP; --http ADDR chooses another address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_about_http_has_the_cause() {
        let address = "127.0.0.1:8025".parse().unwrap();
        let source = std::io::Error::from_raw_os_error(13);
        for (error, expected) in [
            (HttpBindError::InUse(address), "127.0.0.1:8025 is in use: no HTTP; --http ADDR "),
            (
                HttpBindError::Io { address, source },
                "cannot serve HTTP on 127.0.0.1:8025: Permission denied: no HTTP; --http ADDR ",
            ),
        ] {
            let text = without_http(&error);
            assert!(text.starts_with(expected), "{text}");
        }
    }
}
