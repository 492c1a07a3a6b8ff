//! The outputs of a product, written panel by panel, possibly by several threads.

use std::marker::PhantomData;

use super::packed::PANEL;

/// Rows of `d_output` values, borrowed for the duration of a product.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output<'a> {
    start: *mut f32,
    rows: usize,
    d_output: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: the values are plain numbers, and `panel` requires that no two threads write the same ones.
unsafe impl Send for Output<'_> {}
// SAFETY: as above.
unsafe impl Sync for Output<'_> {}

impl<'a> Output<'a> {
    /// # Panics
    /// Values that are not rows of `d_output`.
    pub fn new(y: &'a mut [f32], d_output: usize) -> Self {
        assert!(d_output > 0 && y.len().is_multiple_of(d_output), "rows of {d_output} outputs");
        Self { start: y.as_mut_ptr(), rows: y.len() / d_output, d_output, borrow: PhantomData }
    }

    /// The outputs of a panel in a row.
    ///
    /// # Panics
    /// A row or panel that does not exist.
    ///
    /// # Safety
    /// No other slice of this row and panel is alive.
    #[inline(always)]
    pub unsafe fn panel(self, row: usize, panel: usize) -> &'a mut [f32] {
        let first = panel * PANEL;
        assert!(row < self.rows && first < self.d_output, "row {row} and panel {panel} of the outputs");
        let len = PANEL.min(self.d_output - first);
        // SAFETY: within the borrowed slice, and not aliased, as the caller guarantees.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.d_output + first), len) }
    }
}
