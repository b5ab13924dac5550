//! Random campaigns: the figures equal those of an independent recount.
use std::collections::BTreeMap;

use super::campaign::{Campaign, about, address};
use crate::common::Dice;

#[test]
fn figures_of_random_campaigns_equal_a_naive_recount() {
    let mut dice = Dice::number(20);
    for round in 0..8 {
        let mut campaign = Campaign::start(&[]);
        let persons = 1 + dice.roll(30);
        let (mut rows, mut got) = (Vec::new(), BTreeMap::<String, u64>::new());
        for n in 0..persons {
            (0..dice.roll(3)).for_each(|_| rows.push(address(n)));
            for _ in 0..dice.roll(3) {
                campaign.send("a@b.example", &address(n), &about(n));
                *got.entry(address(n)).or_default() += 1;
            }
        }
        if rows.is_empty() || got.is_empty() {
            continue;
        }
        let list = campaign.file("list.csv", format!("email\n{}\n", rows.join("\n")));
        let memory = ["1M", "1G"][round % 2];
        let output = campaign.audit(&["--expect", &list, "--json", "--memory", memory]);
        let json = output.json();
        let mut expected = rows.clone();
        expected.sort();
        expected.dedup();
        let of = |who: &String| got.get(who).copied().unwrap_or(0);
        let count =
            |is: &dyn Fn(u64) -> bool| expected.iter().filter(|it| is(of(it))).count() as u64;
        let unexpected = got.keys().filter(|who| !expected.contains(who));
        let numbers = [
            ("rows", rows.len() as u64),
            ("repeated_rows", (rows.len() - expected.len()) as u64),
            ("recipients", expected.len() as u64),
            ("once", count(&|n| n == 1)),
            ("missing", count(&|n| n == 0)),
            ("unexpected", unexpected.clone().count() as u64),
            ("unexpected_messages", unexpected.map(of).sum()),
        ];
        for (key, number) in numbers {
            assert_eq!(json["expected"][key], number, "round {round}, {key}: {}", output.out);
        }
        let repeated = got.values().filter(|n| **n > 1);
        assert_eq!(json["repeated"]["recipients"], repeated.clone().count() as u64);
        let extra: u64 = repeated.map(|n| n - 1).sum();
        assert_eq!(json["repeated"]["extra_messages"], extra);
        let is_good = expected.iter().all(|who| of(who) == 1) && got.len() == expected.len();
        assert_eq!(output.code, if is_good { 0 } else { 1 }, "round {round}: {}", output.out);
    }
}
