//! The API of a server as an OpenAPI document, from the types of its requests and responses.
//!
//! Names of models, languages and limits are those of the server that is described. A request that has the form of the
//! document can still be rejected with 422 (400 in LibreTranslate's form), for example because a text has too many tokens.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::app_state::AppState;
use crate::error::ErrorResponse;
use crate::languages::Detected;
use crate::libre::{FrontendSettings, Language, LibreErrorResponse, LibreTranslateResponse};
use crate::libre_request::{DetectRequest, LibreTranslateRequest};
use crate::models::ModelList;
use crate::request::{AttendRequest, TranslateRequest};
use crate::routes::status::Health;
use crate::routes::translate::TranslateResponse;

/// The form of errors.
#[derive(Clone, Copy)]
enum ErrorForm {
    Native,
    Libre,
    /// That of the request, which has either form.
    Both,
}

/// The text of examples.
const EXAMPLE: &str = "A man is riding a bicycle. A woman is walking on the street.";

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

/// The document of a server.
pub fn document(state: &AppState) -> Value {
    let mut document = Document { responses: response_schemas(), requests: request_schemas(), state };
    let paths = document.paths();
    let mut components = json!({ "schemas": document.responses.take_definitions(true) });
    if state.api_keys.is_some() {
        components["securitySchemes"] = json!({
            "bearer": { "type": "http", "scheme": "bearer" },
            "header": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
        });
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Attend",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Translation with Transformers that Attend has trained or imported. Every response has the \
                            identifier of its request as `X-Request-Id`: that which the request had in this header, or \
                            a new one.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": components,
    })
}

/// Schemas of responses refer to each other.
fn response_schemas() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    settings.into_generator()
}

/// Schemas of requests are whole, so that those of this server can be narrowed.
fn request_schemas() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().for_deserialize().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator()
}

struct Document<'a> {
    responses: SchemaGenerator,
    requests: SchemaGenerator,
    state: &'a AppState,
}

impl Document<'_> {
    fn paths(&mut self) -> Value {
        let has_languages = !self.state.models.languages().is_empty();
        let page = json!({ "text/html": { "schema": { "type": "string" } } });
        let metrics = json!({ "text/plain": { "schema": { "type": "string" } } });
        let any = json!({ "application/json": { "schema": { "type": "object" } } });
        let mut health = self.get("health", "State of the server", Self::json::<Health>);
        health["responses"]["503"] = self.success(Self::json::<Health>, "The server is shutting down");
        json!({
            "/": { "get": self.get("page", "Page to translate and to view attention", |_| page) },
            "/translate": { "post": self.translate(has_languages) },
            "/attend": { "post": self.attend() },
            "/models": { "get": self.get("models", "Models, and which are open", Self::json::<ModelList>) },
            "/health": { "get": health },
            "/metrics": { "get": self.get("metrics", "Metrics for Prometheus", |_| metrics) },
            "/openapi.json": { "get": self.get("openapi", "This document", |_| any) },
            "/languages": { "get": self.get("languages", "Languages and their targets", Self::json::<Vec<Language>>) },
            "/detect": { "get": self.detect(true), "post": self.detect(false) },
            "/frontend/settings": {
                "get": self.get("settings", "Settings of LibreTranslate's page", Self::json::<FrontendSettings>),
            },
        })
    }

    /// A request without parameters.
    fn get(&mut self, id: &str, summary: &str, content: impl FnOnce(&mut Self) -> Value) -> Value {
        json!({
            "operationId": id,
            "summary": summary,
            "responses": { "200": self.success(content, "Success") },
        })
    }

    fn translate(&mut self, has_languages: bool) -> Value {
        let mut native = self.request::<TranslateRequest>();
        self.narrow_translate(&mut native);
        let mut example = self.selection();
        example["texts"] = json!([EXAMPLE]);
        let mut content = json!({ "application/json": { "schema": native, "example": example } });
        let response = Self::json::<TranslateResponse>;
        let mut form = ErrorForm::Native;
        let libre_response = Self::json::<LibreTranslateResponse>;
        if has_languages {
            let libre = self.libre_translate();
            content["application/json"]["schema"] = json!({ "anyOf": [native, libre] });
            let (source, target) = self.pair().unwrap_or_default();
            let example = json!({ "q": EXAMPLE, "source": source, "target": target });
            content["application/x-www-form-urlencoded"] = json!({ "schema": libre, "example": example });
            form = ErrorForm::Both;
        }
        let success = move |document: &mut Self| {
            let native = response(document);
            if !has_languages {
                return native;
            }
            let schemas =
                [native, libre_response(document)].map(|content| content["application/json"]["schema"].clone());
            json!({ "application/json": { "schema": { "anyOf": schemas } } })
        };
        let mut operation = self.work("translate", "Translates texts", content, success, form);
        operation["description"] = json!(
            "A request with `q` has the form of LibreTranslate's API, and so have its response and its errors; it \
             may be a form, too."
        );
        operation
    }

    /// The first pair of languages that a model translates.
    fn pair(&self) -> Option<(&str, &str)> {
        self.state.models.specs().find_map(|spec| spec.pairs().next())
    }

    /// Fields of an example that select a model.
    fn selection(&self) -> Value {
        match self.state.models.names()[..] {
            [] | [_] => json!({}),
            [name, ..] => json!({ "model": name }),
        }
    }

    /// The form of LibreTranslate's request for this server.
    fn libre_translate(&mut self) -> Value {
        let mut libre = self.request::<LibreTranslateRequest>();
        let languages = self.state.models.languages();
        let sources: Vec<&str> = languages.iter().copied().chain(["auto"]).collect();
        let properties = &mut libre["properties"];
        properties["source"]["enum"] = json!(sources);
        properties["target"]["enum"] = json!(languages);
        self.add_key(properties);
        libre
    }

    fn attend(&mut self) -> Value {
        let mut request = self.request::<AttendRequest>();
        let names = self.state.models.names();
        let languages = self.state.models.languages();
        let properties = &mut request["properties"];
        properties["model"]["enum"] = or_null(&names);
        match languages.is_empty() {
            true => remove(properties, "pair"),
            false => {
                for name in ["source", "target"] {
                    properties["pair"]["properties"][name]["enum"] = json!(languages);
                }
            }
        }
        let mut selections = vec![is_given(&[("model", "string")], &["pair"])];
        if !languages.is_empty() {
            selections.push(is_given(&[("pair", "object")], &["model"]));
        }
        if names.len() == 1 {
            selections.push(is_given(&[], &["model", "pair"]));
        }
        request["anyOf"] = json!(selections);
        let mut example = self.selection();
        example["text"] = json!(EXAMPLE);
        let content = json!({ "application/json": { "schema": request, "example": example } });
        let response = Self::json::<views::Attention>;
        self.work("attend", "Attention of a text and its translation", content, response, ErrorForm::Native)
    }

    fn detect(&mut self, is_get: bool) -> Value {
        let mut request = self.request::<DetectRequest>();
        self.add_key(&mut request["properties"]);
        let response = Self::json::<Vec<Detected>>;
        let (content, id) = match is_get {
            true => (json!({}), "detectByQuery"),
            false => (
                json!({
                    "application/json": { "schema": request },
                    "application/x-www-form-urlencoded": { "schema": request },
                }),
                "detect",
            ),
        };
        let mut operation = self.work(id, "Language of a text", content, response, ErrorForm::Libre);
        if is_get {
            remove(&mut operation, "requestBody");
            let required = request["required"].as_array().cloned().unwrap_or_default();
            let properties = request["properties"].as_object().cloned().unwrap_or_default();
            let parameter = |(name, schema): (String, Value)| {
                let is_required = required.contains(&json!(name));
                json!({ "name": name, "in": "query", "required": is_required, "schema": schema })
            };
            operation["parameters"] = properties.into_iter().map(parameter).collect();
        }
        operation
    }

    /// A request for work, which has a body.
    fn work(
        &mut self,
        id: &str,
        summary: &str,
        content: Value,
        response: impl FnOnce(&mut Self) -> Value,
        form: ErrorForm,
    ) -> Value {
        let mut responses = Map::new();
        responses.insert("200".to_string(), self.success(response, "Success"));
        for (status, codes) in ERRORS {
            let is_libre = matches!(form, ErrorForm::Libre);
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
            if status == 401 && self.state.api_keys.is_none() {
                continue;
            }
            for status in statuses {
                let codes = if is_libre { "In LibreTranslate's form" } else { codes };
                responses.entry(status.to_string()).or_insert_with(|| self.error(status, codes, form));
            }
        }
        let mut operation = json!({
            "operationId": id,
            "summary": summary,
            "requestBody": { "required": true, "content": content },
            "responses": responses,
        });
        if self.state.api_keys.is_some() && matches!(form, ErrorForm::Native | ErrorForm::Both) {
            let mut security = vec![json!({ "bearer": [] }), json!({ "header": [] })];
            if matches!(form, ErrorForm::Both) {
                // `api_key` of the body.
                security.push(json!({}));
            }
            operation["security"] = json!(security);
        }
        operation
    }

    fn success(&mut self, content: impl FnOnce(&mut Self) -> Value, description: &str) -> Value {
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

    fn json<T: JsonSchema>(&mut self) -> Value {
        json!({ "application/json": { "schema": self.responses.subschema_for::<T>() } })
    }

    fn request<T: JsonSchema>(&mut self) -> Value {
        json!(Schema::from(T::json_schema(&mut self.requests)))
    }

    /// Adds the key of a server that requires one.
    fn add_key(&self, properties: &mut Value) {
        if self.state.api_keys.is_some() {
            properties["api_key"] = json!({ "type": "string", "description": "A key of the server" });
        }
    }

    /// The limits, models and languages of this server.
    fn narrow_translate(&self, schema: &mut Value) {
        let (limits, models) = (&self.state.limits, &self.state.models);
        let (names, languages) = (models.names(), models.languages());
        let properties = &mut schema["properties"];
        properties["texts"]["maxItems"] = json!(limits.texts);
        for name in ["beam", "n_best"] {
            properties[name]["minimum"] = json!(1);
            properties[name]["maximum"] = json!(limits.beam);
        }
        properties["model"]["enum"] = or_null(&names);
        for name in ["source", "target"] {
            match languages.is_empty() {
                true => remove(properties, name),
                false => properties[name]["enum"] = or_null(&languages),
            }
        }
        let mut selections = vec![is_given(&[("model", "string")], &["source", "target"])];
        if !languages.is_empty() {
            selections.push(is_given(&[("source", "string"), ("target", "string")], &["model"]));
        }
        if names.len() == 1 {
            selections.push(is_given(&[], &["model", "source", "target"]));
        }
        let texts = [is_given(&[("text", "string")], &["texts"]), is_given(&[("texts", "array")], &["text"])];
        schema["allOf"] = json!([
            { "anyOf": texts },
            { "anyOf": selections },
            { "not": is_given(&[("beam", "integer"), ("sample", "object")], &[]) },
            {
                "not": {
                    "properties": { "sentences": { "const": false }, "format": { "enum": ["html", "srt", "vtt"] } },
                    "required": ["sentences", "format"],
                },
            },
        ]);
    }
}

/// The condition that fields of these types are given, and others are not, or are null.
fn is_given(fields: &[(&str, &str)], others: &[&str]) -> Value {
    let mut properties = Map::new();
    properties.extend(fields.iter().map(|(name, kind)| (name.to_string(), json!({ "type": kind }))));
    properties.extend(others.iter().map(|name| (name.to_string(), json!({ "type": "null" }))));
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    json!({ "properties": properties, "required": required })
}

fn or_null(values: &[&str]) -> Value {
    values.iter().map(|value| json!(value)).chain([Value::Null]).collect()
}

fn remove(object: &mut Value, key: &str) {
    if let Some(object) = object.as_object_mut() {
        object.remove(key);
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
