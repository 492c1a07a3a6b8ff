//! The pipeline around the model in a tokenizer file: normalizer, pre-tokenizer and decoder.
//!
//! # Subwords (BPE and unigram)
//!
//! Decoding must return any text unchanged. Three cases need care; the file itself handles them, so that other programs
//! that read it agree:
//!
//! * **Spaces.** A space of normalised text becomes the mark `▁` (U+2581). One more `▁` precedes the line, so that a word
//!   has the same tokens at the start of a line and within it. Decoding turns marks into spaces and removes the first one.
//! * **A literal `▁`.** It would decode to a space, so `▂` (U+2582) is an escape character: first `▂` becomes `▂0` and `▁`
//!   becomes `▂1`; decoding reverses this. Each `▂` in escaped text is followed by `0` or `1`, so the inverse is unique.
//! * **Literal `</s>`, `<pad>`, `<0x41>`, …** All special and byte tokens start with `<` and are longer than it. Text is cut
//!   before and after each `<` ahead of the model, so no piece of text can equal such a token. (The file declares the
//!   special tokens, and the reader here does not match them in text.)
//!
//! Characters outside the vocabulary become their UTF-8 bytes, one token each (`<0xE2>`), so nothing is unknown.
//! Decoding therefore returns the input after normalisation (`normalization`), and nothing else changes.
//!
//! Words are further cut where letters, digits and other signs meet, as SentencePiece does by default: "mat." gives
//! "▁mat" and ".", so that the vocabulary need not hold "mat", "mat." and "mat,".
//!
//! # Words
//!
//! Text is cut at white space, then punctuation at the edges of a word is split off: "mat." gives "mat" and ".". Words such
//! as "3.14", "don't" and "well-known" are not cut. Decoding joins with single spaces, none before closing punctuation
//! (`. , ! ? ; : … ) ] } » ”`) and none after opening (`( [ { « „ ¿ ¡`); straight quotes are
//! ambiguous and keep a space on both sides.
//!
//! # Characters, bytes, tokens between white space
//!
//! A space is an ordinary character or byte, so nothing needs a mark: decoding joins the tokens. No text of one character
//! equals a special token, and bytes are spelled `<0xE2>` in labels only. Tokens between white space are joined with single
//! spaces. Characters and tokens outside the vocabulary become `<unk>`, bytes never.

use serde_json::{Value, json};
use tokenizers::{
    NormalizedString, Normalizer, NormalizerWrapper, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    PreTokenizerWrapper,
};

use super::normalization::steps;
use super::sentencepiece::{NEVER_FOUND, Normalization, to_base64};
use super::{TokenizerConfig, TokenizerKind};
use crate::special_tokens::SPACE_MARK;

/// One word of text for the model: an optional mark with letters, with digits or with other signs; or a lone `<`; or a
/// lone mark. The alternatives cover every character.
const SUBWORD_WORDS: &str = r"▁?[\p{L}\p{M}]+|▁?\p{N}+|<|▁?[^\p{L}\p{M}\p{N}▁<]+|▁";

/// One character of text.
const CHARACTER: &str = "(?s).";

/// The `<` of a word that reads like a special token.
const SPECIAL_LITERAL: &str = r"<(?=(?:/s|unk|pad)>)";

/// The end of a word that reads like a special or a byte token.
const END_OF_LITERAL: &str = r"(?:(?<=</s)|(?<=<(?:unk|pad))|(?<=<0x[0-9A-F]{2}))>";

/// The entries of a tokenizer file around its model.
pub(super) struct Pipeline {
    pub normalizer: Value,
    pub pre_tokenizer: Value,
    pub decoder: Value,
}

impl Pipeline {
    /// The pipeline of a trained vocabulary. `charsmap` is the table of `nmt_nfkc`, if it is not to be built.
    pub fn new(config: &TokenizerConfig, charsmap: Option<&[u8]>) -> Self {
        let steps = steps(config, charsmap);
        match config.kind {
            TokenizerKind::Bpe | TokenizerKind::Unigram => Self::subwords(steps),
            TokenizerKind::Word => Self::words(steps),
            TokenizerKind::Whitespace => Self { normalizer: sequence(steps), ..Self::fixed_words() },
            TokenizerKind::Character => Self::characters(steps),
            TokenizerKind::Bytes => Self::bytes(steps),
        }
    }

    fn characters(normalizers: Vec<Value>) -> Self {
        Self { normalizer: sequence(normalizers), pre_tokenizer: isolate(CHARACTER), decoder: json!({"type": "Fuse"}) }
    }

    fn bytes(normalizers: Vec<Value>) -> Self {
        Self {
            normalizer: sequence(normalizers),
            pre_tokenizer: Value::Null,
            decoder: json!({"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}),
        }
    }

    fn subwords(mut normalizers: Vec<Value>) -> Self {
        normalizers.extend([
            replace("▂", "▂0"),
            replace("▁", "▂1"),
            json!({"type": "Prepend", "prepend": "▁"}),
            replace(" ", "▁"),
        ]);
        Self {
            normalizer: json!({"type": "Sequence", "normalizers": normalizers}),
            pre_tokenizer: isolate(SUBWORD_WORDS),
            decoder: subword_decoder(),
        }
    }

    fn words(normalizers: Vec<Value>) -> Self {
        let closing = r".,!?;:…)\]}»”";
        let opening = r"(\[{«„¿¡";
        let quotes = "\"“";
        let alphanumeric = r"[\p{L}\p{M}\p{N}]";
        let edge =
            format!("[{closing}{quotes}](?!{alphanumeric})|(?<!{alphanumeric})[{opening}{quotes}]|{SPECIAL_LITERAL}");
        Self {
            normalizer: sequence(normalizers),
            pre_tokenizer: json!({"type": "Sequence", "pretokenizers": [
                {"type": "WhitespaceSplit"},
                isolate(&edge),
            ]}),
            decoder: json!({"type": "Sequence", "decoders": [
                // A space before every token that is not closing punctuation; then none after opening punctuation.
                replace_regex(&format!("^(?![{closing}]$)"), " "),
                {"type": "Fuse"},
                replace_regex(&format!("(?<= [{opening}]) |(?<= <) (?=(?:/s|unk|pad)>)"), ""),
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ]}),
        }
    }

    /// The pipeline of a SentencePiece unigram model, for other programs; here [`super::sentencepiece`] applies it exactly.
    pub fn sentencepiece(normalization: &Normalization, byte_fallback: bool) -> Self {
        let mut normalizers = Vec::new();
        if !normalization.charsmap.is_empty() {
            let charsmap = to_base64(&normalization.charsmap);
            normalizers.push(json!({"type": "Precompiled", "precompiled_charsmap": charsmap}));
        }
        if normalization.remove_extra_whitespaces {
            normalizers.push(json!({"type": "Strip", "strip_left": true, "strip_right": true}));
            normalizers.push(replace_regex(" {2,}", " "));
        }
        if normalization.add_dummy_prefix {
            normalizers.push(json!({"type": "Prepend", "prepend": "▁"}));
        }
        normalizers.push(replace(" ", "▁"));
        let mut decoders = vec![replace(&NEVER_FOUND.to_string(), ""), replace("▁", " ")];
        if byte_fallback {
            decoders.push(json!({"type": "ByteFallback"}));
        }
        decoders.extend([json!({"type": "Fuse"}), json!({"type": "Strip", "content": " ", "start": 1, "stop": 0})]);
        Self {
            normalizer: json!({"type": "Sequence", "normalizers": normalizers}),
            // Without it the model would match its special tokens in text.
            pre_tokenizer: json!({"type": "Split", "pattern": {"Regex": END_OF_LITERAL}, "behavior": "MergedWithNext",
                                  "invert": false}),
            decoder: json!({"type": "Sequence", "decoders": decoders}),
        }
    }

    /// The pipeline of a fixed list of words: cut at white space, joined with spaces.
    pub fn fixed_words() -> Self {
        Self {
            normalizer: Value::Null,
            pre_tokenizer: json!({"type": "Sequence", "pretokenizers": [
                {"type": "WhitespaceSplit"},
                isolate(SPECIAL_LITERAL),
            ]}),
            decoder: Value::Null,
        }
    }
}

/// The decoder of subwords. `decoding` does the same here, except for incomplete characters.
pub(super) fn subword_decoder() -> Value {
    json!({"type": "Sequence", "decoders": [
        replace("▁", " "),
        {"type": "ByteFallback"},
        {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        replace("▂1", "▁"),
        replace("▂0", "▂"),
    ]})
}

/// Returns normalised text with marks for spaces and escapes for literal marks, as the subword pipeline segments it.
pub(super) fn with_marks(normalized: &str) -> String {
    let mut marked = String::with_capacity(normalized.len() + normalized.len() / 4 + SPACE_MARK.len_utf8());
    if !normalized.is_empty() {
        marked.push(SPACE_MARK);
    }
    for character in normalized.chars() {
        match character {
            ' ' => marked.push(SPACE_MARK),
            '▂' => marked.push_str("▂0"),
            '▁' => marked.push_str("▂1"),
            other => marked.push(other),
        }
    }
    marked
}

/// Undoes the escapes of [`with_marks`].
pub(super) fn without_escapes(text: &str) -> String {
    if text.contains('▂') { text.replace("▂1", "▁").replace("▂0", "▂") } else { text.to_owned() }
}

/// Normalises `text` with the library's normalizer.
pub(super) fn normalize(normalizer: Option<&NormalizerWrapper>, text: &str) -> tokenizers::Result<NormalizedString> {
    let mut normalized = NormalizedString::from(text);
    if let Some(normalizer) = normalizer {
        normalizer.normalize(&mut normalized)?;
    }
    Ok(normalized)
}

/// Splits normalised text into the words that the model segments.
pub(super) fn words(
    pre_tokenizer: Option<&PreTokenizerWrapper>,
    normalized: NormalizedString,
) -> tokenizers::Result<Vec<String>> {
    let mut cut = PreTokenizedString::from(normalized);
    if let Some(pre_tokenizer) = pre_tokenizer {
        pre_tokenizer.pre_tokenize(&mut cut)?;
    }
    Ok(cut
        .get_splits(OffsetReferential::Normalized, OffsetType::Byte)
        .into_iter()
        .map(|(word, _, _)| word.to_owned())
        .collect())
}

/// Returns the kind of a word-level model by its splitting of text.
pub(super) fn word_level_kind(pre_tokenizer: &Value) -> TokenizerKind {
    if *pre_tokenizer == isolate(CHARACTER) {
        TokenizerKind::Character
    } else if *pre_tokenizer == Pipeline::fixed_words().pre_tokenizer {
        TokenizerKind::Whitespace
    } else {
        TokenizerKind::Word
    }
}

fn sequence(normalizers: Vec<Value>) -> Value {
    match normalizers.is_empty() {
        true => Value::Null,
        false => json!({"type": "Sequence", "normalizers": normalizers}),
    }
}

fn replace(what: &str, with: &str) -> Value {
    json!({"type": "Replace", "pattern": {"String": what}, "content": with})
}

pub(super) fn replace_regex(what: &str, with: &str) -> Value {
    json!({"type": "Replace", "pattern": {"Regex": what}, "content": with})
}

/// Cuts before and after each match.
fn isolate(regex: &str) -> Value {
    json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false})
}
