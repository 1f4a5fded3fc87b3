//! The thread pool in which the kernels run: one for the process, started when first needed.
//!
//! A child process made by `fork` inherits the record of the pool but none of its threads. A kernel
//! that waited for them would never return. So the record holds the process that started the pool,
//! and another process starts its own.
//!
//! The child never inherits a locked record either. Only threads that are attached to the
//! interpreter lock it, and they unlock it before they detach. Python's `fork` is attached as well,
//! so no other thread holds the lock at that moment.

use crate::convert::kernel_error;
use crate::machine;
use badpix_selfcal_kernels::Error;
use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;
use std::{env, hint, mem, process, thread};

const VARIABLE: &str = "BADPIX_SELFCAL_NUM_THREADS";

/// The largest number of threads that can be set.
pub const MOST_THREADS: usize = 1024;

/// The state of this module.
struct Record {
    /// The number that `set_num_threads` set, if any.
    requested: Option<usize>,
    started: Option<Started>,
}

/// A pool, and the process that started it.
struct Started {
    process: u32,
    pool: Arc<ThreadPool>,
}

static RECORD: Mutex<Record> = Mutex::new(Record { requested: None, started: None });

fn record() -> MutexGuard<'static, Record> {
    RECORD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Record {
    /// The running pool of this process.
    fn pool(&self) -> Option<&Arc<ThreadPool>> {
        let started = self.started.as_ref()?;
        (started.process == process::id()).then_some(&started.pool)
    }

    /// The number of threads that a pool started now would have.
    fn size(&self) -> PyResult<usize> {
        self.requested.map_or_else(default_threads, Ok)
    }

    /// Forgets the pool. Its threads end when the kernels that run in it return.
    fn forget_pool(&mut self) {
        if let Some(started) = self.started.take()
            && started.process != process::id()
        {
            // Dropping a pool wakes its threads. An inherited pool has none.
            mem::forget(started);
        }
    }
}

/// Runs `work` in the pool, detached from the interpreter.
pub fn install<R: Send>(py: Python<'_>, work: impl FnOnce() -> R + Send) -> PyResult<R> {
    machine::settle()?;
    let pool = current(py)?;
    let _reserve = reserve()?;
    Ok(py.detach(|| pool.install(work)))
}

/// Runs `work` on some samples: of few, in the calling thread, if that is the first to do so.
///
/// To hand work to the threads of the pool and to wait for them takes 15 to 30 microseconds.
pub fn install_for<R: Send>(
    py: Python<'_>,
    samples: usize,
    work: impl FnOnce() -> R + Send,
) -> PyResult<R> {
    const FEW: usize = 1 << 12;
    if samples > FEW {
        return install(py, work);
    }
    match alone() {
        None => install(py, work),
        Some(pool) => {
            machine::settle()?;
            let _reserve = reserve()?;
            Ok(py.detach(|| pool.install(work)))
        }
    }
}

/// A pool without threads, if this is the thread that made it: that works as its only one.
///
/// There is one only, because such a pool stays after its thread has ended. A child process made by
/// `fork` has it, if the thread that forked has.
fn alone() -> Option<&'static ThreadPool> {
    static ALONE: OnceLock<(ThreadId, Option<ThreadPool>)> = OnceLock::new();
    let (thread, pool) = ALONE.get_or_init(|| {
        let builder = ThreadPoolBuilder::new().num_threads(1).use_current_thread();
        (thread::current().id(), builder.build().ok())
    });
    pool.as_ref().filter(|_| *thread == thread::current().id())
}

/// Memory that no kernel can take. It is given back before the results become objects of the
/// interpreter, which must not fail.
fn reserve() -> PyResult<Vec<u8>> {
    const BYTES: usize = 1 << 20;
    let mut reserve = Vec::new();
    let reserved = reserve.try_reserve_exact(BYTES);
    reserved.map_err(|_| kernel_error(Error::Memory { bytes: BYTES }))?;
    Ok(hint::black_box(reserve)) // else the compiler leaves it out
}

/// The pool of this process, which is started if it does not run.
///
/// The record is not locked meanwhile: what is imported for the start lets other threads run, and one
/// of them could wait for the lock while it is attached to the interpreter.
fn current(py: Python<'_>) -> PyResult<Arc<ThreadPool>> {
    let size = {
        let record = record();
        if let Some(pool) = record.pool() {
            return Ok(Arc::clone(pool));
        }
        record.size()?
    };
    let pool = Arc::new(start(py, size)?);
    let mut record = record();
    if let Some(other) = record.pool() {
        return Ok(Arc::clone(other));
    }
    if record.size()? == size {
        record.forget_pool();
        record.started = Some(Started { process: process::id(), pool: Arc::clone(&pool) });
    }
    Ok(pool)
}

fn start(py: Python<'_>, threads: usize) -> PyResult<ThreadPool> {
    // A thread that starts and then lacks memory for its own data ends the process. So there must
    // be enough for the stack of each, which has 2 MiB, and for its data.
    const BYTES_FOR_EACH: usize = 3 << 20;
    drop(room(py, BYTES_FOR_EACH * threads)?);
    share_heap(py, threads);
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("badpix-selfcal-{index}"))
        .build()
        .map_err(|error| {
            PyMemoryError::new_err(format!("cannot start {threads} threads: {error}"))
        })?;
    // Each thread has the memory that it needs for itself before a kernel takes the rest.
    pool.broadcast(|_| ());
    Ok(pool)
}

/// Lets all threads share one heap where there are too few addresses for one of each.
///
/// glibc reserves up to 128 MiB of addresses for the heap of a thread. Where it cannot, it tries
/// again at every small allocation of that thread, by six calls of the system.
fn share_heap(py: Python<'_>, threads: usize) {
    const BYTES_FOR_EACH: usize = 128 << 20;
    const PRIVATE_ANONYMOUS: i32 = 0x22; // as glibc reserves them: they need no memory
    const NO_ACCESS: i32 = 0;
    const M_ARENA_MAX: i32 = -8;
    let reserve = || {
        let how = (-1, BYTES_FOR_EACH * threads, PRIVATE_ANONYMOUS, NO_ACCESS);
        py.import("mmap")?.getattr("mmap")?.call1(how)
    };
    let share = || {
        let library = py.import("ctypes")?.getattr("CDLL")?.call1((py.None(),))?;
        library.call_method1("mallopt", (M_ARENA_MAX, 1))
    };
    if cfg!(target_env = "gnu") && reserve().is_err() {
        drop(share()); // without it the kernels are slower, no more
    }
}

/// New memory from the system. What the allocator has in reserve is of no use for stacks.
fn room(py: Python<'_>, bytes: usize) -> PyResult<Bound<'_, PyAny>> {
    let map = || py.import("mmap")?.getattr("mmap")?.call1((-1, bytes));
    map().map_err(|_| kernel_error(Error::Memory { bytes }))
}

/// The number of threads that the kernels use unless another is set.
///
/// It is the value of `BADPIX_SELFCAL_NUM_THREADS`. Where that is not set, it is the number of CPUs
/// that this process may use, at most 1024. Starts no threads.
///
/// Raises `ValueError` if the variable is not a whole number from 1 to 1024.
#[pyfunction]
pub fn default_threads() -> PyResult<usize> {
    match env::var_os(VARIABLE) {
        Some(value) if !value.is_empty() => from_variable(&value.to_string_lossy()),
        // CPU affinity and the container's quota limit this number.
        _ => Ok(thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS)),
    }
}

fn from_variable(value: &str) -> PyResult<usize> {
    match value.trim().parse() {
        Ok(threads) if (1..=MOST_THREADS).contains(&threads) => Ok(threads),
        _ => Err(PyValueError::new_err(format!(
            "{VARIABLE} must be a whole number from 1 to {MOST_THREADS}, got {value:?}; \
             set one or unset it"
        ))),
    }
}

/// The number of threads that the kernels use. Starts none.
///
/// Raises `ValueError` if no threads run yet, none are set, and `BADPIX_SELFCAL_NUM_THREADS` is not
/// a whole number from 1 to 1024.
#[pyfunction]
pub fn num_threads() -> PyResult<usize> {
    let record = record();
    record.pool().map_or_else(|| record.size(), |pool| Ok(pool.current_num_threads()))
}

/// Sets the number of threads that the kernels use from now on.
///
/// `threads` is from 1 to 1024. None stands for the default: `BADPIX_SELFCAL_NUM_THREADS` or, where
/// that is not set, the number of CPUs that this process may use. Running threads are kept if their
/// number stays the same. Results do not depend on the number.
///
/// Raises `ValueError` for any other number.
#[pyfunction]
#[pyo3(signature = (threads))]
pub fn set_num_threads(threads: Option<i64>) -> PyResult<()> {
    let requested = threads.map(checked).transpose()?;
    let mut record = record();
    record.requested = requested;
    // A wrong variable is reported when the number is next needed.
    let size = record.size().ok();
    if record.pool().map(|pool| pool.current_num_threads()) != size {
        record.forget_pool();
    }
    Ok(())
}

fn checked(threads: i64) -> PyResult<usize> {
    usize::try_from(threads).ok().filter(|number| (1..=MOST_THREADS).contains(number)).ok_or_else(
        || {
            PyValueError::new_err(format!(
                "threads must be from 1 to {MOST_THREADS}, or None for the default, got {threads}"
            ))
        },
    )
}
