//! Languages: their names, and the detection of a text's language among those of the server.

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

/// The English name of a language, or its code.
pub fn name(code: &str) -> &str {
    LANGUAGES.iter().find(|(known, ..)| *known == code).map_or(code, |(_, name, _)| name)
}

/// The detected language of a text, with the confidence from 0 to 100.
pub struct Detected {
    pub language: String,
    pub confidence: f64,
}

/// Detects the language of a text among `languages`; the first of them with confidence 0 where nothing speaks for any.
pub fn detect(text: &str, languages: &[&str]) -> Option<Detected> {
    let code = |lang: Lang| LANGUAGES.iter().find(|(.., code)| *code == lang.code()).map(|(code, ..)| *code);
    let known: Vec<Lang> =
        Lang::all().iter().copied().filter(|lang| code(*lang).is_some_and(|code| languages.contains(&code))).collect();
    let found = Detector::with_allowlist(known).detect(text);
    let found = found.and_then(|info| Some((code(info.lang())?, info.confidence() * 100.0)));
    let (language, confidence) = found.or_else(|| Some((*languages.first()?, 0.0)))?;
    Some(Detected { language: language.to_string(), confidence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_detected_among_the_languages_of_the_server() {
        let detected = |text: &str| detect(text, &["de", "en", "fr"]).map(|found| found.language);
        assert_eq!(detected("The man is riding a bicycle on the street."), Some("en".to_string()));
        assert_eq!(detected("Der Mann fährt mit dem Fahrrad auf der Straße."), Some("de".to_string()));
        assert_eq!(detected("L'homme fait du vélo dans la rue avec son chien."), Some("fr".to_string()));
        assert_eq!(detected("123"), Some("de".to_string()), "nothing speaks for any");
        assert!(detect("text", &[]).is_none());
    }

    #[test]
    fn the_detector_knows_every_code() {
        for (code, name, long) in LANGUAGES {
            assert!(Lang::from_code(long).is_some(), "{code} {name} {long}");
        }
    }
}
