//! The extension module `badpix_selfcal._kernels`: conversion, threads and errors, no algorithm.
//!
//! Its callers are the Python modules of the package. They pass native, aligned, C-contiguous
//! arrays. Exposures in the other byte order are passed as unsigned integers, which hold the bits
//! of the samples. Other arrays raise `TypeError` or `ValueError`.

#![deny(missing_docs)]
#![allow(clippy::needless_pass_by_value)] // PyO3 passes arguments by value

mod convert;
mod machine;
mod medians;
mod threads;

use pyo3::prelude::*;

/// The kernels of `badpix_selfcal`.
#[pymodule]
mod _kernels {
    use crate::convert::{
        AllStored, AnyImage, AnySamples, AnyStored, axis, edge, image, image_out, kernel_error,
        samples, swapped, with_stored,
    };
    use crate::threads;
    use badpix_selfcal_kernels::{Axis, Error, Image, Region, Sample, Stored};
    use badpix_selfcal_kernels::{mean, minimum, outliers, pedestal, percentile, significance};
    use numpy::{
        Element, IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray2,
        PyUntypedArrayMethods,
    };
    use pyo3::exceptions::{PyTypeError, PyValueError};
    use pyo3::prelude::*;
    use pyo3::types::PyTuple;

    #[pymodule_export]
    use crate::{
        machine::{available_instructions, instructions, set_instructions},
        medians::{median_filter, median_kernel},
        threads::{default_threads, num_threads, set_num_threads},
    };

    /// The version of the package.
    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// The largest number of threads that can be set.
    #[pymodule_export]
    const MOST_THREADS: usize = threads::MOST_THREADS;

    /// NaN-median in the rectangle `(y0, y1, x0, x1)`, which is clipped to the image.
    ///
    /// The image may be in either byte order. Only the rectangle is read.
    #[pyfunction]
    fn pedestal_in_region(
        py: Python<'_>,
        image: AnyStored<'_>,
        gap: (usize, usize, usize, usize),
    ) -> PyResult<f64> {
        let gap = Region { y0: gap.0, y1: gap.1, x0: gap.2, x1: gap.3 };
        with_stored!(&image, |image| number(py.detach(|| pedestal::in_region(image, gap))))
    }

    /// NaN-median where a boolean mask is true; the mask has the shape of the image.
    #[pyfunction]
    fn pedestal_in_mask(
        py: Python<'_>,
        image: AnyStored<'_>,
        gap: PyReadonlyArray2<'_, bool>,
    ) -> PyResult<f64> {
        let gap = samples(&gap)?;
        with_stored!(&image, |image| number(py.detach(|| pedestal::in_mask(image, gap))))
    }

    fn number<T: Sample>(found: Result<T, Error>) -> PyResult<f64> {
        Ok(found.map_err(kernel_error)?.into())
    }

    /// Replaces the minimum image by its minimum with `exposure - pedestal`, in place.
    ///
    /// If `is_first`, `exposure - pedestal` replaces the minimum image. The exposure may be in
    /// either byte order, the minimum is in this machine's.
    #[pyfunction]
    #[pyo3(signature = (minimum, exposure, pedestal, is_first = false))]
    fn fold_minimum<'py>(
        py: Python<'py>,
        minimum: &Bound<'py, PyAny>,
        exposure: AnyStored<'py>,
        pedestal: f64,
        is_first: bool,
    ) -> PyResult<()> {
        with_stored!(&exposure, |exposure| fold(py, minimum, exposure, pedestal, is_first))
    }

    fn fold<'py, S: Stored<Sample: Element>>(
        py: Python<'py>,
        minimum: &Bound<'py, PyAny>,
        exposure: Image<'_, S>,
        pedestal: f64,
        is_first: bool,
    ) -> PyResult<()> {
        let pedestal = S::Sample::nearest(pedestal); // it has the precision of its image
        let mut minimum: PyReadwriteArray2<'py, S::Sample> = minimum.extract().map_err(|why| {
            PyTypeError::new_err(format!(
                "minimum must be a 2-D array of the exposure's precision: {why}"
            ))
        })?;
        if !minimum.is_c_contiguous() {
            return Err(PyValueError::new_err("the minimum must be C-contiguous"));
        }
        let (minimum, exposure) = (minimum.as_slice_mut()?, exposure.samples());
        let fold = if is_first { minimum::begin } else { minimum::fold };
        threads::install(py, || fold(minimum, exposure, pedestal))?.map_err(kernel_error)
    }

    /// Adds the errors of exposures, in either byte order, to their sum, and counts them, in place.
    ///
    /// All exposures have one dtype.
    #[pyfunction]
    fn add_errors(
        py: Python<'_>,
        total: PyReadwriteArray2<'_, f64>,
        count: PyReadwriteArray2<'_, u32>,
        exposures: AllStored<'_>,
    ) -> PyResult<()> {
        match &exposures {
            AllStored::F32(arrays) => add(py, total, count, arrays, image),
            AllStored::F64(arrays) => add(py, total, count, arrays, image),
            AllStored::Swapped32(arrays) => add(py, total, count, arrays, swapped::<f32>),
            AllStored::Swapped64(arrays) => add(py, total, count, arrays, swapped::<f64>),
        }
    }

    fn add<'a, A, S: Stored + 'a>(
        py: Python<'_>,
        mut total: PyReadwriteArray2<'_, f64>,
        mut count: PyReadwriteArray2<'_, u32>,
        arrays: &'a [A],
        view: impl Fn(&'a A) -> PyResult<Image<'a, S>>,
    ) -> PyResult<()> {
        if !(total.is_c_contiguous() && count.is_c_contiguous()) {
            return Err(PyValueError::new_err("the sum and the count must be C-contiguous"));
        }
        let (total, count) = (total.as_slice_mut()?, count.as_slice_mut()?);
        let errors = arrays.iter().map(|array| Ok(view(array)?.samples()));
        let errors: Vec<&[S]> = errors.collect::<PyResult<_>>()?;
        threads::install(py, || mean::add(total, count, &errors))?.map_err(kernel_error)
    }

    /// Percentiles of the samples that are not NaN, by NumPy's linear rule.
    #[pyfunction]
    fn percentiles<'py>(
        py: Python<'py>,
        image: AnySamples<'py>,
        q: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let q = samples(&q)?;
        let found = match &image {
            AnySamples::F32(array) => {
                let samples = samples(array)?;
                threads::install(py, || percentile::percentiles(samples, q))?
            }
            AnySamples::F64(array) => {
                let samples = samples(array)?;
                threads::install(py, || percentile::percentiles(samples, q))?
            }
        };
        Ok(found.map_err(kernel_error)?.into_pyarray(py))
    }

    /// Bad pixels of a minimum image: `(mask, residual, cut_low, cut_high, n_low, n_high)`.
    ///
    /// `axis` is the image axis of dispersion; None stands for a square window.
    #[pyfunction]
    #[pyo3(signature = (minimum, kernel_size, axis, flagfrac_lower, flagfrac_upper, edge))]
    fn find_bad_pixels<'py>(
        py: Python<'py>,
        minimum: AnyImage<'py>,
        kernel_size: usize,
        axis: Option<u8>,
        flagfrac_lower: f64,
        flagfrac_upper: f64,
        edge: &str,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let criteria = outliers::Criteria {
            window: kernel_size,
            dispersion: axis.map(self::axis).transpose()?,
            flagfrac_lower,
            flagfrac_upper,
            edge: self::edge(edge, f64::NAN)?,
        };
        match &minimum {
            AnyImage::F32(minimum) => find(py, minimum, &criteria),
            AnyImage::F64(minimum) => find(py, minimum, &criteria),
        }
    }

    fn find<'py, T: Sample + Element>(
        py: Python<'py>,
        array: &PyReadonlyArray2<'py, T>,
        criteria: &outliers::Criteria,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let minimum = image(array)?;
        let found =
            threads::install(py, || outliers::find(minimum, criteria))?.map_err(kernel_error)?;
        let (rows, cols) = (minimum.rows(), minimum.cols());
        (
            image_out(py, found.mask, rows, cols)?,
            image_out(py, found.residual, rows, cols)?,
            found.cut_low,
            found.cut_high,
            found.n_low,
            found.n_high,
        )
            .into_pyobject(py)
    }

    /// Bad pixels of a minimum image in units of the noise: `(mask, residual, n_low, n_high,
    /// significance, noise, error_scale)`.
    ///
    /// `axis` is the image axis of dispersion; None stands for square windows. `error` has the
    /// dtype of the minimum image. `spread` is the standard deviation of the least of as many unit
    /// normal numbers as there are exposures, `blunt` the factor of the upper cut for pixels whose
    /// edges are not sharp, `blur` the coupling of pixels and the standard deviations of the
    /// narrowest light along the dispersion and across it.
    #[pyfunction]
    #[pyo3(signature = (
        minimum, error, kernel_size, axis, sigma_lower, sigma_upper, spread, blunt, blur, edge
    ))]
    #[allow(clippy::too_many_arguments)] // the parameters of the cut
    fn find_significant_pixels<'py>(
        py: Python<'py>,
        minimum: AnyImage<'py>,
        error: Option<AnyImage<'py>>,
        kernel_size: usize,
        axis: Option<u8>,
        sigma_lower: f64,
        sigma_upper: f64,
        spread: f64,
        blunt: f64,
        blur: (f64, f64, f64),
        edge: &str,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let (coupling, along, across) = blur;
        let criteria = significance::Criteria {
            window: kernel_size,
            dispersion: axis.map(self::axis).transpose()?,
            edge: self::edge(edge, f64::NAN)?,
            lower: sigma_lower,
            upper: sigma_upper,
            spread,
            blunt,
            blur: significance::Blur { coupling, along, across },
        };
        match (&minimum, &error) {
            (AnyImage::F32(minimum), None) => find_significant(py, minimum, None, &criteria),
            (AnyImage::F64(minimum), None) => find_significant(py, minimum, None, &criteria),
            (AnyImage::F32(minimum), Some(AnyImage::F32(error))) => {
                find_significant(py, minimum, Some(error), &criteria)
            }
            (AnyImage::F64(minimum), Some(AnyImage::F64(error))) => {
                find_significant(py, minimum, Some(error), &criteria)
            }
            _ => Err(PyTypeError::new_err("error must have the dtype of the minimum image")),
        }
    }

    /// The number of the group with sharp edges of each pixel; 0 for none.
    ///
    /// `noise` and `smooth`, the light that was subtracted, have the dtype of the residual. `blur`
    /// is that of `find_significant_pixels`.
    #[pyfunction]
    #[pyo3(signature = (residual, noise, smooth, missing, level, axis, blur))]
    #[allow(clippy::too_many_arguments)] // images and parameters of the rule
    fn sharp_groups<'py>(
        py: Python<'py>,
        residual: AnyImage<'py>,
        noise: AnyImage<'py>,
        smooth: AnyImage<'py>,
        missing: PyReadonlyArray2<'py, bool>,
        level: f64,
        axis: Option<u8>,
        blur: (f64, f64, f64),
    ) -> PyResult<Bound<'py, PyAny>> {
        let (coupling, along, across) = blur;
        let blur = significance::Blur { coupling, along, across };
        let how = (axis.map(self::axis).transpose()?, blur);
        let missing = missing.as_slice()?;
        match (&residual, &noise, &smooth) {
            (AnyImage::F32(residual), AnyImage::F32(noise), AnyImage::F32(smooth)) => {
                number_groups(py, [residual, noise, smooth], missing, level, how)
            }
            (AnyImage::F64(residual), AnyImage::F64(noise), AnyImage::F64(smooth)) => {
                number_groups(py, [residual, noise, smooth], missing, level, how)
            }
            _ => Err(PyTypeError::new_err("the images must have the dtype of the residual")),
        }
    }

    fn number_groups<'py, T: Sample + Element>(
        py: Python<'py>,
        [residual, noise, smooth]: [&PyReadonlyArray2<'py, T>; 3],
        missing: &[bool],
        level: f64,
        how: (Option<Axis>, significance::Blur),
    ) -> PyResult<Bound<'py, PyAny>> {
        let (residual, noise, smooth) = (image(residual)?, image(noise)?, image(smooth)?);
        let (rows, cols) = (residual.rows(), residual.cols());
        let groups = threads::install(py, || {
            significance::sharp_groups(residual, noise, Some(smooth), missing, level, how)
        })?;
        image_out(py, groups.map_err(kernel_error)?, rows, cols)
    }

    fn find_significant<'py, T: Sample + Element>(
        py: Python<'py>,
        minimum: &PyReadonlyArray2<'py, T>,
        error: Option<&PyReadonlyArray2<'py, T>>,
        criteria: &significance::Criteria,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let (minimum, error) = (image(minimum)?, error.map(image).transpose()?);
        let found = threads::install(py, || significance::find(minimum, error, criteria))?
            .map_err(kernel_error)?;
        let (rows, cols) = (minimum.rows(), minimum.cols());
        (
            image_out(py, found.mask, rows, cols)?,
            image_out(py, found.residual, rows, cols)?,
            found.n_low,
            found.n_high,
            image_out(py, found.significance, rows, cols)?,
            image_out(py, found.noise, rows, cols)?,
            found.error_scale,
        )
            .into_pyobject(py)
    }
}
