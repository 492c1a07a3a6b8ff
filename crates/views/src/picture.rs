//! Pictures of an attention, as SVG or PNG: a grid of heads, or one head with its tokens.

mod colours;
mod grid;
mod head;
mod map;
mod markup;
#[cfg(feature = "png")]
mod raster;

use decode::DecodeError;
use model::AttentionKind;

use crate::{Attention, Matrix};

/// The heads that a picture shows.
///
/// With a layer and a head, that head alone, enlarged. With a layer only, all its heads; with a head only, that head of
/// every layer; with neither, all heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// One of the three attentions.
    pub kind: AttentionKind,
    /// One layer, counted from 0.
    pub layer: Option<usize>,
    /// One head, counted from 0.
    pub head: Option<usize>,
}

/// Draws a view as SVG. A layer or head that does not exist gives a picture with a notice.
pub fn svg(attention: &Attention, view: View) -> String {
    let layers = attention.maps.get(view.kind);
    let selected_layers = selected(view.layer, layers.len());
    let selected_heads = selected(view.head, layers.first().map_or(0, Vec::len));
    if selected_layers.is_empty() || selected_heads.is_empty() {
        return markup::notice(&format!("The {} has no such layer or head.", view.kind.name()));
    }
    match (view.layer, view.head) {
        (Some(layer), Some(head)) => head::draw(attention, view.kind, layer, head),
        _ => grid::draw(attention, view.kind, selected_layers, selected_heads),
    }
}

/// Draws a view as PNG: the SVG at twice its size, on white.
///
/// # Errors
/// [`DecodeError::Picture`] if the SVG cannot be rendered.
#[cfg(feature = "png")]
pub fn png(attention: &Attention, view: View) -> Result<Vec<u8>, DecodeError> {
    raster::png(&svg(attention, view))
}

/// Returns an error that names the missing cargo feature.
///
/// # Errors
/// Always, as this build has no PNG encoder.
#[cfg(not(feature = "png"))]
pub fn png(_attention: &Attention, _view: View) -> Result<Vec<u8>, DecodeError> {
    let reason =
        "this build draws no PNG; build with `--features pictures` (the crate `attend`: with `png`), or write .svg"
            .to_string();
    Err(DecodeError::Picture(reason))
}

/// Returns the range of one index, or of all; empty if the index does not exist.
fn selected(one: Option<usize>, count: usize) -> std::ops::Range<usize> {
    match one {
        Some(index) if index < count => index..index + 1,
        Some(_) => 0..0,
        None => 0..count,
    }
}

/// Labels of the queries: the rows of a map.
fn queries(attention: &Attention, kind: AttentionKind) -> &[String] {
    match kind {
        AttentionKind::Encoder => &attention.source.tokens,
        AttentionKind::Decoder | AttentionKind::Cross => &attention.target.inputs,
    }
}

/// Labels of the keys: the columns of a map.
fn keys(attention: &Attention, kind: AttentionKind) -> &[String] {
    match kind {
        AttentionKind::Decoder => &attention.target.inputs,
        AttentionKind::Encoder | AttentionKind::Cross => &attention.source.tokens,
    }
}

/// Weights of one head, `[query][key]`.
fn matrix(attention: &Attention, kind: AttentionKind, layer: usize, head: usize) -> &Matrix {
    &attention.maps.get(kind)[layer][head]
}

/// The attention's name as the start of a title.
fn title(kind: AttentionKind) -> String {
    let name = kind.name();
    format!("{}{}", name[..1].to_uppercase(), &name[1..])
}
