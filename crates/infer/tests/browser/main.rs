//! The pages in a browser.

mod attention_page;
#[allow(dead_code)] // its other half is for programs
#[path = "../it/serve/client.rs"]
mod client;
mod driver;
mod serve_page;
