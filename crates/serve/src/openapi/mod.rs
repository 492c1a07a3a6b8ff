//! The API of a server as an OpenAPI document, from the types of its requests and responses.
//!
//! Names of models, languages and limits are those of the server that is described. A request that has the form of the
//! document can still be rejected with 422 (400 in LibreTranslate's form), for example because a text has too many tokens.

mod requests;
mod responses;

use schemars::generate::SchemaGenerator;
use serde_json::{Value, json};

use self::requests::{remove, request_schemas};
use self::responses::{ErrorForm, response_schemas};
use crate::app_state::AppState;
use crate::languages::Detected;
use crate::libre::{FrontendSettings, Language, LibreTranslateResponse};
use crate::libre_request::DetectRequest;
use crate::models::ModelList;
use crate::routes::status::Health;
use crate::routes::translate::TranslateResponse;

/// The text of examples.
const EXAMPLE: &str = "A man is riding a bicycle. A woman is walking on the street.";

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
            "description": "Translation with Transformers that Attend has trained or imported. The response to a \
                            request whose head was read has its identifier as `X-Request-Id`: that of the request in \
                            this header, or a new one.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": components,
    })
}

/// The document while it is made.
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
        let native = self.translate_request();
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

    fn attend(&mut self) -> Value {
        let request = self.attend_request();
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
        let mut operation = json!({
            "operationId": id,
            "summary": summary,
            "requestBody": { "required": true, "content": content },
            "responses": self.responses(response, form),
        });
        if self.state.api_keys.is_some() {
            operation["security"] = json!([{ "bearer": [] }, { "header": [] }]);
        }
        operation
    }
}
