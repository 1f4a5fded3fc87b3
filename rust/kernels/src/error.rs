//! Errors in a caller's arguments, and of memory that is too small for them.

use std::fmt;

/// Why a kernel has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A buffer does not hold `rows * cols` samples.
    Shape {
        /// Samples in the buffer.
        len: usize,
        /// Expected rows.
        rows: usize,
        /// Expected columns.
        cols: usize,
    },
    /// An array is not in row-major order.
    Layout,
    /// The length of a window is even, so that it has no middle.
    EvenWindow(usize),
    /// A window has no sample.
    EmptyWindow,
    /// A window is shifted so far that it does not contain the sample that it belongs to.
    Origin {
        /// The shift.
        origin: isize,
        /// Samples in the window.
        window: usize,
    },
    /// A window holds 2^31 samples or more: too many for the double heap.
    WindowTooLarge {
        /// Rows of the window.
        rows: usize,
        /// Columns of the window.
        cols: usize,
    },
    /// The system has too little memory for the work.
    Memory {
        /// Bytes that could not be allocated at once.
        bytes: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { len, rows, cols } => {
                write!(f, "{len} samples cannot be an image of {rows} x {cols}")
            }
            Self::Layout => write!(f, "the array is not in row-major order"),
            Self::EvenWindow(length) => {
                write!(f, "the length of the window must be odd, got {length}")
            }
            Self::EmptyWindow => write!(f, "a window must hold at least one sample"),
            Self::Origin { origin, window } => {
                let (least, most) = (window / 2, window.saturating_sub(1) / 2);
                write!(
                    f,
                    "the origin of a window of {window} must be from -{least} to {most}, got {origin}"
                )
            }
            Self::WindowTooLarge { rows, cols } => {
                write!(f, "a window of {rows} x {cols} holds too many samples; use a smaller one")
            }
            Self::Memory { bytes } => {
                write!(f, "out of memory: {bytes} bytes could not be allocated")
            }
        }
    }
}

impl std::error::Error for Error {}
