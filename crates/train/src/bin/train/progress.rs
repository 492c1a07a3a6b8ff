//! What a person sees while it trains: a bar on a terminal, plain lines elsewhere, nothing when asked to be quiet.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::validation::Report;

/// What is known after a logged step.
#[derive(Clone, Copy, Debug)]
pub struct StepLine {
    pub step: u64,
    pub loss: f64,
    pub learning_rate: f64,
    /// Real target tokens per second since the line before.
    pub tokens_per_second: f64,
}

/// Seconds; longer is not worth telling apart, and absurd numbers of steps must not overflow.
const A_CENTURY: f64 = 3.2e9;

/// Shows progress on standard error.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    steps: u64,
    first: u64,
    started: Instant,
}

impl Progress {
    /// For a run of `steps` that stands at `first`.
    pub fn new(steps: u64, first: u64, quiet: bool) -> Self {
        let bar = (!quiet && io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:24} step {pos}/{len}  {msg}  {eta} left")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr()).with_style(style);
            bar.set_position(first);
            bar.reset_eta();
            bar
        });
        Self { bar, quiet, steps, first, started: Instant::now() }
    }

    /// A line that stays.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None if self.quiet => {}
            // That nobody listens any more is no reason to stop training.
            None => drop(writeln!(io::stderr(), "{text}")),
        }
    }

    /// One update is done.
    pub fn advance(&self, step: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(step);
        }
    }

    /// A logged step.
    pub fn step(&self, line: StepLine) {
        let StepLine { step, loss, learning_rate, tokens_per_second } = line;
        let text = format!("loss {loss:.4}  lr {learning_rate:.2e}  {tokens_per_second:.0} tok/s");
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => {
                let per_step = self.started.elapsed().as_secs_f64() / (step - self.first).max(1) as f64;
                let left = (per_step * (self.steps - step) as f64).min(A_CENTURY);
                let left = Duration::from_secs_f64(left);
                self.say(&format!("step {step}/{}  {text}  {} left", self.steps, HumanDuration(left)));
            }
        }
    }

    /// A validation, with its samples.
    pub fn report(&self, title: &str, report: &Report) {
        self.say(&format!(
            "{title}: exact match {:.2} %  token accuracy {:.2} %  nll {:.4}  ppl {:.3}  BLEU {:.2}  chrF {:.2}",
            100.0 * report.exact_match,
            100.0 * report.token_accuracy,
            report.nll,
            report.perplexity,
            report.bleu,
            report.chrf
        ));
        for sample in &report.samples {
            let mark = if sample.output == sample.reference { "=" } else { "≠" };
            self.say(&format!("    {}\n  {mark} {}", sample.source, sample.output));
            if sample.output != sample.reference {
                self.say(&format!("    {} (reference)", sample.reference));
            }
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
