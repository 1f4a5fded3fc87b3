//! The running median of arrays.

use crate::convert::{edge, kernel_error, method, samples};
use crate::{machine, threads};
use badpix_selfcal_kernels::median::{Median, Reach};
use badpix_selfcal_kernels::{Error, Image, Sample};
use numpy::{Element, PyArrayDescrMethods, PyReadonlyArray3, PyReadwriteArray3};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use rayon::prelude::*;

/// A stack of images of either sample type.
pub enum AnyStack<'py> {
    F32(PyReadonlyArray3<'py, f32>),
    F64(PyReadonlyArray3<'py, f64>),
}

impl<'py> FromPyObject<'_, 'py> for AnyStack<'py> {
    type Error = PyErr;

    // Derived code tries each type: the error of the first one, which is dropped, takes 8 microseconds.
    fn extract(stack: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let bytes = stack.cast::<PyUntypedArray>()?.dtype().itemsize();
        if bytes == size_of::<f32>() {
            Ok(Self::F32(stack.extract()?))
        } else {
            Ok(Self::F64(stack.extract()?))
        }
    }
}

/// Writes the running median of each image of a stack to `out`, which has its shape and dtype.
///
/// The window extends `(before, after)` rows and columns. `fill` is the value of the edge
/// "constant". With `deviation`, the running median of the deviations from the running median is
/// written.
#[pyfunction]
#[pyo3(signature = (images, out, rows, cols, edge, fill, min_count, method, deviation = false))]
#[allow(clippy::too_many_arguments)] // the parameters of the filter
pub fn median_filter<'py>(
    py: Python<'py>,
    images: AnyStack<'py>,
    out: &Bound<'py, PyAny>,
    rows: (usize, usize),
    cols: (usize, usize),
    edge: &str,
    fill: f64,
    min_count: usize,
    method: &str,
    deviation: bool,
) -> PyResult<()> {
    let [height, width] = [rows, cols].map(|(before, after)| Reach { before, after });
    let median = Median::reaching(height, width)
        .edge(self::edge(edge, fill)?)
        .min_count(min_count)
        .method(self::method(method)?);
    match &images {
        AnyStack::F32(images) => filter(py, images, out, median, deviation),
        AnyStack::F64(images) => filter(py, images, out, median, deviation),
    }
}

fn filter<'py, T: Sample + Element>(
    py: Python<'py>,
    images: &PyReadonlyArray3<'py, T>,
    out: &Bound<'py, PyAny>,
    median: Median,
    deviation: bool,
) -> PyResult<()> {
    let mut out: PyReadwriteArray3<'py, T> = out.extract().map_err(|why| {
        PyTypeError::new_err(format!("out must be a 3-D array of the images' dtype: {why}"))
    })?;
    if !out.is_c_contiguous() || out.shape() != images.shape() {
        return Err(PyValueError::new_err("out must be C-contiguous, with the images' shape"));
    }
    let [rows, cols] = [images.shape()[1], images.shape()[2]];
    let (samples, out) = (samples(images)?, out.as_slice_mut()?);
    if samples.is_empty() {
        return Ok(());
    }
    let count = samples.len();
    let filter_one = |(samples, out): (&[T], &mut [T])| {
        let image = Image::new(samples, rows, cols)?;
        if deviation { median.run_deviation(image, out) } else { median.run(image, out) }
    };
    let work = || -> Result<(), Error> {
        median.kernel(rows, cols)?; // builds the table that all images use
        let images = samples.par_chunks(rows * cols).zip(out.par_chunks_mut(rows * cols));
        images.try_for_each(filter_one)
    };
    threads::install_for(py, count, work)?.map_err(kernel_error)
}

/// The kernel that computes a running median: "compiled network", "network table", "double
/// heap", or "copy" if the window has one sample or the image none.
///
/// The window has `height` rows and `width` columns, the image has `rows` rows and `cols`
/// columns. A network table that is not built yet is built here and kept for the running
/// median.
#[pyfunction]
#[pyo3(signature = (height, width, rows, cols, method = "auto"))]
pub fn median_kernel(
    py: Python<'_>,
    height: usize,
    width: usize,
    rows: usize,
    cols: usize,
    method: &str,
) -> PyResult<String> {
    let median = Median::rectangle(height, width).method(self::method(method)?);
    machine::settle()?;
    Ok(py.detach(|| median.kernel(rows, cols)).map_err(kernel_error)?.to_string())
}
