//! Numbers formatted for people.

use model::summary::grouped;

/// Returns the smallest of …, 0.1, 0.2, 0.5, 1, 2, 5, 10, … that is at least `value`, which is positive.
pub fn round_up(value: f64) -> f64 {
    let unit = power_of_ten(value);
    [1.0, 2.0, 5.0].into_iter().map(|digit| digit * unit).find(|round| *round >= value).unwrap_or(10.0 * unit)
}

/// The power of ten with the exponent of `value`.
fn power_of_ten(value: f64) -> f64 {
    10f64.powi(exponent(value))
}

fn exponent(value: f64) -> i32 {
    value.abs().log10().floor() as i32
}

/// The format of an axis' ticks: one unit, and as many decimals as their distance needs.
#[derive(Debug)]
pub struct Labels {
    unit: f64,
    suffix: String,
    decimals: usize,
}

impl Labels {
    /// A format for numbers up to `largest` with a distance of `step`.
    pub fn new(largest: f64, step: f64) -> Self {
        let (unit, suffix) = match largest {
            1e-2..1e4 => (1.0, String::new()),
            1e4..1e6 => (1e3, "k".to_string()),
            1e6..1e9 => (1e6, "M".to_string()),
            1e9..1e12 => (1e9, "G".to_string()),
            _ => (power_of_ten(largest), format!("e{}", exponent(largest))),
        };
        let decimals = -(step / unit * (1.0 + 1e-9)).log10().floor();
        Self { unit, suffix, decimals: decimals.max(0.0) as usize }
    }

    /// Formats a tick.
    pub fn write(&self, value: f64) -> String {
        match value {
            0.0 => "0".to_string(),
            _ => format!("{:.*}{}", self.decimals, value / self.unit, self.suffix),
        }
    }
}

/// Formats with `decimals`, and large numbers with an exponent.
pub fn fixed(value: f64, decimals: usize) -> String {
    match value.abs() {
        ..1e7 => format!("{value:.decimals$}"),
        _ => format!("{value:.decimals$e}"),
    }
}

/// Formats with about four digits.
pub fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_string(),
        1e-2..1e7 => format!("{value:.*}", usize::try_from(3 - exponent(value)).unwrap_or(0).min(4)),
        _ => format!("{value:.2e}"),
    }
}

/// Formats as `2 h 5 min`, `5 min 3 s` or `3 s`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds as u64; // saturates
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{} h {minutes} min", grouped(hours)),
    }
}
