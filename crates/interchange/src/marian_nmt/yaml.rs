//! The YAML that Marian writes: keys with a value or a list of values.
//!
//! Anchors, tags and documents are not interpreted, so that a file expands to no more than its own text.

use std::collections::BTreeMap;

use super::model_file::Wrong;

/// The values of a file by key. A list has its entries as they stand; a nested mapping, its lines.
#[derive(Debug, Default)]
pub struct Settings {
    values: BTreeMap<String, Vec<String>>,
}

impl Settings {
    /// Parses a file.
    ///
    /// # Errors
    /// A line that is neither a key with a value nor part of a list, or a key that appears twice, as (found, expected).
    pub fn new(text: &str) -> Result<Self, Wrong> {
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut current: Option<String> = None;
        for (number, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') || matches!(line, "---" | "...") {
                continue;
            }
            let entry = trimmed.strip_prefix("- ").or((trimmed == "-").then_some(""));
            if let Some(list) = current.as_ref().filter(|_| entry.is_some() || line.starts_with(' ')) {
                let own = values.entry(list.clone()).or_default();
                match entry {
                    Some(entry) => own.push(unquoted(entry.trim())),
                    None => own.extend(listed(trimmed)),
                }
                continue;
            }
            let split = trimmed.split_once(": ").or_else(|| Some((trimmed.strip_suffix(':')?, "")));
            let Some((key, value)) = split.filter(|_| !line.starts_with(' ')) else {
                return Err((format!("line {}, {:?}", number + 1, shortened(trimmed)), "`key: value`".to_owned()));
            };
            let key = unquoted(key.trim());
            let value = value.trim();
            let own = if value.is_empty() { Vec::new() } else { listed(value) };
            if values.insert(key.clone(), own).is_some() {
                return Err((format!("the key {key} twice, again in line {}", number + 1), "each key once".to_owned()));
            }
            current = Some(key);
        }
        Ok(Self { values })
    }

    /// Returns the value of a key; none of a key that is missing or has a list of other than one entry.
    pub fn value(&self, key: &str) -> Option<&str> {
        match self.values.get(key).map(Vec::as_slice) {
            Some([value]) => Some(value),
            Some(_) | None => None,
        }
    }

    /// Returns the entries of a list; one of a plain value.
    pub fn list(&self, key: &str) -> &[String] {
        self.values.get(key).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The entries of `[a, b]`, or the one value.
fn listed(text: &str) -> Vec<String> {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(entries) => entries.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(unquoted).collect(),
        None => vec![unquoted(text)],
    }
}

/// Removes quotes, and replaces escapes inside double quotes.
pub fn unquoted(text: &str) -> String {
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(text) = inside('\'') {
        return text.replace("''", "'");
    }
    let Some(text) = inside('"') else { return text.to_owned() };
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        let digits = match rest.next() {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some('n') => {
                plain.push('\n');
                continue;
            }
            Some('t') => {
                plain.push('\t');
                continue;
            }
            Some('r') => {
                plain.push('\r');
                continue;
            }
            Some('0') => {
                plain.push('\0');
                continue;
            }
            other => {
                plain.extend(other);
                continue;
            }
        };
        let code: String = rest.by_ref().take(digits).collect();
        plain.push(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    plain
}

/// The beginning of a line, for messages.
pub fn shortened(line: &str) -> String {
    line.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_lists_are_read() {
        let text = "dim-emb: 256\ndim-vocabs:\n  - 32000\n  - 100\nempty:\n  []\nflow: [a, \"b c\"]\nquoted: \"a\\\"b\"\nnone: \"\"\nlast: ~\n";
        let settings = Settings::new(text).unwrap();
        assert_eq!(settings.value("dim-emb"), Some("256"));
        assert_eq!(settings.list("dim-vocabs"), ["32000", "100"]);
        assert!(settings.list("empty").is_empty() && settings.value("empty").is_none());
        assert_eq!(settings.list("flow"), ["a", "b c"]);
        assert_eq!(settings.value("quoted"), Some("a\"b"));
        assert_eq!(settings.value("none"), Some(""));
        assert_eq!(settings.value("last"), Some("~"));
    }

    #[test]
    fn malformed_lines_are_named() {
        assert_eq!(Settings::new("a: 1\nb").unwrap_err().0, "line 2, \"b\"");
        assert_eq!(Settings::new("a: 1\na: 2").unwrap_err().0, "the key a twice, again in line 2");
        assert_eq!(Settings::new("  - a").unwrap_err().0, "line 1, \"- a\"");
    }

    #[test]
    fn escapes_are_replaced() {
        for (quoted, plain) in [
            (r#""\u2581the""#, "▁the"),
            (r#""\x41\"\\""#, "A\"\\"),
            ("'it''s'", "it's"),
            ("▁the", "▁the"),
            (r#""\ud800""#, "\u{fffd}"),
            (r#""a\"#, "\"a\\"),
        ] {
            assert_eq!(unquoted(quoted), plain, "{quoted}");
        }
    }
}
