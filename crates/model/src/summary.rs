//! Parameter counts of a model, per part and in total.

use std::fmt;

use crate::transformer::Transformer;
use crate::weights;

/// Parameter counts of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Parts with their parameter counts, from input to output; one row per layer.
    pub parts: Vec<(String, usize)>,
}

impl Summary {
    /// Counts the parameters of a model.
    pub fn new(model: &Transformer) -> Self {
        let mut parts: Vec<(String, usize)> = Vec::new();
        for (name, shape) in weights::shapes(model) {
            let part = part_of(&name);
            let count: usize = shape.iter().product();
            match parts.last_mut() {
                Some((last, sum)) if *last == part => *sum += count,
                _ => parts.push((part, count)),
            }
        }
        Self { parts }
    }

    /// All parameters; a tied matrix counts once.
    pub fn total(&self) -> usize {
        self.parts.iter().map(|(_, count)| count).sum()
    }
}

/// `encoder.layers.0` for anything in that layer, else the first name.
fn part_of(name: &str) -> String {
    let levels = if name.contains(".layers.") {
        3
    } else if name.starts_with("embeddings") {
        2
    } else {
        1
    };
    name.split('.').take(levels).collect::<Vec<_>>().join(".")
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (part, count) in &self.parts {
            writeln!(f, "  {part:<24} {:>12}", grouped(*count))?;
        }
        write!(f, "  {:<24} {:>12} parameters", "total", grouped(self.total()))
    }
}

/// A number with its digits in groups of three.
///
/// ```
/// assert_eq!(model::summary::grouped(1234567), "1,234,567");
/// ```
pub fn grouped(number: impl ToString) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!(["1", "12", "123", "1,234", "1,234,567"], [1, 12, 123, 1234, 1234567].map(grouped).as_slice());
    }
}
