//! A reader of the few parts of Rust files from which the reference is generated: public structs and enums with their
//! doc comments.

use std::fs;
use std::path::Path;

/// A field or variant.
pub struct Item {
    /// Its name in a configuration file.
    pub name: String,
    /// The type of a field; empty for a variant.
    pub kind: String,
    /// The doc comment as one line.
    pub doc: String,
    /// An earlier name, which files may still have.
    pub alias: Option<String>,
}

/// The text of several files.
pub struct Source(String);

impl Source {
    /// Reads files relative to the folder of the workspace.
    pub fn read(files: &[&str]) -> Self {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Self(files.iter().map(|file| fs::read_to_string(workspace.join(file)).unwrap()).collect())
    }

    /// The public fields of a struct.
    pub fn fields(&self, name: &str) -> Vec<Item> {
        let body = self.body("struct", name).unwrap_or_else(|| panic!("no `pub struct {name}`"));
        items(body, |line| {
            let (name, kind) = line.strip_prefix("pub ")?.trim_end_matches(',').split_once(": ")?;
            Some((name.to_string(), kind.to_string()))
        })
    }

    /// The variants of an enum, or `None` if there is none of that name.
    pub fn variants(&self, name: &str) -> Option<Vec<Item>> {
        let snake_case = self.attributes(name).is_none_or(|attributes| attributes.contains("snake_case"));
        let variant = |line: &str| {
            let name = line.strip_suffix(',').filter(|name| name.chars().all(char::is_alphanumeric))?;
            let mut text = String::new();
            for (i, letter) in name.chars().enumerate() {
                if snake_case && i > 0 && letter.is_uppercase() {
                    text.push('_');
                }
                text.extend(letter.to_lowercase());
            }
            Some((text, String::new()))
        };
        Some(items(self.body("enum", name)?, variant))
    }

    /// The doc comment and attributes of an enum; `None` for one that a macro declares, in snake case.
    fn attributes(&self, name: &str) -> Option<&str> {
        let before = &self.0[..self.0.find(&format!("pub enum {name} {{"))?];
        Some(&before[before.rfind("\n\n").unwrap_or(0)..])
    }

    fn body(&self, kind: &str, name: &str) -> Option<&str> {
        let declared = self.0.split_once(&format!("pub {kind} {name} {{\n")).map(|(_, rest)| (rest, "\n}"));
        let by_macro = || self.0.split_once(&format!("\n    {name} {{\n")).map(|(_, rest)| (rest, "\n    }"));
        let (rest, end) = declared.or_else(by_macro)?;
        Some(rest.split_once(end).expect("an end").0)
    }
}

fn items(body: &str, parse: impl Fn(&str) -> Option<(String, String)>) -> Vec<Item> {
    let (mut items, mut doc, mut alias, mut rename) = (Vec::new(), Vec::new(), None, None);
    for line in body.lines().map(str::trim) {
        let quoted = |key: &str| Some(line.split_once(&format!("{key} = \""))?.1.split('"').next()?.to_string());
        if let Some(text) = line.strip_prefix("///") {
            doc.push(text.trim());
        } else if line.starts_with("#[serde") {
            alias = alias.or(quoted("alias"));
            rename = rename.or(quoted("rename"));
        } else if let Some((name, kind)) = parse(line) {
            let name = rename.take().unwrap_or(name);
            items.push(Item { name, kind, doc: doc.join(" "), alias: alias.take() });
            doc.clear();
        }
    }
    items
}
