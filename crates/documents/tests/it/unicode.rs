//! Unicode's own test of sentence borders (UAX #29).

use documents::Segmenter;
use unicode_segmentation::UnicodeSegmentation;

/// The text of a line of the test file, and its sentences.
fn case(line: &str) -> (String, Vec<String>) {
    let character =
        |point: &str| u32::from_str_radix(point.trim(), 16).ok().and_then(char::from_u32).expect("a code point");
    let sentence = |points: &str| points.split('×').map(character).collect::<String>();
    let sentences: Vec<String> = line.trim_matches(['÷', ' ']).split('÷').map(sentence).collect();
    (sentences.concat(), sentences)
}

fn cases() -> impl Iterator<Item = (String, Vec<String>)> {
    let file = include_str!("../fixtures/SentenceBreakTest.txt");
    file.lines().filter(|line| !line.starts_with('#')).map(case)
}

#[test]
fn the_standard_test_file_passes() {
    assert!(cases().count() > 500);
    for (text, sentences) in cases() {
        assert_eq!(text.split_sentence_bounds().collect::<Vec<_>>(), sentences, "{text:?}");
    }
}

/// The rules of languages join sentences of Unicode; they split none but at an ellipsis.
#[test]
fn borders_are_borders_of_unicode() {
    for (text, sentences) in cases().filter(|(text, _)| !text.contains('…')) {
        let mut end = 0;
        let standard: Vec<usize> = sentences
            .iter()
            .map(|sentence| {
                end += sentence.len();
                end
            })
            .collect();
        for language in [None, Some("en"), Some("de"), Some("ja"), Some("xx")] {
            let borders = Segmenter::new(language).borders(&text);
            assert!(borders.iter().all(|border| standard.contains(border)), "{text:?}: {borders:?}");
            assert_eq!(borders.last(), Some(&text.len()));
        }
    }
}

/// The time is that of the length, whatever the text.
#[test]
fn long_texts_take_time_in_proportion() {
    let segmenter = Segmenter::new(None);
    for unit in ["A.", "A. ", "a. ", ". ", "… ", "…((", "1. ", "\"! ", "。」", "Dr. ", "!", " ", "\n", "z. B. ", "x"]
    {
        let start = std::time::Instant::now();
        let text = unit.repeat((1 << 20) / unit.len());
        assert_eq!(segmenter.borders(&text).last(), Some(&text.len()));
        assert!(start.elapsed().as_secs() < 10, "{unit:?} takes {:?} per MiB", start.elapsed());
    }
}
