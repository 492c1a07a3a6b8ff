//! What the server counts, in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Upper bounds in seconds of the buckets in which requests are counted by duration.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Upper bounds of the buckets in which batches are counted by texts.
const TEXTS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Counters since the start. Prometheus computes rates and percentiles from them.
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
    forgotten: u64,
}

/// What is so at the moment of asking.
pub struct Gauges {
    pub waiting: usize,
    pub connections: usize,
    pub uptime: Duration,
}

/// Counts by bucket; the last is of what is beyond all bounds.
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
    fn count(&mut self, bounds: &[f64; N], value: f64) {
        match bounds.iter().position(|bound| value <= *bound) {
            Some(bucket) => self.buckets[bucket] += 1,
            None => self.beyond += 1,
        }
        self.sum += value;
    }

    /// `labels` as they stand between braces, with a comma behind them if there are any.
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

fn line(text: &mut String, name: &str, value: impl Display) {
    text.push_str(&format!("{name} {value}\n"));
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
}

impl Metrics {
    /// A request that was answered, with its path's pattern, never what a client made up.
    pub fn request(&self, path: &'static str, status: u16, took: Duration) {
        let mut counts = self.counts();
        *counts.requests.entry((path, status)).or_default() += 1;
        counts.seconds.entry(path).or_default().count(&SECONDS, took.as_secs_f64());
    }

    /// Why a request was refused.
    pub fn rejected(&self, reason: &'static str) {
        *self.counts().rejected.entry(reason).or_default() += 1;
    }

    /// A client that went away before its answer.
    pub fn disconnected(&self) {
        self.counts().disconnected += 1;
    }

    /// Texts that nobody waited for any more when their turn had not come yet.
    pub fn forgotten(&self, texts: usize) {
        self.counts().forgotten += texts as u64;
    }

    /// A batch that a worker took.
    pub fn batch(&self, texts: usize) {
        self.counts().batches.count(&TEXTS, texts as f64);
    }

    /// A text that was decoded.
    pub fn text(&self, source_tokens: usize, target_tokens: usize) {
        let mut counts = self.counts();
        counts.texts += 1;
        counts.source_tokens += source_tokens as u64;
        counts.target_tokens += target_tokens as u64;
    }

    /// All of it as text.
    pub fn text_format(&self, gauges: &Gauges) -> String {
        let counts = self.counts();
        let mut text = String::new();
        let text = &mut text;

        head(text, "attend_requests_total", "counter", "Requests answered, by path and status.");
        for ((path, status), count) in &counts.requests {
            line(text, &format!("attend_requests_total{{path=\"{path}\",status=\"{status}\"}}"), count);
        }
        head(text, "attend_rejected_total", "counter", "Requests refused, by the code of the refusal.");
        for (reason, count) in &counts.rejected {
            line(text, &format!("attend_rejected_total{{reason=\"{reason}\"}}"), count);
        }
        let name = "attend_request_seconds";
        head(text, name, "histogram", "Time from a request's head to its answer, by path.");
        for (path, histogram) in &counts.seconds {
            histogram.write(text, name, &format!("path=\"{path}\","), &SECONDS);
        }
        head(text, "attend_batch_texts", "histogram", "Texts that were decoded together.");
        counts.batches.write(text, "attend_batch_texts", "", &TEXTS);

        for (name, help, count) in [
            ("attend_texts_total", "Texts decoded.", counts.texts),
            ("attend_source_tokens_total", "Source tokens of the texts decoded.", counts.source_tokens),
            ("attend_target_tokens_total", "Target tokens of the best translations.", counts.target_tokens),
            ("attend_disconnected_total", "Clients that went away before their answer.", counts.disconnected),
            ("attend_forgotten_texts_total", "Texts not decoded because nobody waited any more.", counts.forgotten),
        ] {
            head(text, name, "counter", help);
            line(text, name, count);
        }
        for (name, help, value) in [
            ("attend_queue_texts", "Texts that wait for a worker.", gauges.waiting as f64),
            ("attend_connections", "Connections that are open.", gauges.connections as f64),
            ("attend_uptime_seconds", "Time since the start.", gauges.uptime.as_secs_f64()),
        ] {
            head(text, name, "gauge", help);
            line(text, name, value);
        }
        std::mem::take(text)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Counting does not panic half-way.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up() {
        let metrics = Metrics::default();
        for texts in [1, 2, 3, 300] {
            metrics.batch(texts);
        }
        let gauges = Gauges { waiting: 5, connections: 1, uptime: Duration::from_millis(1500) };
        let text = metrics.text_format(&gauges);
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
    fn requests_are_told_apart_by_path_and_status() {
        let metrics = Metrics::default();
        metrics.request("/translate", 200, Duration::from_millis(3));
        metrics.request("/translate", 200, Duration::from_millis(4));
        metrics.request("/translate", 503, Duration::ZERO);
        metrics.rejected("queue_full");
        let text = metrics.text_format(&Gauges { waiting: 0, connections: 0, uptime: Duration::ZERO });
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
