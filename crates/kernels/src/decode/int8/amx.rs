//! Products in matrix registers (AMX): sixteen rows and a panel at once.

use std::arch::asm;
use std::arch::x86_64::*;
use std::ops::Range;

use super::super::matmul::{Epilogue, ROWS_512};
use super::super::output::Output;
use super::super::packed::{LANE, LANES};
use super::super::words::Words;
use super::avx512::finish;
use super::{DEPTH, Int8Activations, Int8Matrix};
use crate::matmul::bf16::amx::{configure, release};

pub use crate::matmul::bf16::amx::int8_available as available;

/// Rows up to which vectors are faster: a single block of them prefetches the panel that it reads, a few inputs ahead.
pub const FEW: usize = ROWS_512;

/// Rows of a matrix register.
const HEIGHT: usize = 16;
/// Lines of the cache that sixteen words of a panel are.
const LINES: usize = HEIGHT * LANES;
/// Lines that are prefetched in a row.
const GROUP: usize = 8;

/// The sums of sixteen rows and 64 outputs.
#[repr(align(64))]
struct Sums([[[i32; LANE]; HEIGHT]; LANES]);

/// # Safety
/// The processor has the registers and AVX-512, and no other thread computes these panels.
#[target_feature(enable = "avx512f,avx512bw")]
pub unsafe fn multiply(x: &Int8Activations, matrix: &Int8Matrix, epilogue: Epilogue, panels: Range<usize>, y: Output) {
    let mut sums = Sums([[[0; LANE]; HEIGHT]; LANES]);
    // SAFETY: the registers are available, as the caller guarantees.
    unsafe { configure() };
    let steps = x.width() / DEPTH;
    let groups = LINES.div_ceil(GROUP * x.rows().div_ceil(HEIGHT).max(1));
    for panel in panels {
        let lanes = matrix.words.panel(panel);
        let starts = &matrix.starts[panel * LANES..(panel + 1) * LANES];
        for (block, first) in (0..x.rows()).step_by(HEIGHT).enumerate() {
            // Each block of rows prefetches a share of the next panel, which may lie behind the matrix.
            let next = lanes.as_ptr().wrapping_add(lanes.len() + steps * (block * groups * GROUP % LINES));
            // SAFETY: as the caller guarantees.
            unsafe { multiply_tiles(x, first, lanes, Ahead { next, groups }, &mut sums) };
            for (row, &scale) in x.scales().iter().enumerate().skip(first).take(HEIGHT) {
                // SAFETY: as the caller guarantees.
                let y = unsafe { y.panel(row, panel) };
                for (lane, (sums, start)) in sums.0.iter().zip(starts).enumerate() {
                    // SAFETY: both are one register.
                    let total = unsafe {
                        let sum = _mm512_load_si512(sums[row - first].as_ptr().cast());
                        _mm512_add_epi32(sum, _mm512_loadu_si512(start.as_ptr().cast()))
                    };
                    finish(total, scale, matrix, epilogue, (panel, lane), y);
                }
            }
        }
    }
    // SAFETY: as above.
    unsafe { release() };
}

/// What is prefetched during a product.
struct Ahead {
    next: *const Words,
    /// Groups of lines with each step, at least one.
    groups: usize,
}

/// # Safety
/// The registers are configured, each as sixteen rows of 64 bytes.
unsafe fn multiply_tiles(x: &Int8Activations, first: usize, lanes: &[Words], ahead: Ahead, sums: &mut Sums) {
    let width = x.width();
    let rows = &x.values()[first * width..(first + HEIGHT) * width];
    let deep = width / DEPTH;
    assert!(deep > 0 && lanes.len() == deep * HEIGHT * LANES, "sixteen words of weights for each tile");
    // SAFETY: `rows` are sixteen rows of `deep` times 64 bytes, `width` apart, padded by their owner; `lanes` are `deep` times
    // sixteen words of four lanes of 64 bytes, 256 bytes from word to word; `sums` has four tiles of 1,024 bytes. A prefetch is
    // valid for any address.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm4, [{rows} + {width}]",
            "tileloadd tmm5, [{lanes} + {words}]",
            "tdpbusd tmm0, tmm4, tmm5",
            "tileloadd tmm6, [{lanes} + {words} + 64]",
            "tdpbusd tmm1, tmm4, tmm6",
            "tileloadd tmm7, [{lanes} + {words} + 128]",
            "tdpbusd tmm2, tmm4, tmm7",
            "tileloadd tmm5, [{lanes} + {words} + 192]",
            "tdpbusd tmm3, tmm4, tmm5",
            "mov {left}, {groups}",
            "3:",
            "prefetcht1 [{next}]",
            "prefetcht1 [{next} + 64]",
            "prefetcht1 [{next} + 128]",
            "prefetcht1 [{next} + 192]",
            "prefetcht1 [{next} + 256]",
            "prefetcht1 [{next} + 320]",
            "prefetcht1 [{next} + 384]",
            "prefetcht1 [{next} + 448]",
            "add {next}, 512",
            "dec {left}",
            "jnz 3b",
            "add {rows}, 64",
            "add {lanes}, 4096",
            "dec {deep}",
            "jnz 2b",
            "tilestored [{sums} + {row}], tmm0",
            "tilestored [{sums} + {row} + 1024], tmm1",
            "tilestored [{sums} + {row} + 2048], tmm2",
            "tilestored [{sums} + {row} + 3072], tmm3",
            rows = inout(reg) rows.as_ptr() => _,
            lanes = inout(reg) lanes.as_ptr() => _,
            deep = inout(reg) deep => _,
            next = inout(reg) ahead.next => _,
            groups = in(reg) ahead.groups,
            left = out(reg) _,
            width = in(reg) width,
            words = in(reg) 256usize,
            row = in(reg) 64usize,
            sums = in(reg) sums.0.as_mut_ptr(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
