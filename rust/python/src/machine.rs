//! The instruction set of the kernels: which there are, which is used, and how one is forced.

use badpix_selfcal_kernels::Instructions;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::env;

const VARIABLE: &str = "BADPIX_SELFCAL_INSTRUCTIONS";

/// The instruction sets of this machine that the kernels are compiled for, narrowest first.
#[pyfunction]
pub fn available_instructions() -> Vec<&'static str> {
    let available = Instructions::ALL.into_iter().filter(|set| set.is_available());
    available.map(Instructions::name).collect()
}

/// The instruction set that the kernels use.
///
/// Raises `ValueError` if none is set and `BADPIX_SELFCAL_INSTRUCTIONS` names none of this machine.
#[pyfunction]
pub fn instructions() -> PyResult<&'static str> {
    settle()?;
    Ok(Instructions::in_use().name())
}

/// Sets the instruction set that the kernels use from now on. Results do not depend on it.
///
/// None stands for the default: `BADPIX_SELFCAL_INSTRUCTIONS` or, where that is not set, the widest
/// of this machine.
///
/// Raises `ValueError` for a name that is none of this machine.
#[pyfunction]
pub fn set_instructions(name: Option<&str>) -> PyResult<()> {
    match name {
        Some(name) => force(name, "name"),
        None => use_default(),
    }
}

/// Uses the set that the variable names, unless one is set already.
pub fn settle() -> PyResult<()> {
    match Instructions::forced() {
        Some(_) => Ok(()),
        None => use_default(),
    }
}

fn use_default() -> PyResult<()> {
    match env::var_os(VARIABLE) {
        Some(value) if !value.is_empty() => force(value.to_string_lossy().trim(), VARIABLE),
        _ => {
            Instructions::use_widest();
            Ok(())
        }
    }
}

/// Forces the set of a name, which `source` gives.
fn force(name: &str, source: &str) -> PyResult<()> {
    let set = Instructions::ALL.into_iter().find(|set| set.name() == name);
    if set.is_some_and(Instructions::force) {
        return Ok(());
    }
    Err(PyValueError::new_err(format!(
        "{source} must be one of {}, which this machine has; got {name:?}",
        available_instructions().join(", ")
    )))
}
