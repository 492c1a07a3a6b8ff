//! `docs/reference/cli.md`: one section per program, written from the program's `--help`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::binary;

/// Checks the section of a program against the help of its commands; an empty command is the program itself.
///
/// With `ATTEND_BLESS=1` in the environment it rewrites the section instead.
///
/// # Panics
/// The section is stale.
pub fn check(program: &str, commands: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
    let page = fs::read_to_string(&path).expect("docs/reference/cli.md");
    let (start, end) = (format!("<!-- {program}: generated -->\n"), format!("<!-- {program}: end -->\n"));
    let from = page.find(&start).expect("a marker for the start") + start.len();
    let to = page.find(&end).expect("a marker for the end");
    let section: String = commands.iter().map(|command| command_section(program, command)).collect();
    if std::env::var_os("ATTEND_BLESS").is_some() {
        fs::write(&path, [&page[..from], &section, &page[to..]].concat()).expect("a writable page");
    } else {
        let remedy = format!("ATTEND_BLESS=1 cargo test -p {program} cli_reference");
        assert!(page[from..to] == section, "docs/reference/cli.md is stale; rewrite it with `{remedy}`");
    }
}

fn command_section(program: &str, command: &str) -> String {
    let mut help = Command::new(binary(program));
    // The width of wrapped lines; they are joined again here.
    help.args(command.split_whitespace()).arg("--help").env("COLUMNS", "100").env("NO_COLOR", "1");
    let output = help.output().expect("a binary that starts");
    assert!(output.status.success(), "{program} {command} --help");
    let help = String::from_utf8(output.stdout).expect("text");
    match command {
        "" => format!("\n## {program}\n\n{}", markdown(&help)),
        command => format!("### {program} {command}\n\n{}", markdown(&help)),
    }
}

/// The paragraphs of a help text, its usage as a code block and its lists as tables.
fn markdown(help: &str) -> String {
    let mut page = String::new();
    let mut lines = help.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(usage) = line.strip_prefix("Usage:") {
            let mut block = format!("{}\n", usage.trim());
            while let Some(more) = lines.next_if(|line| !line.is_empty()) {
                block += &format!("{}\n", more.trim());
            }
            page += &format!("```text\n{block}```\n\n");
        } else if let Some(title) = line.strip_suffix(':').filter(|title| !title.contains(' ')) {
            let mut rows = Vec::new();
            while let Some(line) = lines.next_if(|line| line.is_empty() || line.starts_with(' ')) {
                add_to_table(&mut rows, line);
            }
            page += &format!("| {} | |\n|---|---|\n", title.to_lowercase());
            for [name, text] in rows {
                page += &format!("| `{name}` | {} |\n", escape(&text));
            }
            page += "\n";
        } else if line.is_empty() {
            if !page.ends_with("\n\n") {
                page += "\n\n";
            }
        } else {
            if !page.is_empty() && !page.ends_with('\n') {
                page.push(' ');
            }
            page += line;
        }
    }
    format!("{}\n\n", page.trim_end())
}

/// Adds a line of a list: an item begins at a small indentation, and its text continues at a larger one.
fn add_to_table(rows: &mut Vec<[String; 2]>, line: &str) {
    let text = line.trim_start();
    let indent = line.len() - text.len();
    let starts_item = indent <= 6 && (text.starts_with(['-', '<', '[']) || indent == 2);
    if starts_item {
        let (name, text) = text.split_once("  ").unwrap_or((text, ""));
        rows.push([name.trim().to_string(), text.trim().to_string()]);
    } else if let Some([_, cell]) = rows.last_mut().filter(|_| !text.is_empty()) {
        // A line such as `- int8:  Integers of 8 bits` in a list of values.
        match text.strip_prefix("- ").and_then(|text| text.split_once(':')) {
            Some((value, meaning)) => {
                let separator = if cell.ends_with(':') { "" } else { ";" };
                *cell += &format!("{separator} `{value}`: {}", meaning.trim());
            }
            None if cell.is_empty() => cell.push_str(text),
            None => *cell += &format!(" {text}"),
        }
    }
}

/// Text for a cell of a table.
fn escape(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*")
}
