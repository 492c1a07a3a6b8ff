//! The attention page: one HTML file that a browser opens from disk, without a network.
//!
//! [`page.html`](page/page.html) is a template for style, scripts and data. The scripts define `show(data)`, which accepts
//! the JSON of [`data`] or that of an [`Attention`], and replaces what was shown before.

mod pack;

use super::Attention;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");

/// One concept per script. They share a scope, so their order does not matter to functions.
const SCRIPTS: [&str; 11] = [
    include_str!("page/parts.js"),
    include_str!("page/data.js"),
    include_str!("page/colours.js"),
    include_str!("page/selection.js"),
    include_str!("page/overview.js"),
    include_str!("page/head.js"),
    include_str!("page/lines.js"),
    include_str!("page/equation.js"),
    include_str!("page/generation.js"),
    include_str!("page/statistics.js"),
    include_str!("page/main.js"),
];

/// Returns the page of an attention.
pub fn html(attention: &Attention) -> String {
    fill(&data(attention), &Header::default())
}

/// Returns the page without data, for a caller of `show`.
pub fn empty() -> String {
    fill("", &Header::default())
}

/// Returns the page without data below a header: markup, its style, and a script in the scope of the page's scripts.
pub fn with_header(markup: &str, style: &str, script: &str) -> String {
    fill("", &Header { markup, style, script })
}

/// A header above the attention.
#[derive(Default)]
struct Header<'a> {
    markup: &'a str,
    style: &'a str,
    script: &'a str,
}

/// Returns the compact JSON of the page, safe within a script element.
///
/// Numbers are rounded: weights to 1/65535, vectors to 1/32767 of the largest of their head.
pub fn data(attention: &Attention) -> String {
    let json =
        serde_json::to_string(&pack::Packed::new(attention)).expect("strings and numbers are representable in JSON");
    safe_in_script(&json)
}

fn fill(data: &str, header: &Header) -> String {
    let script = format!("\"use strict\";\n(() => {{\n{}{}}})();", SCRIPTS.join("\n"), header.script);
    let style = format!("{STYLE}{}", header.style);
    let page = PAGE.replace("{{header}}", header.markup).replace("{{style}}", &style).replace("{{script}}", &script);
    // The data last, as its text may contain a placeholder.
    page.replace("{{data}}", data)
}

/// Escapes the characters that could end a script, a comment or a line. JSON has them only within strings.
fn safe_in_script(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => safe.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_does_not_end_the_script() {
        let hostile = "</script><!-- \u{2028} & \" \\ {{script}} 👩‍👧";
        let json = safe_in_script(&serde_json::to_string(hostile).unwrap());
        for unsafe_text in ["<", ">", "&", "\u{2028}"] {
            assert!(!json.contains(unsafe_text), "{unsafe_text:?}");
        }
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), hostile);
        let page = fill(&json, &Header::default());
        assert_eq!(page.matches("</script>").count(), 2, "data and scripts");
        assert_eq!(page.matches("{{script}}").count(), 1, "in the text");
    }

    #[test]
    fn page_is_complete_and_self_contained() {
        let page = empty();
        for absent in ["{{", "http://", "https://", "src=", "url("] {
            assert!(!page.contains(absent), "{absent}");
        }
    }
}
