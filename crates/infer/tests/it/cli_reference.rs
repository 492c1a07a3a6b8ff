//! `docs/reference/cli.md` lists the current options of `infer`.

/// The sections need every command, so they are checked only in a build with all of them.
#[cfg(all(feature = "marian", feature = "serve"))]
#[test]
fn the_command_line_reference_is_up_to_date() {
    let commands = ["", "score", "evaluate", "distil", "attend", "quantise", "shortlist", "export", "import", "serve"];
    testing::cli_reference::check("infer", &commands);
}
