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

/// Unicode's rules look ahead from each space after a dot, so that these texts would take minutes.
#[test]
fn long_runs_of_spaces_and_marks_are_fast() {
    let marks = [" ", ")", " \u{3000})]", "»\u{301}", ")\u{64b}"];
    for (middle, is_one_run) in
        marks.map(|marks| marks.repeat(100_000)).into_iter().zip([true, true, false, true, true])
    {
        let text = format!("One.{middle} Two. three 1.{middle} four");
        let sentences: Vec<&str> = Segmenter::new(None).sentences(&text).map(|range| &text[range]).collect();
        assert_eq!(sentences.first().map(|first| first.starts_with("One.")), Some(true));
        assert_eq!(sentences.last().map(|last| last.ends_with(" four")), Some(true));
        let whole = sentences.len() == 2 && sentences[1].starts_with("Two. three 1.");
        assert!(whole || !is_one_run, "{}", &middle[..3]);
    }
}

#[test]
fn sentences_end_between_long_runs() {
    for (text, count) in [
        (format!("Thanks{}! {} See you", "🎉".repeat(40), "🎉".repeat(40)), 2),
        (format!("a{}.{}B", " ".repeat(40), " ".repeat(40)), 2),
        (format!("a{}B", " ".repeat(400)), 1),
    ] {
        assert_eq!(Segmenter::new(None).sentences(&text).count(), count, "{text}");
    }
}

#[test]
fn long_clauses_are_fast() {
    let sentence = format!("1 2,{}3", " ".repeat(400_000));
    let pieces = documents::clauses(&sentence, |text| text.len() < 4);
    assert_eq!(pieces.concat(), sentence);
    assert_eq!(pieces.len(), 2);
}
