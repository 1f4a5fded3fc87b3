//! Kernels that find bad pixels of integral-field exposures from the exposures themselves.
//!
//! 1. The [pedestal](mod@pedestal) is subtracted from each exposure.
//! 2. The pixel-by-pixel minimum of the exposures is the [minimum image](minimum).
//! 3. Its [running median](median) along the dispersion axis is subtracted from it. The difference
//!    is the residual.
//! 4. Pixels whose residual lies beyond one of two [percentiles](percentile) are bad
//!    ([`outliers`]). Or pixels are bad that stand out by more than a multiple of the noise
//!    ([`significance`]).
//!
//! All kernels take `f32` and `f64` and skip NaN. Their results do not depend on the number of
//! threads. Parallel work runs in the caller's current rayon pool.

#![deny(missing_docs)]

pub mod error;
pub mod image;
pub mod instructions;
pub mod mean;
pub mod median;
mod memory;
pub mod minimum;
pub mod outliers;
pub mod pedestal;
pub mod percentile;
pub mod sample;
pub mod significance;

/// Samples for each task of light work: enough to be worth a task, few enough that all threads get
/// about the same number.
pub(crate) const CHUNK: usize = 1 << 15;

pub use error::Error;
pub use image::{Image, Region};
pub use instructions::Instructions;
pub use median::{Axis, Edge, Median, RunningMedian, Window};
pub use sample::{Sample, Stored, Swapped};
