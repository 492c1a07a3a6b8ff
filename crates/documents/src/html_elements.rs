//! Elements of HTML by their place in a text: within a sentence, around sentences, or without any.

/// Elements within a sentence. All others are blocks.
const INLINE: [&str; 32] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "c", "cite", "code", "data", "del", "dfn", "em", "font", "i",
    "img", "ins", "kbd", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var",
];
const OTHER_INLINE: [&str; 16] = [
    "embed", "input", "label", "math", "object", "picture", "rb", "rp", "rt", "rtc", "ruby", "source", "svg", "time",
    "v", "wbr",
];
/// Elements whose contents stay as they are.
const VERBATIM: [&str; 21] = [
    "code",
    "iframe",
    "kbd",
    "math",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "plaintext",
    "pre",
    "rp",
    "rt",
    "rtc",
    "samp",
    "script",
    "style",
    "svg",
    "template",
    "textarea",
    "var",
    "xmp",
];

/// Whether an element is part of a sentence.
pub fn is_inline(name: &str) -> bool {
    INLINE.contains(&name) || OTHER_INLINE.contains(&name)
}

/// Whether the contents of an element stay as they are.
pub fn is_verbatim(name: &str) -> bool {
    VERBATIM.contains(&name)
}
