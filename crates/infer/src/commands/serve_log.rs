//! The log of `infer serve` on standard error: lines of text, or a JSON object per line.

use std::time::{SystemTime, UNIX_EPOCH};

use ::serve::{RequestLog, RequestRecord};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::log::log_line;

/// Options of the log.
#[derive(Args)]
#[command(next_help_heading = "Log")]
pub struct LogOptions {
    /// Form of the log on standard error: lines of text, or a JSON object per line
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Log each request: identifier, client, path, status, seconds, models and amounts, but no text
    #[arg(long)]
    log_requests: bool,
}

/// Form of the log.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Writes the log.
#[derive(Clone, Copy)]
pub struct Log {
    format: LogFormat,
    quiet: bool,
}

/// A line of the log in JSON.
#[derive(Serialize)]
struct Line<'a> {
    /// Seconds since 1970, in UTC.
    time: f64,
    level: &'static str,
    message: &'a str,
    #[serde(flatten)]
    request: Option<&'a RequestRecord>,
}

impl LogOptions {
    /// The log, which prints nothing if `quiet`.
    pub fn open(&self, quiet: bool) -> Log {
        Log { format: self.log_format, quiet }
    }

    /// Receives the record of each request, if they are logged.
    pub fn of_requests(&self, log: Log) -> Option<RequestLog> {
        let log_request = move |record: &RequestRecord| log.request(record);
        (self.log_requests && !log.quiet).then(|| std::sync::Arc::new(log_request) as RequestLog)
    }
}

impl Log {
    /// Prints a message.
    pub fn message(&self, text: &str) {
        if self.quiet {
            return;
        }
        match self.format {
            LogFormat::Text => log_line(text),
            LogFormat::Json => self.json("info", text, None),
        }
    }

    fn request(&self, record: &RequestRecord) {
        let level = match record.status {
            Some(status) if status >= 500 => "error",
            Some(status) if status >= 400 => "warn",
            Some(_) | None => "info",
        };
        match self.format {
            LogFormat::Text => log_line(to_text(record)),
            LogFormat::Json => self.json(level, "request", Some(record)),
        }
    }

    fn json(&self, level: &'static str, message: &str, request: Option<&RequestRecord>) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = since.as_millis() as f64 / 1000.0;
        if let Ok(line) = serde_json::to_string(&Line { time, level, message, request }) {
            log_line(line);
        }
    }
}

/// A record as a line: what everyone has first, then `name=value`.
fn to_text(record: &RequestRecord) -> String {
    let RequestRecord { id, client, method, path, status, seconds, error, work } = record;
    let status = status.map_or("disconnected".to_string(), |status| status.to_string());
    let mut line = format!("{status} {method} {path} {seconds:.4} s id={id}");
    if let Some(client) = client {
        line.push_str(&format!(" client={client}"));
    }
    if let Some(error) = error {
        line.push_str(&format!(" error={error}"));
    }
    if let Some(work) = work {
        let models = work.models.join(",");
        let (texts, sentences, characters) = (work.texts, work.sentences, work.characters);
        line.push_str(&format!(" models={models} texts={texts} sentences={sentences} characters={characters}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use ::serve::Work;

    use super::*;

    #[test]
    fn a_record_is_one_line() {
        let work = Work { models: vec!["en-de".to_string()], texts: 1, sentences: 2, characters: 30 };
        let mut record = RequestRecord {
            id: "a-1".to_string(),
            client: "192.0.2.1".parse().ok(),
            method: "POST".to_string(),
            path: "/translate",
            status: Some(200),
            seconds: 0.25,
            error: None,
            work: Some(work),
        };
        let expected =
            "200 POST /translate 0.2500 s id=a-1 client=192.0.2.1 models=en-de texts=1 sentences=2 characters=30";
        assert_eq!(to_text(&record), expected);
        (record.status, record.work, record.client) = (None, None, None);
        assert_eq!(to_text(&record), "disconnected POST /translate 0.2500 s id=a-1");
    }
}
