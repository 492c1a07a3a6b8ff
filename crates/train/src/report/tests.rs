//! The page of a report from hand-written metrics.

use std::fs;

use temp_dir::TempDir;

use super::axis::Axis;
use super::chart::COLOURS;
use super::curves::{CHARTS, thinned};
use super::*;

const CONFIG: &str = "[training]\nsteps = 400 # <soon>\n";

/// Two logged steps, a validation, a line of an unknown kind, and a line cut short.
const METRICS_SO_FAR: &str = concat!(
    r#"{"step":100,"epoch":0,"loss":3.5,"nll":3.25,"perplexity":25.8,"learning_rate":0.00035,"gradient_norm":1.5,"#,
    r#""tokens":12345,"padding":0.01,"timing":{"seconds":65.2,"tokens_per_second":6000.0,"waiting_for_data":0.02,"exchanging":0.1}}"#,
    "\n",
    r#"{"step":200,"epoch":1,"loss":2.5,"nll":2.25,"perplexity":9.5,"learning_rate":0.0007,"gradient_norm":0.5,"#,
    r#""tokens":23456,"padding":0.03,"timing":{"seconds":60.0,"tokens_per_second":7000.0,"waiting_for_data":0.0,"exchanging":0.2}}"#,
    "\n",
    r#"{"step":200,"validation":{"sentences":1014,"beam":1,"exact_match":0.125,"token_error_rate":0.25,"token_accuracy":0.5,"nll":2.12345,"#,
    r#""perplexity":8.3599,"bleu":12.345,"chrf":34.567,"samples":[{"source":"a <b> & 'c'","#,
    r#""reference":"{{config}}","output":"<script>alert(1)</script>"}],"new":1},"best":true,"timing":{"seconds":2}}"#,
    "\n",
    r#"{"step":200,"epoch_read":{"pairs":10,"empty":0,"long":0,"uneven":0},"timing":{}}"#,
    "\n",
    r#"{"step":300,"epoch":1,"lo"#,
);

const TEST: &str = concat!(
    "\n",
    r#"{"step":400,"test":{"sentences":7,"beam":4,"exact_match":1,"token_accuracy":0.98765,"nll":0.5,"#,
    r#""perplexity":null,"bleu":41.006,"chrf":66.7,"samples":[]},"timing":{"seconds":2}}"#,
    "\n",
);

/// The page that a run called `my<run>` gets.
fn page(config: &str, metrics: &str) -> String {
    let folder = TempDir::new().unwrap();
    let run = folder.child("my<run>");
    fs::create_dir(&run).unwrap();
    fs::write(run.join("config.toml"), config).unwrap();
    fs::write(run.join("metrics.jsonl"), metrics).unwrap();
    write(&run).unwrap();
    write(&run).unwrap(); // over the one before
    fs::read_to_string(run.join("report.html")).unwrap()
}

fn score(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("<dt>{name}</dt><dd>")).unwrap();
    rest.split_once("</dd>").unwrap().0.to_string()
}

#[test]
fn every_curve_is_drawn() {
    let page = page(CONFIG, METRICS_SO_FAR);
    let curves: usize = CHARTS.iter().map(|chart| chart.curves.len()).sum();
    assert_eq!(page.matches("<svg ").count(), CHARTS.len());
    for chart in &CHARTS {
        assert!(page.contains(&format!("<h3>{}", chart.title)), "{}", chart.title);
    }
    let mut drawn = 0;
    for plotters::style::RGBColor(red, green, blue) in COLOURS {
        let colour = format!("stroke=\"#{red:02X}{green:02X}{blue:02X}\"");
        assert!(page.contains(&format!("svg [{colour}] {{ stroke: var(--colour-")), "the page has its own {colour}");
        drawn += page.lines().filter(|line| line.starts_with("<polyline") && line.contains(&colour)).count();
    }
    assert_eq!(drawn, curves);
    assert!(page.contains("training loss <b>2.500</b>"));
    assert!(page.contains("validation NLL <b>2.123</b>"));
}

#[test]
fn the_best_validation_is_shown_until_there_is_a_test() {
    let so_far = page(CONFIG, METRICS_SO_FAR);
    assert!(so_far.contains("<h2>Best validation</h2>"));
    let shown = [
        "BLEU",
        "chrF",
        "exact match",
        "word error rate",
        "token error rate",
        "token accuracy",
        "NLL",
        "perplexity",
        "sentences",
        "beam",
        "step",
    ];
    let expected =
        ["12.35", "34.57", "12.50 %", "87.50 %", "25.00 %", "50.00 %", "2.1235", "8.360", "1,014", "1", "200"];
    assert_eq!(shown.map(|name| score(&so_far, name)), expected);
    assert!(so_far.contains("step 200 of 400 · epoch 2 · 23,456 target tokens · 2 min 5 s of training"));

    let tested = page(CONFIG, &format!("{METRICS_SO_FAR}{TEST}"));
    assert!(tested.contains("<h2>Test</h2>"));
    let expected = ["41.01", "66.70", "100.00 %", "0.00 %", "–", "98.77 %", "0.5000", "–", "7", "4", "400"];
    assert_eq!(shown.map(|name| score(&tested, name)), expected);
}

#[test]
fn text_stays_text() {
    let page = page(CONFIG, METRICS_SO_FAR);
    assert!(!page.contains("<script"));
    assert!(page.contains("<td dir=\"auto\">&lt;script&gt;alert(1)&lt;/script&gt;</td>"));
    assert!(page.contains("a &lt;b&gt; &amp; &#39;c&#39;"));
    assert!(page.contains("<td dir=\"auto\">{{config}}</td>"), "a sample is no place to fill");
    assert!(page.contains("steps = 400 # &lt;soon&gt;"));
    assert!(page.contains("<title>my&lt;run&gt;: report of training</title>"));
}

#[test]
fn nothing_is_loaded() {
    let page = page(CONFIG, METRICS_SO_FAR);
    for outside in ["http", "src=", "href=", "url(", "@import", "<link", "<script", "<iframe", "<img"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn a_run_that_has_just_begun() {
    let page = page(CONFIG, "");
    assert!(page.contains("Training has not logged anything yet."));
    assert!(page.contains("steps = 400"));
    assert!(!page.contains("<svg"));
}

#[test]
fn the_last_validation_is_unfolded() {
    let (first, second) = (METRICS_SO_FAR.to_string(), METRICS_SO_FAR.replace("\"step\":200", "\"step\":400"));
    let page = page(CONFIG, &format!("{first}\n{second}"));
    let places = ["<details open><summary><b>Step 400</b>", "<details><summary><b>Step 200</b>"];
    let places = places.map(|place| page.find(place).unwrap());
    assert!(places[0] < places[1], "the newest comes first");
    assert_eq!(page.matches("★ best").count(), 1);
}

#[test]
fn odd_numbers_do_no_harm() {
    let values = ["0", "-0.0", "1e308", "-1e308", "5e-324", "1e-308", "1e15", "7", "7.0000000001", "-7"];
    let line = |step: usize, value: &str| {
        format!(r#"{{"step":{step},"loss":{value},"gradient_norm":{value},"timing":{{"seconds":{value}}}}}"#)
    };
    for value in values {
        for other in values {
            let page = page(CONFIG, &format!("{}\n{}\n", line(0, value), line(1, other)));
            assert!(page.contains("Gradient norm"), "{value} {other}");
            assert!(!page.contains("NaN") && page.len() < 30_000, "{value} {other}");
        }
    }
    let alone = page("no toml", &line(usize::MAX, "7"));
    assert_eq!(alone.matches("<circle").count(), 2, "a single point is a dot");
}

#[test]
fn ticks_are_round() {
    use plotters::coord::ranged1d::{BoldPoints, Ranged, ValueFormatter};
    let ticks =
        |axis: Axis| axis.key_points(BoldPoints(9)).iter().map(|tick| axis.format_ext(tick)).collect::<Vec<_>>();
    assert_eq!(ticks(Axis::from_steps(9000)), ["0", "2000", "4000", "6000", "8000"]);
    assert_eq!(ticks(Axis::from_steps(100_000)), ["0", "20k", "40k", "60k", "80k", "100k"]);
    assert_eq!(ticks(Axis::from_values(&[0.3, 1.1])), ["0", "0.5", "1.0", "1.5"]);
    assert_eq!(ticks(Axis::from_values(&[3.5e-4])), ["0", "1e-4", "2e-4", "3e-4", "4e-4"]);
    assert_eq!(ticks(Axis::from_values(&[-2.0, 1.0])), ["-2", "-1", "0", "1"]);
    assert_eq!(ticks(Axis::from_wide_values(&[2.0, 7.0])), ["0", "2", "4", "6", "8"]);
    assert_eq!(ticks(Axis::from_wide_values(&[0.8, 9.0])), ["1", "2", "5"]);
    assert_eq!(ticks(Axis::from_wide_values(&[1e-5, 2.0])), ["1e-5", "1e-4", "1e-3", "0.01", "0.1", "1"]);
}

/// `x` and text of every label that ends at its axis, in pixels.
fn axis_labels(page: &str) -> Vec<(f64, String)> {
    let labels = page.split("<text ").skip(1).filter(|text| text.contains("text-anchor=\"end\""));
    let label = |text: &str| {
        let x = text.split_once("x=\"")?.1.split_once('"')?.0.parse::<f64>().ok()?;
        Some((x / 4.0, text.split_once('>')?.1.split_once('<')?.0.trim().to_string()))
    };
    labels.filter_map(label).collect()
}

#[test]
fn labels_of_small_numbers_are_not_cut_off() {
    for rate in ["0.0022", "0.00000123", "0.35", "41", "123456"] {
        let line = format!(r#"{{"step":1,"loss":1.0,"learning_rate":{rate}}}"#);
        let labels = axis_labels(&page(CONFIG, &line));
        assert!(labels.len() > 8, "{labels:?}");
        for (x, label) in &labels {
            assert!(*x >= 8.0 * label.chars().count() as f64, "{label:?} ends at {x} px");
        }
    }
    assert!(
        axis_labels(&page(CONFIG, r#"{"step":1,"loss":1.0,"learning_rate":0.0022}"#))
            .iter()
            .any(|(_, label)| label == "2.0e-3")
    );
}

#[test]
fn long_runs_are_thinned_and_keep_their_peaks() {
    let mut points: Vec<(f64, f64)> = (0..54_321).map(|step| (f64::from(step), f64::from(step % 7))).collect();
    points[12_345].1 = 99.0;
    points[23_456].1 = -99.0;
    let thin = thinned(points.clone());
    assert!((500..=1000).contains(&thin.len()), "{}", thin.len());
    assert!(thin.contains(&points[12_345]) && thin.contains(&points[23_456]));
    assert_eq!((thin[0], thin[thin.len() - 1]), (points[0], points[54_320]));
    assert!(thin.is_sorted_by(|a, b| a.0 < b.0));
}

#[test]
fn a_folder_without_metrics_is_rejected() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.child("config.toml"), CONFIG).unwrap();
    let error = write(folder.path()).unwrap_err().to_string();
    assert!(error.contains("metrics.jsonl") && error.contains("--overwrite"), "{error}");
}

#[test]
fn several_processes_show_their_speed_and_exchange() {
    let line =
        r#"{"step":8,"loss":3,"timing":{"seconds":2,"tokens_per_second":512,"exchanging":0.125,"sent_bytes":9}}"#;
    let page = page(CONFIG, line);
    assert!(page.contains("512 tokens per second by all processes · 12.50 % of the time exchanging gradients"));
    assert!(page.contains("Time spent exchanging gradients, %"));
    let alone = line.replace(r#","exchanging":0.125,"sent_bytes":9"#, "");
    assert!(!self::page(CONFIG, &alone).contains("xchanging"), "one process exchanges nothing");
}
