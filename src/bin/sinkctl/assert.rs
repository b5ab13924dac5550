//! `sinkctl assert`: what must hold of a run, for CI.
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;

use crate::args::Assert;
use crate::stats::Gathered;
use crate::{Finding, Out};

mod claim;
mod junit;
mod subject;

use claim::Claim;

/// A claim, and how it fared.
struct Checked {
    claim: Claim,
    /// Why it doesn't hold.
    failure: Option<String>,
}

pub fn run(folders: &[PathBuf], assert: &Assert, out: &mut Out) -> anyhow::Result<Finding> {
    let claims = claims(assert)?;
    anyhow::ensure!(!claims.is_empty(), "nothing is asserted: try 'totals.messages > 0'");
    let gathered = Gathered::of_recorded(folders, &assert.during)?;
    for problem in &gathered.history.problems {
        eprintln!("sinkctl: {problem}");
    }
    let checked: Vec<Checked> = claims
        .into_iter()
        .map(|claim| Checked { failure: claim.check(&gathered).err(), claim })
        .collect();
    for one in &checked {
        match &one.failure {
            None => writeln!(out, "ok      {}", one.claim.text)?,
            Some(why) => writeln!(out, "FAILED  {}: {why}", one.claim.text)?,
        }
    }
    if let Some(path) = &assert.junit {
        std::fs::write(path, junit::xml(&checked))
            .with_context(|| format!("{}: can't be written", path.display()))?;
    }
    // What could not be read may be what a claim is about.
    let is_complete = gathered.history.problems.is_empty();
    let all_hold = is_complete && checked.iter().all(|one| one.failure.is_none());
    Ok(if all_hold { Finding::Holds } else { Finding::DoesNotHold })
}

/// From the command line and from files: one a line, `#` begins a comment.
fn claims(assert: &Assert) -> anyhow::Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for text in &assert.claims {
        claims.push(text.parse().map_err(anyhow::Error::msg)?);
    }
    for path in &assert.files {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{}: can't be read", path.display()))?;
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                let place = format!("{}:{}", path.display(), number + 1);
                let claim: Result<Claim, String> = line.parse();
                claims.push(claim.map_err(anyhow::Error::msg).context(place)?);
            }
        }
    }
    Ok(claims)
}

/// A number without needless digits.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
