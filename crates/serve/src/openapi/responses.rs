//! Responses of the document: their schemas, errors and headers.

use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::Document;
use crate::error::ErrorResponse;
use crate::libre::LibreErrorResponse;

/// The form of errors.
#[derive(Clone, Copy)]
pub enum ErrorForm {
    Native,
    Libre,
    /// That of the request, which has either form.
    Both,
}

/// Statuses of errors in the native form, with their codes.
const ERRORS: [(u16, &str); 10] = [
    (400, "`not_json`, `not_utf8`, `not_gzip` or `incomplete_body`"),
    (401, "`invalid_key`"),
    (408, "`request_timeout`"),
    (413, "`body_too_large`"),
    (415, "`wrong_content_type` or `wrong_content_encoding`"),
    (
        422,
        "`invalid_request`, `invalid_option`, `too_many_texts`, `too_many_sentences`, `too_long`, `too_long_to_show`, \
         `invalid_text`, `unknown_model`, `unknown_pair` or `unknown_language`",
    ),
    (429, "`client_limit`; `Retry-After` has the seconds to wait"),
    (500, "`failed`"),
    (503, "`queue_full`, `no_memory`, `model_not_opened` or `stopping`; `Retry-After` has the seconds to wait"),
    (504, "`deadline_exceeded`"),
];

/// Schemas of responses refer to each other.
pub fn response_schemas() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    settings.into_generator()
}

impl Document<'_> {
    /// The responses of a request for work.
    pub fn responses(&mut self, response: impl FnOnce(&mut Self) -> Value, form: ErrorForm) -> Value {
        let mut responses = Map::new();
        responses.insert("200".to_string(), self.success(response, "Success"));
        for (status, codes) in ERRORS {
            if status == 401 && self.state.api_keys.is_none() {
                continue;
            }
            let libre_status = match status {
                401 => 403,
                422 => 400,
                other => other,
            };
            let statuses = match form {
                ErrorForm::Native => vec![status],
                ErrorForm::Libre => vec![libre_status],
                ErrorForm::Both => vec![status, libre_status],
            };
            let codes = match form {
                ErrorForm::Native | ErrorForm::Both => codes,
                ErrorForm::Libre => "In LibreTranslate's form",
            };
            for status in statuses {
                responses.entry(status.to_string()).or_insert_with(|| self.error(status, codes, form));
            }
        }
        Value::Object(responses)
    }

    /// A successful response.
    pub fn success(&mut self, content: impl FnOnce(&mut Self) -> Value, description: &str) -> Value {
        json!({ "description": description, "headers": headers(false), "content": content(self) })
    }

    fn error(&mut self, status: u16, codes: &str, form: ErrorForm) -> Value {
        let schema = match form {
            ErrorForm::Native => json!(self.responses.subschema_for::<ErrorResponse>()),
            ErrorForm::Libre => json!(self.responses.subschema_for::<LibreErrorResponse>()),
            ErrorForm::Both => json!({
                "anyOf": [
                    self.responses.subschema_for::<ErrorResponse>(),
                    self.responses.subschema_for::<LibreErrorResponse>(),
                ],
            }),
        };
        json!({
            "description": codes,
            "headers": headers(matches!(status, 429 | 503)),
            "content": { "application/json": { "schema": schema } },
        })
    }

    /// The content of a response of JSON.
    pub fn json<T: JsonSchema>(&mut self) -> Value {
        json!({ "application/json": { "schema": self.responses.subschema_for::<T>() } })
    }
}

/// The headers of a response.
fn headers(retry: bool) -> Value {
    let mut headers = json!({
        "X-Request-Id": {
            "description": "The identifier of the request",
            "required": true,
            "schema": { "type": "string" },
        },
    });
    if retry {
        headers["Retry-After"] = json!({
            "description": "Seconds to wait",
            "required": true,
            "schema": { "type": "integer", "minimum": 1 },
        });
    }
    headers
}
