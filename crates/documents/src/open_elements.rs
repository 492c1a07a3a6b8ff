//! The open elements at a place of an HTML document, and whether their text is translated.

/// Deeper elements are ignored, as browsers ignore them.
const MAX_DEPTH: usize = 512;

/// Elements without content.
const VOID: [&str; 14] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];

/// Elements whose start ends a paragraph.
const END_PARAGRAPH: [&str; 30] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "details",
    "div",
    "dl",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "ul",
];

/// Whether an element has no content and no end tag.
pub fn is_void(name: &str) -> bool {
    VOID.contains(&name)
}

/// The open elements, outermost first.
#[derive(Debug, Default)]
pub struct OpenElements {
    open: Vec<OpenElement>,
}

#[derive(Debug)]
struct OpenElement {
    name: String,
    translated: bool,
}

impl OpenElements {
    /// Whether text here is translated.
    pub fn translated(&self) -> bool {
        self.open.last().is_none_or(|element| element.translated)
    }

    /// Opens an element, which may end others. `translate` overrides what is inherited.
    pub fn open(&mut self, name: &str, translate: Option<bool>) {
        match name {
            "li" => self.close_within(&["li"], &["ol", "ul", "menu"]),
            "dt" | "dd" => self.close_within(&["dt", "dd"], &["dl"]),
            "tr" => self.close_within(&["tr"], &["table"]),
            "td" | "th" => self.close_within(&["td", "th"], &["tr", "table"]),
            "option" => self.close_within(&["option"], &["select"]),
            _ if END_PARAGRAPH.contains(&name) && self.open.last().is_some_and(|element| element.name == "p") => {
                self.open.pop();
            }
            _ => {}
        }
        if self.open.len() < MAX_DEPTH {
            let translated = translate.unwrap_or_else(|| self.translated());
            self.open.push(OpenElement { name: name.to_string(), translated });
        }
    }

    /// Closes an element and all inside it; an end tag without a start tag closes nothing.
    pub fn close(&mut self, name: &str) {
        if let Some(at) = self.open.iter().rposition(|element| element.name == name) {
            self.open.truncate(at);
        }
    }

    /// Closes the innermost element of these names, if none of `limits` is inside it.
    fn close_within(&mut self, names: &[&str], limits: &[&str]) {
        let is = |element: &OpenElement, names: &[&str]| names.contains(&element.name.as_str());
        if let Some(at) = self.open.iter().rposition(|element| is(element, names) || is(element, limits))
            && is(&self.open[at], names)
        {
            self.open.truncate(at);
        }
    }
}
