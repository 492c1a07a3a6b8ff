//! Requests of the document, narrowed to the models, languages and limits of the server.

use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::Document;
use crate::libre_request::LibreTranslateRequest;
use crate::request::{AttendRequest, TranslateRequest};

/// Schemas of requests are whole, so that those of this server can be narrowed.
pub fn request_schemas() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().for_deserialize().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator()
}

impl Document<'_> {
    /// The native request of `/translate`.
    pub fn translate_request(&mut self) -> Value {
        let mut schema = self.request::<TranslateRequest>();
        self.narrow_translate(&mut schema);
        schema
    }

    /// The form of LibreTranslate's request for this server.
    pub fn libre_translate(&mut self) -> Value {
        let mut libre = self.request::<LibreTranslateRequest>();
        let languages = self.state.models.languages();
        let sources: Vec<&str> = languages.iter().copied().chain(["auto"]).collect();
        let properties = &mut libre["properties"];
        properties["source"]["enum"] = json!(sources);
        properties["target"]["enum"] = json!(languages);
        self.add_key(properties);
        libre
    }

    /// The request of `/attend`.
    pub fn attend_request(&mut self) -> Value {
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
        request
    }

    /// The first pair of languages that a model translates.
    pub fn pair(&self) -> Option<(&str, &str)> {
        self.state.models.specs().find_map(|spec| spec.pairs().next())
    }

    /// Fields of an example that select a model.
    pub fn selection(&self) -> Value {
        match self.state.models.names()[..] {
            [] | [_] => json!({}),
            [name, ..] => json!({ "model": name }),
        }
    }

    /// The schema of a request.
    pub fn request<T: JsonSchema>(&mut self) -> Value {
        json!(T::json_schema(&mut self.requests))
    }

    /// Adds the key of a server that requires one.
    pub fn add_key(&self, properties: &mut Value) {
        if self.state.api_keys.is_some() {
            properties["api_key"] =
                json!({ "type": "string", "description": "A key of the server, instead of one in a header" });
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

/// Removes a key of an object.
pub fn remove(object: &mut Value, key: &str) {
    if let Some(object) = object.as_object_mut() {
        object.remove(key);
    }
}
