//! The messages, their recipients, and the planted faults.
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use anyhow::{bail, ensure};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use sinkd::smtp::envelope::{self, Tag, append_field};
use sinkd::time::UnixNs;

use crate::Options;
use crate::output::Output;

/// Numbers have ten digits in addresses and names, so that no number is part of another.
const NUMBER_MAX: u64 = 9_999_999_999;
const SENDER: &[u8] = b"news@example.org";
const FIRST_NAMES: [&str; 8] = ["Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gwen", "Hugo"];
const LAST_NAMES: [&str; 7] = ["Adler", "Brook", "Cole", "Dean", "Ellis", "Frost", "Grant"];
/// A line of filler: 72 letters, so that the body remains text that any mail program shows.
const FILLER: &[u8] =
    b"Spring is here, and so is our new catalog: read it before the others do.\r\n";

/// Two recipients who get each other's content.
#[derive(Debug, Clone, Copy)]
pub struct Swap(u64, u64);

impl FromStr for Swap {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Swap> {
        let Some((a, b)) = text.split_once(':') else {
            bail!("expected two numbers of recipients, such as 17:42");
        };
        Ok(Swap(a.parse()?, b.parse()?))
    }
}

/// A campaign with its planted faults.
#[derive(Debug)]
pub struct Campaign<'a> {
    options: &'a Options,
    missing: BTreeSet<u64>,
    doubled: BTreeSet<u64>,
    /// The recipient whose content each recipient gets.
    content_of: BTreeMap<u64, u64>,
}

/// Buffer for the octets of a message, reused for the next one.
#[derive(Debug, Default)]
struct Draft {
    envelope: Vec<u8>,
    content: Vec<u8>,
    /// Returns the text of the Date field for a second since the Unix epoch.
    date: (i64, String),
}

/// One copy of the campaign: its recipients, and the recipient whose content each of them gets.
struct Copy<'a> {
    sequence: u64,
    addresses: &'a [String],
    names: &'a [String],
}

impl<'a> Campaign<'a> {
    /// Errors: a fault is planted for a recipient who does not exist, or two for the same one.
    pub fn new(options: &'a Options) -> anyhow::Result<Campaign<'a>> {
        let count = options.messages.saturating_mul(options.recipients);
        let fits = options.first.checked_add(count).is_some_and(|end| end - 1 <= NUMBER_MAX);
        ensure!(fits, "numbers of recipients have ten digits at most");
        let mut campaign = Campaign {
            options,
            missing: options.missing.iter().copied().collect(),
            doubled: options.doubled.iter().copied().collect(),
            content_of: BTreeMap::new(),
        };
        let (numbers, per) = (campaign.numbers(), options.recipients);
        let mut planted = BTreeSet::new();
        let swapped = options.swapped.iter().flat_map(|Swap(a, b)| [a, b]);
        for number in options.missing.iter().chain(&options.doubled).chain(swapped) {
            ensure!(
                numbers.contains(number),
                "{number} is not a recipient: {} to {} are",
                numbers.start,
                numbers.end - 1
            );
            ensure!(planted.insert(*number), "recipient {number} has two faults: plant one each");
        }
        for Swap(a, b) in &options.swapped {
            let message = |number: u64| (number - options.first) / per;
            ensure!(message(*a) != message(*b), "{a} and {b} are recipients of the same message");
            campaign.content_of.extend([(*a, *b), (*b, *a)]);
        }
        Ok(campaign)
    }

    /// Returns the numbers of its recipients.
    fn numbers(&self) -> Range<u64> {
        let count = self.options.messages * self.options.recipients;
        self.options.first..self.options.first + count
    }

    /// Stores all messages.
    ///
    /// Errors: the disk is full.
    pub fn write(&self, output: &mut Output) -> anyhow::Result<()> {
        let Options { messages, recipients, first, .. } = *self.options;
        // A campaign in several folders continues the sequence of the previous folder.
        let first_sequence = (first - 1) / recipients + 1;
        let mut draft = Draft::default();
        let (mut addresses, mut names, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for message in 0..messages {
            let sequence = first_sequence + message;
            addresses.clear();
            names.clear();
            let start = first + message * recipients;
            for number in (start..start + recipients).filter(|n| !self.missing.contains(n)) {
                let whose = self.content_of.get(&number).copied().unwrap_or(number);
                addresses.push(address(number));
                names.push(name(whose));
                if self.doubled.contains(&number) {
                    again.push(addresses.len() - 1);
                }
            }
            if addresses.is_empty() {
                continue;
            }
            let copy = Copy { sequence, addresses: &addresses, names: &names };
            draft.compose(&copy, self.options.body_bytes as usize, output.now_ns())?;
            output.store(&draft.envelope, &draft.content)?;
            for place in again.drain(..) {
                // The content is identical, as when a sender tries again.
                draft.address_to(&addresses[place..=place]);
                output.store(&draft.envelope, &draft.content)?;
            }
        }
        for (n, to) in (first_sequence + messages..).zip(&self.options.unexpected) {
            let (addresses, names) = ([to.clone()], ["Stranger".to_owned()]);
            let copy = Copy { sequence: n, addresses: &addresses, names: &names };
            draft.compose(&copy, self.options.body_bytes as usize, output.now_ns())?;
            output.store(&draft.envelope, &draft.content)?;
        }
        Ok(())
    }

    /// Writes the list of expected recipients. No value needs quotes.
    pub fn write_list(&self, path: &Path) -> std::io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        out.write_all(b"email,name,number\n")?;
        for number in self.numbers() {
            writeln!(out, "{},{},{number}", address(number), name(number))?;
        }
        out.flush()
    }
}

fn address(number: u64) -> String {
    format!("user{number:010}@example.com")
}

fn name(number: u64) -> String {
    let first = FIRST_NAMES[(number % FIRST_NAMES.len() as u64) as usize];
    let last = LAST_NAMES[(number % LAST_NAMES.len() as u64) as usize];
    format!("{first} {last} {number:010}")
}

impl Draft {
    /// Builds the envelope and the content of a message that is received at `now_ns`.
    fn compose(
        &mut self,
        copy: &Copy<'_>,
        body_bytes: usize,
        now_ns: UnixNs,
    ) -> anyhow::Result<()> {
        self.address_to(copy.addresses);
        let second = now_ns.second() as i64;
        if self.date.0 != second {
            let date = rfc2822::to_string(
                &Timestamp::from_second(second)?.to_zoned(jiff::tz::TimeZone::UTC),
            )?;
            self.date = (second, date);
        }
        let out = &mut self.content;
        out.clear();
        write!(out, "From: News <news@example.org>\r\nTo: ")?;
        match copy.addresses {
            [one] => write!(out, "{one}")?,
            // Like bulk mail: recipients do not see each other.
            _ => write!(out, "undisclosed-recipients:;")?,
        }
        let sequence = copy.sequence;
        write!(out, "\r\nSubject: Our news\r\nMessage-ID: <{sequence:010}.news@example.org>\r\n")?;
        write!(out, "Date: {}\r\nX-Sequence: {sequence}\r\n", self.date.1)?;
        copy.names.iter().try_for_each(|name| write!(out, "X-Name: {name}\r\n"))?;
        out.extend_from_slice(b"\r\n");
        let body_at = out.len();
        copy.names.iter().try_for_each(|name| write!(out, "Dear {name},\r\n"))?;
        write!(out, "this is your copy of our news.\r\n")?;
        while out.len() - body_at < body_bytes {
            out.extend_from_slice(FILLER);
        }
        Ok(())
    }

    /// Builds only the envelope.
    fn address_to(&mut self, recipients: &[String]) {
        let out = &mut self.envelope;
        out.clear();
        append_field(out, Tag::Version, &[envelope::VERSION]);
        append_field(out, Tag::Listener, b"127.0.0.1:2525");
        append_field(out, Tag::Name, b"mail.example.org");
        append_field(out, Tag::Protocol, b"ESMTP");
        append_field(out, Tag::ReversePath, SENDER);
        for recipient in recipients {
            append_field(out, Tag::ForwardPath, recipient.as_bytes());
        }
    }
}
