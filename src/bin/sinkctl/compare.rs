//! `sinkctl compare`: two runs side by side, and which differences are more than noise.
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use sinkd::stats::{Difference, Measures, Metric, SECONDS_MIN};

use crate::args::During;
use crate::during::seconds;
use crate::{Finding, Out};

/// A measure in `--json`. Keys keep their meaning.
#[derive(Debug, Serialize)]
struct Line<'a> {
    name: &'a str,
    a: f64,
    b: f64,
    /// Of b - a, 95 %, by a moving-block bootstrap over seconds; null: a run is too short.
    low: Option<f64>,
    high: Option<f64>,
    /// Does the interval leave 0 out?
    differs: Option<bool>,
}

pub fn run(
    folders: &[PathBuf],
    a: &str,
    b: &str,
    json: bool,
    out: &mut Out,
) -> anyhow::Result<Finding> {
    let ((one, mut problems), (other, more)) = (measures(folders, a)?, measures(folders, b)?);
    problems.extend(more);
    for problem in &problems {
        eprintln!("sinkctl: {problem}");
    }
    let differences = one.compare(&other);
    if differences.is_empty() {
        anyhow::bail!("nothing to compare: no messages were recorded in one of them");
    }
    if !json {
        writeln!(out, "{:24}{a:>14}{b:>14}{:>9}  95 % interval", "", "change")?;
    }
    for difference in &differences {
        match json {
            true => writeln!(out, "{}", serde_json::to_string(&line(difference))?)?,
            false => writeln!(out, "{}", text(difference))?,
        }
    }
    if !json {
        writeln!(
            out,
            "means over seconds; p50 and p99 are each second's; interval: moving-block bootstrap"
        )?;
    }
    Ok(if problems.is_empty() { Finding::Holds } else { Finding::DoesNotHold })
}

/// `what`: a data folder, the name of a run, or `FOLDER:RUN`. Beside it what could not be read.
fn measures(folders: &[PathBuf], what: &str) -> anyhow::Result<(Measures, Vec<String>)> {
    let (folders, run) = if Path::new(what).is_dir() {
        (vec![PathBuf::from(what)], None)
    } else if let Some((folder, run)) = what.rsplit_once(':').filter(|(f, _)| Path::new(f).is_dir())
    {
        (vec![PathBuf::from(folder)], Some(run.to_owned()))
    } else {
        (folders.to_vec(), Some(what.to_owned()))
    };
    let spans = During { run, ..During::default() }.spans(&folders)?;
    let parts: Vec<_> =
        folders.iter().zip(&spans).map(|(folder, span)| (&**folder, seconds(span))).collect();
    Measures::read(&parts).with_context(|| format!("{what}: its statistics can't be read"))
}

fn line(difference: &Difference) -> Line<'_> {
    let Difference { name, a, b, interval } = difference;
    Line {
        name,
        a: *a,
        b: *b,
        low: interval.map(|(low, _)| low),
        high: interval.map(|(_, high)| high),
        differs: difference.is_real(),
    }
}

fn text(difference: &Difference) -> String {
    let Difference { name, a, b, interval } = difference;
    let percent =
        |x: f64| if *a == 0.0 { "-".to_owned() } else { format!("{:+.1}%", 100.0 * x / a) };
    let verdict = match (interval, difference.is_real()) {
        (Some((low, high)), Some(is_real)) => {
            let what = if is_real { "differs" } else { "noise" };
            format!("{} to {}: {what}", percent(*low), percent(*high))
        }
        _ => format!("fewer than {SECONDS_MIN} seconds"),
    };
    let change = percent(b - a);
    format!("{name:24}{:>14}{:>14}{change:>9}  {verdict}", value(name, *a), value(name, *b))
}

/// With the unit of its metric.
fn value(name: &str, n: f64) -> String {
    let what = name.split('.').next().unwrap_or(name);
    match Metric::of(&format!("{what}_us")) {
        Some(metric) => crate::stats::value(Some(metric), n as u64),
        None if name == "busy_share" => format!("{:.1} %", 100.0 * n),
        None => format!("{n:.0}"),
    }
}
