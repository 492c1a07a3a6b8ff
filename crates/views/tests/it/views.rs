//! The files of an attention: size and contents of the page, pictures as SVG and PNG.

use model::AttentionKind;
use views::page;
use views::picture::{self, View};

const ALL: View = View { kind: AttentionKind::Cross, layer: None, head: None };

#[test]
fn a_page_of_the_base_model_stays_below_six_megabytes() {
    let page = page::html(&testing::attention_fixture::large());
    assert!(page.len() <= 6_000_000, "{} bytes", page.len());
}

#[test]
fn hostile_text_of_a_page_is_data() {
    let attention = testing::attention_fixture::hostile();
    let page = page::html(&attention);
    assert_eq!(page.matches("</script>").count(), 2, "one for the data, one for the scripts");
    assert!(!page.contains("<img") && !page.contains('\u{2028}'));
    let data: serde_json::Value = serde_json::from_str(&page::data(&attention)).unwrap();
    assert_eq!(data["source"]["tokens"], serde_json::json!(attention.source.tokens));
}

#[test]
fn an_overview_names_layers_and_heads() {
    let svg = picture::svg(&testing::attention_fixture::small(), ALL);
    for text in ["Cross-attention", "layer 1", ">2<", "head 1", ">3<", "The cat sat. → Die Katze saß."] {
        assert!(svg.contains(text), "{text}");
    }
    assert_eq!(svg.matches("scale(").count(), 6, "maps");
    assert!(!svg.contains("url(#hidden)"));
    let one_layer = picture::svg(&testing::attention_fixture::small(), View { layer: Some(1), ..ALL });
    assert_eq!(one_layer.matches("scale(").count(), 3, "maps");
    let decoder = picture::svg(&testing::attention_fixture::small(), View { kind: AttentionKind::Decoder, ..ALL });
    assert_eq!(decoder.matches("url(#hidden)").count(), 6, "hatched halves");
}

#[test]
fn one_head_names_its_tokens() {
    let svg = picture::svg(
        &testing::attention_fixture::small(),
        View { kind: AttentionKind::Cross, layer: Some(1), head: Some(2) },
    );
    assert!(svg.contains("Cross-attention, layer 2, head 3"));
    for token in ["▁The", "▁cat", "&lt;/s&gt;", "&lt;pad&gt;", "▁Katze", "▁saß"] {
        assert!(svg.contains(&format!(">{token}<")), "{token}");
    }
}

/// Wide characters have room beside the map, and a token of white space is visible.
#[test]
fn one_head_has_room_for_wide_tokens() {
    let view = View { kind: AttentionKind::Cross, layer: Some(0), head: Some(0) };
    let drawn = |token: &str| {
        let sizes = testing::attention_fixture::Sizes { layers: 1, heads: 1, head_size: 4 };
        picture::svg(&testing::attention_fixture::attention(&sizes, &[token, " ", "</s>"], &["a", "</s>"]), view)
    };
    let height = |svg: &str| -> f32 {
        let (_, rest) = svg.split_once(" height=\"").unwrap();
        rest.split_once('"').unwrap().0.parse().unwrap()
    };
    assert_eq!(height(&drawn("人工智能注意力")), height(&drawn("fourteen-wide.")));
    assert!(drawn("a").contains(">▁<"));
}

#[test]
fn a_missing_layer_or_head_gives_a_notice() {
    for (layer, head) in [(Some(2), None), (None, Some(3)), (Some(0), Some(3)), (Some(7), Some(0))] {
        let svg =
            picture::svg(&testing::attention_fixture::small(), View { kind: AttentionKind::Encoder, layer, head });
        assert!(svg.contains("The encoder self-attention has no such layer or head."), "{layer:?} {head:?}");
    }
}

/// Tokens never become markup of a picture.
#[test]
fn hostile_text_of_a_picture_is_text() {
    let svg = picture::svg(
        &testing::attention_fixture::hostile(),
        View { kind: AttentionKind::Encoder, layer: Some(0), head: Some(0) },
    );
    assert!(!svg.contains("<script") && !svg.contains("<img") && !svg.contains("<b>") && !svg.contains("<!--"));
    assert!(svg.contains("&lt;script&gt;window.ran …<title>&lt;script&gt;window.ran = 1&lt;/script&gt;</title>"));
}

#[cfg(feature = "png")]
#[test]
fn png_is_the_svg_twice_as_large() {
    let one = View { kind: AttentionKind::Encoder, layer: Some(0), head: Some(0) };
    for (attention, view) in [(testing::attention_fixture::small(), ALL), (testing::attention_fixture::hostile(), one)]
    {
        let svg = picture::svg(&attention, view);
        let png = picture::png(&attention, view).unwrap();
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as f32;
        let attribute = |name: &str| {
            let rest = svg.split_once(&format!("{name}=\"")).unwrap().1;
            rest.split_once('"').unwrap().0.parse::<f32>().unwrap()
        };
        assert_eq!((side(16), side(20)), ((2.0 * attribute("width")).ceil(), (2.0 * attribute("height")).ceil()));
    }
}

#[cfg(not(feature = "png"))]
#[test]
fn png_names_the_feature_it_lacks() {
    let error = picture::png(&testing::attention_fixture::small(), ALL).unwrap_err().to_string();
    assert!(error.contains("--features pictures"), "{error}");
}
