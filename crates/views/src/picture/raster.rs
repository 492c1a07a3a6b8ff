//! Rendering of SVG to PNG, with fonts that every machine has.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::{Database, FaceInfo, ID, Stretch, Style, Weight};
use resvg::usvg::{Options, Tree};

use decode::DecodeError;

/// Pixels per unit of the SVG, for screens of high density.
const SCALE: f32 = 2.0;

/// Maximum pixels per side, which bounds memory.
const MAX_SIDE: f32 = 12_000.0;

/// Bundled fonts for Latin, Greek, Cyrillic and pictographs; fonts of the system for other scripts.
///
/// Loaded once, as reading the system's fonts is slow.
static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    for font in [
        epaint_default_fonts::UBUNTU_LIGHT,
        epaint_default_fonts::HACK_REGULAR,
        epaint_default_fonts::NOTO_EMOJI_REGULAR,
    ] {
        fonts.load_font_data(font.to_vec());
    }
    let bundled = fonts.len();
    fonts.load_system_fonts();
    // Any face with a glyph may be selected, and a bold or slanted one would stand out.
    let regular =
        |face: &FaceInfo| (face.weight, face.style, face.stretch) == (Weight::NORMAL, Style::Normal, Stretch::Normal);
    let others: Vec<ID> = fonts.faces().skip(bundled).filter(|face| !regular(face)).map(|face| face.id).collect();
    for face in others {
        fonts.remove_face(face);
    }
    Arc::new(fonts)
});

/// Renders a document.
pub fn png(svg: &str) -> Result<Vec<u8>, DecodeError> {
    let options = Options { fontdb: FONTS.clone(), font_family: "Ubuntu".to_string(), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(failed)?;
    let (width, height) = (tree.size().width(), tree.size().height());
    let scale = SCALE.min(MAX_SIDE / width.max(height));
    let mut picture = Pixmap::new((width * scale).ceil() as u32, (height * scale).ceil() as u32)
        .ok_or_else(|| failed(format!("{width} × {height} is not a valid size")))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut picture.as_mut());
    picture.encode_png().map_err(failed)
}

fn failed(reason: impl ToString) -> DecodeError {
    DecodeError::Picture(reason.to_string())
}
