//! Conversion of NumPy arrays to the kernels' views, and of Python values to the kernels' types.

use badpix_selfcal_kernels::median::Method;
use badpix_selfcal_kernels::{Axis, Edge, Error, Image, Sample, Swapped};
use numpy::ndarray::{Dimension, Ix2};
use numpy::{Element, IntoPyArray, PyArrayMethods, PyUntypedArrayMethods};
use numpy::{PyReadonlyArray, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::prelude::*;

/// A 2-D image of either sample type.
#[derive(FromPyObject)]
pub enum AnyImage<'py> {
    F32(PyReadonlyArray2<'py, f32>),
    F64(PyReadonlyArray2<'py, f64>),
}

/// A 2-D image of either sample type in either byte order.
///
/// NumPy arrays in the other order than this machine's are passed as unsigned integers, which hold
/// the bits of the samples.
#[derive(FromPyObject)]
pub enum AnyStored<'py> {
    F32(PyReadonlyArray2<'py, f32>),
    F64(PyReadonlyArray2<'py, f64>),
    Swapped32(PyReadonlyArray2<'py, u32>),
    Swapped64(PyReadonlyArray2<'py, u64>),
}

/// Images of one sample type and byte order.
#[derive(FromPyObject)]
pub enum AllStored<'py> {
    F32(Vec<PyReadonlyArray2<'py, f32>>),
    F64(Vec<PyReadonlyArray2<'py, f64>>),
    Swapped32(Vec<PyReadonlyArray2<'py, u32>>),
    Swapped64(Vec<PyReadonlyArray2<'py, u64>>),
}

/// A 1-D array of either sample type.
#[derive(FromPyObject)]
pub enum AnySamples<'py> {
    F32(PyReadonlyArray1<'py, f32>),
    F64(PyReadonlyArray1<'py, f64>),
}

/// The samples of an array in row-major order.
pub fn samples<'a, T: Element, D: Dimension>(
    array: &'a PyReadonlyArray<'_, T, D>,
) -> PyResult<&'a [T]> {
    // `as_slice` also accepts column-major arrays, and returns them in the order of memory.
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

/// The kernels' view of an array that holds the bits of samples in the other byte order.
pub fn swapped<'a, T: Sample<Bits: Element>>(
    array: &'a PyReadonlyArray2<'_, T::Bits>,
) -> PyResult<Image<'a, Swapped<T>>> {
    let [rows, cols] = [array.shape()[0], array.shape()[1]];
    Image::new(Swapped::view(samples(array)?), rows, cols).map_err(kernel_error)
}

/// Runs `$work` on the kernels' view of an image of any type.
macro_rules! with_stored {
    ($array:expr, |$image:ident| $work:expr) => {
        match $array {
            AnyStored::F32(array) => {
                let $image = image(array)?;
                $work
            }
            AnyStored::F64(array) => {
                let $image = image(array)?;
                $work
            }
            AnyStored::Swapped32(array) => {
                let $image = swapped::<f32>(array)?;
                $work
            }
            AnyStored::Swapped64(array) => {
                let $image = swapped::<f64>(array)?;
                $work
            }
        }
    };
}
pub(crate) use with_stored;

/// A kernel's image or mask as a NumPy array, without a copy.
pub fn image_out<T: Element>(
    py: Python<'_>,
    samples: Vec<T>,
    rows: usize,
    cols: usize,
) -> PyResult<Bound<'_, PyAny>> {
    Ok(samples.into_pyarray(py).reshape(Ix2(rows, cols))?.into_any())
}

/// The axis with that number.
pub fn axis(axis: u8) -> PyResult<Axis> {
    match axis {
        0 => Ok(Axis::Y),
        1 => Ok(Axis::X),
        _ => Err(PyValueError::new_err(format!("axis must be 0 or 1, got {axis}"))),
    }
}

/// The edge of that name; `fill` is the value of a constant one.
pub fn edge(edge: &str, fill: f64) -> PyResult<Edge> {
    match edge {
        "zero" => Ok(Edge::Zero),
        "constant" => Ok(Edge::Constant(fill)),
        "shrink" => Ok(Edge::Shrink),
        "nearest" => Ok(Edge::Nearest),
        "reflect" => Ok(Edge::Reflect),
        "mirror" => Ok(Edge::Mirror),
        "wrap" => Ok(Edge::Wrap),
        _ => Err(PyValueError::new_err(format!("there is no edge {edge:?}"))),
    }
}

/// The method of that name.
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

/// A kernel's error: `MemoryError` if there was too little, else `ValueError`.
#[allow(clippy::needless_pass_by_value)] // the signature that `map_err` expects
pub fn kernel_error(error: Error) -> PyErr {
    match error {
        Error::Memory { .. } => PyMemoryError::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}
