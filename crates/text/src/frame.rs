//! The tokens around a text, by role: the decoder's start, language tokens, the beginning and the end.
//!
//! Vocabularies that are trained here add `</s>` to a text, and the decoder reads `<pad>` first. Imported ones may have a
//! [`Template`]: BART's texts begin with `<s>`, those of mBART and NLLB with the token of their language. A [`Frame`] is a
//! template with the languages filled in.
//!
//! ```
//! use text::{Frames, Languages, Tokenizer};
//!
//! let digits = Tokenizer::from_words(&["0", "1"]);
//! let Frames { source, target } = Frames::new(&digits, &digits, Languages::default()).unwrap();
//! assert_eq!(source.wrap(vec![3, 2]), [3, 2, 0]);
//! assert_eq!((target.start, target.wrap(vec![2])), (digits.pad_id(), vec![2, 0]));
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::special_tokens::{END, END_ID};
use crate::{FieldError, Tokenizer};

/// A token of a [`Template`]. In a file it is the token's label, or `$source_language` or `$target_language`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Role {
    /// The token of this label.
    Label(String),
    /// The token of the source's language.
    SourceLanguage,
    /// The token of the target's language.
    TargetLanguage,
}

const SOURCE_LANGUAGE: &str = "$source_language";
const TARGET_LANGUAGE: &str = "$target_language";

impl From<String> for Role {
    fn from(role: String) -> Self {
        match role.as_str() {
            SOURCE_LANGUAGE => Self::SourceLanguage,
            TARGET_LANGUAGE => Self::TargetLanguage,
            _ => Self::Label(role),
        }
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        match role {
            Role::SourceLanguage => SOURCE_LANGUAGE.to_owned(),
            Role::TargetLanguage => TARGET_LANGUAGE.to_owned(),
            Role::Label(label) => label,
        }
    }
}

/// The tokens around every text of a vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Of a target: the token that the decoder reads first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Role>,
    /// The tokens before a text; in a target the decoder is forced to generate them.
    #[serde(default)]
    pub before: Vec<Role>,
    /// The tokens after a text; of a target `</s>`.
    pub after: Vec<Role>,
    /// The label of each language's token, by the name that options have.
    #[serde(default)]
    pub languages: BTreeMap<String, String>,
    /// Labels of other tokens that are no text.
    #[serde(default)]
    pub hidden: Vec<String>,
}

impl Template {
    /// Checks the labels and the end of a template; the error is (found, expected).
    pub(crate) fn check(&self, has_label: impl Fn(&str) -> bool) -> Result<(), (String, &'static str)> {
        if let Some(unknown) = self.labels().find(|label| !has_label(label)) {
            return Err((format!("the token {unknown:?} in the template"), "tokens of the vocabulary"));
        }
        let end = [Role::Label(END.to_owned())];
        if self.start.is_some() && self.after != end {
            return Err((format!("{:?} after a target", self.after), "</s> alone there"));
        }
        match self.after.is_empty() {
            true => Err(("no token after a text".to_owned(), "</s>")),
            false => Ok(()),
        }
    }
}

/// The languages of a translation, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Languages<'a> {
    /// The language of the source.
    pub source: Option<&'a str>,
    /// The language of the target.
    pub target: Option<&'a str>,
}

/// The ids around every text of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Of a target: the id that the decoder reads first.
    pub start: u32,
    /// The ids before a text.
    pub before: Vec<u32>,
    /// The ids after a text, at least one.
    pub after: Vec<u32>,
}

impl Frame {
    /// `</s>` after a text, and `<pad>` as the start.
    pub fn plain(pad_id: u32) -> Self {
        Self { start: pad_id, before: Vec::new(), after: vec![END_ID] }
    }

    /// The number of ids around a text.
    pub fn len(&self) -> usize {
        self.before.len() + self.after.len()
    }

    /// Whether a text stays as it is, which no frame allows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the ids of a text with those around it.
    pub fn wrap(&self, mut ids: Vec<u32>) -> Vec<u32> {
        if !self.before.is_empty() {
            ids.splice(0..0, self.before.iter().copied());
        }
        ids.extend(&self.after);
        ids
    }
}

/// The frames of both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames {
    /// The frame of a source.
    pub source: Frame,
    /// The frame of a target.
    pub target: Frame,
}

/// The key of the source's language.
const SOURCE_KEY: &str = "decoding.source_lang";
/// The key of the target's language.
const TARGET_KEY: &str = "decoding.target_lang";

impl Frames {
    /// Fills the languages into the templates of two vocabularies.
    ///
    /// # Errors
    /// A language that is missing, unknown, or given to a model without language tokens.
    pub fn new(source: &Tokenizer, target: &Tokenizer, languages: Languages) -> Result<Self, FieldError> {
        let sides = [
            (SOURCE_KEY, Role::SourceLanguage, languages.source),
            (TARGET_KEY, Role::TargetLanguage, languages.target),
        ];
        for (key, role, given) in sides {
            let Some(given) = given else { continue };
            let used =
                [source, target].into_iter().filter_map(Tokenizer::template).any(|template| template.uses(&role));
            let code = role == Role::TargetLanguage && source.has_codes();
            if !used && !code {
                return Err(FieldError {
                    field: key,
                    found: format!("{given:?}"),
                    expected: "no language: this model has no token for it".to_owned(),
                    remedy: "remove it".to_owned(),
                });
            }
        }
        Ok(Self { source: frame(source, languages, true)?, target: frame(target, languages, false)? })
    }
}

/// The languages that a model has tokens for, by the names that options have. A side without such tokens has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LanguageNames<'a> {
    /// The languages of a source.
    pub source: Vec<&'a str>,
    /// The languages of a target.
    pub target: Vec<&'a str>,
}

impl<'a> LanguageNames<'a> {
    /// The languages of a model with these vocabularies.
    pub fn new(source: &'a Tokenizer, target: &'a Tokenizer) -> Self {
        let names = |role: &Role| {
            let templates = [source, target].into_iter().filter_map(Tokenizer::template);
            let used = templates.filter(|template| template.uses(role));
            let mut names: Vec<&str> =
                used.flat_map(|template| template.languages.keys().map(String::as_str)).collect();
            names.sort_unstable();
            names.dedup();
            names
        };
        let mut target_names = names(&Role::TargetLanguage);
        if source.has_codes() {
            target_names.extend(source.codes());
        }
        Self { source: names(&Role::SourceLanguage), target: target_names }
    }
}

impl Template {
    /// Returns the labels of all tokens that are no text.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &str> {
        let roles = self.start.iter().chain(&self.before).chain(&self.after);
        let labels = roles.filter_map(|role| match role {
            Role::Label(label) => Some(label),
            Role::SourceLanguage | Role::TargetLanguage => None,
        });
        labels.chain(self.languages.values()).chain(&self.hidden).map(String::as_str)
    }

    fn uses(&self, role: &Role) -> bool {
        self.start.iter().chain(&self.before).chain(&self.after).any(|own| own == role)
    }
}

/// The frame of one side.
fn frame(tokenizer: &Tokenizer, languages: Languages, is_source: bool) -> Result<Frame, FieldError> {
    let Some(template) = tokenizer.template() else {
        let mut plain = Frame::plain(tokenizer.pad_id());
        // Marian's models for several languages read the target's as `>>code<<` before the source.
        if let Some(language) = languages.target.filter(|_| is_source && tokenizer.has_codes()) {
            plain.before.push(
                tokenizer
                    .code_of(language)
                    .ok_or_else(|| wrong(TARGET_KEY, Some(language), &mut tokenizer.codes(), "choose one of them"))?,
            );
        }
        return Ok(plain);
    };
    let id = |role: &Role| {
        let (key, language) = match role {
            Role::Label(label) => return Ok(tokenizer.id_of(label).unwrap_or(END_ID)),
            Role::SourceLanguage => (SOURCE_KEY, languages.source),
            Role::TargetLanguage => (TARGET_KEY, languages.target),
        };
        let remedy = if key == SOURCE_KEY { "name the source's" } else { "name the target's" };
        let label = language.and_then(|language| template.label_of(language));
        let id = label.and_then(|label| tokenizer.id_of(label));
        id.ok_or_else(|| wrong(key, language, &mut template.languages.keys().map(String::as_str), remedy))
    };
    let ids = |roles: &[Role]| roles.iter().map(id).collect::<Result<Vec<u32>, FieldError>>();
    Ok(Frame {
        start: template.start.as_ref().map_or(Ok(tokenizer.pad_id()), id)?,
        before: ids(&template.before)?,
        after: ids(&template.after)?,
    })
}

impl Template {
    /// Returns the label of a language, which may be given itself.
    fn label_of(&self, language: &str) -> Option<&str> {
        let named = self.languages.get(language);
        named.or_else(|| self.languages.values().find(|label| *label == language)).map(String::as_str)
    }
}

fn wrong(key: &'static str, found: Option<&str>, known: &mut dyn Iterator<Item = &str>, remedy: &str) -> FieldError {
    FieldError {
        field: key,
        found: found.map_or("nothing".to_owned(), |found| format!("{found:?}")),
        expected: format!("a language of this model: {}", known.collect::<Vec<_>>().join(", ")),
        remedy: remedy.to_owned(),
    }
}
