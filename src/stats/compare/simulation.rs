//! Measures with simulated runs how often `compare` finds a difference where there is none, and
//! where there is one. docs/compare.md has the tables. This command reproduces them exactly,
//! because the random numbers have fixed seeds:
//!
//! ```text
//! cargo test --release --lib compare::simulation -- --ignored --nocapture
//! ```
use std::f64::consts::TAU;

use super::measures::{MeasureSeries, MeasureUnit};
use super::noise::Noise;
use super::ranks::{Counts, mean_ranks};
use super::{bounds_of_ranks, bounds_of_ratio};

/// The promise of docs/compare.md: the maximum percentage of equal runs that are reported as
/// different.
const FALSE_MAX: f64 = 7.0;
/// Lengths of both runs, in seconds.
const LENGTHS: [(usize, usize); 4] = [(5, 5), (15, 15), (30, 30), (60, 60)];
const UNEQUAL: [(usize, usize); 3] = [(5, 60), (60, 5), (15, 60)];
/// Correlations of neighboring seconds.
const ALIKE: [f64; 3] = [0.0, 0.3, 0.7];

/// A generator with a fixed seed (SplitMix64; Steele, Lea and Flood 2014).
struct Dice(u64);

impl Dice {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns a normally distributed number (Box and Muller 1958).
    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (TAU * self.uniform()).cos()
    }

    /// Returns seconds with mean 0 and variance 1, whose neighbors correlate by `alike`: a
    /// stationary first-order autoregression.
    fn seconds(&mut self, count: usize, alike: f64) -> Vec<f64> {
        let mut now = self.normal();
        let fresh = (1.0 - alike * alike).sqrt();
        let mut next = |_| {
            let here = now;
            now = alike * now + fresh * self.normal();
            here
        };
        (0..count).map(&mut next).collect()
    }
}

/// The distribution of a run's seconds around its mean, relative to the mean.
#[derive(Clone, Copy)]
enum Scatter {
    /// Normal, with this standard deviation.
    Normal(f64),
    /// Lognormal: the exponential of a normal distribution with this standard deviation. A value of
    /// 1 resembles the tail of a bad p99: seven times the median in one second of forty.
    Skewed(f64),
    /// Normal, but one random second in ten has only a fifth: a rate with dips.
    Dips(f64),
    /// Normal, but every tenth second has only a fifth, at whatever second the run begins: a rate
    /// with regular pauses.
    Pauses(f64),
    /// Normal, with four times the deviation in the second run.
    Unequal(f64),
}

impl Scatter {
    fn name(self) -> String {
        match self {
            Scatter::Normal(deviation) => format!("normal, {:.0} %", 100.0 * deviation),
            Scatter::Skewed(deviation) => format!("lognormal, σ = {deviation}"),
            Scatter::Dips(deviation) => format!("normal, {:.0} %, with dips", 100.0 * deviation),
            Scatter::Pauses(deviation) => {
                format!("normal, {:.0} %, with pauses", 100.0 * deviation)
            }
            Scatter::Unequal(deviation) => {
                let second = 400.0 * deviation;
                format!("normal, {:.0} % and {second:.0} %", 100.0 * deviation)
            }
        }
    }

    /// Returns the distribution of the second run.
    fn second(self) -> Scatter {
        match self {
            Scatter::Unequal(deviation) => Scatter::Normal(4.0 * deviation),
            other => other,
        }
    }

    fn run(self, dice: &mut Dice, seconds: usize, alike: f64) -> MeasureSeries {
        let scattered = dice.seconds(seconds, alike);
        let phase = match self {
            Scatter::Pauses(_) => (dice.uniform() * 10.0) as usize,
            _ => 0,
        };
        let value = |(at, it): (usize, f64)| match self {
            Scatter::Skewed(deviation) => (deviation * it).exp(),
            Scatter::Dips(deviation) if it < -1.2816 => 0.2 + deviation * it / 5.0,
            Scatter::Pauses(deviation) if at % 10 == phase => 0.2 + deviation * it / 5.0,
            Scatter::Normal(deviation)
            | Scatter::Dips(deviation)
            | Scatter::Pauses(deviation)
            | Scatter::Unequal(deviation) => 1.0 + deviation * it,
        };
        let values = scattered.into_iter().enumerate().map(value).collect();
        MeasureSeries::exact(MeasureUnit::PerSecond, values)
    }
}

/// A pair of runs that is simulated many times.
#[derive(Clone, Copy)]
struct Cell {
    scatter: Scatter,
    seconds: (usize, usize),
    alike: f64,
    /// The difference of the second run's mean, relative to the first one's.
    difference: f64,
}

impl Cell {
    fn seed(self) -> u64 {
        let (a, b) = self.seconds;
        (a * 1000 + b) as u64 * 1000 + (self.alike * 100.0) as u64
    }

    /// Returns the percentage of pairs that `compare` reports as different.
    fn differing(self, pairs: u32) -> f64 {
        let Cell { scatter, seconds, alike, difference } = self;
        let (mut dice, mut noise) = (Dice(self.seed()), Noise::default());
        let mut differs = || {
            let a = scatter.run(&mut dice, seconds.0, alike);
            let mut b = scatter.second().run(&mut dice, seconds.1, alike);
            b.values.iter_mut().for_each(|value| *value *= 1.0 + difference);
            bounds_of_ratio(&mut noise, &a, &b).is_ok_and(|interval| interval.differs)
        };
        100.0 * (0..pairs).filter(|_| differs()).count() as f64 / f64::from(pairs)
    }
}

/// Returns the promise plus a margin for a small number of pairs: two standard deviations of the
/// binomial distribution.
fn bound(pairs: u32) -> f64 {
    FALSE_MAX + 2.0 * (FALSE_MAX * (100.0 - FALSE_MAX) / f64::from(pairs)).sqrt()
}

fn name(seconds: (usize, usize)) -> String {
    let (a, b) = seconds;
    if a == b { format!("{a} s") } else { format!("{a} s and {b} s") }
}

#[test]
fn equal_runs_differ_in_at_most_7_of_100_pairs() {
    let pairs = 1000;
    for seconds in LENGTHS.into_iter().chain([UNEQUAL[0]]) {
        for alike in ALIKE {
            for scatter in [Scatter::Normal(0.1), Scatter::Skewed(1.0)] {
                let found = Cell { scatter, seconds, alike, difference: 0.0 }.differing(pairs);
                let (seconds, scatter) = (name(seconds), scatter.name());
                assert!(found <= bound(pairs), "{seconds}, {alike}, {scatter}: {found} %");
            }
        }
    }
}

#[test]
fn a_difference_of_a_fifth_is_seen_in_15_seconds_and_of_a_twentieth_in_60() {
    let scatter = Scatter::Normal(0.05);
    for (length, alike, difference, least) in
        [(5, 0.0, 0.2, 20.0), (15, 0.0, 0.2, 97.0), (60, 0.0, 0.05, 95.0), (60, 0.7, 0.1, 85.0)]
    {
        let cell = Cell { scatter, seconds: (length, length), alike, difference };
        let found = cell.differing(300);
        assert!(found >= least, "{length} s, {alike}, {difference}: {found} %");
    }
}

/// Transactions per second in a simulated run; those of one second share its level.
const TRANSACTIONS: usize = 20;

/// Simulates transaction times of two runs. They are lognormal: the standard deviation of the
/// logarithm is `between` from second to second, and 0.5 within a second.
fn transactions(dice: &mut Dice, cell: Cell, between: f64) -> [Vec<Counts>; 2] {
    let Cell { seconds, alike, difference, .. } = cell;
    [(seconds.0, 0.0), (seconds.1, difference)].map(|(count, difference)| {
        let of_second = |level: f64, dice: &mut Dice| {
            let log = |dice: &mut Dice| between * level + 0.5 * dice.normal();
            let value = |dice: &mut Dice| (10_000.0 * (1.0 + difference) * log(dice).exp()) as u64;
            let mut values: Vec<u64> = (0..TRANSACTIONS).map(|_| value(dice)).collect();
            values.sort_unstable();
            values.into_iter().map(|value| (value, 1)).collect()
        };
        let levels = dice.seconds(count, alike);
        levels.into_iter().map(|level| of_second(level, dice)).collect()
    })
}

/// Returns whether the Kolmogorov-Smirnov test, which assumes independent values, finds a
/// difference with 95% confidence.
fn kolmogorov_differs(a: &[Counts], b: &[Counts]) -> bool {
    let flat = |run: &[Counts]| {
        let mut values: Vec<u64> = run.iter().flatten().map(|(value, _)| *value).collect();
        values.sort_unstable();
        values
    };
    let (a, b) = (flat(a), flat(b));
    let below =
        |run: &[u64], value| run.partition_point(|it| *it <= value) as f64 / run.len() as f64;
    let apart = a.iter().chain(&b).map(|value| (below(&a, *value) - below(&b, *value)).abs());
    let (n, m) = (a.len() as f64, b.len() as f64);
    apart.fold(0.0, f64::max) > 1.358 * ((n + m) / (n * m)).sqrt()
}

/// Returns the percentages of pairs reported as different by the ranks of seconds, and by
/// Kolmogorov-Smirnov.
fn shifted(cell: Cell, between: f64, pairs: u32) -> (f64, f64) {
    let (mut dice, mut noise) = (Dice(cell.seed()), Noise::default());
    let (mut by_ranks, mut by_kolmogorov) = (0, 0);
    for _ in 0..pairs {
        let [a, b] = transactions(&mut dice, cell, between);
        let (ranks_a, ranks_b) = mean_ranks(&a, &b);
        by_ranks += u32::from(bounds_of_ranks(&mut noise, &ranks_a, &ranks_b).unwrap().differs);
        by_kolmogorov += u32::from(kolmogorov_differs(&a, &b));
    }
    let share = |count: u32| 100.0 * f64::from(count) / f64::from(pairs);
    (share(by_ranks), share(by_kolmogorov))
}

/// Deviations of transaction times from second to second: a tenth, and as much as within a second.
const BETWEEN: [f64; 2] = [0.1, 0.5];

#[test]
fn transactions_of_equal_runs_are_shifted_in_at_most_7_of_100_pairs() {
    let pairs = 150;
    for seconds in [(5, 5), (15, 15)] {
        for alike in [0.0, 0.7] {
            let cell = Cell { scatter: Scatter::Normal(0.0), seconds, alike, difference: 0.0 };
            let (found, kolmogorov) = shifted(cell, 0.5, pairs);
            assert!(found <= bound(pairs), "{seconds:?}, {alike}: {found} %");
            // This is the error rate if transactions are assumed to be independent.
            assert!(kolmogorov > 30.0, "{seconds:?}, {alike}: {kolmogorov} %");
        }
    }
}

#[test]
#[ignore = "10,000 pairs a cell: minutes without --release"]
fn tables_of_docs_compare_md() {
    let pairs = 10_000;
    println!("| scatter of seconds | runs | false, 0 | 0.3 | 0.7 | 0.9 |");
    println!("|---|---|---|---|---|---|");
    let scatters = [
        Scatter::Normal(0.05),
        Scatter::Normal(0.1),
        Scatter::Unequal(0.05),
        Scatter::Dips(0.1),
        Scatter::Pauses(0.1),
        Scatter::Skewed(0.3),
        Scatter::Skewed(1.0),
    ];
    for scatter in scatters {
        for seconds in LENGTHS.into_iter().chain(UNEQUAL) {
            let found = |alike| Cell { scatter, seconds, alike, difference: 0.0 }.differing(pairs);
            let [none, some, much, beyond] = [0.0, 0.3, 0.7, 0.9].map(found);
            let row = format!("{none:.1} | {some:.1} | {much:.1} | {beyond:.1}");
            println!("| {} | {} | {row} |", scatter.name(), name(seconds));
            assert!(none.max(some).max(much) <= FALSE_MAX, "{row}");
        }
    }
    println!("\n| runs | alike | 5 % noise: +5 % | +10 % | +20 % | 10 %: +5 % | +10 % | +20 % |");
    println!("|---|---|---|---|---|---|---|---|");
    for seconds in LENGTHS.into_iter().chain(UNEQUAL) {
        for alike in ALIKE {
            let found = |deviation| {
                let scatter = Scatter::Normal(deviation);
                [0.05, 0.1, 0.2].map(|difference| {
                    let cell = Cell { scatter, seconds, alike, difference };
                    format!("{:.0}", cell.differing(pairs))
                })
            };
            let [low, high] = [found(0.05).join(" | "), found(0.1).join(" | ")];
            println!("| {} | {alike} | {low} | {high} |", name(seconds));
        }
    }
}

#[test]
#[ignore = "10,000 pairs a cell: minutes without --release"]
fn tables_of_transactions_in_docs_compare_md() {
    let pairs = 10_000;
    println!(
        "| seconds scatter by | runs | alike | false by ranks | by K-S | +5 % | +10 % | +20 % |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for between in BETWEEN {
        for seconds in LENGTHS {
            for alike in ALIKE {
                let found = |difference, pairs| {
                    let scatter = Scatter::Normal(0.0);
                    shifted(Cell { scatter, seconds, alike, difference }, between, pairs)
                };
                let (none, kolmogorov) = found(0.0, pairs);
                let seen = [0.05, 0.1, 0.2].map(|it| format!("{:.0}", found(it, pairs / 10).0));
                let (seen, between) = (seen.join(" | "), 100.0 * between);
                let row = format!("{none:.1} | {kolmogorov:.1} | {seen}");
                println!("| {between:.0} % | {} | {alike} | {row} |", name(seconds));
                assert!(none <= FALSE_MAX, "{row}");
            }
        }
    }
}
