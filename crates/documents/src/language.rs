//! What each language adds to the borders of sentences: abbreviations, ordinals, words that begin sentences.

use std::collections::HashSet;
use std::sync::LazyLock;

/// The rules of one language.
#[derive(Debug, Default)]
pub struct Language {
    /// Abbreviations within a sentence, without the last dot: `Dr`, `e.g`.
    pub always: HashSet<&'static str>,
    /// Abbreviations within a sentence or at its end: `etc`, `U.S`.
    pub ending: HashSet<&'static str>,
    /// Abbreviations before a number: `No`, `Fig`.
    pub number: HashSet<&'static str>,
    /// Words that often begin a sentence, which decide where an abbreviation leaves a doubt.
    pub starters: HashSet<&'static str>,
    /// Beginnings of text that continues a sentence after a closing quotation mark.
    pub continues: Vec<&'static str>,
    /// Whether a dot after a number makes it an ordinal.
    pub ordinals: bool,
}

/// A file per language: lines `KIND: WORD…`, and comments.
const FILES: [(&str, &str); 14] = [
    ("ar", include_str!("languages/ar.txt")),
    ("cs", include_str!("languages/cs.txt")),
    ("de", include_str!("languages/de.txt")),
    ("en", include_str!("languages/en.txt")),
    ("es", include_str!("languages/es.txt")),
    ("fr", include_str!("languages/fr.txt")),
    ("hi", include_str!("languages/hi.txt")),
    ("it", include_str!("languages/it.txt")),
    ("ja", include_str!("languages/ja.txt")),
    ("nl", include_str!("languages/nl.txt")),
    ("pl", include_str!("languages/pl.txt")),
    ("pt", include_str!("languages/pt.txt")),
    ("ru", include_str!("languages/ru.txt")),
    ("zh", include_str!("languages/zh.txt")),
];

static LANGUAGES: LazyLock<Vec<(&'static str, Language)>> = LazyLock::new(|| {
    let parse = |(code, file): (&'static str, &'static str)| (code, Language::parse(file));
    FILES.into_iter().map(parse).collect()
});

/// The rules for a text of unknown language: those of all languages. An abbreviation that one language has within a
/// sentence and another at its end may end one.
static ANY: LazyLock<Language> = LazyLock::new(|| {
    let mut all = Language::default();
    for (_, language) in LANGUAGES.iter() {
        all.always.extend(&language.always);
        all.ending.extend(&language.ending);
        all.number.extend(&language.number);
        all.starters.extend(&language.starters);
        all.continues.extend(&language.continues);
    }
    all.always = &all.always - &all.ending;
    all
});

/// The rules for a language without a file.
static NONE: LazyLock<Language> = LazyLock::new(Language::default);

impl Language {
    /// The rules of a language by its code (ISO 639-1, with or without a region: `pt-BR`), or those for an unknown language.
    pub fn of(code: Option<&str>) -> &'static Self {
        let Some(code) = code else { return &ANY };
        let language = code.split(['-', '_']).next().unwrap_or_default();
        let found = LANGUAGES.iter().find(|(known, _)| known.eq_ignore_ascii_case(language));
        found.map_or(&NONE, |(_, rules)| rules)
    }

    fn parse(file: &'static str) -> Self {
        let mut language = Self::default();
        for line in file.lines() {
            let Some((kind, words)) = line.split_once(": ").filter(|_| !line.starts_with('#')) else { continue };
            let words = words.split_ascii_whitespace();
            match kind {
                "always" => language.always.extend(words),
                "ending" => language.ending.extend(words),
                "number" => language.number.extend(words),
                "starters" => language.starters.extend(words),
                "continues" => language.continues.extend(words),
                "ordinals" => language.ordinals = true,
                _ => {}
            }
        }
        language
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_a_known_kind() {
        let kinds = ["always", "ending", "number", "starters", "continues", "ordinals"];
        for (code, file) in FILES {
            for line in file.lines().filter(|line| !line.starts_with('#')) {
                assert!(line.split_once(": ").is_some_and(|(kind, _)| kinds.contains(&kind)), "{code}: {line}");
            }
        }
    }

    #[test]
    fn a_region_has_the_rules_of_its_language() {
        assert!(std::ptr::eq(Language::of(Some("pt-BR")), Language::of(Some("PT"))));
        assert!(Language::of(Some("xx")).always.is_empty());
        assert!(Language::of(None).always.contains("Dr"));
    }
}
