//! The thread pool that the kernels run in: our own, built when first needed, safe after `fork`.
//!
//! A forked child inherits the pool's bookkeeping but none of its threads, so that waiting for
//! them would never end. The pool therefore remembers the process it was built in and is built
//! anew in another. Its lock is only ever taken by a thread attached to the interpreter and
//! released before it detaches: Python's `fork` holds the interpreter too, so a child never
//! inherits the lock taken.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{env, mem, process, thread};

const VARIABLE: &str = "BADPIX_SELFCAL_NUM_THREADS";
/// The most threads that may be asked for.
pub const MOST: usize = 1024;

struct State {
    /// What `set_num_threads` asked for.
    requested: Option<usize>,
    built: Option<Built>,
}

struct Built {
    process: u32,
    pool: Arc<ThreadPool>,
}

static STATE: Mutex<State> = Mutex::new(State { requested: None, built: None });

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` in the pool, detached from the interpreter.
pub fn install<R: Send>(py: Python<'_>, work: impl FnOnce() -> R + Send) -> PyResult<R> {
    let pool = current()?;
    Ok(py.detach(|| pool.install(work)))
}

fn current() -> PyResult<Arc<ThreadPool>> {
    let mut state = state();
    if let Some(built) = &state.built
        && built.process == process::id()
    {
        return Ok(Arc::clone(&built.pool));
    }
    let pool = Arc::new(build(size(state.requested)?)?);
    let inherited = state.built.replace(Built { process: process::id(), pool: Arc::clone(&pool) });
    // Dropping a pool wakes its threads; a pool inherited by fork has none to wake.
    mem::forget(inherited);
    Ok(pool)
}

fn build(threads: usize) -> PyResult<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("badpix-selfcal-{index}"))
        .build()
        .map_err(|error| {
            PyRuntimeError::new_err(format!("cannot start {threads} threads: {error}"))
        })
}

fn size(requested: Option<usize>) -> PyResult<usize> {
    match (requested, env::var_os(VARIABLE)) {
        (Some(threads), _) => Ok(threads),
        (None, Some(value)) if !value.is_empty() => from_variable(&value.to_string_lossy()),
        // What affinity and cgroup quota let this process use.
        (None, _) => Ok(thread::available_parallelism().map_or(1, usize::from).min(MOST)),
    }
}

fn from_variable(value: &str) -> PyResult<usize> {
    match value.trim().parse() {
        Ok(threads) if (1..=MOST).contains(&threads) => Ok(threads),
        _ => Err(PyValueError::new_err(format!(
            "{VARIABLE} must be a whole number from 1 to {MOST}, got {value:?}; set one or unset it"
        ))),
    }
}

/// The number of threads that the kernels use; starts them if they do not run yet.
///
/// Raises `ValueError` if `BADPIX_SELFCAL_NUM_THREADS` is set and not a whole number from 1 to
/// 1024, `RuntimeError` if the threads cannot be started.
#[pyfunction]
pub fn num_threads() -> PyResult<usize> {
    Ok(current()?.current_num_threads())
}

/// Sets the number of threads that the kernels use from now on.
///
/// `threads` is from 1 to 1024; None stands for `BADPIX_SELFCAL_NUM_THREADS` or, where that is not
/// set, for the CPUs that this process may use. Results do not depend on it.
///
/// Raises `ValueError` for any other number.
#[pyfunction]
#[pyo3(signature = (threads))]
pub fn set_num_threads(threads: Option<i64>) -> PyResult<()> {
    let requested = match threads.map(usize::try_from) {
        None => None,
        Some(Ok(threads)) if (1..=MOST).contains(&threads) => Some(threads),
        Some(_) => {
            let got = threads.unwrap_or_default();
            return Err(PyValueError::new_err(format!(
                "threads must be from 1 to {MOST}, or None for the default, got {got}"
            )));
        }
    };
    let mut state = state();
    state.requested = requested;
    let replaced = state.built.take();
    drop(state);
    if let Some(built) = replaced
        && built.process != process::id()
    {
        mem::forget(built);
    }
    Ok(())
}
