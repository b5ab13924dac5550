//! Existing violations: an upper bound for each rule and file. Lines are sorted so that branches
//! merge; if two disagree, the smaller number is right.
use std::collections::BTreeMap;

use crate::tree::Finding;

/// Upper bounds by rule and file.
pub type Bounds = BTreeMap<(String, String), usize>;

/// Returns the violations in `found` beyond `bounds`, and the bounds that would permit them.
pub fn complaints<'a>(
    found: impl Iterator<Item = (&'a str, Vec<Finding>)>,
    bounds: &Bounds,
) -> (Vec<String>, Bounds) {
    let (mut complaints, mut moved, mut now) = (Vec::new(), Vec::new(), Bounds::new());
    for (rule, findings) in found {
        let mut by_file: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
        for finding in findings {
            by_file.entry(finding.file.clone()).or_default().push(finding);
        }
        for (file, mut findings) in by_file {
            findings.sort();
            let place = (rule.to_owned(), file);
            let bound = bounds.get(&place).copied().unwrap_or(0);
            if findings.len() > bound {
                complaints.extend(describe(rule, bound, &findings));
                moved.push(format!("{rule} {} {}", place.1, findings.len()));
            }
            now.insert(place, findings.len().min(bound));
        }
    }
    if !moved.is_empty() {
        complaints.push("Only for code that was moved from another file, with its faults:".into());
        complaints.push("take the line of the old file out of ratchet.txt, and add".into());
        complaints.append(&mut moved);
    }
    (complaints, now)
}

fn describe(rule: &str, bound: usize, findings: &[Finding]) -> Vec<String> {
    let allowed = match bound {
        0 => String::new(),
        bound => format!(
            " (ratchet.txt allows {bound} in this file, from earlier: fix any {} of these)",
            findings.len() - bound
        ),
    };
    let line = |f: &Finding| format!("{}:{}: {rule}: {}{allowed}", f.file, f.line, f.message);
    findings.iter().map(line).collect()
}

pub fn read(text: &str) -> Bounds {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let bound = |line: &str| {
        let mut words = line.split(' ');
        let place = (words.next()?.to_owned(), words.next()?.to_owned());
        Some((place, words.next()?.parse().ok()?))
    };
    lines.map(|line| bound(line).unwrap_or_else(|| panic!("ratchet.txt: '{line}'"))).collect()
}

pub fn written(bounds: &Bounds) -> String {
    let mut text = String::from(
        "# Faults that are there today: rule, file, upper bound. Numbers only go down: after fixing some,\n\
         # RENEW_RATCHET=1 cargo test --test tidy regenerates this file.\n",
    );
    for ((rule, file), bound) in bounds.iter().filter(|(_, bound)| **bound > 0) {
        text.push_str(&format!("{rule} {file} {bound}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(file: &str, line: usize) -> Finding {
        Finding { file: file.into(), line, message: "do better".into() }
    }

    #[test]
    fn a_bound_allows_existing_violations_and_no_more() {
        let bounds = read("# heading\nrule a.rs 2\nrule gone.rs 1\n");
        let check = |findings| complaints([("rule", findings)].into_iter(), &bounds).0;
        assert!(check(vec![finding("a.rs", 1), finding("a.rs", 9)]).is_empty());
        assert!(check(vec![]).is_empty(), "fewer are fine: another branch may need the bound");
        let more = check(vec![finding("a.rs", 1), finding("a.rs", 2), finding("a.rs", 3)]);
        assert_eq!(more.len(), 3 + 3);
        assert!(more[0].starts_with("a.rs:1: rule: do better (ratchet.txt allows 2"), "{more:?}");
        assert_eq!(more[5], "rule a.rs 3");
        assert_eq!(check(vec![finding("b.rs", 7)])[0], "b.rs:7: rule: do better");
    }

    #[test]
    fn bounds_are_only_lowered() {
        let bounds = read("rule a.rs 2\nrule b.rs 1\nrule gone.rs 1\n");
        let found = vec![finding("a.rs", 1), finding("b.rs", 1), finding("b.rs", 2)];
        let (_, now) = complaints([("rule", found)].into_iter(), &bounds);
        assert_eq!(now, read("rule a.rs 1\nrule b.rs 1\n"));
    }

    #[test]
    fn written_bounds_are_read_back() {
        let text = "words a.rs 2\nwords b.rs 1\n";
        let again = written(&read(text));
        assert!(again.ends_with(text), "{again}");
        assert_eq!(read(&again), read(text));
    }
}
