//! Scales: the position of a value on an axis, and the ticks of the axis.
use super::unit::PlotUnit;

/// A grid line across the plot; faint if it has no label.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Position, from 0 (the start of the axis) to 1 (its end).
    pub position: f64,
    /// The label next to it; empty: the line has none.
    pub label: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum ScaleKind {
    Linear(PlotUnit),
    Log(PlotUnit),
    /// Logarithm of 1/(1-q): each decade adds a nine.
    Percentile,
    /// Unix time in seconds.
    Time,
}

/// A scale between two values. They are always finite and distinct, whatever the caller passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    kind: ScaleKind,
    from: f64,
    until: f64,
}

impl Scale {
    /// Returns a linear scale from 0 to `max`, or to the next multiple of a round step above it.
    pub fn from_zero(unit: PlotUnit, max: f64) -> Scale {
        let max = if max.is_finite() && max > 0.0 { max.clamp(1e-6, 1e18) } else { 1.0 };
        let step = linear_step(unit, max / 5.0);
        Scale { kind: ScaleKind::Linear(unit), from: 0.0, until: (max / step - 1e-9).ceil() * step }
    }

    /// Returns a logarithmic scale from `low` (at least 1) to `high`, extended to the next 1, 2 or
    /// 5 of a decade; at least one decade. Smaller values are at its start.
    pub fn log(unit: PlotUnit, low: f64, high: f64) -> Scale {
        let low = if low.is_finite() { low.clamp(1.0, 1e18) } else { 1.0 };
        let high = if high.is_finite() { high.clamp(low, 1e19) } else { low };
        let from = round_below(low);
        let mut until = round_above(high);
        while until < 9.99 * from {
            until = round_above(1.5 * until);
        }
        Scale { kind: ScaleKind::Log(unit), from, until }
    }

    /// Returns a scale of percentiles, as HdrHistogram plots them. Its values are 1/(1-q), from 1
    /// (the lowest value) to `count` (the highest of `count` values), but at least to 10.
    pub fn percentile(count: f64) -> Scale {
        let until = if count.is_finite() { count.max(10.0) } else { 10.0 };
        Scale { kind: ScaleKind::Percentile, from: 1.0, until }
    }

    /// Returns a scale of Unix time in seconds, which spans at least 0.1 s.
    pub fn time(from: f64, until: f64) -> Scale {
        // Within the range of years that jiff supports.
        let bound = |time: f64| if time.is_finite() { time.clamp(0.0, 2e11) } else { 0.0 };
        let from = bound(from);
        Scale { kind: ScaleKind::Time, from, until: bound(until).max(from + 0.1) }
    }

    /// Returns the position from 0 to 1. Values outside of the scale are at its ends.
    pub fn position(&self, value: f64) -> f64 {
        let position = match self.kind {
            ScaleKind::Linear(_) | ScaleKind::Time => {
                (value - self.from) / (self.until - self.from)
            }
            ScaleKind::Log(_) | ScaleKind::Percentile => {
                (value.max(self.from) / self.from).ln() / (self.until / self.from).ln()
            }
        };
        if position.is_nan() { 0.0 } else { position.clamp(0.0, 1.0) }
    }

    /// Returns the values at the start and at the end of the scale, which are finite and distinct.
    pub fn bounds(&self) -> (f64, f64) {
        (self.from, self.until)
    }

    /// Returns the ticks in order, about `most` of them with labels. All ticks of a scale of
    /// percentiles have labels.
    pub fn ticks(&self, most: usize) -> Vec<Tick> {
        let most = most.max(2);
        let ticks = match self.kind {
            ScaleKind::Linear(unit) => self.linear(unit, most),
            ScaleKind::Log(unit) => self.decades(unit, most),
            ScaleKind::Percentile => self.nines(),
            ScaleKind::Time => self.times(most),
        };
        let tick = |(value, label)| Tick { position: self.position(value), label };
        ticks.into_iter().map(tick).collect()
    }

    fn linear(&self, unit: PlotUnit, most: usize) -> Vec<(f64, String)> {
        let step = linear_step(unit, self.until / most as f64);
        let values = (0..=2 * most).map(|i| i as f64 * step);
        values
            .take_while(|value| *value <= self.until * (1.0 + 1e-9))
            .map(|value| (value, unit.tick(value)))
            .collect()
    }

    fn decades(&self, unit: PlotUnit, most: usize) -> Vec<(f64, String)> {
        let (first, last) = (self.from.log10().floor() as i32, self.until.log10().ceil() as i32);
        let decades = (self.until / self.from).log10();
        let every = (decades / most as f64).ceil().max(1.0) as i32;
        let labeled: &[u32] = match most as f64 / decades {
            3.0.. => &[1, 2, 5],
            _ => &[1],
        };
        let mut ticks = Vec::new();
        for exponent in first..=last {
            for digit in 1..10 {
                let value = f64::from(digit) * 10f64.powi(exponent);
                if value < self.from * 0.999 || value > self.until * 1.001 {
                    continue;
                }
                let has_label = labeled.contains(&digit) && (exponent - first) % every == 0;
                match has_label {
                    true => ticks.push((value, unit.tick(value))),
                    false if decades <= 6.0 => ticks.push((value, String::new())),
                    false => {}
                }
            }
        }
        ticks
    }

    fn nines(&self) -> Vec<(f64, String)> {
        let mut ticks = vec![(1.0, String::from("0")), (2.0, String::from("50%"))];
        for nines in 1..=self.until.log10().floor() as usize {
            let label = match nines {
                1 => String::from("90%"),
                2 => String::from("99%"),
                _ => format!("99.{}%", "9".repeat(nines - 2)),
            };
            ticks.push((10f64.powi(nines as i32), label));
        }
        ticks
    }

    fn times(&self, most: usize) -> Vec<(f64, String)> {
        let step = time_step((self.until - self.from) / most as f64);
        let first = (self.from / step - 1e-6).ceil();
        let values = (0..=2 * most).map(|i| (first + i as f64) * step);
        values
            .take_while(|value| *value <= self.until + 1e-6)
            .map(|value| (value, time_label(value, step)))
            .collect()
    }
}

/// Returns the smallest step of 1, 2 or 5 times a power of ten that is at least `least`; at least
/// 1, except for shares and durations.
fn linear_step(unit: PlotUnit, least: f64) -> f64 {
    let step = round_above(least);
    if matches!(unit, PlotUnit::Share | PlotUnit::Microseconds) { step } else { step.max(1.0) }
}

fn round_above(value: f64) -> f64 {
    let decade = 10f64.powf(value.max(1e-12).log10().floor());
    let fits = |digit: &&f64| *digit * decade >= value * (1.0 - 1e-9);
    [1.0, 2.0, 5.0].iter().find(fits).unwrap_or(&10.0) * decade
}

fn round_below(value: f64) -> f64 {
    let decade = 10f64.powf(value.max(1e-12).log10().floor());
    let fits = |digit: &&f64| *digit * decade <= value * (1.0 + 1e-9);
    [5.0, 2.0].iter().find(fits).unwrap_or(&1.0) * decade
}

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 86_400.0;

/// Returns a step of clocks and calendars, in seconds, that is at least `least`.
fn time_step(least: f64) -> f64 {
    let seconds = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0];
    let minutes = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0].map(|n| n * MINUTE);
    let hours = [1.0, 2.0, 3.0, 6.0, 12.0].map(|n| n * HOUR);
    let mut steps = seconds.iter().chain(&minutes).chain(&hours);
    let step = steps.find(|step| **step >= least);
    step.copied().unwrap_or_else(|| round_above(least / DAY) * DAY)
}

/// Returns the UTC time, as precise as the step. With steps of a minute or more, midnight is shown
/// as the date.
fn time_label(unix_s: f64, step: f64) -> String {
    let at = jiff::Timestamp::from_millisecond((unix_s * 1000.0).round() as i64);
    let at = at.unwrap_or(jiff::Timestamp::MAX);
    let is_midnight = (unix_s / DAY).fract() == 0.0;
    let form = match step {
        ..1.0 => "%H:%M:%S%.1f",
        ..MINUTE => "%H:%M:%S",
        ..DAY if !is_midnight => "%H:%M",
        _ => "%Y-%m-%d",
    };
    at.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, most: usize) -> String {
        let ticks = scale.ticks(most);
        let labels: Vec<&str> = ticks.iter().map(|tick| tick.label.as_str()).collect();
        labels.join("|")
    }

    #[test]
    fn ticks_are_numbers_that_people_count_in() {
        for (scale, most, expected) in [
            (Scale::from_zero(PlotUnit::Number, 4.0), 5, "0|1|2|3|4"),
            (Scale::from_zero(PlotUnit::Number, 1.0), 5, "0|1"),
            (Scale::from_zero(PlotUnit::Number, 0.0), 5, "0|1"),
            (Scale::from_zero(PlotUnit::PerSecond, 9876.0), 5, "0|2,000|4,000|6,000|8,000|10k"),
            (Scale::from_zero(PlotUnit::PerSecond, 1_234_567.0), 3, "0|500k|1M|1.5M"),
            (Scale::from_zero(PlotUnit::Share, 1.0), 5, "0%|20%|40%|60%|80%|100%"),
            (Scale::from_zero(PlotUnit::Share, 0.013), 5, "0%|0.5%|1%|1.5%"),
            (Scale::log(PlotUnit::Microseconds, 40.0, 120.0), 5, "20 µs|||50 µs|||||100 µs|200 µs"),
            (Scale::log(PlotUnit::Bytes, 1.0, 1.0), 4, "1 B|2 B|||5 B|||||10 B"),
            (Scale::percentile(1.0), 5, "0|50%|90%"),
            (Scale::percentile(123_456.0), 5, "0|50%|90%|99%|99.9%|99.99%|99.999%"),
        ] {
            assert_eq!(labels(scale, most), expected, "{scale:?}");
        }
        let wide = labels(Scale::log(PlotUnit::Microseconds, 1.0, 9e10), 6);
        assert_eq!(wide, "1 µs|100 µs|10 ms|1 s|100 s|10,000 s");
    }

    #[test]
    fn time_ticks_are_at_round_clock_times() {
        let day = 20_778.0 * DAY;
        for (from, until, expected) in [
            (8.0 * HOUR, 8.0 * HOUR, "08:00:00.0|08:00:00.1"),
            (8.0 * HOUR + 1.2, 8.0 * HOUR + 9.0, "08:00:02|08:00:04|08:00:06|08:00:08"),
            (8.0 * HOUR, 8.0 * HOUR + 70.0, "08:00:00|08:00:15|08:00:30|08:00:45|08:01:00"),
            (0.0, 5.0 * HOUR, "2026-11-21|01:00|02:00|03:00|04:00|05:00"),
            (20.0 * HOUR, 36.0 * HOUR, "2026-11-22|06:00|12:00"),
            (0.0, 9.0 * DAY, "2026-11-21|2026-11-23|2026-11-25|2026-11-27|2026-11-29"),
        ] {
            assert_eq!(labels(Scale::time(day + from, day + until), 5), expected);
        }
    }

    #[test]
    fn any_bounds_give_a_finite_scale() {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e-300, 1e300, 5.0];
        for a in odd {
            for b in odd {
                for scale in [
                    Scale::from_zero(PlotUnit::Number, a),
                    Scale::from_zero(PlotUnit::Share, b),
                    Scale::log(PlotUnit::Bytes, a, b),
                    Scale::percentile(a),
                    Scale::time(a, b),
                ] {
                    let (from, until) = scale.bounds();
                    assert!(from < until, "{scale:?}");
                    for value in odd {
                        assert!((0.0..=1.0).contains(&scale.position(value)), "{scale:?} {value}");
                    }
                    let ticks = scale.ticks(6);
                    assert!(ticks.len() < 400, "{scale:?}: {}", ticks.len());
                    assert!(ticks.iter().all(|tick| (0.0..=1.0).contains(&tick.position)));
                    assert!(!labels(scale, 6).contains("NaN") && !labels(scale, 6).contains("inf"));
                }
            }
        }
    }
}
