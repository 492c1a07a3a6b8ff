//! A list of hard borders, most of them right.

use documents::Segmenter;

/// Cases that fail, as `docs/guide/documents.md` names them.
const MISSES: [&str; 6] = [
    "He said, \"It is late. We must go.\"| They left.",
    "Chapter IV. The Return",
    "I like it :-)| You?",
    "They sell iPhones.| iPads are there, too.",
    "Er wohnt in der Hauptstr. 5.| Sie auch.",
    "Il a dit : « Je pars. »| Puis il sortit.",
];

/// The text with `|` where the segmenter ends a sentence.
fn marked(language: &str, text: &str) -> String {
    let mut borders = Segmenter::new(Some(language)).borders(text);
    borders.pop();
    let mut marked = text.to_string();
    for border in borders.into_iter().rev() {
        let end = text[..border].trim_end().len();
        marked.insert(end, '|');
    }
    marked
}

#[test]
fn hard_borders_are_right() {
    let cases: Vec<(&str, &str)> = include_str!("../fixtures/borders.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('\t').expect("a language and a text"))
        .collect();
    assert!(cases.len() >= 200);
    let found = cases.iter().map(|(language, expected)| (*expected, marked(language, &expected.replace('|', ""))));
    let misses: Vec<(&str, String)> = found.filter(|(expected, found)| expected != found).collect();
    let texts: Vec<&str> = misses.iter().map(|(expected, _)| *expected).collect();
    assert_eq!(texts, MISSES, "{misses:#?}");
    assert!(misses.len() * 20 <= cases.len(), "{} of {}", misses.len(), cases.len());
}
