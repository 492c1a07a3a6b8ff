//! Notes on lines that have no result, or that of their beginning: some by number, all as a count at the end.

use decode::{TextProblem, TranslationResult};
use indicatif::ProgressBar;

use crate::log::log_line;

/// The maximum number of lines that get a note of their own.
const MAX_NOTES: usize = 10;

/// What happened to a text.
pub fn describe(problem: &TextProblem) -> String {
    match problem {
        TextProblem::Cropped { side, tokens, limit } => {
            format!("{} cropped from {tokens} to {limit} tokens (end token included)", side.name())
        }
        TextProblem::TooLong { side, tokens, limit } => {
            let side = side.name();
            format!("{side} skipped: {tokens} tokens (end token included), but the model has {limit} positions")
        }
        TextProblem::NotTokenized { side, reason } => format!("{} skipped: {reason}", side.name()),
    }
}

/// Notes on the lines of one input.
pub struct Notes {
    quiet: bool,
    /// What a line holds: `line`, `text` or `pair`.
    unit: &'static str,
    printed: usize,
    lines: usize,
    cropped: usize,
    too_long: usize,
    not_tokenized: usize,
    not_utf8: usize,
    unknown: usize,
    unknown_in_references: usize,
    positions: usize,
}

impl Notes {
    /// No notes yet. `unit` is what the numbers count: `line`, `text` or `pair`.
    pub fn new(unit: &'static str, quiet: bool) -> Self {
        Self {
            quiet,
            unit,
            printed: 0,
            lines: 0,
            cropped: 0,
            too_long: 0,
            not_tokenized: 0,
            not_utf8: 0,
            unknown: 0,
            unknown_in_references: 0,
            positions: 0,
        }
    }

    /// Counts results of consecutive lines, and prints a note on each with a problem.
    pub fn add(&mut self, results: &[TranslationResult], first_line: usize, progress: &ProgressBar) {
        let lines = results.iter().map(|result| (result.unknown, result.problem.as_ref()));
        self.add_lines(lines, first_line, progress);
    }

    /// As [`add`](Self::add), from the number of unknown tokens and the problem of each line.
    pub fn add_lines<'a>(
        &mut self,
        lines: impl Iterator<Item = (usize, Option<&'a TextProblem>)>,
        first_line: usize,
        progress: &ProgressBar,
    ) {
        for ((unknown, problem), line) in lines.zip(first_line..) {
            self.lines += 1;
            self.unknown += unknown;
            let Some(problem) = problem else { continue };
            match problem {
                TextProblem::Cropped { limit, .. } => (self.cropped, self.positions) = (self.cropped + 1, *limit),
                TextProblem::TooLong { limit, .. } => (self.too_long, self.positions) = (self.too_long + 1, *limit),
                TextProblem::NotTokenized { .. } => self.not_tokenized += 1,
            }
            self.print(line, &describe(problem), progress);
        }
    }

    /// Counts a line that is not valid UTF-8, and prints a note on it.
    pub fn add_not_utf8(&mut self, line: usize, progress: &ProgressBar) {
        self.not_utf8 += 1;
        self.print(line, "bytes that are not UTF-8, read as U+FFFD", progress);
    }

    /// Counts tokens of references that the vocabulary lacks.
    pub fn add_unknown_in_references(&mut self, tokens: usize) {
        self.unknown_in_references += tokens;
    }

    fn print(&mut self, line: usize, text: &str, progress: &ProgressBar) {
        if self.quiet || self.printed > MAX_NOTES {
            return;
        }
        self.printed += 1;
        progress.suspend(|| match self.printed > MAX_NOTES {
            false => log_line(format!("note: {} {line}: {text}", self.unit)),
            true => log_line("note: further ones are counted, not listed"),
        });
    }

    /// Prints how many lines had a problem.
    pub fn finish(self) {
        if self.quiet {
            return;
        }
        let Self { unit, lines, positions, .. } = self;
        let note = |count: usize, text: &str| {
            if count > 0 {
                log_line(format!("note: {count} of {lines} {unit}s {text}"));
            }
        };
        note(self.cropped, &format!("cropped to the model's {positions} positions (model.max_length)"));
        note(
            self.too_long,
            &format!(
                "skipped, without a result: they exceed the model's {positions} positions (model.max_length); split them, \
                 give --too-long crop, or train with a larger model.max_length"
            ),
        );
        note(self.not_tokenized, "skipped, without a result: the tokenizer rejects them");
        note(self.not_utf8, "read with U+FFFD for bytes that are not UTF-8; convert the input, for example with iconv");
        if self.unknown > 0 {
            let count = self.unknown;
            log_line(format!("note: source tokens that are not in the vocabulary, read as <unk>: {count}"));
        }
        if self.unknown_in_references > 0 {
            let count = self.unknown_in_references;
            log_line(format!("note: reference tokens that are not in the vocabulary, so in no output: {count}"));
        }
    }
}
