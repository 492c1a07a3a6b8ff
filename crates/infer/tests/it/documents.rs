//! `--documents`: texts of several sentences.

use testing::run::Run;

/// Output for a document on standard input.
fn document(run: &Run, input: &str, options: &[&str]) -> String {
    let output = run.infer_with_stdin(input, &[&["--documents", "--quiet"], options].concat());
    assert_eq!((output.code, &output.stderr[..]), (Some(0), ""));
    output.stdout
}

#[test]
fn white_space_stays() {
    let run = Run::new();
    let lines = run.translate_stdin("3 1 4\n1 5\n", &[]);
    let [first, second] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(document(&run, "  3 1 4\n\n\t1 5 \n", &[]), format!("  {first}\n\n\t{second} \n"));
    assert_eq!(document(&run, "", &[]), "");
    let html = document(&run, "<p>3 1 4</p><code>1 5</code>", &["--document-format", "html"]);
    assert_eq!(html, format!("<p>{first}</p><code>1 5</code>"));
    let srt = "1\n00:00:01,000 --> 00:00:02,000\n3 1 4\n";
    assert_eq!(document(&run, srt, &["--document-format", "srt"]), srt.replace("3 1 4", first));
    let vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\n1 5\n";
    assert_eq!(document(&run, vtt, &["--document-format", "vtt", "--language", "en"]), vtt.replace("1 5", second));
}

/// A byte order mark is no part of the first sentence, and stays.
#[test]
fn a_byte_order_mark_stays() {
    let run = Run::new();
    let [text] = &run.translate_stdin("3 1 4\n", &[])[..] else { panic!("one line") };
    assert_eq!(document(&run, "\u{feff}3 1 4\n", &[]), format!("\u{feff}{text}\n"));
    assert_eq!(document(&run, "\u{feff}", &[]), "\u{feff}");
}

#[test]
fn bytes_that_are_not_utf8_are_noted() {
    let run = Run::new();
    let output = run.infer_with_stdin(b"3 1\n1 \xff 5\n", &["--documents"]);
    assert_eq!(output.code, Some(0));
    output.assert_stderr_contains(&["note: line 2: bytes that are not UTF-8", "iconv"]);
    assert_eq!(run.infer_with_stdin(b"1 \xff 5\n", &["--documents", "--quiet"]).stderr, "");
}

#[test]
fn options_of_documents_are_checked() {
    let run = Run::new();
    for (arguments, parts) in [
        (&["--document-format", "html", "1"][..], &["--documents"][..]),
        (&["--documents", "--document-format", "pdf", "1"], &["pdf", "html"]),
        (&["--documents", "--language", "", "1"], &["--language", "expected a code"]),
        (&["--documents", "--scores", "1"], &["--documents", "--scores"]),
        (&["--scores", "--document-format", "html", "1"], &["--document-format", "cannot be used with", "--scores"]),
        (&["--n-best", "1", "--language", "de", "1"], &["--language", "cannot be used with", "--n-best"]),
        (&["--documents", "--alignment-layer", "1", "1"], &["--alignment-layer: found no --alignment"]),
        (&["--documents", "--alignment-head", "1", "1"], &["--alignment-head: found no --alignment"]),
    ] {
        let output = run.infer(arguments);
        assert_eq!(output.code, Some(2), "{}", output.stderr);
        output.assert_stderr_contains(parts);
    }
}
