//! `sinkctl blast`: sends generated mail.
mod flags;
mod options;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sinkd::machine::{cores, raise_descriptor_limit, read_at_most};
use sinkd::sender::blast::attachment::Attachment;
use sinkd::sender::blast::list::List;
use sinkd::sender::blast::recipients::{self, RecipientSource};
use sinkd::sender::blast::template::{Names, Template};
use sinkd::sender::blast::{self, Arrivals, BlastContent, BlastPlan, MessageDate};
use sinkd::sender::source::Source;
use sinkd::sender::{Connections, Ends, Positive, SendingSettings, Target, connectable};
use sinkd::smtp::client::{JOINED_BYTES_MAX, Options, OutgoingMail};

use flags::{with_flag, with_recipient_flag};
pub use options::Blast;

use crate::base::list_error::list_error;
use crate::base::outcome::{Finding, Out};
use crate::sending::{
    self, DESCRIPTORS_KEPT, GRACE, OPENING_MAX, PATIENCE, Records, SendingOutcome,
};

/// Duration of a load without an explicit end.
const DURATION_DEFAULT: Duration = Duration::from_secs(10);
/// Maximum number of missing messages of one kind whose numbers are printed.
const MISSING_SHOWN: usize = 20;

pub fn run(blast: &Blast, out: &mut Out) -> anyhow::Result<Finding> {
    // The seed and the date are chosen once, so that all messages depend only on them and the
    // flags.
    let seed = blast.messages.seed.unwrap_or_else(random_seed);
    let date = rfc5322(blast.messages.date.unwrap_or_else(Timestamp::now)).context("--date")?;
    if let Some(number) = blast.show {
        let plan = plan(blast, seed, &date)?;
        return show(&plan, number, out);
    }
    let target = blast.to.as_ref().context("expected --to")?;
    let addresses = target.resolve(blast.dialogue.allow_public.as_deref()).context("--to")?;
    let plan = plan(blast, seed, &date)?;
    let threads = threads(blast);
    let settings = settings(blast, target, connectable(&addresses)?, ends(blast, &plan))?;
    blast.forms.check()?;
    let records = Records::new(blast.forms.records.as_deref())?;
    eprintln!("sinkctl: seed {seed}, X-Run {}, Date {date}", plan.run_id());
    let source = |_| Box::new(blast::Blast::new(&plan)) as Box<dyn Source>;
    let sources = (0..threads).map(source).collect();
    let total = total(blast);
    let (report, shared) =
        sending::send(&settings, sources, &records, total, sending::messages_done)?;
    let title = format!("blast to {target}");
    let outcome = SendingOutcome { title, report: &report, records: &records, replay: None };
    let finding = outcome.report(&blast.forms, out)?;
    crate::base::outcome::flush(out)?;
    report_missing(&plan);
    if shared.stop.load(Ordering::Relaxed) {
        eprintln!("sinkctl: interrupted: the rest was not sent");
        return Ok(Finding::PartlyDone);
    }
    Ok(finding)
}

/// Returns a seed that differs from run to run.
fn random_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_nanos() as u64 ^ u64::from(std::process::id()) << 40
}

fn rfc5322(time: Timestamp) -> anyhow::Result<MessageDate> {
    Ok(MessageDate::new(jiff::fmt::rfc2822::to_string(&time.to_zoned(TimeZone::UTC))?)?)
}

fn plan(blast: &Blast, seed: u64, date: &MessageDate) -> anyhow::Result<Arc<BlastPlan>> {
    let recipients = recipients(&blast.recipients)?;
    let messages = &blast.messages;
    let content = match &messages.template {
        None => BlastContent::Generated(messages.size.clone()),
        Some(path) => BlastContent::Template(template(path, &recipients)?),
    };
    let generated = messages.attach_size.iter().zip(seed..);
    let generated = generated.map(|(bytes, seed)| Attachment::generated(seed, *bytes));
    let read: Result<Vec<_>, _> =
        messages.attach.iter().map(|path| Attachment::read(path)).collect();
    BlastPlan::new(blast::BlastSettings {
        seed,
        run_id: messages.run_id.clone(),
        date: date.clone(),
        from: if messages.from == "<>" { String::new() } else { messages.from.clone() },
        recipients,
        content,
        attachments: read?.into_iter().chain(generated).collect(),
        count: blast.pace.count,
        pace: blast.pace.rate.map(|per_s| pace(blast, per_s)),
    })
    .map_err(with_flag)
}

fn pace(blast: &Blast, per_s: Positive) -> blast::SendingRate {
    let arrivals = match blast.pace.arrivals {
        options::Arrivals::Even => Arrivals::Even,
        options::Arrivals::Poisson => Arrivals::Poisson,
    };
    blast::SendingRate { per_s, arrivals, until: duration(blast) }
}

fn recipients(options: &options::RecipientOptions) -> anyhow::Result<RecipientSource> {
    let recipients = match &options.recipients {
        Some(path) => RecipientSource::listed(List::read(path).map_err(list_error)?),
        None => RecipientSource::generated(&options.recipient_domain, options.recipient_count)
            .map_err(with_recipient_flag)?,
    };
    let order = match options.order {
        options::Order::Listed => recipients::RecipientOrder::Listed,
        options::Order::Random => recipients::RecipientOrder::Random,
    };
    recipients.chosen(options.recipients_per_message, order).map_err(with_recipient_flag)
}

/// Maximum size of a template, in bytes: no sender sends larger messages, and a thread has a copy.
const TEMPLATE_BYTES_MAX: u64 = 256 << 20;

fn template(path: &Path, recipients: &RecipientSource) -> anyhow::Result<Template> {
    let file = path.display().to_string();
    let octets = read_at_most(path, TEMPLATE_BYTES_MAX)
        .with_context(|| format!("{file}: cannot be read"))?;
    let columns = recipients.list().map_or(&[][..], List::columns);
    Ok(Template::parse(&Names { file: &file, columns }, &octets)?)
}

/// Prints a message as BDAT would send it.
fn show(plan: &Arc<BlastPlan>, number: u64, out: &mut Out) -> anyhow::Result<Finding> {
    let mut mail = OutgoingMail::default();
    blast::Blast::new(plan).fill(number, &mut mail);
    mail.unstuff();
    out.write_all(&mail.head)?;
    out.write_all(&mail.body)?;
    Ok(Finding::Done)
}

fn duration(blast: &Blast) -> Option<Duration> {
    let is_endless = blast.pace.duration.is_none() && blast.pace.count.is_none();
    blast.pace.duration.or(is_endless.then_some(DURATION_DEFAULT))
}

/// Returns the number of messages to send, an estimate if only the rate determines it. `None` if
/// there is neither a count nor a rate.
fn total(blast: &Blast) -> Option<u64> {
    let at_rate = blast.pace.rate.zip(duration(blast));
    let at_rate = at_rate.map(|(per_s, time)| (per_s.get() * time.as_secs_f64()) as u64);
    blast.pace.count.or(at_rate)
}

/// Returns when sending ends. With a rate, every due message is sent, whether the load has a
/// duration or a count.
fn ends(blast: &Blast, plan: &BlastPlan) -> Ends {
    let at = || duration(blast).map_or(Ends::WithSource, Ends::At);
    plan.schedule_end().map_or_else(at, Ends::Scheduled)
}

fn threads(blast: &Blast) -> usize {
    let threads = blast.pace.threads.map_or_else(cores, usize::from);
    threads.min(blast.pace.connections)
}

fn settings(
    blast: &Blast,
    target: &Target,
    address: sinkd::sender::ResolvedAddress,
    ends: Ends,
) -> anyhow::Result<SendingSettings> {
    let (pace, dialogue) = (&blast.pace, &blast.dialogue);
    let descriptors = raise_descriptor_limit();
    let needed = pace.connections as u64 + DESCRIPTORS_KEPT;
    anyhow::ensure!(
        needed <= descriptors,
        "{} connections need {needed} file descriptors, but the limit is {descriptors}; raise it \
         with ulimit -n",
        pace.connections
    );
    let session = Options {
        protocol: target.protocol,
        name: dialogue.helo.clone(),
        pipelining: !dialogue.no_pipelining,
        chunking: !dialogue.no_chunking,
        depth: dialogue.depth,
        joined_bytes_max: JOINED_BYTES_MAX,
        sends_ambiguous: false,
        start_tls: blast.encryption.start_tls(),
        account: blast.account.account()?,
    };
    Ok(SendingSettings {
        address,
        session,
        tls: blast.encryption.sending(target)?,
        connections: Connections::Kept(pace.connections),
        per_connection: pace.per_connection,
        opening_max: OPENING_MAX,
        timeout: dialogue.timeout,
        patience: PATIENCE,
        ends,
        grace: GRACE,
    })
}

/// Prints the sequence numbers of the messages that a check will not find (they were not sent) or
/// may not find (no reply to them arrived).
fn report_missing(plan: &BlastPlan) {
    let missing = plan.missing();
    for (what, numbers) in
        [("not sent", &missing.not_sent), ("sent in full, no reply", &missing.unknown)]
    {
        if numbers.is_empty() {
            continue;
        }
        let shown: Vec<_> = numbers.iter().take(MISSING_SHOWN).map(u64::to_string).collect();
        let more = match numbers.len() - shown.len() {
            0 => String::new(),
            _ if numbers.len() == blast::MISSING_MAX => String::from(" and many more"),
            more => format!(" and {more} more"),
        };
        eprintln!("sinkctl: {what}: X-Sequence {}{more}", shown.join(","));
    }
}
