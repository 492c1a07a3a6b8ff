//! The page to type into: a form, its answers, and beneath them the page of `infer attend`, live.

use std::sync::LazyLock;

use views::page;

static HTML: LazyLock<String> = LazyLock::new(|| {
    page::under(
        include_str!("page/translate.html"),
        include_str!("page/translate.css"),
        include_str!("page/translate.js"),
    )
});

/// The whole page; it is the same for every model, and asks the server for the rest.
pub fn html() -> &'static str {
    &HTML
}
