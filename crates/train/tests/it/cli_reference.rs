//! `docs/reference/cli.md` shows the options of `train` as they are.

#[test]
fn the_command_line_reference_is_up_to_date() {
    testing::cli_reference::check("train", &[""]);
}
