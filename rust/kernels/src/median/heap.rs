//! The double heap: the running median of one stream, in O(log k) for each sample and any window of
//! k samples.
//!
//! Two heaps hold the valid samples of the window: one the lower half, with its largest on top, one
//! the upper half, with its smallest on top. A ring has a slot for each sample, in order of
//! arrival. The slot records where in the heaps the sample lies, so that the oldest sample is found
//! at once when it is removed. A NaN has a slot but lies in neither heap. (Hardle and Steiger 1995,
//! Applied Statistics 44, 258, describe the structure. Here it also skips NaN.)

use super::network::builder::Shape;
use super::window::{Border, Edge, Extent};
use crate::{Error, Image, Sample, memory};
use rayon::prelude::*;
use std::marker::PhantomData;

/// The median of the last samples of a stream.
///
/// ```
/// use badpix_selfcal_kernels::RunningMedian;
///
/// let mut median = RunningMedian::new(3)?;
/// for sample in [4.0, f64::NAN, 1.0] {
///     median.push(sample);
/// }
/// assert_eq!(median.median(), 2.5);
/// median.push(7.0); // the window is full: 4 is removed
/// assert_eq!(median.median(), 4.0);
/// median.pop_oldest(); // NaN is removed
/// median.pop_oldest(); // 1 is removed
/// assert_eq!(median.median(), 7.0);
/// # Ok::<(), badpix_selfcal_kernels::Error>(())
/// ```
#[derive(Debug)]
pub struct RunningMedian<T> {
    lower: Heap<T, Lower>,
    upper: Heap<T, Upper>,
    locations: Vec<Location>,
    oldest: usize,
    len: usize,
}

impl<T: Sample> RunningMedian<T> {
    /// The largest capacity.
    pub(super) const MOST: usize = (1 << 31) - 1;

    /// An empty window for up to `capacity` samples.
    ///
    /// # Errors
    /// [`Error::WindowTooLarge`] if `capacity` is 2^31 or more. [`Error::Memory`] if there is too
    /// little.
    pub fn new(capacity: usize) -> Result<Self, Error> {
        if capacity > Self::MOST {
            return Err(Error::WindowTooLarge { rows: 1, cols: capacity });
        }
        Ok(Self {
            lower: Heap::of(capacity)?,
            upper: Heap::of(capacity)?,
            locations: memory::filled(Location::Nowhere, capacity)?,
            oldest: 0,
            len: 0,
        })
    }

    /// The number of samples in the window, including NaNs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the window holds no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Removes all samples.
    pub fn clear(&mut self) {
        self.lower.entries.clear();
        self.upper.entries.clear();
        self.locations.fill(Location::Nowhere);
        self.oldest = 0;
        self.len = 0;
    }

    /// Adds a sample. If the window is full, the oldest sample is removed. A window of capacity 0
    /// stays empty.
    #[inline]
    pub fn push(&mut self, sample: T) {
        let capacity = self.locations.len();
        if self.len < capacity {
            let slot = self.after_oldest(self.len);
            self.len += 1;
            self.insert(slot, sample);
        } else if capacity > 0 {
            let slot = self.oldest;
            self.oldest = self.after_oldest(1);
            self.replace(slot, sample);
        }
    }

    /// Removes the oldest sample, if there is one.
    pub fn pop_oldest(&mut self) {
        if self.len > 0 {
            let slot = self.oldest;
            self.oldest = self.after_oldest(1);
            self.len -= 1;
            self.remove(slot);
        }
    }

    /// The median of the samples in the window that are not NaN; NaN if there are none.
    #[inline]
    #[must_use]
    pub fn median(&self) -> T {
        match (self.lower.top(), self.upper.top()) {
            (Some(below), Some(above)) if self.lower.len() == self.upper.len() => {
                below.midpoint(above)
            }
            (Some(middle), _) => middle,
            (None, _) => T::NAN,
        }
    }

    /// The running median of a stream. The window has as many samples as fit; the first is complete
    /// when so many have arrived.
    pub(super) fn run<'o>(
        &mut self,
        mut arriving: impl Iterator<Item = T>,
        out: impl Iterator<Item = &'o mut T>,
    ) {
        self.clear();
        for sample in arriving.by_ref().take(self.locations.len().saturating_sub(1)) {
            self.push(sample);
        }
        for (out, sample) in out.zip(arriving) {
            self.push(sample);
            *out = self.median();
        }
    }

    /// The slot `n` slots after that of the oldest sample.
    #[inline]
    fn after_oldest(&self, n: usize) -> usize {
        let slot = self.oldest + n;
        if slot < self.locations.len() { slot } else { slot - self.locations.len() }
    }

    fn insert(&mut self, slot: usize, value: T) {
        if value.is_nan() {
            return;
        }
        let entry = Entry::new(value, slot);
        if self.lower.top().is_none_or(|top| value <= top) {
            self.lower.push(entry, &mut self.locations);
        } else {
            self.upper.push(entry, &mut self.locations);
        }
        self.rebalance();
    }

    fn remove(&mut self, slot: usize) {
        match self.locations[slot] {
            Location::Nowhere => return,
            Location::Lower(at) => self.lower.remove(at as usize, &mut self.locations),
            Location::Upper(at) => self.upper.remove(at as usize, &mut self.locations),
        }
        self.locations[slot] = Location::Nowhere;
        self.rebalance();
    }

    #[inline]
    fn replace(&mut self, slot: usize, value: T) {
        let location = self.locations[slot];
        if value.is_nan() {
            return self.remove(slot);
        }
        let entry = Entry::new(value, slot);
        match location {
            Location::Nowhere => return self.insert(slot, value),
            Location::Lower(at) => self.lower.replace(at as usize, entry, &mut self.locations),
            Location::Upper(at) => self.upper.replace(at as usize, entry, &mut self.locations),
        }
        // Only this sample changed. If it is in the wrong half, it is on top there.
        if let (Some(&below), Some(&above)) =
            (self.lower.entries.first(), self.upper.entries.first())
            && above.value < below.value
        {
            self.lower.replace(0, above, &mut self.locations);
            self.upper.replace(0, below, &mut self.locations);
        }
    }

    /// Restores `lower.len() - upper.len()` to 0 or 1 after one sample was added or removed.
    fn rebalance(&mut self) {
        if self.upper.len() > self.lower.len() {
            if let Some(entry) = self.upper.pop(&mut self.locations) {
                self.lower.push(entry, &mut self.locations);
            }
        } else if self.lower.len() > self.upper.len() + 1
            && let Some(entry) = self.lower.pop(&mut self.locations)
        {
            self.upper.push(entry, &mut self.locations);
        }
    }
}

/// The heap in which the sample of a slot lies, and its index there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Location {
    Nowhere,
    Lower(u32),
    Upper(u32),
}

#[derive(Debug, Clone, Copy)]
struct Entry<T> {
    value: T,
    slot: u32,
}

impl<T> Entry<T> {
    #[allow(clippy::cast_possible_truncation)] // the capacity is below 2^31
    fn new(value: T, slot: usize) -> Self {
        Self { value, slot: slot as u32 }
    }
}

/// One half of the window: which sample is on top of its heap, and how its locations are written.
trait Half {
    fn above<T: Sample>(a: T, b: T) -> bool;
    fn location(at: u32) -> Location;
}

#[derive(Debug)]
struct Lower;

impl Half for Lower {
    #[inline]
    fn above<T: Sample>(a: T, b: T) -> bool {
        a > b
    }
    #[inline]
    fn location(at: u32) -> Location {
        Location::Lower(at)
    }
}

#[derive(Debug)]
struct Upper;

impl Half for Upper {
    #[inline]
    fn above<T: Sample>(a: T, b: T) -> bool {
        a < b
    }
    #[inline]
    fn location(at: u32) -> Location {
        Location::Upper(at)
    }
}

/// A binary heap that records the location of each sample in the slots.
#[derive(Debug)]
struct Heap<T, H> {
    entries: Vec<Entry<T>>,
    half: PhantomData<H>,
}

impl<T, H> Heap<T, H> {
    /// Memory for half of a window, and for two more samples before the halves are balanced again.
    fn of(capacity: usize) -> Result<Self, Error> {
        Ok(Self { entries: memory::with_capacity(capacity / 2 + 2)?, half: PhantomData })
    }
}

impl<T: Sample, H: Half> Heap<T, H> {
    #[inline]
    fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    fn top(&self) -> Option<T> {
        self.entries.first().map(|entry| entry.value)
    }

    fn push(&mut self, entry: Entry<T>, locations: &mut [Location]) {
        self.entries.push(entry);
        self.rise(self.entries.len() - 1, entry, locations);
    }

    fn pop(&mut self, locations: &mut [Location]) -> Option<Entry<T>> {
        let top = *self.entries.first()?;
        self.remove(0, locations);
        Some(top)
    }

    fn remove(&mut self, at: usize, locations: &mut [Location]) {
        if let Some(last) = self.entries.pop()
            && at < self.entries.len()
        {
            self.replace(at, last, locations);
        }
    }

    /// Replaces the entry at `at` by `entry`.
    #[inline]
    fn replace(&mut self, at: usize, entry: Entry<T>, locations: &mut [Location]) {
        if at > 0 && H::above(entry.value, self.entries[(at - 1) / 2].value) {
            self.rise(at, entry, locations);
        } else {
            self.sink(at, entry, locations);
        }
    }

    #[inline]
    fn rise(&mut self, mut at: usize, entry: Entry<T>, locations: &mut [Location]) {
        while at > 0 {
            let parent = (at - 1) / 2;
            if !H::above(entry.value, self.entries[parent].value) {
                break;
            }
            self.put(at, self.entries[parent], locations);
            at = parent;
        }
        self.put(at, entry, locations);
    }

    #[inline]
    fn sink(&mut self, mut at: usize, entry: Entry<T>, locations: &mut [Location]) {
        loop {
            let mut child = 2 * at + 1;
            if child >= self.entries.len() {
                break;
            }
            if child + 1 < self.entries.len()
                && H::above(self.entries[child + 1].value, self.entries[child].value)
            {
                child += 1;
            }
            if !H::above(self.entries[child].value, entry.value) {
                break;
            }
            self.put(at, self.entries[child], locations);
            at = child;
        }
        self.put(at, entry, locations);
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation)] // the capacity is below 2^31
    fn put(&mut self, at: usize, entry: Entry<T>, locations: &mut [Location]) {
        self.entries[at] = entry;
        locations[entry.slot as usize] = H::location(at as u32);
    }
}

/// Writes the running median of an image that is not empty, in O(s log(s l)) for each pixel, where
/// s and l are the window's shorter and longer side.
pub(super) fn filter<T: Sample>(
    image: Image<'_, T>,
    extent: Extent,
    edge: Edge,
    out: &mut [T],
) -> Result<(), Error> {
    let Shape { rows, cols } = extent.shape();
    let too_large = Error::WindowTooLarge { rows, cols };
    let capacity = rows.checked_mul(cols).ok_or(too_large)?;
    if capacity > RunningMedian::<T>::MOST {
        return Err(too_large);
    }
    if cols >= rows {
        return along_rows(image, extent, edge, out);
    }
    image.transposed_by(out, |transposed, out| {
        along_rows(transposed, extent.transposed(), edge, out)
    })
}

/// Moves the window along each row. Each step adds one column of samples and removes one.
fn along_rows<T: Sample>(
    image: Image<'_, T>,
    extent: Extent,
    edge: Edge,
    out: &mut [T],
) -> Result<(), Error> {
    let rows = out.par_chunks_mut(image.cols()).enumerate();
    rows.try_for_each_init(
        || Moving::of(image, extent, edge),
        |window, (y, out)| {
            window.as_mut().map_err(|error| *error)?.filter(y, out);
            Ok(())
        },
    )
}

/// The window of a task, as it moves along rows.
struct Moving<'a, T> {
    image: Image<'a, T>,
    /// The places of the windows in the rows and in the columns of the image.
    places: (Border, Border),
    width: usize,
    /// The rows that the window contains; None beyond the border.
    rows: Vec<Option<&'a [T]>>,
    median: RunningMedian<T>,
    /// Stands for each sample beyond the border.
    beyond: T,
}

impl<'a, T: Sample> Moving<'a, T> {
    fn of(image: Image<'a, T>, extent: Extent, edge: Edge) -> Result<Self, Error> {
        let Shape { rows, cols: width } = extent.shape();
        Ok(Self {
            image,
            places: extent.places(Shape::of(image), edge),
            width,
            rows: memory::filled(None, rows)?,
            median: RunningMedian::new(rows * width)?,
            beyond: edge.beyond(),
        })
    }

    /// Writes the medians of row `y`.
    fn filter(&mut self, y: usize, out: &mut [T]) {
        for (place, row) in (y..).zip(&mut self.rows) {
            *row = self.places.0.sample(place).map(|y| self.image.row(y));
        }
        self.median.clear();
        for place in 0..self.width - 1 {
            self.push_column(place);
        }
        for (place, out) in (self.width - 1..).zip(out) {
            self.push_column(place);
            *out = self.median.median();
        }
    }

    fn push_column(&mut self, place: usize) {
        let x = self.places.1.sample(place);
        for row in &self.rows {
            let sample = row.zip(x).map_or(self.beyond, |(row, x)| row[x]);
            self.median.push(sample);
        }
    }
}
