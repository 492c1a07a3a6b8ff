//! Curves as an SVG picture. The page supplies its font, colours, dark mode and legend.

use std::io;

use plotters::prelude::*;

use super::axis::Axis;
use super::html;

/// The colours of a chart's curves, from the palette of Okabe and Ito for colour-blind people. The page recognises these
/// values and replaces them in dark mode.
pub const COLOURS: [RGBColor; 3] = [RGBColor(0x00, 0x72, 0xB2), RGBColor(0xD5, 0x5E, 0x00), RGBColor(0x00, 0x9E, 0x73)];

/// Placeholders that the page replaces by its colours of text and grid.
const TEXT: RGBColor = RGBColor(0, 0, 0);
const GRID: RGBColor = RGBColor(0xCC, 0xCC, 0xCC);

/// Units of the picture per pixel: coordinates are integers, so that curves would have steps at one unit per pixel.
const FINE: u32 = 4;
const WIDTH: u32 = 480 * FINE;
const HEIGHT: u32 = 240 * FINE;
const ABOVE: u32 = 10 * FINE;
const RIGHT: u32 = 18 * FINE;
const BELOW: u32 = 26 * FINE;
/// The width left of the axis: its minimum, and what a character of the longest tick needs.
const MIN_LEFT: u32 = 46 * FINE;
const CHARACTER: u32 = 17 * FINE / 2;
const TICK: i32 = 6 * FINE as i32;
const DOT: u32 = 3 * FINE;
const LETTER: u32 = 16 * FINE;

/// Curves of at most this many points have a dot at each, without which a single point is invisible.
const FEW: usize = 30;

/// Curves of at least this many points are thinner, so that they hide less of the others.
const MANY: usize = 300;

/// Draws curves between two axes as an `<svg>`; `title` is its text for screen readers.
///
/// # Errors
/// None in practice: the picture is text in memory.
pub fn draw(title: &str, curves: &[Vec<(f64, f64)>], steps: Axis, values: Axis) -> io::Result<String> {
    let mut svg = String::new();
    draw_into(&mut svg, curves, steps, values).map_err(|error| io::Error::other(error.to_string()))?;
    // The page decides its size, and HTML needs no namespace.
    let inside = svg.split_once('>').map_or("", |(_, inside)| inside);
    let title = html::escape(title);
    Ok(format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">{inside}"))
}

fn draw_into(
    svg: &mut String,
    curves: &[Vec<(f64, f64)>],
    steps: Axis,
    values: Axis,
) -> Result<(), DrawingAreaErrorKind<io::Error>> {
    let picture = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    let left = MIN_LEFT.max(values.longest_label() as u32 * CHARACTER + 2 * TICK as u32);
    let mut chart = ChartBuilder::on(&picture)
        .margin_top(ABOVE)
        .margin_right(RIGHT)
        .x_label_area_size(BELOW)
        .y_label_area_size(left)
        .build_cartesian_2d(steps, values)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .set_all_tick_mark_size(TICK)
        .bold_line_style(GRID.stroke_width(FINE))
        .axis_style(GRID.stroke_width(FINE))
        .label_style(("sans-serif", LETTER, &TEXT))
        .draw()?;
    for (points, colour) in curves.iter().zip(COLOURS) {
        let dot = if points.len() <= FEW { DOT } else { 0 };
        let width = if points.len() < MANY { 2 * FINE } else { 3 * FINE / 2 };
        let line = LineSeries::new(points.iter().copied(), colour.filled().stroke_width(width));
        chart.draw_series(line.point_size(dot))?;
    }
    picture.present()
}
