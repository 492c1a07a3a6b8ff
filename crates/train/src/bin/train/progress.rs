//! Progress on standard error: a bar on a terminal, plain lines elsewhere, nothing with `--quiet`.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::summary::Summary;
use runs::record::{Scores, Step};
use train::Observer;
use train::run::Started;

/// The longest remaining time to print, in seconds: a century.
const MAX_SECONDS: f64 = 3.2e9;

/// Prints the progress of a run.
#[derive(Debug)]
pub struct Progress {
    title: String,
    quiet: bool,
    bar: Option<ProgressBar>,
    first_step: u64,
    steps: u64,
    started: Instant,
}

impl Progress {
    /// `title` is the first line.
    pub fn new(title: String, quiet: bool) -> Self {
        Self { title, quiet, bar: None, first_step: 0, steps: 0, started: Instant::now() }
    }

    /// Prints a line above the bar.
    pub fn print(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None if self.quiet => {}
            // Training continues if standard error is closed.
            None => drop(writeln!(io::stderr(), "{text}")),
        }
    }

    /// Prints scores and predictions.
    pub fn print_scores(&self, title: &str, scores: &Scores) {
        self.print(&format!(
            "{title}: exact match {:.2} %  token error rate {:.2} %  token accuracy {:.2} %  nll {:.4}  ppl {:.3}  BLEU {:.2}  chrF {:.2}",
            100.0 * scores.exact_match,
            100.0 * scores.token_error_rate,
            100.0 * scores.token_accuracy,
            scores.nll,
            scores.perplexity,
            scores.bleu,
            scores.chrf
        ));
        for sample in &scores.samples {
            let mark = if sample.output == sample.reference { "=" } else { "≠" };
            self.print(&format!("    {}\n  {mark} {}", sample.source, sample.output));
            if sample.output != sample.reference {
                self.print(&format!("    {} (reference)", sample.reference));
            }
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Progress {
    fn started(&mut self, started: Started<'_>) {
        (self.first_step, self.steps, self.started) = (started.step, started.steps, Instant::now());
        self.bar = (!self.quiet && io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:10} step {pos}/{len}  {msg}  {eta} left")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let target = ProgressDrawTarget::stderr();
            let bar = ProgressBar::with_draw_target(Some(started.steps), target).with_style(style);
            bar.set_position(started.step);
            bar.reset_eta();
            bar
        });
        self.print(&self.title);
        self.print(&Summary::new(started.model).to_string());
        started.notes.iter().for_each(|note| self.print(note));
        if started.step > 0 {
            self.print(&format!("resuming from step {}", started.step));
        }
    }

    fn updated(&mut self, step: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(step);
        }
    }

    fn logged(&mut self, record: &Step) {
        let Step { step, loss, learning_rate, .. } = record;
        let text = format!("loss {loss:.4}  lr {learning_rate:.2e}  {:.0} tok/s", record.timing.tokens_per_second);
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => {
                let per_step = self.started.elapsed().as_secs_f64() / (step - self.first_step).max(1) as f64;
                let left = (per_step * (self.steps - step) as f64).min(MAX_SECONDS);
                let left = Duration::from_secs_f64(left);
                self.print(&format!("step {step}/{}  {text}  {} left", self.steps, HumanDuration(left)));
            }
        }
    }

    fn scored(&mut self, title: &str, scores: &Scores) {
        self.print_scores(title, scores);
    }

    fn note(&mut self, text: &str) {
        self.print(text);
    }
}
