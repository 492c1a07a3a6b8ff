//! One head, enlarged: its map with the tokens of queries and keys.

use model::AttentionKind;

use super::{keys, map, markup, matrix, queries, title};
use crate::Attention;

/// Columns after which a token is truncated.
const MAX_COLUMNS: usize = 20;

/// Width of a column as a fraction of the font size: the fonts of `TOKENS` are monospaced.
const COLUMN: f32 = 0.62;

/// Fonts for tokens. The first is bundled for PNG and has the `▁` of subwords.
const TOKENS: &str = "font-family=\"Hack, 'DejaVu Sans Mono', 'Noto Sans Mono', monospace\"";

/// Minimum distance of lines of text.
const LINE: f32 = 11.0;

/// Draws one head, enlarged, as an SVG document.
pub fn draw(attention: &Attention, kind: AttentionKind, layer: usize, head: usize) -> String {
    let (rows, columns) = (queries(attention, kind), keys(attention, kind));
    let cell = (720.0 / columns.len().max(rows.len()).max(1) as f32).floor().clamp(4.0, 34.0);
    let letters = (cell - 2.0).clamp(9.0, 13.0);
    // Cells smaller than a line of text: only every n-th token is labelled.
    let every = (LINE / cell).ceil() as usize;
    let beside = |tokens: &[String]| {
        let longest = tokens.iter().map(|token| markup::columns(token)).max().unwrap_or(0);
        longest.clamp(4, MAX_COLUMNS) as f32 * letters * COLUMN + 12.0
    };
    let (left, top) = (beside(rows) + 16.0, beside(columns) + 50.0);
    let (width, height) = (columns.len() as f32 * cell, rows.len() as f32 * cell);

    let title = format!("{}, layer {}, head {}", title(kind), layer + 1, head + 1);
    let mut body = markup::label(16.0, 26.0, &title, 80, "font-size=\"15\"");
    for (place, token) in rows.iter().enumerate().step_by(every) {
        let y = top + (place as f32 + 0.5) * cell + letters * 0.35;
        body += &markup::label(
            left - 6.0,
            y,
            visible(token),
            MAX_COLUMNS,
            &format!("{TOKENS} font-size=\"{letters}\" text-anchor=\"end\""),
        );
    }
    for (place, token) in columns.iter().enumerate().step_by(every) {
        let (x, y) = (left + (place as f32 + 0.5) * cell + letters * 0.35, top - 6.0);
        body += &markup::label(
            x,
            y,
            visible(token),
            MAX_COLUMNS,
            &format!("{TOKENS} font-size=\"{letters}\" transform=\"rotate(-90 {x} {y})\""),
        );
    }
    body += &map::draw(matrix(attention, kind, layer, head), left, top, cell, kind == AttentionKind::Decoder);
    body += &markup::label(left, top + height + 20.0, axes(kind), 80, "font-size=\"10\" fill=\"#5b6470\"");
    body += &markup::legend(left + 4.0, top + height + 32.0);
    markup::document((left + width + 20.0).max(left + 230.0), top + height + 66.0, &body)
}

/// A token of white space alone is shown as the mark of a leading space.
fn visible(token: &str) -> &str {
    if token.chars().all(char::is_whitespace) { "▁" } else { token }
}

fn axes(kind: AttentionKind) -> &'static str {
    match kind {
        AttentionKind::Encoder => "rows: queries (source), columns: keys (source)",
        AttentionKind::Decoder => "rows: queries (target), columns: keys (target); later keys are hidden",
        AttentionKind::Cross => "rows: queries (target), columns: keys (source)",
    }
}
