//! The attention of one sentence as a page: one file that a browser opens from anywhere, without a network.
//!
//! The page is [`page.html`](page/page.html) with its style, its scripts and the data filled in. Its scripts share one
//! function, `show(data)`, which takes an object of [`data`]'s form, or the plain JSON of an [`Attention`], and may be
//! called again with another.

mod pack;

use super::Attention;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");

/// One concept each; they share a scope, in which functions see each other whatever the order.
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

/// The whole page with this data.
pub fn html(attention: &Attention) -> String {
    filled(&data(attention), &Above::default())
}

/// The page without data, for something that calls `show` later.
pub fn empty() -> String {
    filled("", &Above::default())
}

/// The page without data beneath a part of its caller's: markup, its style, and a script within the scope of the page's
/// own, `show` included.
pub fn under(markup: &str, style: &str, script: &str) -> String {
    filled("", &Above { markup, style, script })
}

/// What stands above the attention.
#[derive(Default)]
struct Above<'a> {
    markup: &'a str,
    style: &'a str,
    script: &'a str,
}

/// The data in the page's own form, as JSON that may stand within a script element.
///
/// Its numbers are rounded: weights to 1/65535, vectors to 1/32767 of the largest of their head.
pub fn data(attention: &Attention) -> String {
    let json = serde_json::to_string(&pack::Packed::new(attention)).expect("texts and numbers have a form in JSON");
    safe_in_script(&json)
}

fn filled(data: &str, above: &Above) -> String {
    let script = format!("\"use strict\";\n(() => {{\n{}{}}})();", SCRIPTS.join("\n"), above.script);
    let style = format!("{STYLE}{}", above.style);
    let page = PAGE.replace("{{above}}", above.markup).replace("{{style}}", &style).replace("{{script}}", &script);
    // The data last: what a text says must not be taken for a place to fill.
    page.replace("{{data}}", data)
}

/// JSON which no reader of HTML takes for the end of the script or a comment, nor an old one for the end of a line. All
/// of these occur within strings alone, where JSON can write them otherwise.
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
    fn no_text_ends_the_script() {
        let hostile = "</script><!-- \u{2028} & \" \\ {{script}} 👩‍👧";
        let json = safe_in_script(&serde_json::to_string(hostile).unwrap());
        for bad in ["<", ">", "&", "\u{2028}"] {
            assert!(!json.contains(bad), "{bad:?}");
        }
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), hostile);
        let page = filled(&json, &Above::default());
        assert_eq!(page.matches("</script>").count(), 2, "one for the data, one for the scripts");
        assert_eq!(page.matches("{{script}}").count(), 1, "that of the text");
    }

    #[test]
    fn is_complete_and_needs_no_network() {
        let page = empty();
        for absent in ["{{", "http://", "https://", "src=", "url("] {
            assert!(!page.contains(absent), "{absent}");
        }
    }
}
