//! The layout of the page: scores, curves, samples, configuration.

use std::io;

use model::summary::grouped;
use runs::record::{Prediction, Scores, Validation};

use super::axis::Axis;
use super::chart;
use super::curves::{CHARTS, Chart, Curve};
use super::html::{escape, fill};
use super::metrics::Metrics;
use super::number::{duration, fixed, short};

const TEMPLATE: &str = include_str!("page.html");

/// Maximum number of validations with samples, which bounds the page of a long run.
const MAX_VALIDATIONS: usize = 100;

/// Returns the page of the run called `name`, whose `config.toml` is `config`.
///
/// # Errors
/// A curve that cannot be drawn.
pub fn page(name: &str, config: &str, metrics: &Metrics) -> io::Result<String> {
    let progress = match metrics.is_empty() {
        true => "<p class=\"nothing\">Training has not logged anything yet.</p>".to_string(),
        false => format!("{}{}{}", scores(metrics), charts(metrics)?, all_samples(metrics)),
    };
    let values = [
        ("name", &*escape(name)),
        ("facts", &facts(config, metrics)),
        ("progress", &progress),
        ("config", &escape(config)),
    ];
    Ok(fill(TEMPLATE, &values))
}

/// The line below the title: steps, epochs, tokens and time.
fn facts(config: &str, metrics: &Metrics) -> String {
    if metrics.is_empty() {
        return String::new();
    }
    let steps = toml::from_str::<toml::Table>(config).ok();
    let steps = steps.and_then(|config| config.get("training")?.get("steps")?.as_integer());
    let mut facts = vec![match steps {
        Some(steps) => format!("step {} of {}", grouped(metrics.last_step()), grouped(steps)),
        None => format!("step {}", grouped(metrics.last_step())),
    }];
    if let Some(last) = metrics.steps.last() {
        facts.push(format!("epoch {}", grouped(last.epoch.saturating_add(1))));
        facts.push(format!("{} target tokens", grouped(last.tokens)));
        let seconds = metrics.steps.iter().map(|line| line.timing.seconds).filter(|seconds| !seconds.is_nan()).sum();
        facts.push(format!("{} of training", duration(seconds)));
        if let Some(exchanging) = last.timing.exchanging {
            let speed = known(last.timing.tokens_per_second, |speed| fixed(speed, 0));
            facts.push(format!("{speed} tokens per second by all processes"));
            facts.push(format!("{} of the time exchanging gradients", percent(exchanging)));
        }
    }
    format!("<p class=\"facts\">{}</p>", facts.join(" · "))
}

/// The scores of the weights in the folder: the test, or else the validation that chose them.
fn scores(metrics: &Metrics) -> String {
    let (title, step, scores) = if let Some(test) = &metrics.test {
        ("Test".to_string(), test.step, &test.scores)
    } else if let Some(average) = &metrics.average {
        let title = format!("Validation of the average of {} validations’ weights", average.average_of.len());
        (title, average.step, &average.scores)
    } else if let Some(best) = metrics.best() {
        ("Best validation".to_string(), best.step, &best.scores)
    } else {
        return "<section><h2>Scores</h2><p class=\"nothing\">No validation yet.</p></section>".to_string();
    };
    let numbers = [
        ("BLEU", known(scores.bleu, |bleu| fixed(bleu, 2))),
        ("chrF", known(scores.chrf, |chrf| fixed(chrf, 2))),
        ("exact match", known(scores.exact_match, percent)),
        ("word error rate", known(1.0 - scores.exact_match, percent)),
        ("token error rate", known(scores.token_error_rate, percent)),
        ("token accuracy", known(scores.token_accuracy, percent)),
        ("NLL", known(scores.nll, |nll| fixed(nll, 4))),
        ("perplexity", known(scores.perplexity, |perplexity| fixed(perplexity, 3))),
        ("sentences", grouped(scores.sentences)),
        ("beam", grouped(scores.beam)),
        ("step", grouped(step)),
    ];
    let numbers: String =
        numbers.iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>")).collect();
    format!("<section><h2>{title}</h2><dl class=\"scores\">{numbers}</dl></section>")
}

fn charts(metrics: &Metrics) -> io::Result<String> {
    let drawn: String = CHARTS.iter().map(|chart| figure(chart, metrics)).collect::<io::Result<_>>()?;
    Ok(format!("<section><h2>Curves</h2><div class=\"charts\">{drawn}</div></section>"))
}

/// A chart with its legend, which has the last values; empty without points.
fn figure(Chart { title, wide, curves }: &Chart, metrics: &Metrics) -> io::Result<String> {
    let points: Vec<Vec<(f64, f64)>> = curves.iter().map(|curve| curve.points(metrics)).collect();
    if points.iter().all(Vec::is_empty) {
        return Ok(String::new());
    }
    let entries = curves.iter().zip(&points).enumerate();
    let legend: String = entries.map(|(index, (curve, points))| entry(index, curve, points)).collect();
    let values: Vec<f64> = points.iter().flatten().map(|(_, value)| *value).collect();
    let values = if *wide { Axis::from_wide_values(&values) } else { Axis::from_values(&values) };
    let note = if values.is_logarithmic() { " <small>(logarithmic)</small>" } else { "" };
    let description = format!("{title}, over the steps of training");
    let svg = chart::draw(&description, &points, Axis::from_steps(metrics.last_step()), values)?;
    Ok(format!("<figure><figcaption><h3>{title}{note}</h3><ul>{legend}</ul></figcaption>{svg}</figure>"))
}

/// A line of a legend, in the colour of its index.
fn entry(index: usize, curve: &Curve, points: &[(f64, f64)]) -> String {
    let last = points.last().map_or("none yet".to_string(), |(_, value)| short(*value));
    format!("<li class=\"colour-{index}\">{} <b>{last}</b></li>", curve.name)
}

/// Samples of all measurements, newest first; only the last validation is unfolded.
fn all_samples(metrics: &Metrics) -> String {
    let mut folded = Vec::new();
    if let Some(test) = &metrics.test {
        folded.push(samples("Test", "", &test.scores, false));
    }
    if let Some(average) = &metrics.average {
        folded.push(samples("Averaged weights", "", &average.scores, false));
    }
    let shown = shown(&metrics.validations);
    for (age, validation) in shown.iter().enumerate() {
        let best = metrics.best().is_some_and(|best| std::ptr::eq(best, *validation));
        let badge = if best { " <span class=\"best\">★ best</span>" } else { "" };
        folded.push(samples(&format!("Step {}", grouped(validation.step)), badge, &validation.scores, age == 0));
    }
    let some = if shown.len() < metrics.validations.len() {
        let (shown, all) = (shown.len(), metrics.validations.len());
        format!("<p class=\"facts\">{shown} of {all} validations.</p>")
    } else {
        String::new()
    };
    match folded.is_empty() {
        true => String::new(),
        false => format!("<section><h2>Samples</h2>{some}{}</section>", folded.concat()),
    }
}

/// The validations to show, newest first, evenly spaced if there are many.
fn shown(validations: &[Validation]) -> Vec<&Validation> {
    let every = validations.len().div_ceil(MAX_VALIDATIONS).max(1);
    validations.iter().rev().step_by(every).collect()
}

fn samples(title: &str, badge: &str, scores: &Scores, open: bool) -> String {
    let numbers = [
        ("BLEU", known(scores.bleu, |bleu| fixed(bleu, 2))),
        ("chrF", known(scores.chrf, |chrf| fixed(chrf, 2))),
        ("exact match", known(scores.exact_match, percent)),
        ("NLL", known(scores.nll, |nll| fixed(nll, 4))),
    ];
    let numbers: String = numbers.iter().map(|(name, value)| format!("<span>{name} {value}</span> ")).collect();
    let rows: String = scores.samples.iter().map(sample).collect();
    let open = if open { " open" } else { "" };
    format!("<details{open}><summary><b>{title}</b>{badge} {numbers}</summary><table>{rows}</table></details>")
}

/// A sample: `=` marks an output that equals the reference, `≠` any other. Each text has its own direction.
fn sample(Prediction { source, reference, output }: &Prediction) -> String {
    let (mark, class) = if output == reference { ("=", "right") } else { ("≠", "wrong") };
    let row = |head: &str, class: &str, text: &str| {
        let text = escape(text);
        format!("<tr class=\"{class}\"><th scope=\"row\">{head}</th><td dir=\"auto\">{text}</td></tr>")
    };
    let (source, reference) = (row("source", "", source), row("reference", "", reference));
    format!("<tbody>{source}{reference}{}</tbody>", row(&format!("output {mark}"), class, output))
}

fn percent(share: f64) -> String {
    format!("{} %", fixed(100.0 * share, 2))
}

/// Formats a number, or a dash if it is not known.
fn known(value: f64, format: impl Fn(f64) -> String) -> String {
    if value.is_nan() { "–".to_string() } else { format(value) }
}
