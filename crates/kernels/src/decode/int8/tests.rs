use super::super::weight_memory::WeightMemory;
use super::*;

/// Numbers within ±1, from a seed.
fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 * 2.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn product(unit: Unit, x: &[f32], matrix: &Int8Matrix, epilogue: Epilogue) -> Vec<f32> {
    let mut rows = Int8Activations::default();
    // Other contents before leave no trace.
    rows.quantise(&[1e9; 999], 9);
    rows.quantise(x, matrix.d_input());
    let mut y = vec![f32::NAN; rows.rows() * matrix.d_output()];
    let output = Output::new(&mut y, matrix.d_output());
    let panels = matrix.d_output().div_ceil(PANEL);
    for range in [0..panels / 2, panels / 2..panels] {
        // SAFETY: the unit is available, and there is one thread.
        unsafe { multiply(unit, &rows, matrix, epilogue, range, output) };
    }
    y
}

/// The product as documented, without packing.
fn definition(x: &[f32], weights: &Int8Rows, bias: Option<&[f32]>, d_input: usize) -> Vec<f32> {
    let mut y = Vec::new();
    for x in x.chunks(d_input) {
        let peak = x.iter().fold(0f32, |peak, x| peak.max(x.abs()));
        let (scale, factor) = (peak / 127.0, 127.0 / peak);
        let quantised: Vec<i32> = x.iter().map(|x| (x * factor).round_ties_even() as i32).collect();
        for (output, row) in weights.values.chunks(d_input).enumerate() {
            let sum: i32 = row.iter().zip(&quantised).map(|(&w, x)| i32::from(w) * x).sum();
            y.push(sum as f32 * (scale * weights.scales[output]) + bias.map_or(0.0, |bias| bias[output]));
        }
    }
    y
}

const SHAPES: [(usize, usize, usize); 8] =
    [(1, 1, 1), (1, 64, 64), (2, 3, 16), (5, 70, 130), (6, 128, 70), (7, 512, 65), (17, 100, 200), (33, 2048, 64)];

#[test]
fn every_unit_gives_the_same_bits() {
    for (rows, d_input, d_output) in SHAPES {
        let (x, weights) = (values(rows * d_input, 1), Int8Rows::quantise(&values(d_output * d_input, 2), d_input));
        let bias = values(d_output, 3);
        for bias in [None, Some(&bias[..])] {
            let matrix = Int8Matrix::stacked(&[(&weights, bias)], d_input, &mut WeightMemory::separate());
            let expected = definition(&x, &weights, bias, d_input);
            for unit in Unit::ALL.into_iter().filter(|unit| unit.available()) {
                let what = format!("{unit:?}, {rows} × {d_input} × {d_output}");
                assert_eq!(product(unit, &x, &matrix, Epilogue::None), expected, "{what}");
                let positive: Vec<f32> = expected.iter().map(|&y| relu(y)).collect();
                assert_eq!(product(unit, &x, &matrix, Epilogue::Relu), positive, "{what} with ReLU");
            }
        }
    }
}

/// The largest magnitudes of all inputs at once, which would saturate sums of 16 bits.
#[test]
fn extreme_values_do_not_saturate() {
    let d_input = 2048;
    for (x, weight) in [(1.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)] {
        let weights = Int8Rows::quantise(&vec![weight; 64 * d_input], d_input);
        let matrix = Int8Matrix::stacked(&[(&weights, None)], d_input, &mut WeightMemory::separate());
        let x = vec![x; 9 * d_input];
        let expected = definition(&x, &weights, None, d_input);
        assert!((expected[0].abs() - d_input as f32).abs() < 0.01, "{}", expected[0]);
        for unit in Unit::ALL.into_iter().filter(|unit| unit.available()) {
            assert_eq!(product(unit, &x, &matrix, Epilogue::None), expected, "{unit:?}");
        }
    }
}

#[test]
fn the_product_approximates_float32() {
    let (rows, d_input, d_output) = (7, 512, 100);
    let (x, weights) = (values(rows * d_input, 4), values(d_output * d_input, 5));
    let matrix =
        Int8Matrix::stacked(&[(&Int8Rows::quantise(&weights, d_input), None)], d_input, &mut WeightMemory::separate());
    let found = product(Unit::best(), &x, &matrix, Epilogue::None);
    let exact = |row: usize, output: usize| -> f32 {
        let pairs = x[row * d_input..][..d_input].iter().zip(&weights[output * d_input..]);
        pairs.map(|(x, w)| x * w).sum()
    };
    let error = |i: usize| (found[i] - exact(i / d_output, i % d_output)).abs();
    let worst = (0..rows * d_output).map(error).fold(0.0, f32::max);
    assert!(worst < 0.25, "{worst}: 2 % of the standard deviation of such sums");
}

#[test]
fn nan_stays_nan() {
    let matrix =
        Int8Matrix::stacked(&[(&Int8Rows::quantise(&values(70 * 8, 5), 8), None)], 8, &mut WeightMemory::separate());
    for unit in Unit::ALL.into_iter().filter(|unit| unit.available()) {
        let y = product(unit, &[f32::NAN; 7 * 8], &matrix, Epilogue::Relu);
        assert!(y.iter().all(|y| y.is_nan()), "{unit:?}");
    }
}

#[test]
fn stacked_layers_rows_and_selections() {
    let (a, b) = (Int8Rows::quantise(&values(20 * 8, 3), 8), Int8Rows::quantise(&values(70 * 8, 5), 8));
    let bias = values(70, 2);
    let stacked = Int8Matrix::stacked(&[(&a, None), (&b, Some(&bias))], 8, &mut WeightMemory::separate());
    let x = values(8, 9);
    let y = product(Unit::best(), &x, &stacked, Epilogue::None);
    let expected = [definition(&x, &a, None, 8), definition(&x, &b, Some(&bias), 8)].concat();
    assert_eq!(y, expected);
    let mut row = vec![0.0; 8];
    stacked.row(20 + 66, 2.0, &mut row);
    let dequantised = b.dequantised()[66 * 8..67 * 8].to_vec();
    row.iter().zip(dequantised).for_each(|(found, value)| assert!((found - 2.0 * value).abs() < 1e-6));
    let chosen = [89, 3, 20, 64];
    let selected = product(Unit::best(), &x, &stacked.select(&chosen), Epilogue::None);
    assert_eq!(selected, chosen.map(|output| expected[output as usize]));
}
