//! A map of weights in cells of a given size.

use super::colours::{self, LEVELS};
use crate::Matrix;

/// Draws a map with its upper left corner at (`x`, `y`); `causal` hatches the hidden cells above the diagonal.
pub fn draw(weights: &Matrix, x: f32, y: f32, cell: f32, causal: bool) -> String {
    let (rows, columns) = (weights.len(), weights.first().map_or(0, Vec::len));
    let (width, height) = (columns as f32 * cell, rows as f32 * cell);
    let mut svg = format!("<g transform=\"translate({x} {y})\">\n");
    svg += &format!("<rect width=\"{width}\" height=\"{height}\" fill=\"{}\"/>\n", colours::colour(0));
    svg += &format!("<g transform=\"scale({cell})\" shape-rendering=\"crispEdges\">\n");
    for (level, path) in paths(weights).iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        svg += &format!("<path fill=\"{}\" d=\"{path}\"/>\n", colours::colour(level));
    }
    svg += "</g>\n";
    if causal && rows > 1 {
        svg += &format!("<path fill=\"url(#hidden)\" d=\"{}\"/>\n", stairs(rows, cell));
    }
    svg + &format!("<rect width=\"{width}\" height=\"{height}\" fill=\"none\" stroke=\"#dcdfe3\"/>\n</g>\n")
}

/// Returns the cells of each colour except the background as a path, neighbours in a row merged.
fn paths(weights: &Matrix) -> Vec<String> {
    let mut paths = vec![String::new(); LEVELS];
    for (y, row) in weights.iter().enumerate() {
        let levels: Vec<usize> = row.iter().map(|weight| colours::level(*weight)).collect();
        let mut x = 0;
        for run in levels.chunk_by(|left, right| left == right) {
            if run[0] > 0 {
                paths[run[0]] += &format!("M{x} {y}h{n}v1h-{n}z", n = run.len());
            }
            x += run.len();
        }
    }
    paths
}

/// Returns the outline of all cells above the diagonal.
fn stairs(n: usize, cell: f32) -> String {
    let mut path = format!("M{cell} 0H{}V{}", n as f32 * cell, (n - 1) as f32 * cell);
    for row in (1..n).rev() {
        path += &format!("H{}V{}", row as f32 * cell, (row - 1) as f32 * cell);
    }
    path + "Z"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_one_colour_in_a_row_are_one() {
        let paths = paths(&vec![vec![0.5, 0.5, 0.0], vec![0.0, 0.0, 0.5]]);
        assert_eq!(paths[colours::level(0.5)], "M0 0h2v1h-2zM2 1h1v1h-1z");
        assert_eq!(paths.iter().filter(|path| !path.is_empty()).count(), 1);
    }

    #[test]
    fn stairs_leave_the_diagonal_free() {
        assert_eq!(stairs(3, 10.0), "M10 0H30V20H20V10H10V0Z");
    }
}
