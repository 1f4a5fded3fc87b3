//! Kernels of the self-calibration of bad pixels in integral-field exposures.
//!
//! The step they serve finds bad pixels from the exposures themselves: exposures, less their
//! [pedestal](mod@pedestal), are folded into a [minimum image](minimum); what stands out of its
//! [running median](median) along the dispersion axis is cut at two [percentiles](percentile) of
//! the residual ([`outliers`]).
//!
//! Everything is generic over `f32` and `f64`, skips NaN, and gives the same bits whatever the
//! number of threads. Parallel work runs in the caller's current rayon pool.

#![deny(missing_docs)]

pub mod error;
pub mod image;
pub mod median;
pub mod minimum;
pub mod outliers;
pub mod pedestal;
pub mod percentile;
pub mod sample;

pub use error::Error;
pub use image::{Image, Region};
pub use median::{Axis, Edge, RunningMedian, Window};
pub use sample::{Sample, Stored};
