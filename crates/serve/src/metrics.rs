//! Counters of the server, in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Upper bounds of the buckets of request durations, in seconds.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Upper bounds of the buckets of batch sizes, in texts.
const TEXTS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

const CANCELLED_HELP: &str = "Texts dropped from the queue after their client disconnected or timed out.";
/// The former name of the series above, for one version.
const FORGOTTEN_HELP: &str = "Deprecated: the former name of attend_cancelled_texts_total.";

/// Counters since the start. Prometheus derives rates and percentiles from them.
#[derive(Default)]
pub struct Metrics {
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    requests: BTreeMap<(&'static str, u16), u64>,
    seconds: BTreeMap<&'static str, Histogram<14>>,
    rejected: BTreeMap<&'static str, u64>,
    batches: Histogram<9>,
    texts: u64,
    source_tokens: u64,
    target_tokens: u64,
    disconnected: u64,
    cancelled: u64,
    models: BTreeMap<String, ModelCounts>,
}

/// Counters of one model.
#[derive(Default)]
struct ModelCounts {
    seconds: Histogram<14>,
    sentences: u64,
}

/// Gauges, sampled when `/metrics` is scraped.
#[derive(Default)]
pub struct Gauges {
    pub waiting: usize,
    pub connections: usize,
    pub uptime: Duration,
    /// Names of the models, with the bytes of their weights in memory.
    pub models: Vec<(String, u64)>,
}

/// Counts per bucket. `beyond` counts values above the last bound.
struct Histogram<const N: usize> {
    buckets: [u64; N],
    beyond: u64,
    sum: f64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self { buckets: [0; N], beyond: 0, sum: 0.0 }
    }
}

impl<const N: usize> Histogram<N> {
    fn observe(&mut self, bounds: &[f64; N], value: f64) {
        match bounds.iter().position(|bound| value <= *bound) {
            Some(bucket) => self.buckets[bucket] += 1,
            None => self.beyond += 1,
        }
        self.sum += value;
    }

    /// Appends all lines of the histogram. `labels` is empty or ends with a comma.
    fn write(&self, text: &mut String, name: &str, labels: &str, bounds: &[f64; N]) {
        let mut total = 0;
        for (bound, count) in bounds.iter().zip(self.buckets) {
            total += count;
            line(text, &format!("{name}_bucket{{{labels}le=\"{bound}\"}}"), total);
        }
        total += self.beyond;
        line(text, &format!("{name}_bucket{{{labels}le=\"+Inf\"}}"), total);
        let braces = match labels.trim_end_matches(',') {
            "" => String::new(),
            labels => format!("{{{labels}}}"),
        };
        line(text, &format!("{name}_sum{braces}"), self.sum);
        line(text, &format!("{name}_count{braces}"), total);
    }
}

/// The name of a model as the value of a label.
fn label(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Appends the line of one series.
fn line(text: &mut String, name: &str, value: impl Display) {
    text.push_str(&format!("{name} {value}\n"));
}

/// Appends the two comment lines of one metric.
fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
}

impl Metrics {
    /// Counts a completed request. `path` is a known path or `other`, never text of a client.
    pub fn count_request(&self, path: &'static str, status: u16, took: Duration) {
        let mut counts = self.counts();
        *counts.requests.entry((path, status)).or_default() += 1;
        counts.seconds.entry(path).or_default().observe(&SECONDS, took.as_secs_f64());
    }

    /// Counts a rejected request by its error code.
    pub fn count_error(&self, code: &'static str) {
        *self.counts().rejected.entry(code).or_default() += 1;
    }

    /// Counts a client that disconnected before its response.
    pub fn count_disconnect(&self) {
        self.counts().disconnected += 1;
    }

    /// Counts texts that left the queue undecoded, because their client disconnected or timed out.
    pub fn count_cancelled(&self, texts: usize) {
        self.counts().cancelled += texts as u64;
    }

    /// Counts a batch by its number of texts.
    pub fn count_batch(&self, texts: usize) {
        self.counts().batches.observe(&TEXTS, texts as f64);
    }

    /// Counts a decoded text.
    pub fn count_text(&self, source_tokens: usize, target_tokens: usize) {
        let mut counts = self.counts();
        counts.texts += 1;
        counts.source_tokens += source_tokens as u64;
        counts.target_tokens += target_tokens as u64;
    }

    /// Counts the translation of a request's sentences by a model, from its tokenisation to the last result.
    pub fn count_model(&self, model: &str, sentences: usize, took: Duration) {
        let mut counts = self.counts();
        let counts = counts.models.entry(model.to_string()).or_default();
        counts.seconds.observe(&SECONDS, took.as_secs_f64());
        counts.sentences += sentences as u64;
    }

    /// Renders all metrics in the text format of Prometheus.
    pub fn render(&self, gauges: &Gauges) -> String {
        let counts = self.counts();
        let mut text = String::new();
        let text = &mut text;

        head(text, "attend_requests_total", "counter", "Completed requests by path and status.");
        for ((path, status), count) in &counts.requests {
            line(text, &format!("attend_requests_total{{path=\"{path}\",status=\"{status}\"}}"), count);
        }
        head(text, "attend_rejected_total", "counter", "Rejected requests by error code.");
        for (code, count) in &counts.rejected {
            line(text, &format!("attend_rejected_total{{reason=\"{code}\"}}"), count);
        }
        let name = "attend_request_seconds";
        head(text, name, "histogram", "Time from a request's head to its response, by path.");
        for (path, histogram) in &counts.seconds {
            histogram.write(text, name, &format!("path=\"{path}\","), &SECONDS);
        }
        let name = "attend_model_seconds";
        head(text, name, "histogram", "Time to translate the texts of a request with a model, waiting included.");
        for (model, counts) in &counts.models {
            counts.seconds.write(text, name, &format!("model=\"{}\",", label(model)), &SECONDS);
        }
        head(text, "attend_model_sentences_total", "counter", "Translated sentences by model.");
        for (model, counts) in &counts.models {
            line(text, &format!("attend_model_sentences_total{{model=\"{}\"}}", label(model)), counts.sentences);
        }
        head(text, "attend_model_bytes", "gauge", "Bytes of the weights in memory by model; 0 if it is closed.");
        for (model, bytes) in &gauges.models {
            line(text, &format!("attend_model_bytes{{model=\"{}\"}}", label(model)), bytes);
        }
        head(text, "attend_batch_texts", "histogram", "Texts per batch.");
        counts.batches.write(text, "attend_batch_texts", "", &TEXTS);

        for (name, help, count) in [
            ("attend_texts_total", "Decoded texts.", counts.texts),
            ("attend_source_tokens_total", "Source tokens of decoded texts.", counts.source_tokens),
            ("attend_target_tokens_total", "Target tokens of the best translations.", counts.target_tokens),
            ("attend_disconnected_total", "Clients that disconnected before their response.", counts.disconnected),
            ("attend_cancelled_texts_total", CANCELLED_HELP, counts.cancelled),
            ("attend_forgotten_texts_total", FORGOTTEN_HELP, counts.cancelled),
        ] {
            head(text, name, "counter", help);
            line(text, name, count);
        }
        for (name, help, value) in [
            ("attend_queue_texts", "Texts waiting for a worker.", gauges.waiting as f64),
            ("attend_connections", "Open connections.", gauges.connections as f64),
            ("attend_uptime_seconds", "Time since the server started.", gauges.uptime.as_secs_f64()),
        ] {
            head(text, name, "gauge", help);
            line(text, name, value);
        }
        std::mem::take(text)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Counting does not panic halfway.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let metrics = Metrics::default();
        for texts in [1, 2, 3, 300] {
            metrics.count_batch(texts);
        }
        let gauges = Gauges { waiting: 5, connections: 1, uptime: Duration::from_millis(1500), ..Gauges::default() };
        let text = metrics.render(&gauges);
        for line in [
            "# TYPE attend_batch_texts histogram",
            "attend_batch_texts_bucket{le=\"1\"} 1",
            "attend_batch_texts_bucket{le=\"2\"} 2",
            "attend_batch_texts_bucket{le=\"4\"} 3",
            "attend_batch_texts_bucket{le=\"256\"} 3",
            "attend_batch_texts_bucket{le=\"+Inf\"} 4",
            "attend_batch_texts_sum 306",
            "attend_batch_texts_count 4",
            "attend_queue_texts 5",
            "attend_uptime_seconds 1.5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
        }
    }

    #[test]
    fn cancelled_texts_keep_their_former_name() {
        let metrics = Metrics::default();
        metrics.count_cancelled(3);
        let text = metrics.render(&Gauges::default());
        for line in [
            "attend_cancelled_texts_total 3",
            "attend_forgotten_texts_total 3",
            "# HELP attend_forgotten_texts_total Deprecated: the former name of attend_cancelled_texts_total.",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
        }
    }

    #[test]
    fn models_have_series_of_their_own() {
        let metrics = Metrics::default();
        metrics.count_model("en-de", 3, Duration::from_millis(3));
        metrics.count_model("a\"b", 1, Duration::from_secs(60));
        let gauges = Gauges { models: vec![("en-de".to_string(), 1024)], ..Gauges::default() };
        let text = metrics.render(&gauges);
        for line in [
            "attend_model_seconds_bucket{model=\"en-de\",le=\"0.005\"} 1",
            "attend_model_seconds_bucket{model=\"a\\\"b\",le=\"30\"} 0",
            "attend_model_seconds_count{model=\"a\\\"b\"} 1",
            "attend_model_sentences_total{model=\"en-de\"} 3",
            "attend_model_bytes{model=\"en-de\"} 1024",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
        }
    }

    #[test]
    fn requests_count_by_path_and_status() {
        let metrics = Metrics::default();
        metrics.count_request("/translate", 200, Duration::from_millis(3));
        metrics.count_request("/translate", 200, Duration::from_millis(4));
        metrics.count_request("/translate", 503, Duration::ZERO);
        metrics.count_error("queue_full");
        let text = metrics.render(&Gauges::default());
        for line in [
            "attend_requests_total{path=\"/translate\",status=\"200\"} 2",
            "attend_requests_total{path=\"/translate\",status=\"503\"} 1",
            "attend_rejected_total{reason=\"queue_full\"} 1",
            "attend_request_seconds_bucket{path=\"/translate\",le=\"0.0025\"} 1",
            "attend_request_seconds_bucket{path=\"/translate\",le=\"0.005\"} 3",
            "attend_request_seconds_count{path=\"/translate\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
        }
    }
}
