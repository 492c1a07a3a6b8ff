//! A grid of heads, one row per layer.

use std::ops::Range;

use model::AttentionKind;

use super::{keys, map, markup, matrix, queries, title};
use crate::Attention;

/// Approximate width of one map; cells have whole pixels.
const SIDE: f32 = 112.0;

const GAP: f32 = 8.0;

/// Draws the heads, one row of maps per layer.
pub fn draw(attention: &Attention, kind: AttentionKind, layers: Range<usize>, heads: Range<usize>) -> String {
    let (rows, columns) = (queries(attention, kind).len(), keys(attention, kind).len());
    // Whole pixels: fractional cells would be blurred or uneven.
    let cell = (SIDE / rows.max(columns).max(1) as f32).round().max(1.0);
    let (width, height) = (columns as f32 * cell, rows as f32 * cell);
    let (left, top) = (66.0, 76.0);

    let title = title(kind);
    let (full_width, full_height) = (
        (left + heads.len() as f32 * (width + GAP) + 12.0).max(360.0),
        top + layers.len() as f32 * (height + GAP) + 50.0,
    );
    let quiet = "font-size=\"11\" fill=\"#5b6470\"";
    let columns_of_text = ((full_width - 24.0) / 6.4) as usize;
    let sentence = format!("{} → {}", attention.source.text, attention.target.text);
    let mut body = markup::label(16.0, 24.0, &title, 80, "font-size=\"15\"");
    body += &markup::label(16.0, 43.0, &sentence, columns_of_text, quiet);
    for (place, head) in heads.clone().enumerate() {
        let x = left + place as f32 * (width + GAP) + width / 2.0;
        let text = format!("{}{}", if place == 0 { "head " } else { "" }, head + 1);
        body += &markup::label(x, top - 8.0, &text, 80, &format!("{quiet} text-anchor=\"middle\""));
    }
    for (row, layer) in layers.enumerate() {
        let y = top + row as f32 * (height + GAP);
        let text = format!("{}{}", if row == 0 { "layer " } else { "" }, layer + 1);
        body += &markup::label(left - 8.0, y + height / 2.0 + 4.0, &text, 80, &format!("{quiet} text-anchor=\"end\""));
        for (place, head) in heads.clone().enumerate() {
            let x = left + place as f32 * (width + GAP);
            body += &map::draw(matrix(attention, kind, layer, head), x, y, cell, kind == AttentionKind::Decoder);
        }
    }
    body += &markup::legend(left + 4.0, full_height - 40.0);
    markup::document(full_width, full_height, &body)
}
