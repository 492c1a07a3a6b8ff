//! Paragraphs of several sentences: the translations of their sentences, with their own white space.

use serde_json::json;

use super::Client;

/// Sentences that end where a reader sees the end, and not at their abbreviations, numbers and quotation marks.
const SENTENCES: [&str; 12] = [
    "A man is riding a bicycle.",
    "Dr. Smith is walking with two dogs.",
    "Mr. J. R. Miller is painting a fence.",
    "“Two children are playing in the snow.”",
    "A woman is selling apples for $3.50.",
    "The train leaves at 5 p.m. on Monday.",
    "\"Nobody is at the beach.\"",
    "Soldiers wear helmets, e.g. in the U.S. Army.",
    "Is anybody there?",
    "What a day!",
    "They met at No. 10 on Jan. 3, 2011.",
    "It costs 1,000.50 dollars.",
];

/// Before, between and after the sentences of a paragraph; marks of lists belong to their sentence.
const SPACES: [(&str, &str, &str); 6] = [
    ("", " ", "\n\n"),
    ("  ", "  ", "\n"),
    ("", "\n- ", "\n\n\n"),
    ("\t", " ", "\r\n\r\n"),
    ("", "\n\n", "\n"),
    ("1. ", " ", "\n"),
];

#[tokio::test]
async fn paragraphs_equal_their_translated_sentences() {
    let client = Client::new(|options| {
        options.limits.texts = 1000;
        options.settings.decoding.max_length = Some(8);
    });
    let (mut document, mut sentences, mut kept) = (String::new(), Vec::new(), Vec::new());
    for at in 0..60 {
        let (before, between, after) = SPACES[at % SPACES.len()];
        let (space, mark) = if before == "1. " { ("", before) } else { (before, "") };
        let dash = if between.ends_with("- ") { "- " } else { "" };
        let gap = between.trim_end_matches("- ");
        let three: Vec<String> = (0..3)
            .map(|place| {
                let sentence = SENTENCES[(at * 5 + place * 7) % SENTENCES.len()];
                format!("{}{sentence}", if place == 0 { mark } else { dash })
            })
            .collect();
        document.push_str(&format!("{space}{}{after}", three.join(gap)));
        kept.push((space, gap, after));
        sentences.extend(three);
    }
    let body = json!({ "texts": sentences, "sentences": false, "too_long": "crop", "language": "en" });
    let single = client.post("/translate", body).await.json();
    let single: Vec<&str> = single["translations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|translation| translation["text"].as_str().expect("a text"))
        .collect();
    let mut expected = String::new();
    for (three, (space, gap, after)) in single.chunks(3).zip(kept) {
        expected.push_str(&format!("{space}{}{after}", three.join(gap)));
    }
    let whole =
        client.post("/translate", json!({ "text": document, "language": "en", "too_long": "crop" })).await.json();
    let whole = &whole["translations"][0];
    let found: Vec<&str> =
        whole["sentences"].as_array().expect("sentences").iter().filter_map(|found| found["source"].as_str()).collect();
    assert_eq!(found, sentences);
    assert_eq!(whole["text"], expected);
}
