//! Products in the matrix registers (AMX) of Intel's server processors since 2023.
//!
//! A register holds a tile of sixteen rows of 64 bytes. One instruction multiplies a left tile by a right one, 16 × 32 by
//! 32 × 16, and adds the product to a tile of sums. This is sixteen times the rate of float32 vectors, so most of the time
//! goes into packing the operands ([`super::pack`]).

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

use super::pack::{LINES, Tile};
use crate::matmul::vectors::Unit;

/// Whether the processor has the instructions and the system permits their use.
pub fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        const TILES_AND_BF16: u32 = 1 << 24 | 1 << 22; // CPUID leaf 7, EDX
        Unit::bfloat16().is_some() && __cpuid_count(7, 0).edx & TILES_AND_BF16 == TILES_AND_BF16 && permitted()
    })
}

/// Whether the registers multiply 8-bit integers, too, and the system permits their use.
pub fn int8_available() -> bool {
    const INT8: u32 = 1 << 25; // CPUID leaf 7, EDX
    available() && __cpuid_count(7, 0).edx & INT8 == INT8
}

/// Requests the matrix registers from the system, which then saves them for every thread of the process.
fn permitted() -> bool {
    #[cfg(not(target_os = "linux"))]
    return false;
    #[cfg(target_os = "linux")]
    {
        const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
        const XFEATURE_XTILEDATA: libc::c_long = 18;
        // SAFETY: this request reads and writes no memory of the process.
        unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
    }
}

/// Configures each of the eight registers as sixteen rows of 64 bytes.
///
/// # Safety
/// The registers are available.
pub unsafe fn configure() {
    #[repr(C, align(64))]
    struct Configuration {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        row_bytes: [u16; 16],
        rows: [u8; 16],
    }
    static CONFIGURATION: Configuration = {
        let mut all = Configuration { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        let mut i = 0;
        while i < 8 {
            (all.row_bytes[i], all.rows[i]) = (64, LINES as u8);
            i += 1;
        }
        all
    };
    // SAFETY: the registers are available, as the caller guarantees.
    unsafe {
        asm!(
            "ldtilecfg [{}]",
            in(reg) &raw const CONFIGURATION,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack, preserves_flags, readonly),
        );
    }
}

/// Releases the registers; thread switches are slower while they are in use.
///
/// # Safety
/// The registers are available.
pub unsafe fn release() {
    // SAFETY: their contents are no longer needed.
    unsafe {
        asm!(
            "tilerelease",
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nomem, nostack, preserves_flags),
        );
    }
}

/// `sums[2 i + j]` = Σ over `deep` tiles of `left[i]` · `right[j]`.
///
/// # Safety
/// The registers are configured, and each pointer points to `deep` tiles, at least one.
pub unsafe fn multiply_tiles(left: [*const Tile; 2], right: [*const Tile; 2], deep: usize, sums: &mut [Tile; 4]) {
    // SAFETY: reads `deep` tiles from each pointer, and writes four.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm4, [{left_0} + {row}]",
            "tileloadd tmm6, [{right_0} + {row}]",
            "tileloadd tmm7, [{right_1} + {row}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm5, [{left_1} + {row}]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {left_0}, 1024",
            "add {left_1}, 1024",
            "add {right_0}, 1024",
            "add {right_1}, 1024",
            "dec {deep}",
            "jnz 2b",
            "tilestored [{sums} + {row}], tmm0",
            "tilestored [{sums} + {row} + 1024], tmm1",
            "tilestored [{sums} + {row} + 2048], tmm2",
            "tilestored [{sums} + {row} + 3072], tmm3",
            left_0 = inout(reg) left[0] => _,
            left_1 = inout(reg) left[1] => _,
            right_0 = inout(reg) right[0] => _,
            right_1 = inout(reg) right[1] => _,
            deep = inout(reg) deep => _,
            row = in(reg) 64usize,
            sums = in(reg) sums.as_mut_ptr(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
