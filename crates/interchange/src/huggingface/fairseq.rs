//! Vocabularies in fairseq's order: special tokens, the pieces of a SentencePiece model, languages, `<mask>`.
//!
//! mBART and NLLB have ids of their own; M2M100 has a list, `vocab.json`, after which its languages follow. Pegasus has 103
//! special tokens before its pieces.

use serde_json::Value;

use super::Family;
use super::added_tokens::AddedTokens;

/// The first labels of mBART and NLLB, before the model's pieces from its fourth on.
pub(super) const FIRST: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];

/// Labels at the start of a SentencePiece model that [`FIRST`] replaces.
const REPLACED: usize = 3;

/// Special tokens before Pegasus' pieces.
const PEGASUS_OFFSET: usize = 103;

/// Entries after M2M100's languages.
const MADE_UP_WORDS: usize = 8;

/// Languages of mBART (the first 25) and of mBART-50, in the order of their ids.
const MBART: [&str; 52] = [
    "ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI", "fr_XX", "gu_IN", "hi_IN", "it_IT", "ja_XX",
    "kk_KZ", "ko_KR", "lt_LT", "lv_LV", "my_MM", "ne_NP", "nl_XX", "ro_RO", "ru_RU", "si_LK", "tr_TR", "vi_VN",
    "zh_CN", "af_ZA", "az_AZ", "bn_IN", "fa_IR", "he_IL", "hr_HR", "id_ID", "ka_GE", "km_KH", "mk_MK", "ml_IN",
    "mn_MN", "mr_IN", "pl_PL", "ps_AF", "pt_XX", "sv_SE", "sw_KE", "ta_IN", "te_IN", "th_TH", "tl_XX", "uk_UA",
    "ur_PK", "xh_ZA", "gl_ES", "sl_SI",
];

/// Languages of the first mBART.
const MBART_CC25: usize = 25;

/// Languages of M2M100, in the order of their ids.
const M2M100: [&str; 100] = [
    "af", "am", "ar", "ast", "az", "ba", "be", "bg", "bn", "br", "bs", "ca", "ceb", "cs", "cy", "da", "de", "el", "en",
    "es", "et", "fa", "ff", "fi", "fr", "fy", "ga", "gd", "gl", "gu", "ha", "he", "hi", "hr", "ht", "hu", "hy", "id",
    "ig", "ilo", "is", "it", "ja", "jv", "ka", "kk", "km", "kn", "ko", "lb", "lg", "ln", "lo", "lt", "lv", "mg", "mk",
    "ml", "mn", "mr", "ms", "my", "ne", "nl", "no", "ns", "oc", "or", "pa", "pl", "ps", "pt", "ro", "ru", "sd", "si",
    "sk", "sl", "so", "sq", "sr", "ss", "su", "sv", "sw", "ta", "th", "tl", "tn", "tr", "uk", "ur", "uz", "vi", "wo",
    "xh", "yi", "yo", "zh", "zu",
];

/// Languages of the first NLLB, in the order of their ids.
const NLLB: [&str; 202] = [
    "ace_Arab", "ace_Latn", "acm_Arab", "acq_Arab", "aeb_Arab", "afr_Latn", "ajp_Arab", "aka_Latn", "amh_Ethi",
    "apc_Arab", "arb_Arab", "ars_Arab", "ary_Arab", "arz_Arab", "asm_Beng", "ast_Latn", "awa_Deva", "ayr_Latn",
    "azb_Arab", "azj_Latn", "bak_Cyrl", "bam_Latn", "ban_Latn", "bel_Cyrl", "bem_Latn", "ben_Beng", "bho_Deva",
    "bjn_Arab", "bjn_Latn", "bod_Tibt", "bos_Latn", "bug_Latn", "bul_Cyrl", "cat_Latn", "ceb_Latn", "ces_Latn",
    "cjk_Latn", "ckb_Arab", "crh_Latn", "cym_Latn", "dan_Latn", "deu_Latn", "dik_Latn", "dyu_Latn", "dzo_Tibt",
    "ell_Grek", "eng_Latn", "epo_Latn", "est_Latn", "eus_Latn", "ewe_Latn", "fao_Latn", "pes_Arab", "fij_Latn",
    "fin_Latn", "fon_Latn", "fra_Latn", "fur_Latn", "fuv_Latn", "gla_Latn", "gle_Latn", "glg_Latn", "grn_Latn",
    "guj_Gujr", "hat_Latn", "hau_Latn", "heb_Hebr", "hin_Deva", "hne_Deva", "hrv_Latn", "hun_Latn", "hye_Armn",
    "ibo_Latn", "ilo_Latn", "ind_Latn", "isl_Latn", "ita_Latn", "jav_Latn", "jpn_Jpan", "kab_Latn", "kac_Latn",
    "kam_Latn", "kan_Knda", "kas_Arab", "kas_Deva", "kat_Geor", "knc_Arab", "knc_Latn", "kaz_Cyrl", "kbp_Latn",
    "kea_Latn", "khm_Khmr", "kik_Latn", "kin_Latn", "kir_Cyrl", "kmb_Latn", "kon_Latn", "kor_Hang", "kmr_Latn",
    "lao_Laoo", "lvs_Latn", "lij_Latn", "lim_Latn", "lin_Latn", "lit_Latn", "lmo_Latn", "ltg_Latn", "ltz_Latn",
    "lua_Latn", "lug_Latn", "luo_Latn", "lus_Latn", "mag_Deva", "mai_Deva", "mal_Mlym", "mar_Deva", "min_Latn",
    "mkd_Cyrl", "plt_Latn", "mlt_Latn", "mni_Beng", "khk_Cyrl", "mos_Latn", "mri_Latn", "zsm_Latn", "mya_Mymr",
    "nld_Latn", "nno_Latn", "nob_Latn", "npi_Deva", "nso_Latn", "nus_Latn", "nya_Latn", "oci_Latn", "gaz_Latn",
    "ory_Orya", "pag_Latn", "pan_Guru", "pap_Latn", "pol_Latn", "por_Latn", "prs_Arab", "pbt_Arab", "quy_Latn",
    "ron_Latn", "run_Latn", "rus_Cyrl", "sag_Latn", "san_Deva", "sat_Beng", "scn_Latn", "shn_Mymr", "sin_Sinh",
    "slk_Latn", "slv_Latn", "smo_Latn", "sna_Latn", "snd_Arab", "som_Latn", "sot_Latn", "spa_Latn", "als_Latn",
    "srd_Latn", "srp_Cyrl", "ssw_Latn", "sun_Latn", "swe_Latn", "swh_Latn", "szl_Latn", "tam_Taml", "tat_Cyrl",
    "tel_Telu", "tgk_Cyrl", "tgl_Latn", "tha_Thai", "tir_Ethi", "taq_Latn", "taq_Tfng", "tpi_Latn", "tsn_Latn",
    "tso_Latn", "tuk_Latn", "tum_Latn", "tur_Latn", "twi_Latn", "tzm_Tfng", "uig_Arab", "ukr_Cyrl", "umb_Latn",
    "urd_Arab", "uzn_Latn", "vec_Latn", "vie_Latn", "war_Latn", "wol_Latn", "xho_Latn", "ydd_Hebr", "yor_Latn",
    "yue_Hant", "zho_Hans", "zho_Hant", "zul_Latn",
];

/// Returns whether a special token is that of a language.
pub(super) fn is_language(label: &str) -> bool {
    if let Some(code) = label.strip_prefix("__").and_then(|label| label.strip_suffix("__")) {
        return !code.is_empty();
    }
    let Some((language, region)) = label.split_once('_') else { return false };
    let lower = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase());
    let upper = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase());
    let country = region.len() == 2 && upper(region);
    let script = region.len() == 4 && region.is_ascii() && upper(&region[..1]) && lower(&region[1..]);
    (2..=3).contains(&language.len()) && lower(language) && (country || script)
}

/// Returns the name of a language in options.
pub(super) fn name_of(label: &str) -> &str {
    label.strip_prefix("__").and_then(|label| label.strip_suffix("__")).unwrap_or(label)
}

/// Returns the labels of mBART or NLLB with the pieces of a SentencePiece model, and those that are no pieces.
///
/// Tokens that are `added` by id have these ids. Others follow the pieces: the `named` ones, special tokens that a file of the
/// folder lists; without languages among them, those of the family that fit into `size` entries.
pub(super) fn with_languages(
    pieces: Vec<String>,
    added: &AddedTokens,
    named: &[String],
    family: Family,
    size: usize,
) -> [Vec<String>; 2] {
    let pieces_end = FIRST.len() + pieces.len().saturating_sub(REPLACED);
    let room = size.saturating_sub(pieces_end + 1);
    let mut languages: Vec<String> = named.iter().filter(|label| is_language(label)).cloned().collect();
    if languages.is_empty() {
        let own: &[&str] = match family {
            Family::M2m100 => &NLLB,
            _ if room < MBART.len() => &MBART[..MBART_CC25],
            Family::T5 | Family::Bart | Family::MBart | Family::Pegasus => &MBART,
        };
        languages = own.iter().filter(|_| own.len() <= room).map(|label| (*label).to_owned()).collect();
    }
    let own = pieces.into_iter().skip(REPLACED);
    let first = FIRST.into_iter().map(str::to_owned);
    let mut last: Vec<String> = languages.into_iter().chain(["<mask>".to_owned()]).collect();
    last.retain(|label| !added.by_id.contains_key(&pieces_end) && !added.has(label));
    let special = FIRST.into_iter().map(str::to_owned).chain(last.iter().cloned()).collect();
    [first.chain(own).chain(last).collect(), special]
}

/// Returns the labels of M2M100 after those of its `vocab.json`, and the special ones. Tokens that are `added` by id have these
/// ids, and what is between them has no label of its own.
pub(super) fn after_list(
    mut labels: Vec<String>,
    added: &AddedTokens,
    named: &[String],
    size: usize,
) -> [Vec<String>; 2] {
    let languages: Vec<String> = named.iter().filter(|label| is_language(label)).cloned().collect();
    let own = M2M100.iter().filter(|_| labels.len() + M2M100.len() <= size).map(|code| format!("__{code}__"));
    let mut languages = if languages.is_empty() { own.collect() } else { languages };
    let by_id = added.by_id.contains_key(&labels.len());
    languages.retain(|label| !by_id && !labels.contains(label) && !added.has(label));
    let mut special: Vec<String> =
        labels.iter().filter(|label| FIRST.contains(&label.as_str()) || is_language(label)).cloned().collect();
    special.extend(languages.iter().cloned());
    labels.extend(languages);
    if added.by_id.keys().any(|id| *id >= labels.len()) {
        return [labels, special];
    }
    let words = (0..MADE_UP_WORDS.min(size.saturating_sub(labels.len()))).map(|at| format!("madeupword{at:04}"));
    let words: Vec<String> = words.collect();
    special.extend(words.iter().cloned());
    labels.extend(words);
    [labels, special]
}

/// Returns the labels of Pegasus with the pieces of a SentencePiece model, whose special ones come first, and those that are
/// no pieces. `offset` special tokens precede the pieces, 103 unless a file of the folder has another number.
pub(super) fn with_masks(pieces: Vec<String>, offset: Option<usize>) -> [Vec<String>; 2] {
    let offset = offset.unwrap_or(PEGASUS_OFFSET);
    let first = ["<pad>", "</s>"].into_iter().chain(["<mask_1>", "<mask_2>"].into_iter().filter(|_| offset > 0));
    let unknown = (2..offset).map(|number| format!("<unk_{number}>"));
    let before: Vec<String> = first.map(str::to_owned).chain(unknown).collect();
    let special = before.iter().cloned().chain(["<unk>".to_owned()]).collect();
    // `<pad>` and `</s>` stay before the others.
    [before.into_iter().chain(pieces.into_iter().skip(2)).collect(), special]
}

/// Returns the special tokens that `tokenizer_config.json` or `special_tokens_map.json` lists, in order.
pub(super) fn named_tokens(tokenizer_config: &Value, special_tokens_map: &Value) -> Vec<String> {
    let keys = ["additional_special_tokens", "extra_special_tokens"];
    let lists = [tokenizer_config, special_tokens_map].into_iter().flat_map(|file| keys.map(|key| &file[key]));
    let content = |token: &Value| token.as_str().or_else(|| token["content"].as_str()).map(str::to_owned);
    let found = lists.filter_map(Value::as_array).map(|list| list.iter().filter_map(content).collect::<Vec<_>>());
    found.into_iter().find(|list| list.iter().any(|label| is_language(label))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_recognised_by_their_form() {
        let known = MBART.iter().chain(&NLLB).map(|label| (*label).to_owned());
        let known = known.chain(M2M100.iter().map(|code| format!("__{code}__")));
        known.for_each(|label| assert!(is_language(&label), "{label}"));
        for label in ["<s>", "<mask>", "a_b", "en", "EN_xx", "____", "ab_CDE", "é_XX", "ab_éé"] {
            assert!(!is_language(label), "{label}");
        }
        assert_eq!((name_of("__fr__"), name_of("fr_XX")), ("fr", "fr_XX"));
    }
}
