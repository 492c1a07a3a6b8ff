//! An axis: its range, and round numbers at its ticks.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use super::number::{self, Labels};

/// The number of ticks to aim at.
const TICKS: usize = 5;

/// The ratio of the largest to the smallest value from which an axis is logarithmic.
const WIDE: f64 = 4.0;

/// Smaller differences count as none, since a chart cannot show them and a division would overflow.
const MIN_DIFFERENCE: f64 = 1e-100;

/// A range with its ticks and their format.
#[derive(Debug)]
pub struct Axis {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
    /// The common format of evenly spaced ticks; the ticks of a logarithmic axis have none.
    labels: Option<Labels>,
}

impl Axis {
    /// An axis from 0 to the last step.
    pub fn from_steps(last: u64) -> Self {
        let high = last.max(1) as f64;
        Self::even(0.0, high, number::round_up(high / TICKS as f64))
    }

    /// A linear axis that spans all values up to the next tick, and begins at 0 unless some are negative.
    pub fn from_values(values: &[f64]) -> Self {
        let low = values.iter().copied().fold(0.0, f64::min);
        let high = values.iter().copied().fold(low, f64::max);
        let high = if high - low < MIN_DIFFERENCE { low + 1.0 } else { high };
        let step = number::round_up((high - low) / TICKS as f64);
        Self::even((low / step).floor() * step, (high / step).ceil() * step, step)
    }

    /// A logarithmic axis if the values are positive and far apart, otherwise a linear one.
    pub fn from_wide_values(values: &[f64]) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(low, f64::max);
        match low > MIN_DIFFERENCE && high / low >= WIDE {
            true => Self { low, high, ticks: logarithmic_ticks(low, high), labels: None },
            false => Self::from_values(values),
        }
    }

    pub fn is_logarithmic(&self) -> bool {
        self.labels.is_none()
    }

    /// The number of characters of the longest tick.
    pub fn longest_label(&self) -> usize {
        self.ticks.iter().map(|tick| self.format_ext(tick).chars().count()).max().unwrap_or(0)
    }

    fn even(low: f64, high: f64, step: f64) -> Self {
        let (first, last) = ((low / step).round() as i64, (high / step * (1.0 + 1e-9)).floor() as i64);
        let ticks = (first..=last).map(|tick| tick as f64 * step).collect();
        let labels = Some(Labels::new(low.abs().max(high.abs()), step));
        Self { low, high, ticks, labels }
    }

    fn position(&self, value: f64) -> f64 {
        if self.is_logarithmic() { value.log10() } else { value }
    }
}

/// Returns 1, 2, 5, 10, … between the two, or only powers of ten if these are many.
fn logarithmic_ticks(low: f64, high: f64) -> Vec<f64> {
    let powers = || low.log10().floor() as i32..=high.log10().floor() as i32;
    let inside = |tick: &f64| (low..=high).contains(tick);
    let ticks: Vec<f64> =
        powers().flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power))).filter(inside).collect();
    if ticks.len() <= 2 * TICKS {
        return ticks;
    }
    powers().step_by(powers().count().div_ceil(2 * TICKS)).map(|power| 10f64.powi(power)).filter(inside).collect()
}

// The axes of plotters look for ticks in loops that do not end for some numbers.
impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let (low, high) = (self.position(self.low), self.position(self.high));
        let share = (self.position(*value) - low) / (high - low);
        start + (f64::from(end - start) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // No light lines between the ticks.
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.labels.as_ref().unwrap_or(&Labels::new(*value, *value)).write(*value)
    }
}
