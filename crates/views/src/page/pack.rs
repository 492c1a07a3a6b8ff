//! The compact form of an attention: numbers rounded to 16 bits in base64, each head's vectors with their own scale.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use model::ByAttention;
use serde::Serialize;

use crate::{Attention, Matrix, Sentence, Step, Target, Vectors};

/// An [`Attention`] in the compact form.
#[derive(Serialize)]
pub struct Packed<'a> {
    format: &'static str,
    source: &'a Sentence,
    target: &'a Target,
    n_heads: usize,
    d_model: usize,
    maps: ByAttention<Weights>,
    vectors: ByAttention<Vec<PackedVectors>>,
    steps: &'a [Step],
}

/// Weights as integers in units of 1/65535.
#[derive(Serialize)]
struct Weights {
    /// `[layer, head, query, key]`.
    shape: [usize; 4],
    /// Unsigned, little-endian.
    data: String,
}

#[derive(Serialize)]
struct PackedVectors {
    queries: Matrices,
    keys: Matrices,
    values: Matrices,
}

/// One matrix per head, as integers in units of the head's scale.
#[derive(Serialize)]
struct Matrices {
    /// `[head, token, head_size]`.
    shape: [usize; 3],
    scales: Vec<f32>,
    /// Signed, little-endian.
    data: String,
}

impl<'a> Packed<'a> {
    pub fn new(attention: &'a Attention) -> Self {
        let Attention { source, target, n_heads, d_model, maps, vectors, steps, .. } = attention;
        let pack = |layers: &[Vectors]| layers.iter().map(PackedVectors::new).collect();
        Self {
            format: "attend.page/1",
            source,
            target,
            n_heads: *n_heads,
            d_model: *d_model,
            maps: ByAttention {
                encoder: Weights::new(&maps.encoder),
                decoder: Weights::new(&maps.decoder),
                cross: Weights::new(&maps.cross),
            },
            vectors: ByAttention {
                encoder: pack(&vectors.encoder),
                decoder: pack(&vectors.decoder),
                cross: pack(&vectors.cross),
            },
            steps,
        }
    }
}

impl Weights {
    fn new(layers: &[Vec<Matrix>]) -> Self {
        let heads = layers.first().map_or(&[][..], Vec::as_slice);
        let rows = heads.first().map_or(&[][..], Vec::as_slice);
        let shape = [layers.len(), heads.len(), rows.len(), rows.first().map_or(0, Vec::len)];
        let weights = layers.iter().flatten().flatten().flatten();
        let data = base64(weights.map(|weight| ((weight * f32::from(u16::MAX)).round() as u16).to_le_bytes()));
        Self { shape, data }
    }
}

impl PackedVectors {
    fn new(vectors: &Vectors) -> Self {
        Self {
            queries: Matrices::new(&vectors.queries),
            keys: Matrices::new(&vectors.keys),
            values: Matrices::new(&vectors.values),
        }
    }
}

impl Matrices {
    fn new(heads: &[Matrix]) -> Self {
        let rows = heads.first().map_or(&[][..], Vec::as_slice);
        let shape = [heads.len(), rows.len(), rows.first().map_or(0, Vec::len)];
        let scales: Vec<f32> = heads.iter().map(scale).collect();
        let numbers = heads.iter().zip(&scales).flat_map(|(head, scale)| {
            head.iter().flatten().map(move |number| ((number / scale).round() as i16).to_le_bytes())
        });
        let data = base64(numbers);
        Self { shape, data, scales }
    }
}

/// Returns the value of one unit, which maps the largest number to the largest of 16 bits.
fn scale(matrix: &Matrix) -> f32 {
    let max = matrix.iter().flatten().fold(0.0f32, |max, number| max.max(number.abs()));
    if max > 0.0 { max / f32::from(i16::MAX) } else { 1.0 }
}

fn base64(numbers: impl Iterator<Item = [u8; 2]>) -> String {
    BASE64_STANDARD.encode(numbers.flatten().collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halves(data: &str) -> Vec<[u8; 2]> {
        let bytes = BASE64_STANDARD.decode(data).unwrap();
        bytes.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect()
    }

    #[test]
    fn weights_are_precise_to_1e_5() {
        let rows = vec![vec![0.0, 1.0, 0.5], vec![1e-4, 0.123_456, 0.876_444]];
        let packed = Weights::new(&[vec![rows.clone()]]);
        assert_eq!(packed.shape, [1, 1, 2, 3]);
        let back: Vec<f32> =
            halves(&packed.data).into_iter().map(|pair| f32::from(u16::from_le_bytes(pair)) / 65535.0).collect();
        for (weight, back) in rows.iter().flatten().zip(&back) {
            assert!((weight - back).abs() < 1e-5, "{weight} {back}");
        }
        assert_eq!(back[..2], [0.0, 1.0]);
    }

    #[test]
    fn vectors_have_a_scale_per_head() {
        let heads = vec![vec![vec![0.001, -0.002], vec![0.0005, 0.0]], vec![vec![100.0, -250.0], vec![3.0, 0.5]]];
        let packed = Matrices::new(&heads);
        assert_eq!(packed.shape, [2, 2, 2]);
        let numbers = halves(&packed.data);
        for (place, number) in heads.iter().flatten().flatten().enumerate() {
            let scale = packed.scales[place / 4];
            let back = f32::from(i16::from_le_bytes(numbers[place])) * scale;
            assert!((number - back).abs() <= 0.51 * scale, "{number} {back}");
        }
    }

    #[test]
    fn empty_maps_and_zeros_are_packed() {
        assert_eq!(Weights::new(&[]).shape, [0; 4]);
        let zeros = Matrices::new(&[vec![vec![0.0; 2]]]);
        assert_eq!(zeros.scales, [1.0]);
        assert!(halves(&zeros.data).into_iter().all(|pair| pair == [0, 0]));
    }
}
