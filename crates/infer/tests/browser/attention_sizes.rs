//! Attention pages of unusual sizes: a smaller decoder, and texts of many tokens.

use testing::attention_fixture::{self, Sizes};
use views::page;

use crate::attention_page::cross_row;
use crate::driver::with_page;

/// A decoder of one layer with two heads beside an encoder of two layers with three: the header and the list of heads name
/// what is shown.
#[test]
fn a_smaller_decoder_has_its_own_sizes() {
    let mut attention = attention_fixture::small();
    for maps in [&mut attention.maps.decoder, &mut attention.maps.cross] {
        maps.truncate(1);
        maps[0].truncate(2);
    }
    with_page(&page::html(&attention), async |page| {
        let facts = page.text("#facts").await;
        assert!(
            facts.starts_with("2 encoder and 1 decoder layers, 3 encoder and 2 decoder heads, d_model 30"),
            "{facts}"
        );
        page.click("[data-kind=encoder][data-layer='1'][data-head='2'].thumb").await;
        page.choose("#step-heads", "selected").await;
        assert_eq!(page.texts("#step-heads option").await[0], "layer 1, head 2");
        assert_eq!(page.texts(".step-weight small").await, cross_row(&attention, &[0], &[1], 0));
    });
}

/// A heat map beyond the limits of a canvas is drawn with fewer pixels.
#[test]
fn a_long_text_has_a_heat_map() {
    let tokens: Vec<String> = (0..1600).map(|place| format!("▁{place}")).collect();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let sizes = Sizes { layers: 1, heads: 1, head_size: 2 };
    with_page(&page::html(&attention_fixture::attention(&sizes, &tokens, &tokens)), async |page| {
        let drawn = "document.getElementById('map-canvas').getContext('2d').getImageData(5, 5, 1, 1).data[3]";
        assert_eq!(page.value(drawn).await, 255);
        let sides = "[document.getElementById('map-canvas').width, parseInt(document.getElementById('map-canvas').style.width)]";
        let [pixels, width] = [0, 1].map(|side| format!("({sides})[{side}]"));
        assert!(page.value(&pixels).await.as_u64().is_some_and(|pixels| pixels <= 16384));
        assert_eq!(page.value(&width).await, 11 * 1600);
    });
}
