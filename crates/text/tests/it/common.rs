//! Text for tests, generated from a seed.

use std::io::Write;

use text::{Tokenizer, TokenizerConfig, TokenizerKind};

/// A small generator of pseudo-random numbers (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

/// Sentences of a toy language, with inflections, umlauts, digits and markup.
pub fn sentences(count: usize, seed: u64) -> Vec<String> {
    let onsets = ["K", "schl", "b", "gr", "sp", "l", "w", "H", "tr", "n", "Ü", "f"];
    let vowels = ["a", "e", "i", "o", "u", "ä", "ei", "ou"];
    let codas = ["tz", "ng", "p", "ß", "lk", "r", "st", "m", "ck"];
    let endings = ["", "e", "en", "er", "t", "s", "ing", "ed", "ly", "est"];
    let extras = ["3.14", "1999", "</s>", "<b>", "don't", "naïve", "café", "-"];
    let ends = [".", "!", "?", " …", ""];

    // All seeds share the words; the sentences differ.
    let mut random = Random(0);
    let stems: Vec<String> =
        (0..120).map(|_| [&onsets[..], &vowels, &codas].map(|part| random.pick(part)).concat()).collect();
    let mut random = Random(seed);
    (0..count)
        .map(|_| {
            let mut words = Vec::new();
            for _ in 0..3 + random.below(9) {
                words.push(match random.below(12) {
                    0 => random.pick(&extras).to_owned(),
                    _ => stems[random.below(stems.len())].clone() + random.pick(&endings),
                });
            }
            let separator = if random.below(20) == 0 { ", " } else { " " };
            words.join(separator) + random.pick(&ends)
        })
        .collect()
}

/// A string of characters from all of Unicode and of strings that resemble special tokens.
pub fn any_text(random: &mut Random) -> String {
    let pieces = [
        "</s>",
        "<unk>",
        "<pad>",
        "<0x41>",
        "<0xE2>",
        "<",
        ">",
        "▁",
        "▂",
        "▂0",
        "▂1",
        " ",
        "  ",
        "\t",
        "\u{a0}",
        "\u{3000}",
        "\r",
        "\n",
        "\0",
        "Katze",
        "the",
        "sleeping",
        "é",
        "e\u{301}",
        "\u{301}",
        "İ",
        "ß",
        "Σ",
        "ς",
        "가",
        "\u{1100}\u{1161}",
        "猫",
        "👩\u{200d}👩\u{200d}👧",
        "\u{feff}",
        "\u{fffd}",
        "\u{10ffff}",
        "Å",
        "0",
        "1",
        "²",
        ".",
        ",",
        "\"",
        "'",
    ];
    let mut text = String::new();
    for _ in 0..random.below(12) {
        if random.below(3) == 0 {
            // Any code point; surrogates become U+FFFD.
            let code = random.below(0x11_0000) as u32;
            text.push(char::from_u32(code).unwrap_or('\u{fffd}'));
        } else {
            text.push_str(random.pick(&pieces));
        }
    }
    text
}

/// A tokenizer trained on [`sentences`].
pub fn trained(kind: TokenizerKind, change: impl FnOnce(&mut TokenizerConfig)) -> Tokenizer {
    let mut config = TokenizerConfig { kind, vocab_size: 400, ..TokenizerConfig::default() };
    change(&mut config);
    match Tokenizer::train(&config, sentences(300, 1).iter()) {
        Ok(tokenizer) => tokenizer,
        Err(error) => panic!("{error}"),
    }
}

/// Text compressed with gzip.
pub fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Text compressed with zstd.
pub fn zstandard(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 1).unwrap()
}
