//! Normalisation: every rule for every kind of vocabulary, SentencePiece's rule, and texts as people have them.
//!
//! `scripts/fixtures/normalization.py` wrote the fixture.

use std::collections::HashMap;

use serde::Deserialize;
use text::{NormalizationRule, Tokenizer, TokenizerConfig, TokenizerKind, UNKNOWN_ID, is_blank, lowercase};
use tokenizers::normalizers::{NFC, NFD};
use tokenizers::{NormalizedString, Normalizer};
use unicode_normalization::UnicodeNormalization;

use crate::common::{Random, any_text, sentences, trained};

const KINDS: [TokenizerKind; 6] = TokenizerKind::ALL;
const RULES: [NormalizationRule; 4] =
    [NormalizationRule::Nfc, NormalizationRule::Nfd, NormalizationRule::NmtNfkc, NormalizationRule::Lossless];
const KNOWS_ALL_TEXT: [TokenizerKind; 3] = [TokenizerKind::Bpe, TokenizerKind::Unigram, TokenizerKind::Bytes];

/// A tokenizer of each kind and of each combination of options.
fn each(mut check: impl FnMut(&Tokenizer, &TokenizerConfig)) {
    for kind in KINDS {
        for rule in RULES {
            for (lowercase, nfc) in [(false, true), (true, true), (false, false), (true, false)] {
                if !nfc && rule != NormalizationRule::Lossless {
                    continue;
                }
                let normalization = Some(rule);
                let config =
                    TokenizerConfig { kind, vocab_size: 400, normalization, lowercase, nfc, ..Default::default() };
                check(&Tokenizer::train(&config, sentences(100, 1).iter()).unwrap(), &config);
            }
        }
    }
}

/// A tokenizer of subwords with a rule.
fn ruled(rule: NormalizationRule) -> Tokenizer {
    trained(TokenizerKind::Bpe, |config| config.normalization = Some(rule))
}

#[test]
fn any_text_decodes_to_its_normalisation() {
    each(|tokenizer, config| {
        let mut random = Random(3);
        for _ in 0..1500 {
            let text = any_text(&mut random);
            let normalized = tokenizer.normalize(&text).unwrap();
            assert_eq!(tokenizer.normalize(&normalized).unwrap(), normalized, "{config:?} {text:?}");
            let ids = tokenizer.encode(&text).unwrap();
            assert_eq!(tokenizer.encode(&normalized).unwrap(), ids, "{config:?} {text:?}");
            assert!(ids.is_empty() || config.kind == TokenizerKind::Word || !normalized.is_empty());
            if KNOWS_ALL_TEXT.contains(&config.kind)
                || config.kind == TokenizerKind::Character && !ids.contains(&UNKNOWN_ID)
            {
                assert_eq!(tokenizer.decode(&ids).unwrap(), normalized, "{config:?} {text:?}");
                assert_eq!(tokenizer.encode_with_dropout(&text, 0.0, 1).unwrap(), ids, "{config:?} {text:?}");
            }
        }
    });
}

#[test]
fn a_file_keeps_its_rule() {
    each(|tokenizer, config| {
        let loaded = Tokenizer::from_json(&tokenizer.to_json(), "tokenizer.json".as_ref()).unwrap();
        assert_eq!(loaded.to_json(), tokenizer.to_json());
        assert_eq!(loaded.normalization(), config.normalization);
        let mut random = Random(4);
        for _ in 0..300 {
            let text = any_text(&mut random);
            assert_eq!(loaded.encode(&text).unwrap(), tokenizer.encode(&text).unwrap(), "{config:?} {text:?}");
        }
    });
}

/// The library that other programs use reads the file to the same ids, but for characters that its Unicode lacks.
#[test]
fn the_tokenizers_crate_normalises_equally() {
    each(|tokenizer, config| {
        if config.normalization == Some(NormalizationRule::NmtNfkc) {
            return;
        }
        let theirs: tokenizers::Tokenizer = tokenizer.to_json().parse().unwrap();
        let theirs_alone = |step: &dyn Normalizer, text: &str| {
            let mut normalized = NormalizedString::from(text);
            step.normalize(&mut normalized).unwrap();
            normalized.get().to_string()
        };
        let decomposes = config.normalization == Some(NormalizationRule::Nfd);
        let is_newer = |plain: &str| match decomposes {
            true => theirs_alone(&NFD, plain) != plain.nfd().collect::<String>(),
            false => config.nfc && theirs_alone(&NFC, plain) != plain,
        };
        let mut random = Random(5);
        let mut compared = 0;
        for _ in 0..1000 {
            let text = any_text(&mut random).replace("</s>", "").replace("<unk>", "").replace("<pad>", "");
            let plain = tokenizer.normalize(&text).unwrap();
            if is_newer(&plain) {
                continue;
            }
            let ids = theirs.encode(text.as_str(), false).unwrap().get_ids().to_vec();
            assert_eq!(tokenizer.encode(&text).unwrap(), ids, "{config:?} {text:?}");
            compared += 1;
        }
        assert!(compared > 900, "{compared}");
    });
}

#[derive(Deserialize)]
struct Fixture {
    characters: HashMap<char, String>,
    texts: Vec<Vec<String>>,
}

#[test]
fn nmt_nfkc_is_that_of_sentencepiece() {
    let Fixture { characters, texts } = serde_json::from_str(include_str!("fixtures/nmt_nfkc.json")).unwrap();
    let tokenizer = ruled(NormalizationRule::NmtNfkc);
    for character in '\u{1}'..=char::MAX {
        // Between brackets, so that spaces are not trimmed and nothing composes.
        let found = tokenizer.normalize(&format!("[{character}]")).unwrap();
        let expected = characters.get(&character).cloned().unwrap_or_else(|| character.to_string());
        assert_eq!(found, format!("[{expected}]"), "U+{:04X}", u32::from(character));
    }
    assert!(characters.len() > 5000);
    let mut repeated = 0;
    for entry in &texts {
        // Text, SentencePiece's result, and its result when it is applied until nothing changes.
        let expected = entry.last().unwrap();
        assert_eq!(tokenizer.normalize(&entry[0]).unwrap(), *expected, "{:?}", entry[0]);
        repeated += usize::from(entry.len() > 2);
    }
    assert!(repeated < texts.len() / 10, "{repeated} of {}", texts.len());
}

#[test]
fn the_library_agrees_with_nmt_nfkc_on_ordinary_text() {
    let tokenizer = ruled(NormalizationRule::NmtNfkc);
    let theirs: tokenizers::Tokenizer = tokenizer.to_json().parse().unwrap();
    let mut lines = sentences(300, 9);
    lines.extend(["ﬁne  Ｔｅｘｔ１２　½ ™", "\u{feff}a\u{a0}b\u{200b}c\td "].map(str::to_string));
    for line in lines.iter().filter(|line| !line.contains("</s>")) {
        let ids = tokenizer.encode(line).unwrap();
        assert_eq!(theirs.encode(line.as_str(), false).unwrap().get_ids(), ids, "{line:?}");
    }
}

#[test]
fn blank_texts_have_nothing_visible() {
    // huggingface/transformers#14337, ufal/lindat-translation#61, sillsdev/silnlp#219
    let blank =
        ["", " ", "\t", "\u{a0}", "\u{200b}", "\u{feff}", "\r\n", "\u{2028}\u{85}", "\u{200d}\u{200e}", "\u{ad}\0"];
    assert!(blank.into_iter().all(is_blank));
    each(|tokenizer, config| {
        for text in blank {
            assert!(tokenizer.encode_text(text).unwrap().is_empty(), "{config:?} {text:?}");
        }
    });
    for text in [".", "\u{301}", "\u{fffd}", "\u{600}", " \u{feff}a "] {
        assert!(!is_blank(text), "{text:?}");
    }
    // What normalises to nothing is blank; the regular expressions have Unicode's own properties.
    let nfc = ruled(NormalizationRule::Nfc);
    let visible = tokenizers::normalizers::Replace::new(
        tokenizers::normalizers::replace::ReplacePattern::Regex(
            r"[\p{White_Space}\p{Cc}\p{Default_Ignorable_Code_Point}[\p{Cf}--\p{Prepended_Concatenation_Mark}]]".into(),
        ),
        "",
    )
    .unwrap();
    for character in '\0'..=char::MAX {
        let text = character.to_string();
        let mut left = NormalizedString::from(text.as_str());
        visible.normalize(&mut left).unwrap();
        assert_eq!(is_blank(&text), left.get().is_empty(), "U+{:04X}", u32::from(character));
        assert!(is_blank(&text) || !nfc.normalize(&text).unwrap().is_empty());
    }
}

#[test]
fn noise_around_words_changes_nothing() {
    let tokenizer = ruled(NormalizationRule::Nfc);
    let expected = tokenizer.encode("The man sleeps. Café?").unwrap();
    for noisy in [
        " The man sleeps. Café?",                  // ufal/lindat-translation#38
        "The  man   sleeps.\tCafé? ",              // the same
        "The\u{a0}man sleeps. Café\u{202f}?",      // mozilla/translations#176
        "The man sleeps.\nCafé?\n",                // LibreTranslate/LibreTranslate#288, #444
        "The man\r\nsleeps.\u{2028}Café?\u{2029}", // languagetool-org/languagetool#5249
        "The man\u{85}sleeps.\u{b}Café?\r",
        "\u{feff}The man \u{feff}sleeps. Café?", // UniversalDependencies/UD_German-GSD#29
        "The man sle\u{ad}eps. Ca\u{ad}fé?",     // browsermt/bergamot-translator#337
        "The m\u{200b}an sl\u{2060}eeps. \u{200b}Café?", // PyThaiNLP/pythainlp#373
        "The man sleeps. Cafe\u{301}?",          // apertium/organisation#24
        "The man sleeps. Cafe\u{ad}\u{301}?",
        "The \0man\u{1} sleeps\u{7f}. Café?\0", // google/sentencepiece#331
    ] {
        let plain = noisy.replace("Café\u{202f}?", "Café?");
        assert_eq!(tokenizer.encode(&plain).unwrap(), expected, "{noisy:?}");
    }
    assert_eq!(tokenizer.normalize("Non\u{202f}! Si\u{a0}?").unwrap(), "Non ! Si ?");
    assert_eq!(tokenizer.normalize("The \u{200b} man").unwrap(), "The man");
}

#[test]
fn characters_with_a_meaning_are_kept() {
    let tokenizer = ruled(NormalizationRule::Nfc);
    for text in [
        "ශ්\u{200d}රී",                       // google/sentencepiece#629
        "కాంటాక్ట్\u{200c}లలో",                  // google/sentencepiece#896
        "نامه\u{200c}ها",                   // VahidN/DNTPersianUtils.Core#92
        "👩\u{200d}👩\u{200d}👧 ☺\u{fe0f}", // LibreTranslate/LibreTranslate#33
        "23\u{200f}-25",                    // sillsdev/silnlp#797
        "abc▁d d ▂1",                       // google/sentencepiece#863
        "</s> <pad> <unk> <s> <0x41>",      // google/sentencepiece#667
        "Ａ１～ ﬁ ½ ︰",                    // google/sentencepiece#329
        "dotless ı, ß, ſ",
    ] {
        assert_eq!(tokenizer.normalize(text).unwrap(), text);
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(tokenizer.decode(&ids).unwrap(), text);
        assert!(ids.iter().all(|id| *id >= 2 && *id < tokenizer.pad_id()));
    }
    let nmt = ruled(NormalizationRule::NmtNfkc);
    assert_eq!(nmt.normalize("Ａ１～ ﬁ ½ ︰").unwrap(), "A1～ fi 1⁄2 ..");
    assert_eq!(nmt.normalize("a\u{61c}b").unwrap(), "a b", "google/sentencepiece#1331");
    assert_eq!(nmt.normalize("ශ්\u{200d}රී a\u{200c}b").unwrap(), "ශ්\u{200d}රී a b");
}

#[test]
fn a_final_sigma_is_final() {
    // crusoecloud/fastokens#72, NVIDIA/cudf#21137
    for kind in KINDS {
        for rule in RULES {
            let greek = ["Ο ΔΡΟΜΟΣ", "ΟΔΥΣΣΕΥΣ, Σ", "ΤΆ\u{301}Σ Σ\u{301}Α ΑΣ'Α ὈΔΥΣΣΕΎΣ"];
            let config = TokenizerConfig {
                kind,
                vocab_size: 277,
                normalization: Some(rule),
                lowercase: true,
                ..Default::default()
            };
            let tokenizer = Tokenizer::train(&config, greek.iter());
            let Ok(tokenizer) = tokenizer else { panic!("{tokenizer:?}") };
            assert_eq!(tokenizer.normalize("Ο ΔΡΟΜΟΣ").unwrap(), "ο δρομος");
            let theirs: tokenizers::Tokenizer = tokenizer.to_json().parse().unwrap();
            for text in greek {
                let ids = tokenizer.encode(text).unwrap();
                assert_eq!(theirs.encode(text, false).unwrap().get_ids(), ids, "{kind:?} {rule:?} {text}");
                if kind == TokenizerKind::Bpe && rule == NormalizationRule::Lossless {
                    assert_eq!(tokenizer.normalize(text).unwrap(), nfc(&lowercase(text)));
                }
            }
        }
    }
    // lodash/lodash#3026: rules of single languages are not applied.
    assert_eq!(lowercase("AYNI İ ẞ"), "ayni i\u{307} ß");
}

fn nfc(text: &str) -> String {
    ruled(NormalizationRule::Lossless).normalize(text).unwrap()
}

#[test]
fn older_files_lower_each_character() {
    let tokenizer = trained(TokenizerKind::Bpe, |config| {
        config.normalization = Some(NormalizationRule::Lossless);
        config.lowercase = true;
    });
    let mut file: serde_json::Value = serde_json::from_str(&tokenizer.to_json()).unwrap();
    let steps = file["normalizer"]["normalizers"].as_array_mut().unwrap();
    let sigma = steps.remove(0);
    assert_eq!((&sigma["type"], &sigma["content"]), (&"Replace".into(), &"ς".into()));
    let old = Tokenizer::from_json(&file.to_string(), "tokenizer.json".as_ref()).unwrap();
    assert_eq!(old.normalization(), Some(NormalizationRule::Lossless));
    assert_eq!(old.normalize("Ο ΔΡΟΜΟΣ").unwrap(), "ο δρομοσ");
    assert_eq!(old.decode(&old.encode("Ο ΔΡΟΜΟΣ").unwrap()).unwrap(), "ο δρομοσ");
}

#[test]
fn contradictory_options_are_rejected() {
    for rule in [NormalizationRule::Nfc, NormalizationRule::Nfd, NormalizationRule::NmtNfkc] {
        let config = TokenizerConfig { normalization: Some(rule), nfc: false, ..Default::default() };
        let message = config.validate().unwrap_err().to_string();
        assert_eq!(
            message,
            format!(
                "tokenizer.nfc = false: expected true with tokenizer.normalization = \"{}\", whose output is composed; \
                 set tokenizer.nfc = true, or tokenizer.normalization = \"lossless\"",
                rule.name()
            )
        );
    }
    assert_eq!(TokenizerConfig::default().rule(), NormalizationRule::Nfc);
    assert_eq!(TokenizerConfig { nfc: false, ..Default::default() }.rule(), NormalizationRule::Lossless);
    let error = toml::from_str::<TokenizerConfig>("normalization = \"nfkc\"").unwrap_err();
    assert!(error.to_string().contains("nmt_nfkc"), "{error}");
}
