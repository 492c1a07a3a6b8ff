//! Every vector unit of this processor, against the `gemm` crate.

use super::*;
use crate::matmul::bf16::rounded;
use crate::matmul::testing::each_layout;

fn units() -> impl Iterator<Item = Unit> {
    [Unit::Float32Avx512, Unit::Float32Avx2, Unit::Bfloat16Avx512].into_iter().filter(|unit| unit.available())
}

/// An operand with the two further columns that each layout of a case has.
fn wider(right: Matrix) -> Matrix {
    Matrix { cols: right.cols + 2, ..right }
}

#[test]
fn whole_numbers_are_exact_in_any_shape() {
    let shapes = [
        (1, 1, 1),
        (5, 16, 3),
        (6, 64, 2),
        (7, 33, 17),
        (13, 80, 31),
        (16, 32, 16),
        (50, 144, 65),
        (250, 100, 40),
        (70, 65, 1100),
        (9, 48, 2050),
    ];
    let finishes: [for<'a> fn(&'a [f32]) -> Finish<'a>; 2] = [
        |bias| Finish { bias: Some(bias), relu: true, ..Finish::new(Accumulate::Overwrite, 0.5) },
        |_| Finish::new(Accumulate::Add, 0.5),
    ];
    each_layout(&shapes, finishes, |case, threads| {
        for unit in units() {
            let panels = Panels::new(unit, case.right, threads);
            let wider = Panels::new(unit, wider(case.right), threads);
            let ways = [
                ("plain", Right::Plain(case.right)),
                ("packed", Right::Packed(&panels)),
                ("the first columns of more", Right::Packed(&wider)),
            ];
            for (way, right) in ways {
                case.check(&format!("{unit:?}, {way}"), |target| {
                    product(unit, target, case.finish, case.left, right, threads);
                });
            }
        }
    });
}

/// Sums of rounded terms differ in their last bits if their order differs.
#[test]
fn sums_do_not_depend_on_threads_packing_or_width() {
    let (m, n, k) = (260, 50, 1300);
    let wave = |len: usize, step: f32| -> Vec<f32> { (0..len).map(|i| (i as f32 * step).sin()).collect() };
    let (left, right) = (wave(m * k, 0.37), wave(k * n, 0.73));
    let (a, b) = (Matrix::new(&left, m, k), Matrix::new(&right, k, n));
    let (x, y) = (rounded(a), rounded(b));
    let finish = Finish::new(Accumulate::Overwrite, 1.0);
    let mut in_float32: Option<Vec<f32>> = None;
    for unit in units() {
        let of = |right: Right, threads| {
            let mut out = vec![0.0; m * n];
            product(unit, MatrixMut::new(&mut out, m, n), finish, a, right, threads);
            out
        };
        let ours = of(Right::Plain(b), 1);
        assert!(ours == of(Right::Packed(&Panels::new(unit, b, 2)), 3), "{unit:?}");
        for first in [0, 3, m - 10] {
            let mut some = vec![0.0; 10 * n];
            let rows = Matrix { values: &left[first * k..], rows: 10, ..a };
            product(unit, MatrixMut::new(&mut some, 10, n), finish, rows, Right::Plain(b), 1);
            assert!(some == ours[first * n..][..10 * n], "{unit:?}: rows alone");
        }
        let (p, q) = if unit == Unit::Bfloat16Avx512 { (&x, &y) } else { (&left, &right) };
        for (i, ours) in ours.iter().enumerate().step_by(97) {
            let sum: f64 = (0..k).map(|s| f64::from(p[i / n * k + s]) * f64::from(q[s * n + i % n])).sum();
            assert!((f64::from(*ours) - sum).abs() < 1e-4, "{unit:?}: {ours}, not {sum}");
        }
        if unit != Unit::Bfloat16Avx512 {
            assert!(in_float32.get_or_insert(ours.clone()) == &ours, "registers of another width");
        }
    }
}

#[test]
fn nan_stays_nan() {
    let (left, right) = (vec![f32::NAN; 7 * 20], vec![1.0; 20 * 70]);
    for unit in units() {
        let mut out = vec![0.0; 7 * 70];
        let finish = Finish { relu: true, ..Finish::new(Accumulate::Overwrite, 1.0) };
        let (a, b) = (Matrix::new(&left, 7, 20), Matrix::new(&right, 20, 70));
        product(unit, MatrixMut::new(&mut out, 7, 70), finish, a, Right::Plain(b), 1);
        assert!(out.iter().all(|x| x.is_nan()), "{unit:?}");
    }
}
