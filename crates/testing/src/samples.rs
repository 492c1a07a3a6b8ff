//! Configurations and a corpus that train within a second.

use std::io::Write;

/// Copies up to four of four digits; its twenty updates take a fraction of a second.
pub const COPY: &str = r#"[task]
kind = "copy"
symbols = 4
max_length = 4

[model]
d_model = 16
n_heads = 2
d_ff = 32
encoder_layers = 1
decoder_layers = 1
dropout = 0.0
max_length = 16

[training]
steps = 20
max_tokens = 128
log_every = 5
warmup_steps = 20
checkpoint_every = 10

[validation]
every = 10
sentences = 20
"#;

/// Translates the toy language of [`corpus`] from `train.tsv`, with `validation.tsv` to measure on.
pub const TRANSLATE: &str = r#"[task]
kind = "translate"
train = "train.tsv"
validation = "validation.tsv"

[tokenizer]
kind = "word"
vocab_size = 40

[model]
d_model = 16
n_heads = 2
d_ff = 32
encoder_layers = 1
decoder_layers = 1
dropout = 0.1
max_length = 64

[training]
steps = 20
max_tokens = 256
log_every = 5
warmup_steps = 20
checkpoint_every = 10

[validation]
every = 10
sentences = 20
"#;

const WORDS: [(&str, &str); 10] = [
    ("the", "die"),
    ("small", "kleine"),
    ("big", "große"),
    ("red", "rote"),
    ("cat", "Katze"),
    ("mouse", "Maus"),
    ("cow", "Kuh"),
    ("sees", "sieht"),
    ("likes", "mag"),
    ("calls", "ruft"),
];

/// Different sentences of two to six words with their translations, as pairs.
pub fn pairs(count: usize) -> Vec<(String, String)> {
    let sentence = |n: usize| (0..2 + n % 5).map(move |k| WORDS[(n + k * (n / 10 + 1)) % 10]);
    let joined = |words: Vec<&str>| words.join(" ");
    let pair = |n| (joined(sentence(n).map(|word| word.0).collect()), joined(sentence(n).map(|word| word.1).collect()));
    (0..count).map(pair).collect()
}

/// The pairs as lines of `source TAB target`.
pub fn corpus(count: usize) -> String {
    pairs(count).into_iter().map(|(source, target)| format!("{source}\t{target}\n")).collect()
}

/// Bytes compressed with gzip.
pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}
