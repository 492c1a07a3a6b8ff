//! The pages in a browser.

mod attention_page;
mod driver;
mod serve_page;
