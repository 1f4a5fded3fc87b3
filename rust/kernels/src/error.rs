//! What a caller can get wrong.

use std::fmt;

/// An argument that no kernel can work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A buffer does not hold `rows * cols` samples.
    Shape {
        /// Samples in the buffer.
        len: usize,
        /// Rows of the image it should be.
        rows: usize,
        /// Columns of the image it should be.
        cols: usize,
    },
    /// A running window has no middle: its length is even.
    EvenWindow(usize),
    /// A window holds more samples than the double heap can number.
    WindowTooLarge {
        /// Rows of the window.
        rows: usize,
        /// Columns of the window.
        cols: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { len, rows, cols } => {
                write!(f, "{len} samples cannot be an image of {rows} x {cols}")
            }
            Self::EvenWindow(length) => write!(f, "kernel_size must be odd, got {length}"),
            Self::WindowTooLarge { rows, cols } => {
                write!(f, "a window of {rows} x {cols} holds too many samples; use a smaller one")
            }
        }
    }
}

impl std::error::Error for Error {}
