//! A campaign: a list, the messages that were sent, and the results of audits.
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::common::{Client, Sink, sinkctl_on};

/// A sinkd with its data folder, and a folder for lists.
pub struct Campaign {
    pub root: TempDir,
    /// The running sinkd; `None` once it has been stopped.
    sink: Option<Sink>,
    client: Client,
}

/// The output of an audit.
pub struct AuditOutput {
    pub out: String,
    pub errors: String,
    pub code: i32,
}

impl Campaign {
    pub fn start(args: &[&str]) -> Campaign {
        let root = tempdir().unwrap();
        let sink = Sink::start(&root.path().join("data"), args);
        let mut client = sink.connect();
        client.ehlo();
        Campaign { root, sink: Some(sink), client }
    }

    pub fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// Stops sinkd, so that its folder no longer changes.
    pub fn stop(&mut self) {
        assert!(self.sink.take().expect("it is stopped once").stop().success());
    }

    /// Writes a file next to the data folder.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.root.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Sends a message; returns its id.
    pub fn send(&mut self, from: &str, to: &str, wire: &str) -> String {
        self.client.deliver(from, to, wire.as_bytes())
    }

    /// Sends the message about person `n`; returns its id.
    pub fn send_to(&mut self, to: &str, n: usize) -> String {
        self.send("news@sender.example", to, &about(n))
    }

    /// Sends one message about person `n` to several recipients.
    pub fn send_to_all(&mut self, to: &[&str], n: usize) {
        assert_eq!(self.client.command("MAIL FROM:<news@sender.example>"), 250);
        for to in to {
            assert_eq!(self.client.command(&format!("RCPT TO:<{to}>")), 250);
        }
        assert_eq!(self.client.command("DATA"), 354);
        self.client.send(format!("{}.\r\n", about(n)).as_bytes());
        assert_eq!(self.client.reply().0, 250);
    }

    pub fn audit(&self, args: &[&str]) -> AuditOutput {
        audit(&self.data(), args)
    }
}

/// Returns the message about person `n`.
pub fn about(n: usize) -> String {
    format!(
        "Subject: for {n}\r\nMessage-ID: <{n}@sender.example>\r\nX-Sequence: {n:06}\r\n\r\n\
         Dear Person {n:04},\r\n"
    )
}

pub fn address(n: usize) -> String {
    format!("person{n}@example.com")
}

/// Returns rows with an address and a name.
pub fn list(numbers: impl IntoIterator<Item = usize>) -> String {
    let rows = numbers.into_iter().map(|n| format!("{},Person {n:04}\n", address(n)));
    ["email,name\n".to_owned()].into_iter().chain(rows).collect()
}

pub fn audit(data: &Path, args: &[&str]) -> AuditOutput {
    audit_on(&[data], args)
}

pub fn audit_on(folders: &[&Path], args: &[&str]) -> AuditOutput {
    let (out, errors, code) = sinkctl_on(folders, &[&["audit"], args].concat());
    AuditOutput { out: String::from_utf8(out).unwrap(), errors, code }
}

impl AuditOutput {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.errors))
    }

    /// Returns fault and recipient of each offender of a CSV.
    pub fn offenders(&self) -> Vec<(String, String)> {
        let mut rows = csv::Reader::from_reader(self.out.as_bytes());
        let rows = rows.records().map(|row| {
            let row = row.unwrap();
            (row[0].to_owned(), row[1].to_owned())
        });
        rows.collect()
    }
}
