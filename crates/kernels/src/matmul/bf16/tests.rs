//! Every bfloat16 product of this processor, against float32.

use super::*;
use crate::matmul::Accumulate;
use crate::matmul::testing::{each_layout, whole};

type Product = fn(MatrixMut, Finish, Matrix, Matrix, usize);

/// Each product that this processor supports, by name.
fn products() -> Vec<(&'static str, Product)> {
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
    let mut products: Vec<(_, Product)> = vec![("selected", product), ("float32", in_float32)];
    #[cfg(target_arch = "x86_64")]
    {
        use blocked::Unit;
        let amx: Product =
            |target, finish, left, right, threads| blocked::product(Unit::Amx, target, finish, left, right, threads);
        let vectors: Product = |target, finish, left, right, threads| {
            blocked::product(Unit::Vectors, target, finish, left, right, threads)
        };
        products.extend(Unit::Amx.available().then_some(("matrix registers", amx)));
        products.extend(Unit::Vectors.available().then_some(("vectors", vectors)));
    }
    products
}

/// On whole numbers every way is exact: shapes around the edges of tiles and of blocks, both orders of both operands,
/// targets wider than the product, added or not, on one thread and several.
#[test]
fn whole_numbers_are_exact_in_any_shape() {
    let shapes = [
        (1, 1, 1),
        (15, 17, 31),
        (16, 16, 32),
        (33, 47, 65),
        (130, 35, 70),
        (300, 20, 5),
        (140, 900, 700),
        (3, 5, 9000),
    ];
    let finishes: [for<'a> fn(&'a [f32]) -> Finish<'a>; 2] = [
        |bias| Finish { bias: Some(bias), relu: true, ..Finish::new(Accumulate::Overwrite, 0.5) },
        |_| Finish::new(Accumulate::Add, 0.5),
    ];
    each_layout(&shapes, finishes, |case, threads| {
        for (way, product) in products() {
            case.check(way, |target| product(target, case.finish, case.left, case.right, threads));
        }
    });
}

#[test]
fn a_single_row_may_have_any_stride() {
    let (left, right) = (whole(40, 1), whole(40 * 50, 2));
    let mut exact = vec![0.0; 50];
    let (a, b) = (Matrix::new(&left, 1, 40), Matrix::new(&right, 40, 50));
    float32::by_gemm(MatrixMut::new(&mut exact, 1, 50), Finish::new(Accumulate::Overwrite, 1.0), a, b, 1);
    for (way, product) in products() {
        for stride in [1, 1 << 57] {
            let mut ours = vec![0.0; 50];
            product(MatrixMut::strided(&mut ours, 1, 50, stride), Finish::new(Accumulate::Overwrite, 1.0), a, b, 1);
            assert!(ours == exact, "{way}");
        }
    }
}

/// Operands that need rounding: each product rounds to the same numbers and sums in float32, in an order that does not
/// depend on the number of threads.
#[test]
fn operands_are_rounded_and_sums_are_not() {
    let (m, n, k) = (300, 50, 300);
    let wave = |len: usize, step: f32| -> Vec<f32> { (0..len).map(|i| (i as f32 * step).sin()).collect() };
    let (left, right) = (wave(m * k, 0.37), wave(k * n, 0.73));
    let (a, b) = (Matrix::new(&left, m, k), Matrix::new(&right, k, n));
    let (x, y) = (rounded(a), rounded(b));
    for (way, product) in products() {
        let mut ours = vec![0.0; m * n];
        product(MatrixMut::new(&mut ours, m, n), Finish::new(Accumulate::Overwrite, 1.0), a, b, 1);
        let mut shared = vec![0.0; m * n];
        product(MatrixMut::new(&mut shared, m, n), Finish::new(Accumulate::Overwrite, 1.0), a, b, 3);
        assert!(ours == shared && ours.iter().all(|x| x.is_finite()), "{way}");
        let (mut furthest, mut unrounded) = (0f64, 0f64);
        for i in 0..m {
            for j in 0..n {
                let sum = |left: &[f32], right: &[f32]| -> f64 {
                    (0..k).map(|p| f64::from(left[i * k + p]) * f64::from(right[p * n + j])).sum()
                };
                furthest = furthest.max((f64::from(ours[i * n + j]) - sum(&x, &y)).abs());
                unrounded = unrounded.max((f64::from(ours[i * n + j]) - sum(&left, &right)).abs());
            }
        }
        assert!(furthest < 2e-5, "{way}: {furthest} from the product of the rounded operands");
        assert!(unrounded > 1e-3, "{way}: {unrounded} from that of the operands as they are: nothing was rounded");
    }
}

#[test]
fn rounding_is_to_the_nearest_and_even() {
    let step = 2f32.powi(-7); // between neighbours from 1 to 2
    for (x, nearest) in [
        (1.0, 1.0),
        (1.0 + 0.49 * step, 1.0),
        (1.0 + 0.5 * step, 1.0),
        (1.0 + 0.51 * step, 1.0 + step),
        (1.0 + 1.5 * step, 1.0 + 2.0 * step),
        (-1.0 - 0.75 * step, -1.0 - step),
        (f32::INFINITY, f32::INFINITY),
        (f32::MAX, f32::INFINITY),
        (0.0, 0.0),
    ] {
        assert_eq!(round(x), nearest, "{x}");
    }
    assert!(round(f32::NAN).is_nan() && round(f32::from_bits(0x7f80_0001)).is_nan());
}

/// Values at the end of readable memory: the next byte is inaccessible.
#[cfg(target_os = "linux")]
struct AtTheEdge {
    start: *mut libc::c_void,
    bytes: usize,
}

#[cfg(target_os = "linux")]
impl AtTheEdge {
    const PAGE: usize = 1 << 16; // a multiple of every page size

    fn new(values: usize) -> Self {
        let bytes = (values * 4).next_multiple_of(Self::PAGE) + Self::PAGE;
        let (readable, private) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: new memory, whose last page is inaccessible.
        unsafe {
            let start = libc::mmap(std::ptr::null_mut(), bytes, readable, private, -1, 0);
            assert!(start != libc::MAP_FAILED);
            assert_eq!(libc::mprotect(start.add(bytes - Self::PAGE), Self::PAGE, libc::PROT_NONE), 0);
            Self { start, bytes }
        }
    }

    /// The last `values` of the room, all of them zero at first.
    fn values(&mut self, values: usize) -> &mut [f32] {
        let room = self.bytes - Self::PAGE;
        assert!(values * 4 <= room);
        // SAFETY: within the readable part, which holds zeros and is borrowed as `self` is.
        unsafe { std::slice::from_raw_parts_mut(self.start.byte_add(room - values * 4).cast(), values) }
    }
}

#[cfg(target_os = "linux")]
impl Drop for AtTheEdge {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`; nothing borrows it now.
        unsafe { libc::munmap(self.start, self.bytes) };
    }
}

/// Operands and targets that end where memory ends: reading one lane too far would end the process.
#[cfg(target_os = "linux")]
#[test]
fn no_access_beyond_operands_and_targets() {
    for (m, n, k) in [(3, 5, 7), (17, 18, 33), (16, 16, 32), (30, 33, 50)] {
        let (left_values, right_values) = (whole(m * k, 1), whole(k * n, 2));
        let [mut left, mut right, mut target] = [m * k, k * n, m * n].map(AtTheEdge::new);
        left.values(m * k).copy_from_slice(&left_values);
        right.values(k * n).copy_from_slice(&right_values);
        for layout in 0..4 {
            let a = match layout & 1 {
                0 => Matrix::new(left.values(m * k), m, k),
                _ => Matrix::new(left.values(m * k), k, m).transposed(),
            };
            let b = match layout & 2 {
                0 => Matrix::new(right.values(k * n), k, n),
                _ => Matrix::new(right.values(k * n), n, k).transposed(),
            };
            for before in [Accumulate::Overwrite, Accumulate::Add] {
                let mut exact = vec![0.0; m * n];
                float32::by_gemm(MatrixMut::new(&mut exact, m, n), Finish::new(before, 1.0), a, b, 1);
                for (way, product) in products() {
                    target.values(m * n).fill(0.0);
                    product(MatrixMut::new(target.values(m * n), m, n), Finish::new(before, 1.0), a, b, 1);
                    assert!(target.values(m * n) == exact, "{m} × {n} × {k}, layout {layout}, {way}");
                }
            }
        }
    }
}
