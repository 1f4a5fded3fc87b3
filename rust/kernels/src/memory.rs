//! Memory that grows with an image or a window, and the error where there is not enough.
//!
//! The standard library ends the process if memory is short. Here the caller gets an error.

use crate::Error;
use bytemuck::{Pod, Zeroable};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::Mutex;

/// Memory for images that a call needs besides its results.
///
/// It is kept for the next call. Memory that goes back to the system must be cleared by it before
/// it is used again, which takes as long as the work on a large image.
pub(crate) struct Scratch(Vec<u64>);

static KEPT: Mutex<Vec<u64>> = Mutex::new(Vec::new());

impl Scratch {
    /// The most memory that is kept, in bytes: enough for three images of 2048 x 2048 singles.
    const MOST: usize = 1 << 26;
    /// glibc keeps twice the largest block below 32 MiB that was ever freed. This one is large
    /// enough for the results of an image of 2048 x 2048.
    const LARGEST: usize = 31 << 20;

    /// Room for so many samples. Their values are those that another call has left.
    pub(crate) fn new<T: Pod>(samples: usize) -> Result<Self, Error> {
        let words = samples.checked_mul(size_of::<T>()).map(|bytes| bytes.div_ceil(8));
        let words = words.ok_or_else(|| too_much::<T>(samples))?;
        let kept = KEPT.try_lock().map(|mut kept| std::mem::take(&mut *kept)).unwrap_or_default();
        if kept.len() >= words {
            return Ok(Self(kept));
        }
        drop(std::hint::black_box(with_capacity::<u8>(Self::LARGEST)));
        Ok(Self(zeros(words)?))
    }

    /// The first samples.
    pub(crate) fn samples<T: Pod>(&mut self, count: usize) -> &mut [T] {
        &mut bytemuck::cast_slice_mut(&mut self.0)[..count]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Ok(mut kept) = KEPT.try_lock()
            && kept.len() < self.0.len()
            && size_of_val(&self.0[..]) <= Self::MOST
        {
            *kept = std::mem::take(&mut self.0);
        }
    }
}

/// Zeros, on pages that the system hands out when they are first used.
pub(crate) fn zeros<T: Zeroable>(len: usize) -> Result<Vec<T>, Error> {
    let zeros = bytemuck::allocation::try_zeroed_slice_box(len);
    zeros.map(Vec::from).map_err(|()| too_much::<T>(len))
}

/// Equal items.
pub(crate) fn filled<T: Clone>(item: T, len: usize) -> Result<Vec<T>, Error> {
    let mut items = with_capacity(len)?;
    items.resize(len, item);
    Ok(items)
}

/// A copy of some items.
pub(crate) fn copied<T: Copy>(items: &[T]) -> Result<Vec<T>, Error> {
    let mut copies = with_capacity(items.len())?;
    copies.extend_from_slice(items);
    Ok(copies)
}

/// All items of an iterator.
pub(crate) fn collected<T>(items: impl IntoIterator<Item = T>) -> Result<Vec<T>, Error> {
    let mut collected = Vec::new();
    extend(&mut collected, items)?;
    Ok(collected)
}

/// Appends all items of an iterator.
pub(crate) fn extend<T>(to: &mut Vec<T>, items: impl IntoIterator<Item = T>) -> Result<(), Error> {
    let items = items.into_iter();
    reserve(to, items.size_hint().0)?;
    for item in items {
        push(to, item)?;
    }
    Ok(())
}

/// Appends an item.
#[inline(always)]
pub(crate) fn push<T>(to: &mut Vec<T>, item: T) -> Result<(), Error> {
    if to.len() == to.capacity() {
        reserve(to, 1)?;
    }
    to.push(item);
    Ok(())
}

/// Makes room for further entries of a map.
pub(crate) fn make_room<K, V, S>(map: &mut HashMap<K, V, S>, further: usize) -> Result<(), Error>
where
    K: Eq + Hash,
    S: BuildHasher,
{
    map.try_reserve(further).map_err(|_| too_much::<(K, V)>(map.len().saturating_add(further)))
}

/// No items yet, with memory for `capacity` of them.
pub(crate) fn with_capacity<T>(capacity: usize) -> Result<Vec<T>, Error> {
    let mut items = Vec::new();
    items.try_reserve_exact(capacity).map_err(|_| too_much::<T>(capacity))?;
    Ok(items)
}

/// Makes room for further items.
#[cold]
#[inline(never)]
pub(crate) fn reserve<T>(items: &mut Vec<T>, further: usize) -> Result<(), Error> {
    items.try_reserve(further).map_err(|_| too_much::<T>(items.len().saturating_add(further)))
}

/// The error of so many items.
#[cold]
fn too_much<T>(len: usize) -> Error {
    Error::Memory { bytes: len.saturating_mul(size_of::<T>()) }
}

#[cfg(test)]
mod tests {
    use super::{Scratch, collected, copied, extend, filled, make_room, with_capacity, zeros};
    use crate::Error;
    use std::collections::HashMap;

    /// More than any address space has.
    const TOO_MANY: usize = 1 << 60;

    #[test]
    fn what_fits_is_there() {
        assert_eq!(zeros::<f32>(3), Ok(vec![0.0; 3]));
        assert_eq!(filled(f64::INFINITY, 2), Ok(vec![f64::INFINITY; 2]));
        assert_eq!(copied(&[1, 2]), Ok(vec![1, 2]));
        assert_eq!(collected((0..100).filter(|n| n % 30 == 7)), Ok(vec![7, 37, 67, 97]));
        let mut items = vec![1];
        assert_eq!(extend(&mut items, [2, 3]), Ok(()));
        assert_eq!(items, [1, 2, 3]);
        assert_eq!(zeros::<f64>(0), Ok(Vec::new()));
    }

    #[test]
    fn scratch_has_room_and_is_kept() {
        let mut scratch = Scratch::new::<f32>(1001).unwrap();
        scratch.samples::<f32>(1001).fill(7.0);
        let mut other = Scratch::new::<f64>(3).unwrap(); // at the same time
        assert_eq!(other.samples::<f64>(3).len(), 3);
        drop(other);
        drop(scratch);
        assert_eq!(Scratch::new::<f32>(4).unwrap().samples::<f32>(4).len(), 4);
        assert_eq!(Scratch::new::<f64>(0).unwrap().samples::<f64>(0), []);
        assert!(matches!(Scratch::new::<f64>(TOO_MANY), Err(Error::Memory { .. })));
        assert!(matches!(Scratch::new::<f64>(usize::MAX), Err(Error::Memory { .. })));
    }

    #[test]
    fn what_does_not_fit_is_an_error_that_says_how_much() {
        let error = Error::Memory { bytes: 1 << 62 };
        assert_eq!(zeros::<f32>(TOO_MANY), Err(error));
        assert_eq!(filled(1.0f32, TOO_MANY), Err(error));
        assert_eq!(with_capacity::<u32>(TOO_MANY), Err(error));
        assert_eq!(collected(std::iter::repeat_n(1u32, TOO_MANY)), Err(error));
        assert_eq!(make_room(&mut HashMap::<u16, u16>::new(), TOO_MANY), Err(error));
        assert_eq!(zeros::<f64>(usize::MAX), Err(Error::Memory { bytes: usize::MAX }));
        assert!(error.to_string().contains("4611686018427387904 bytes"), "{error}");
    }
}
