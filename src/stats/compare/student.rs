//! Student's t distribution, as far as 95% intervals need it.
use std::f64::consts::FRAC_PI_2;

/// Steps of the numerical integration; errors stay below 0.3%.
const STEPS: usize = 256;
/// Above this number of degrees of freedom, the value decreases by at most 1%.
const FREEDOM_MAX: f64 = 120.0;

/// Returns the value that |t| exceeds with a probability of 5% (the 97.5% quantile).
///
/// `freedom` is the number of degrees of freedom: at least 1, and not necessarily whole. With t =
/// √ν·tan θ, the density of θ is proportional to cos^(ν-1) θ, so no gamma function is needed. Costs
/// about 5 µs.
pub(super) fn critical(freedom: f64) -> f64 {
    let freedom = freedom.clamp(1.0, FREEDOM_MAX);
    let width = FRAC_PI_2 / STEPS as f64;
    let density = |step: usize| (step as f64 * width).cos().max(0.0).powf(freedom - 1.0);
    let mut below = Vec::with_capacity(STEPS + 1);
    let (mut sum, mut left) = (0.0, density(0));
    below.push(sum);
    for step in 1..=STEPS {
        let right = density(step);
        sum += (left + right) / 2.0;
        left = right;
        below.push(sum);
    }
    let wanted = 0.95 * sum;
    let step = below.partition_point(|area| *area < wanted);
    let part = (wanted - below[step - 1]) / (below[step] - below[step - 1]);
    freedom.sqrt() * ((step as f64 - 1.0 + part) * width).tan()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn critical_values_are_those_of_printed_tables() {
        for (freedom, printed) in [
            (1.0, 12.706),
            (2.0, 4.303),
            (3.0, 3.182),
            (4.0, 2.776),
            (5.0, 2.571),
            (10.0, 2.228),
            (30.0, 2.042),
            (120.0, 1.980),
            (1e9, 1.980),
        ] {
            let found = critical(freedom);
            assert!((found / printed - 1.0).abs() < 0.003, "{freedom}: {found}, not {printed}");
        }
        // The critical value also decreases between whole numbers; less than 1 degree counts as 1.
        assert!(critical(1.0) > critical(1.5) && critical(1.5) > critical(2.0));
        assert_eq!(critical(0.1), critical(1.0));
    }
}
