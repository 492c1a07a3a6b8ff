//! One head, large: its map with the tokens of queries and keys.

use super::{Kind, map, markup};
use crate::Attention;

/// Columns of text after which a token is cut off.
const MOST: usize = 20;

/// What a column of text takes, in shares of the letters' size: all letters of `TOKENS` are as wide.
const COLUMN: f32 = 0.62;

/// Letters for tokens. The first is bundled for PNG and has the `▁` of subwords.
const TOKENS: &str = "font-family=\"Hack, 'DejaVu Sans Mono', 'Noto Sans Mono', monospace\"";

/// Lines closer than this run into each other.
const LINE: f32 = 11.0;

pub fn drawn(attention: &Attention, kind: Kind, layer: usize, head: usize) -> String {
    let (queries, keys) = (kind.queries(attention), kind.keys(attention));
    let cell = (720.0 / keys.len().max(queries.len()).max(1) as f32).floor().clamp(4.0, 34.0);
    let letters = (cell - 2.0).clamp(9.0, 13.0);
    // Where cells are smaller than lines, only some tokens can be named.
    let every = (LINE / cell).ceil() as usize;
    let beside = |tokens: &[String]| {
        let longest = tokens.iter().map(|token| token.chars().count()).max().unwrap_or(0);
        longest.clamp(4, MOST) as f32 * letters * COLUMN + 12.0
    };
    let (left, top) = (beside(queries) + 16.0, beside(keys) + 50.0);
    let (width, height) = (keys.len() as f32 * cell, queries.len() as f32 * cell);

    let name = kind.name();
    let title = format!("{}{}, layer {}, head {}", name[..1].to_uppercase(), &name[1..], layer + 1, head + 1);
    let mut body = markup::label(16.0, 26.0, &title, 80, "font-size=\"15\"");
    for (place, token) in queries.iter().enumerate().step_by(every) {
        let y = top + (place as f32 + 0.5) * cell + letters * 0.35;
        body += &markup::label(
            left - 6.0,
            y,
            token,
            MOST,
            &format!("{TOKENS} font-size=\"{letters}\" text-anchor=\"end\""),
        );
    }
    for (place, token) in keys.iter().enumerate().step_by(every) {
        let (x, y) = (left + (place as f32 + 0.5) * cell + letters * 0.35, top - 6.0);
        body += &markup::label(
            x,
            y,
            token,
            MOST,
            &format!("{TOKENS} font-size=\"{letters}\" transform=\"rotate(-90 {x} {y})\""),
        );
    }
    body += &map::drawn(kind.map(attention, layer, head), left, top, cell, kind == Kind::Decoder);
    body += &markup::label(left, top + height + 20.0, axes(kind), 80, "font-size=\"10\" fill=\"#5b6470\"");
    body += &markup::legend(left + 4.0, top + height + 32.0);
    markup::document((left + width + 20.0).max(left + 230.0), top + height + 66.0, &body)
}

fn axes(kind: Kind) -> &'static str {
    match kind {
        Kind::Encoder => "rows: queries (source), columns: keys (source)",
        Kind::Decoder => "rows: queries (target), columns: keys (target); later keys are hidden",
        Kind::Cross => "rows: queries (target), columns: keys (source)",
    }
}
