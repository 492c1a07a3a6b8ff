//! Languages of a translation: chosen by option, from the folder, missing or unknown.

use decode::{Settings, TrainedModel, Translator};

use super::folder::{copy, imported, languages};
use crate::folder::device;

fn settings(trained: &TrainedModel, [source, target]: [Option<&str>; 2]) -> Settings {
    let mut settings = trained.settings();
    settings.decoding.source_lang = source.map(str::to_owned);
    settings.decoding.target_lang = target.map(str::to_owned);
    settings
}

fn error(trained: &TrainedModel, languages: [Option<&str>; 2]) -> String {
    match Translator::new(trained, settings(trained, languages)) {
        Ok(_) => panic!("{languages:?} is accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn missing_and_unknown_languages_are_named() {
    let copy = copy("nllb");
    let trained = imported(&copy, "run");
    let known = "expected a language of this model: deu_Latn, eng_Latn, fra_Latn; name the";
    let missing = error(&trained, [None, Some("deu_Latn")]);
    assert_eq!(missing, format!("decoding.source_lang = nothing: {known} source's"));
    let unknown = error(&trained, [Some("eng_Latn"), Some("xyz")]);
    assert_eq!(unknown, format!("decoding.target_lang = \"xyz\": {known} target's"));
}

#[test]
fn a_model_without_languages_rejects_them() {
    for name in ["t5", "bart"] {
        let copy = copy(name);
        let trained = imported(&copy, "run");
        let error = error(&trained, [Some("en"), None]);
        assert!(error.starts_with("decoding.source_lang = \"en\": expected no language"), "{error}");
    }
}

#[test]
fn labels_and_names_of_languages_are_the_same() {
    let copy = copy("m2m100");
    let trained = imported(&copy, "run");
    let frames = |source, target| {
        let settings = settings(&trained, [Some(source), Some(target)]);
        Translator::new(&trained, settings).unwrap().frames().clone()
    };
    assert_eq!(frames("en", "de"), frames("__en__", "__de__"));
    assert_ne!(frames("en", "de"), frames("en", "fr"));
}

/// The folder's languages are those of the run, and an option replaces them.
#[test]
fn the_folder_may_name_languages() {
    let copy = copy("mbart");
    let trained = imported(&copy, "run");
    assert_eq!([trained.decoding.source_lang.clone(), trained.decoding.target_lang.clone()], languages("mbart"));
    let label = |id: u32| trained.target_tokenizer.token(id).unwrap().to_owned();
    let frames = Translator::new(&trained, trained.settings()).unwrap().frames().clone();
    assert_eq!(label(frames.target.start), "de_DE");
    assert_eq!(frames.source.after.iter().map(|id| label(*id)).collect::<Vec<_>>(), ["</s>", "en_XX"]);
    let other = Translator::new(&trained, settings(&trained, [Some("en_XX"), Some("ro_RO")])).unwrap();
    assert_eq!(label(other.frames().target.start), "ro_RO");

    // `generation_config.json` precedes `config.json`.
    let id = |trained: &TrainedModel, language: &str| {
        let tokenizer = &trained.target_tokenizer;
        let new_id = tokenizer.id_of(language).unwrap() as usize;
        tokenizer.special_ids().original_ids(tokenizer.vocab_size())[new_id]
    };
    copy.edit("generation_config.json", |file| file["decoder_start_token_id"] = id(&trained, "ro_RO").into());
    assert_eq!(imported(&copy, "run-2").decoding.target_lang.as_deref(), Some("ro_RO"));
}

/// A start, or a forced token, that the family does not have is reported.
#[test]
fn starts_of_no_counterpart_are_reported() {
    for (name, key, id, is_reported) in [
        ("bart", "decoder_start_token_id", 0, true),
        ("bart", "decoder_start_token_id", 2, false),
        ("bart", "forced_bos_token_id", 0, false),
        ("bart", "forced_bos_token_id", 5, true),
        ("pegasus", "forced_bos_token_id", 5, true),
        ("mbart", "forced_bos_token_id", 302, true),
        ("m2m100", "forced_bos_token_id", 50, true),
        ("mbart50", "decoder_start_token_id", 0, true),
    ] {
        let copy = copy(name);
        copy.edit("generation_config.json", |file| file[key] = id.into());
        let (input, run) = (copy.marian(), copy.path("run"));
        let format = interchange::recognise(&input).unwrap();
        let skipped = interchange::import(format, &input, &run, &device()).unwrap().skipped;
        assert_eq!(skipped.contains(&format!("{key} = {id}")), is_reported, "{name}: {skipped:?}");
    }
}
