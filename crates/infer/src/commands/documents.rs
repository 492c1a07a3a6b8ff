//! `infer --documents`: translates texts of several sentences, or standard input as one.

use std::io::{self, Read, Write};

use decode::{DecodeError, Translator};
use documents::{DocumentFormat, EncodedDocument, Segmenter};
use indicatif::ProgressBar;

use crate::log::log_line;
use crate::notes::Notes;

/// The byte order mark.
const MARK: char = '\u{feff}';

/// Prints the translation of each text, with the white space between its sentences, or that of standard input.
///
/// # Errors
/// Input that cannot be read, a clause that is too long unless the settings crop or skip it, or a closed output.
pub fn run(
    translator: &Translator,
    texts: &[String],
    (format, language): (DocumentFormat, Option<&str>),
    quiet: bool,
) -> anyhow::Result<()> {
    let segmenter = Segmenter::new(language);
    let mut notes = Notes::new("sentence", quiet);
    let mut first = 1;
    let mut translate = |text: &str| -> Result<String, DecodeError> {
        let document = EncodedDocument::new(format.parse(text, &segmenter), translator, first)?;
        let results = translator.translate_encoded(document.inputs())?;
        notes.add(&results, first, &ProgressBar::hidden());
        first += results.len();
        Ok(document.write(&results, 0, &translator.model().target_tokenizer))
    };
    let mut output = io::stdout().lock();
    let failed = |source| DecodeError::Stream { origin: "standard output", source };
    if texts.is_empty() {
        let mut bytes = Vec::new();
        let input = |source| DecodeError::Stream { origin: "standard input", source };
        io::stdin().read_to_end(&mut bytes).map_err(input)?;
        let text = String::from_utf8_lossy(&bytes);
        if let Err(error) = str::from_utf8(&bytes)
            && !quiet
        {
            let line = bytes[..error.valid_up_to()].split(|&byte| byte == b'\n').count();
            log_line(format!(
                "note: line {line}: bytes that are not UTF-8, read as U+FFFD; convert the input, for example with iconv"
            ));
        }
        // A byte order mark stays where it is, and is no part of the first sentence.
        let (mark, text) = text.split_at(if text.starts_with(MARK) { MARK.len_utf8() } else { 0 });
        let translation = [mark, &translate(text)?].concat();
        output.write_all(translation.as_bytes()).and_then(|()| output.flush()).map_err(failed)?;
    }
    for text in texts {
        writeln!(output, "{}", translate(text)?).map_err(failed)?;
    }
    notes.finish();
    Ok(())
}
