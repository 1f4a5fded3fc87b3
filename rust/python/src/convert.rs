//! Between NumPy arrays and the kernels' views, Python names and the kernels' types.

use badpix_selfcal_kernels::median::Method;
use badpix_selfcal_kernels::{Axis, Edge, Error, Image};
use numpy::ndarray::{Dimension, Ix2};
use numpy::{Element, IntoPyArray, PyArrayMethods, PyUntypedArrayMethods};
use numpy::{PyReadonlyArray, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// A 2-D image of either sample type.
#[derive(FromPyObject)]
pub enum AnyImage<'py> {
    F32(PyReadonlyArray2<'py, f32>),
    F64(PyReadonlyArray2<'py, f64>),
}

/// A 2-D image of either sample type in either byte order.
///
/// In the other order than this machine's, samples come as the unsigned integers of their bits.
#[derive(FromPyObject)]
pub enum AnyStored<'py> {
    F32(PyReadonlyArray2<'py, f32>),
    F64(PyReadonlyArray2<'py, f64>),
    Swapped32(PyReadonlyArray2<'py, u32>),
    Swapped64(PyReadonlyArray2<'py, u64>),
}

/// A 1-D run of either sample type.
#[derive(FromPyObject)]
pub enum AnySamples<'py> {
    F32(PyReadonlyArray1<'py, f32>),
    F64(PyReadonlyArray1<'py, f64>),
}

/// The samples of an array in row-major order.
pub fn samples<'a, T: Element, D: Dimension>(
    array: &'a PyReadonlyArray<'_, T, D>,
) -> PyResult<&'a [T]> {
    // `as_slice` alone would take column-major samples too, in the order of memory.
    if array.is_c_contiguous() {
        Ok(array.as_slice()?)
    } else {
        Err(PyValueError::new_err("the array must be C-contiguous; use numpy.ascontiguousarray"))
    }
}

/// The kernels' view of an array.
pub fn image<'a, T: Copy + Element>(array: &'a PyReadonlyArray2<'_, T>) -> PyResult<Image<'a, T>> {
    let [rows, cols] = [array.shape()[0], array.shape()[1]];
    Image::new(samples(array)?, rows, cols).map_err(kernel_error)
}

/// A kernel's image or mask as a NumPy array, without a copy.
pub fn image_out<T: Element>(
    py: Python<'_>,
    samples: Vec<T>,
    rows: usize,
    cols: usize,
) -> PyResult<Bound<'_, PyAny>> {
    Ok(samples.into_pyarray(py).reshape(Ix2(rows, cols))?.into_any())
}

/// The axis of that number.
pub fn axis(axis: u8) -> PyResult<Axis> {
    match axis {
        0 => Ok(Axis::Y),
        1 => Ok(Axis::X),
        _ => Err(PyValueError::new_err(format!("axis must be 0 or 1, got {axis}"))),
    }
}

/// The edge of that name.
pub fn edge(edge: &str) -> PyResult<Edge> {
    match edge {
        "zero" => Ok(Edge::Zero),
        "shrink" => Ok(Edge::Shrink),
        _ => Err(PyValueError::new_err(format!("edge must be 'zero' or 'shrink', got {edge:?}"))),
    }
}

/// The running median of that name.
pub fn method(method: &str) -> PyResult<Method> {
    match method {
        "auto" => Ok(Method::Auto),
        "heap" => Ok(Method::Heap),
        "network" => Ok(Method::Network),
        _ => Err(PyValueError::new_err(format!(
            "method must be 'auto', 'heap' or 'network', got {method:?}"
        ))),
    }
}

/// A kernel's complaint as a `ValueError`.
#[allow(clippy::needless_pass_by_value)] // the form that `map_err` takes
pub fn kernel_error(error: Error) -> PyErr {
    PyValueError::new_err(error.to_string())
}
