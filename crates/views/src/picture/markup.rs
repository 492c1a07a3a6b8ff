//! SVG elements. All text is escaped here.

use super::colours::{self, LEVELS};

/// The first font is bundled for PNG, so that pictures look the same on every machine.
const FONTS: &str = "Ubuntu, 'DejaVu Sans', 'Noto Sans', Hack, sans-serif";

/// Returns a document of this size in pixels, on white.
pub fn document(width: f32, height: f32, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"{FONTS}\" font-size=\"12\" fill=\"#1b1f24\">\n<defs><pattern id=\"hidden\" width=\"6\" height=\"6\" \
         patternUnits=\"userSpaceOnUse\"><rect width=\"6\" height=\"6\" fill=\"#f4f5f6\"/><path d=\"M0 6L6 0\" \
         stroke=\"#b4bac1\" stroke-width=\".8\"/></pattern></defs>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
}

/// Returns a picture that shows one sentence.
pub fn notice(text: &str) -> String {
    document(420.0, 60.0, &label(20.0, 35.0, text, 80, ""))
}

/// Returns text at (`x`, `y`) with more attributes. Text longer than `max_columns` is truncated, with the whole as title.
pub fn label(x: f32, y: f32, text: &str, max_columns: usize, attributes: &str) -> String {
    let shown = truncate(text, max_columns);
    let title = if shown == text { String::new() } else { format!("<title>{}</title>", escape(text)) };
    // Isolated, so that a right-to-left token does not reorder its neighbours.
    format!(
        "<text x=\"{x}\" y=\"{y}\" style=\"unicode-bidi:isolate\" xml:space=\"preserve\" {attributes}>{}{title}</text>\n",
        escape(&shown)
    )
}

/// Returns the colour scale with its weights, from `x` to the right.
pub fn legend(x: f32, y: f32) -> String {
    const WIDTH: f32 = 144.0;
    let step = WIDTH / LEVELS as f32;
    let mut svg = String::new();
    for level in 0..LEVELS {
        let (x, colour) = (x + level as f32 * step, colours::colour(level));
        svg += &format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{step}\" height=\"9\" fill=\"{colour}\" shape-rendering=\"crispEdges\"/>"
        );
    }
    svg += &format!("<rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"9\" fill=\"none\" stroke=\"#dcdfe3\"/>\n");
    for tick in [0.0f32, 0.1, 0.25, 0.5, 1.0] {
        let x = x + tick.sqrt() * WIDTH;
        svg += &label(x, y + 21.0, &tick.to_string(), 8, "font-size=\"10\" text-anchor=\"middle\" fill=\"#5b6470\"");
    }
    svg + &label(x + WIDTH + 12.0, y + 9.0, "weight", 8, "font-size=\"10\" fill=\"#5b6470\"")
}

/// The width of a text in columns. Wide characters take two, accents none.
pub fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

fn columns_of(character: char) -> usize {
    match u32::from(character) {
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xff00..=0xff60 | 0x1f000.. => 2,
        _ => 1,
    }
}

/// Truncates to `max_columns`, the last of them `…`.
fn truncate(text: &str, max_columns: usize) -> String {
    if columns(text) <= max_columns {
        return text.to_string();
    }
    let mut room = max_columns.saturating_sub(1);
    let fits = |character: &char| {
        let needed = columns_of(*character);
        let fits = needed <= room;
        room = room.saturating_sub(needed);
        fits
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// Escapes text for elements and attributes of XML, which cannot hold most control characters.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            control if control.is_control() => safe.push('\u{fffd}'),
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_markup() {
        assert_eq!(escape("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&apos;&amp;&apos;&lt;/a&gt;");
        assert_eq!(escape("a\u{0}b\u{1b}c\nd\u{ffff}"), "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}");
        assert_eq!(escape("שלום 👩‍👧 e\u{301}"), "שלום 👩‍👧 e\u{301}");
    }

    #[test]
    fn truncates_by_columns() {
        assert_eq!(truncate("Matte", 5), "Matte");
        assert_eq!(truncate("Matten", 5), "Matt…");
        assert_eq!(truncate("注意力机制", 5), "注意…");
        assert_eq!(truncate("e\u{301}e\u{301}e\u{301}", 3), "e\u{301}e\u{301}e\u{301}");
    }

    #[test]
    fn a_cut_label_keeps_its_text_as_title() {
        let text = "<".repeat(30);
        let svg = label(0.0, 0.0, &text, 4, "");
        assert!(svg.contains("&lt;&lt;&lt;…<title>") && svg.contains(&"&lt;".repeat(30)));
    }
}
