//! Running medians that skip NaN, and the kernels around them that find bad pixels of
//! integral-field exposures from the exposures themselves.
//!
//! [`Median`] is the running median of an image: along an axis or over a rectangle, for odd, even
//! and shifted windows and all usual borders. [`RunningMedian`] is that of a stream.
//!
//! ```
//! use badpix_selfcal_kernels::{Axis, Edge, Image, Median};
//!
//! let samples = [1.0f32, 2.0, 90.0, f32::NAN, 4.0, 5.0];
//! let image = Image::new(&samples, 2, 3)?;
//! let medians = Median::along(Axis::X, 3).edge(Edge::Shrink).medians(image)?;
//! assert_eq!(medians, [1.5, 2.0, 46.0, 4.0, 4.5, 4.5]);
//! # Ok::<(), badpix_selfcal_kernels::Error>(())
//! ```
//!
//! # Bad pixels
//!
//! 1. The [pedestal](mod@pedestal) is subtracted from each exposure.
//! 2. The pixel-by-pixel minimum of the exposures is the [minimum image](minimum).
//! 3. Its [running median](median) along the dispersion axis is subtracted from it. The difference
//!    is the residual.
//! 4. Pixels whose residual lies beyond one of two [percentiles](percentile) are bad
//!    ([`outliers`]). Or pixels are bad that stand out by more than a multiple of the noise
//!    ([`significance`]).
//!
//! # All of them
//!
//! All kernels take `f32` and `f64` and skip NaN. Their results do not depend on the number of
//! threads. Parallel work runs in the caller's current rayon pool.

#![deny(missing_docs)]

pub mod error;
pub mod image;
pub mod instructions;
mod lanes;
pub mod mean;
pub mod median;
mod memory;
pub mod minimum;
pub mod outliers;
pub mod pedestal;
pub mod percentile;
pub mod sample;
pub mod significance;
#[cfg(test)]
mod testing;

/// Samples for each task of light work: enough to be worth a task, few enough that all threads get
/// about the same number.
pub(crate) const CHUNK: usize = 1 << 15;

pub use error::Error;
pub use image::{Image, Region};
pub use instructions::Instructions;
pub use median::{Axis, Edge, Kernel, Median, Method, Reach, RunningMedian};
pub use sample::{Sample, Stored, Swapped};

#[cfg(feature = "ndarray")]
mod views;
