//! Languages: their names, and the detection of a text's language among those of the server.

use schemars::JsonSchema;
use serde::Serialize;
use whatlang::{Detector, Lang};

/// Codes of ISO 639-1 with their names, and their codes of ISO 639-3, by which the detector names them.
const LANGUAGES: [(&str, &str, &str); 61] = [
    ("af", "Afrikaans", "afr"),
    ("am", "Amharic", "amh"),
    ("ar", "Arabic", "ara"),
    ("az", "Azerbaijani", "aze"),
    ("be", "Belarusian", "bel"),
    ("bg", "Bulgarian", "bul"),
    ("bn", "Bengali", "ben"),
    ("ca", "Catalan", "cat"),
    ("cs", "Czech", "ces"),
    ("cy", "Welsh", "cym"),
    ("da", "Danish", "dan"),
    ("de", "German", "deu"),
    ("el", "Greek", "ell"),
    ("en", "English", "eng"),
    ("eo", "Esperanto", "epo"),
    ("es", "Spanish", "spa"),
    ("et", "Estonian", "est"),
    ("fa", "Persian", "pes"),
    ("fi", "Finnish", "fin"),
    ("fr", "French", "fra"),
    ("gu", "Gujarati", "guj"),
    ("he", "Hebrew", "heb"),
    ("hi", "Hindi", "hin"),
    ("hr", "Croatian", "hrv"),
    ("hu", "Hungarian", "hun"),
    ("hy", "Armenian", "hye"),
    ("id", "Indonesian", "ind"),
    ("it", "Italian", "ita"),
    ("ja", "Japanese", "jpn"),
    ("ka", "Georgian", "kat"),
    ("km", "Khmer", "khm"),
    ("kn", "Kannada", "kan"),
    ("ko", "Korean", "kor"),
    ("la", "Latin", "lat"),
    ("lt", "Lithuanian", "lit"),
    ("lv", "Latvian", "lav"),
    ("mk", "Macedonian", "mkd"),
    ("ml", "Malayalam", "mal"),
    ("mr", "Marathi", "mar"),
    ("my", "Burmese", "mya"),
    ("nb", "Norwegian", "nob"),
    ("ne", "Nepali", "nep"),
    ("nl", "Dutch", "nld"),
    ("pa", "Punjabi", "pan"),
    ("pl", "Polish", "pol"),
    ("pt", "Portuguese", "por"),
    ("ro", "Romanian", "ron"),
    ("ru", "Russian", "rus"),
    ("si", "Sinhala", "sin"),
    ("sk", "Slovak", "slk"),
    ("sl", "Slovenian", "slv"),
    ("sr", "Serbian", "srp"),
    ("sv", "Swedish", "swe"),
    ("ta", "Tamil", "tam"),
    ("te", "Telugu", "tel"),
    ("th", "Thai", "tha"),
    ("tr", "Turkish", "tur"),
    ("uk", "Ukrainian", "ukr"),
    ("ur", "Urdu", "urd"),
    ("vi", "Vietnamese", "vie"),
    ("zh", "Chinese", "cmn"),
];

/// The English name of a language, or its code. A script may follow the code, as in `eng_Latn`.
pub fn name(code: &str) -> &str {
    let short = code.split(['_', '-']).next().unwrap_or(code);
    let known = LANGUAGES.iter().find(|(known, _, long)| [*known, *long].contains(&short));
    known.map_or(code, |(_, name, _)| name)
}

/// The language among `known` that a code means: the code itself, or the first with a script or a country after it or its
/// code of ISO 639-3, such as `en_XX` or `eng_Latn` for `en`.
pub fn named<'a>(code: &str, known: &[&'a str]) -> Option<&'a str> {
    let long = LANGUAGES.iter().find(|(short, ..)| *short == code).map_or(code, |(.., long)| long);
    // The macrolanguage's code, by which models name Chinese.
    let long = if long == "cmn" { "zho" } else { long };
    let begins_with = |name: &str, code: &str| {
        name.strip_prefix(code).is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '-']))
    };
    let exact = known.iter().find(|name| **name == code);
    exact.or_else(|| known.iter().find(|name| begins_with(name, code) || begins_with(name, long))).copied()
}

/// The detected language of a text.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Detected {
    /// The confidence, from 0 to 100.
    #[schemars(range(min = 0, max = 100))]
    pub confidence: f64,
    /// The code of the language.
    pub language: String,
}

/// Characters of a text by which its language is detected.
const DETECTED: usize = 4000;

/// Detects the language of a text among `languages`; the first of them with confidence 0 without evidence for any.
pub fn detect(text: &str, languages: &[&str]) -> Option<Detected> {
    let text = &text[..text.char_indices().nth(DETECTED).map_or(text.len(), |(end, _)| end)];
    let code = |lang: Lang| LANGUAGES.iter().find(|(.., code)| *code == lang.code()).map(|(code, ..)| *code);
    let named = |lang: Lang| named(code(lang)?, languages);
    let known: Vec<Lang> = Lang::all().iter().copied().filter(|lang| named(*lang).is_some()).collect();
    let found = Detector::with_allowlist(known).detect(text);
    let found = found.and_then(|info| Some((named(info.lang())?, info.confidence() * 100.0)));
    let (language, confidence) = found.or_else(|| Some((*languages.first()?, 0.0)))?;
    Some(Detected { language: language.to_string(), confidence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_detected_among_the_servers_languages() {
        let detected = |text: &str| detect(text, &["de", "en", "fr"]).map(|found| found.language);
        assert_eq!(detected("The man is riding a bicycle on the street."), Some("en".to_string()));
        assert_eq!(detected("Der Mann fährt mit dem Fahrrad auf der Straße."), Some("de".to_string()));
        assert_eq!(detected("L'homme fait du vélo dans la rue avec son chien."), Some("fr".to_string()));
        assert_eq!(detected("123"), Some("de".to_string()), "nothing speaks for any");
        assert!(detect("text", &[]).is_none());
    }

    #[test]
    fn codes_mean_the_languages_of_a_model() {
        assert_eq!(named("de", &["de_DE", "de"]), Some("de"));
        assert_eq!(named("en", &["de_DE", "en_XX"]), Some("en_XX"));
        assert_eq!(named("en", &["ens_Latn", "eng_Latn"]), Some("eng_Latn"));
        assert_eq!(named("zh", &["zho_Hans", "zho_Hant"]), Some("zho_Hans"));
        assert_eq!(named("zho_Hant", &["zho_Hans", "zho_Hant"]), Some("zho_Hant"));
        assert_eq!(named("fr", &["frr", "en"]), None);
        assert_eq!((name("de"), name("deu_Latn"), name("xx")), ("German", "German", "xx"));
        let found = detect("Der Mann fährt mit dem Fahrrad auf der Straße.", &["eng_Latn", "deu_Latn"]);
        assert_eq!(found.map(|found| found.language), Some("deu_Latn".to_string()));
    }

    #[test]
    fn the_detector_knows_every_code() {
        for (code, name, long) in LANGUAGES {
            assert!(Lang::from_code(long).is_some(), "{code} {name} {long}");
        }
    }
}
