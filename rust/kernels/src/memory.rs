//! Memory that grows with an image or a window, and the error where there is not enough.
//!
//! The standard library ends the process if memory is short. Here the caller learns of it.

use crate::Error;
use bytemuck::Zeroable;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

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
    use super::{collected, copied, extend, filled, make_room, with_capacity, zeros};
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
