//! Elements of HTML by their place in a text: within a sentence, around sentences, or without any.

/// Elements within a sentence. All others are blocks.
const INLINE: [&str; 32] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "c", "cite", "code", "data", "del", "dfn", "em", "font", "i",
    "img", "ins", "kbd", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var",
];
const OTHER_INLINE: [&str; 5] = ["label", "ruby", "time", "v", "wbr"];
/// Elements whose contents stay as they are.
const VERBATIM: [&str; 16] = [
    "code",
    "iframe",
    "kbd",
    "math",
    "noembed",
    "noscript",
    "object",
    "plaintext",
    "pre",
    "samp",
    "script",
    "style",
    "svg",
    "template",
    "textarea",
    "var",
];

/// Whether an element is part of a sentence.
pub fn is_inline(name: &str) -> bool {
    INLINE.contains(&name) || OTHER_INLINE.contains(&name)
}

/// Whether the contents of an element stay as they are.
pub fn is_verbatim(name: &str) -> bool {
    VERBATIM.contains(&name)
}
