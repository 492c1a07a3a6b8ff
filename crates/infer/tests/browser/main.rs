//! The pages in a browser.

mod attention_page;
mod attention_sizes;
mod driver;
mod serve_page;
