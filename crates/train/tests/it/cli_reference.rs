//! `docs/reference/cli.md` lists the current options of `train`.

#[test]
fn the_command_line_reference_is_up_to_date() {
    testing::cli_reference::check("train", &[""]);
}
