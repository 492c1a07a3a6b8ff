//! The page of the server: a form, the translations, and below them the attention page of `infer attend`.

use std::sync::LazyLock;

use views::page;

static HTML: LazyLock<String> = LazyLock::new(|| {
    page::with_header(
        include_str!("page/translate.html"),
        include_str!("page/translate.css"),
        concat!(include_str!("page/languages.js"), include_str!("page/translate.js")),
    )
});

/// The whole page. It is the same for every model: its script requests the rest from the server.
pub fn html() -> &'static str {
    &HTML
}
