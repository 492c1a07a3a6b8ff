//! The attention of one sentence as a picture: the heads of one attention side by side, or one head with its tokens.

mod colours;
mod grid;
mod head;
mod map;
mod markup;
#[cfg(feature = "png")]
mod raster;

use crate::{Attention, Kinds, Matrix};
use decode::DecodeError;

/// Which heads a picture shows. With a layer and a head it is that one, large; with one of the two, all heads of the
/// layer or this head in every layer; with neither, all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    pub kind: Kind,
    /// From 0.
    pub layer: Option<usize>,
    /// From 0.
    pub head: Option<usize>,
}

/// One of the three attentions of figure 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Encoder,
    Decoder,
    Cross,
}

/// As SVG. A view of what is not there is a picture that says so.
pub fn svg(attention: &Attention, view: View) -> String {
    let layers = view.kind.of(&attention.maps);
    let chosen_layers = chosen(view.layer, layers.len());
    let chosen_heads = chosen(view.head, layers.first().map_or(0, Vec::len));
    if chosen_layers.is_empty() || chosen_heads.is_empty() {
        return markup::notice(&format!("The {} has no such layer or head.", view.kind.name()));
    }
    match (view.layer, view.head) {
        (Some(layer), Some(head)) => head::drawn(attention, view.kind, layer, head),
        _ => grid::drawn(attention, view.kind, chosen_layers, chosen_heads),
    }
}

/// As PNG: the SVG, twice as large and on white.
#[cfg(feature = "png")]
pub fn png(attention: &Attention, view: View) -> Result<Vec<u8>, DecodeError> {
    raster::png(&svg(attention, view))
}

/// Without the feature `pictures`, an error that names it.
#[cfg(not(feature = "png"))]
pub fn png(_attention: &Attention, _view: View) -> Result<Vec<u8>, DecodeError> {
    let reason = "this build draws no PNG; build with `--features pictures`, or write .svg".to_string();
    Err(DecodeError::Picture(reason))
}

fn chosen(one: Option<usize>, count: usize) -> std::ops::Range<usize> {
    match one {
        Some(index) if index < count => index..index + 1,
        Some(_) => 0..0,
        None => 0..count,
    }
}

impl Kind {
    pub fn of<T>(self, kinds: &Kinds<T>) -> &T {
        match self {
            Kind::Encoder => &kinds.encoder,
            Kind::Decoder => &kinds.decoder,
            Kind::Cross => &kinds.cross,
        }
    }

    /// As in a sentence or a title.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Encoder => "encoder self-attention",
            Kind::Decoder => "decoder self-attention",
            Kind::Cross => "cross-attention",
        }
    }

    fn queries(self, attention: &Attention) -> &[String] {
        match self {
            Kind::Encoder => &attention.source.tokens,
            Kind::Decoder | Kind::Cross => &attention.target.inputs,
        }
    }

    fn keys(self, attention: &Attention) -> &[String] {
        match self {
            Kind::Decoder => &attention.target.inputs,
            Kind::Encoder | Kind::Cross => &attention.source.tokens,
        }
    }

    fn map(self, attention: &Attention, layer: usize, head: usize) -> &Matrix {
        &self.of(&attention.maps)[layer][head]
    }
}
