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
    /// An array is not contiguous in row-major order.
    Layout,
    /// The length of a window is even, so that it has no middle.
    EvenWindow(usize),
    /// A window has no sample.
    EmptyWindow,
    /// A window is shifted so far that it does not contain the sample that it belongs to.
    Origin {
        /// The shift.
        origin: isize,
        /// Samples in the window before the one that it belongs to, if it is not shifted.
        before: usize,
        /// Samples after it.
        after: usize,
    },
    /// `out` does not hold `rows * cols` samples, as the image does.
    Output {
        /// Samples in `out`.
        len: usize,
        /// Rows of the image.
        rows: usize,
        /// Columns of the image.
        cols: usize,
    },
    /// The array `out` has another shape than the image.
    OutputShape {
        /// Rows and columns of `out`.
        out: (usize, usize),
        /// Rows and columns of the image.
        image: (usize, usize),
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
            Self::Layout => write!(f, "the array is not contiguous in row-major order"),
            Self::EvenWindow(length) => {
                write!(f, "the length of the window must be odd, got {length}")
            }
            Self::EmptyWindow => write!(f, "a window must hold at least one sample"),
            Self::Origin { origin, before, after } => {
                write!(
                    f,
                    "the origin of this window must be from -{before} to {after}, got {origin}"
                )
            }
            Self::Output { len, rows, cols } => {
                write!(f, "out has {len} samples, the image {rows} x {cols}")
            }
            Self::OutputShape { out, image } => {
                write!(f, "out is {} x {}, the image {} x {}", out.0, out.1, image.0, image.1)
            }
            Self::WindowTooLarge { rows, cols } => {
                write!(f, "a window of {rows} x {cols} holds too many samples; use a smaller one")
            }
            Self::Memory { bytes } => {
                write!(f, "{bytes} bytes could not be allocated")
            }
        }
    }
}

impl std::error::Error for Error {}
