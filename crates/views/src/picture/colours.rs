//! The colour scale: one hue, darker with more weight, as on the page.

/// Stops at equal distances, from weight 0 to 1.
const STOPS: [[f32; 3]; 7] = [
    [251.0, 252.0, 253.0],
    [214.0, 230.0, 242.0],
    [160.0, 200.0, 226.0],
    [96.0, 160.0, 206.0],
    [38.0, 112.0, 176.0],
    [14.0, 68.0, 130.0],
    [6.0, 30.0, 72.0],
];

/// Number of distinct colours. Cells of one colour are drawn as one path.
pub const LEVELS: usize = 48;

/// Returns the level of a weight, from 0 to `LEVELS` - 1. The square root makes small weights visible.
pub fn level(weight: f32) -> usize {
    (weight.clamp(0.0, 1.0).sqrt() * (LEVELS - 1) as f32).round() as usize
}

/// Returns the colour of a level as `#rrggbb`.
pub fn colour(level: usize) -> String {
    let place = level as f32 / (LEVELS - 1) as f32 * (STOPS.len() - 1) as f32;
    let below = (place as usize).min(STOPS.len() - 2);
    let [red, green, blue] = [0, 1, 2].map(|part| {
        let (from, to) = (STOPS[below][part], STOPS[below + 1][part]);
        (from + (place - below as f32) * (to - from)).round() as u8
    });
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_from_the_first_stop_to_the_last() {
        assert_eq!((level(0.0), level(1.0)), (0, LEVELS - 1));
        assert_eq!(level(f32::NAN), 0);
        assert_eq!((colour(0).as_str(), colour(LEVELS - 1).as_str()), ("#fbfcfd", "#061e48"));
    }

    #[test]
    fn more_weight_is_darker() {
        let sums: Vec<u32> = (0..LEVELS)
            .map(|level| {
                let number = u32::from_str_radix(&colour(level)[1..], 16).unwrap();
                (number >> 16) + (number >> 8 & 255) + (number & 255)
            })
            .collect();
        assert!(sums.windows(2).all(|pair| pair[0] > pair[1]), "{sums:?}");
    }
}
