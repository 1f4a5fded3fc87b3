//! The double heap: the running median of one stream, for any window, in O(log k) a sample.
//!
//! The window's valid samples lie in two heaps: the lower half with its largest on top, the upper
//! half with its smallest on top. Every sample has a slot in a ring, in order of arrival, and the
//! slot knows the sample's place in its heap, so that the leaving sample is found at once. A NaN
//! takes a slot and no place. (Hardle and Steiger 1995, Applied Statistics 44, 258, describe the
//! structure; here it also skips NaN.)

use crate::{Error, Sample};
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
/// median.push(7.0); // the window is full: the 4 leaves
/// assert_eq!(median.median(), 4.0);
/// median.pop_oldest(); // the NaN leaves
/// median.pop_oldest(); // the 1 leaves
/// assert_eq!(median.median(), 7.0);
/// # Ok::<(), badpix_selfcal_kernels::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RunningMedian<T> {
    lower: Heap<T, Lower>,
    upper: Heap<T, Upper>,
    places: Vec<Place>,
    oldest: usize,
    len: usize,
}

impl<T: Sample> RunningMedian<T> {
    /// A window that holds up to `capacity` samples; none yet.
    ///
    /// # Errors
    /// [`Error::WindowTooLarge`] if `capacity` is 2^31 or more.
    pub fn new(capacity: usize) -> Result<Self, Error> {
        if capacity >= 1 << 31 {
            return Err(Error::WindowTooLarge { rows: 1, cols: capacity });
        }
        Ok(Self {
            lower: Heap::default(),
            upper: Heap::default(),
            places: vec![Place::Nowhere; capacity],
            oldest: 0,
            len: 0,
        })
    }

    /// Samples in the window, NaNs among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the window holds no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all samples.
    pub fn clear(&mut self) {
        self.lower.nodes.clear();
        self.upper.nodes.clear();
        self.places.fill(Place::Nowhere);
        self.oldest = 0;
        self.len = 0;
    }

    /// Takes a sample in; of a full window the oldest sample leaves. A window of no capacity
    /// stays empty.
    #[inline]
    pub fn push(&mut self, sample: T) {
        let capacity = self.places.len();
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

    /// Lets the oldest sample leave, if there is any.
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

    /// Running median of a whole line: a window of `2 half + 1` samples, the capacity of this,
    /// around each; `fill` stands beyond both ends.
    pub(super) fn filter(&mut self, line: &[T], half: usize, fill: T, out: &mut [T]) {
        let before = std::iter::repeat_n(fill, half);
        let arriving = before.chain(line.iter().copied()).chain(std::iter::repeat(fill));
        self.run(arriving, half, out.iter_mut());
    }

    /// The medians of the windows of `2 half + 1` samples, the capacity of this, that arrive.
    pub(super) fn run<'o>(
        &mut self,
        mut arriving: impl Iterator<Item = T>,
        half: usize,
        out: impl Iterator<Item = &'o mut T>,
    ) {
        self.clear();
        for sample in arriving.by_ref().take(2 * half) {
            self.push(sample);
        }
        for (out, sample) in out.zip(arriving) {
            self.push(sample);
            *out = self.median();
        }
    }

    /// The slot `n` places after that of the oldest sample.
    #[inline]
    fn after_oldest(&self, n: usize) -> usize {
        let slot = self.oldest + n;
        if slot < self.places.len() { slot } else { slot - self.places.len() }
    }

    fn insert(&mut self, slot: usize, value: T) {
        if value.is_nan() {
            return;
        }
        let node = Node::new(value, slot);
        if self.lower.top().is_none_or(|top| value <= top) {
            self.lower.push(node, &mut self.places);
        } else {
            self.upper.push(node, &mut self.places);
        }
        self.rebalance();
    }

    fn remove(&mut self, slot: usize) {
        match self.places[slot] {
            Place::Nowhere => return,
            Place::Lower(at) => self.lower.remove(at as usize, &mut self.places),
            Place::Upper(at) => self.upper.remove(at as usize, &mut self.places),
        }
        self.places[slot] = Place::Nowhere;
        self.rebalance();
    }

    #[inline]
    fn replace(&mut self, slot: usize, value: T) {
        let place = self.places[slot];
        if value.is_nan() {
            return self.remove(slot);
        }
        let node = Node::new(value, slot);
        match place {
            Place::Nowhere => return self.insert(slot, value),
            Place::Lower(at) => self.lower.replace(at as usize, node, &mut self.places),
            Place::Upper(at) => self.upper.replace(at as usize, node, &mut self.places),
        }
        // One sample changed, so at most that one is in the wrong half, and on top of it.
        if let (Some(&below), Some(&above)) = (self.lower.nodes.first(), self.upper.nodes.first())
            && above.value < below.value
        {
            self.lower.replace(0, above, &mut self.places);
            self.upper.replace(0, below, &mut self.places);
        }
    }

    /// Restores `lower.len() - upper.len()` to 0 or 1 after one sample came or left.
    fn rebalance(&mut self) {
        if self.upper.len() > self.lower.len() {
            if let Some(node) = self.upper.pop(&mut self.places) {
                self.lower.push(node, &mut self.places);
            }
        } else if self.lower.len() > self.upper.len() + 1
            && let Some(node) = self.lower.pop(&mut self.places)
        {
            self.upper.push(node, &mut self.places);
        }
    }
}

/// Where the sample of a slot lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Lower(u32),
    Upper(u32),
}

#[derive(Debug, Clone, Copy)]
struct Node<T> {
    value: T,
    slot: u32,
}

impl<T> Node<T> {
    #[allow(clippy::cast_possible_truncation)] // the capacity is below 2^31
    fn new(value: T, slot: usize) -> Self {
        Self { value, slot: slot as u32 }
    }
}

/// Which half of the window a heap holds: what comes on top, and how a place in it is written.
trait Half {
    fn above<T: Sample>(a: T, b: T) -> bool;
    fn place(at: u32) -> Place;
}

#[derive(Debug, Clone)]
struct Lower;

impl Half for Lower {
    #[inline]
    fn above<T: Sample>(a: T, b: T) -> bool {
        a > b
    }
    #[inline]
    fn place(at: u32) -> Place {
        Place::Lower(at)
    }
}

#[derive(Debug, Clone)]
struct Upper;

impl Half for Upper {
    #[inline]
    fn above<T: Sample>(a: T, b: T) -> bool {
        a < b
    }
    #[inline]
    fn place(at: u32) -> Place {
        Place::Upper(at)
    }
}

/// A binary heap that tells the slots where their samples are.
#[derive(Debug, Clone)]
struct Heap<T, H> {
    nodes: Vec<Node<T>>,
    half: PhantomData<H>,
}

impl<T, H> Default for Heap<T, H> {
    fn default() -> Self {
        Self { nodes: Vec::new(), half: PhantomData }
    }
}

impl<T: Sample, H: Half> Heap<T, H> {
    #[inline]
    fn len(&self) -> usize {
        self.nodes.len()
    }

    #[inline]
    fn top(&self) -> Option<T> {
        self.nodes.first().map(|node| node.value)
    }

    fn push(&mut self, node: Node<T>, places: &mut [Place]) {
        self.nodes.push(node);
        self.rise(self.nodes.len() - 1, node, places);
    }

    fn pop(&mut self, places: &mut [Place]) -> Option<Node<T>> {
        let top = *self.nodes.first()?;
        self.remove(0, places);
        Some(top)
    }

    fn remove(&mut self, at: usize, places: &mut [Place]) {
        if let Some(last) = self.nodes.pop()
            && at < self.nodes.len()
        {
            self.replace(at, last, places);
        }
    }

    /// Puts `node` in place of the one at `at`.
    #[inline]
    fn replace(&mut self, at: usize, node: Node<T>, places: &mut [Place]) {
        if at > 0 && H::above(node.value, self.nodes[(at - 1) / 2].value) {
            self.rise(at, node, places);
        } else {
            self.sink(at, node, places);
        }
    }

    #[inline]
    fn rise(&mut self, mut at: usize, node: Node<T>, places: &mut [Place]) {
        while at > 0 {
            let parent = (at - 1) / 2;
            if !H::above(node.value, self.nodes[parent].value) {
                break;
            }
            self.put(at, self.nodes[parent], places);
            at = parent;
        }
        self.put(at, node, places);
    }

    #[inline]
    fn sink(&mut self, mut at: usize, node: Node<T>, places: &mut [Place]) {
        loop {
            let mut child = 2 * at + 1;
            if child >= self.nodes.len() {
                break;
            }
            if child + 1 < self.nodes.len()
                && H::above(self.nodes[child + 1].value, self.nodes[child].value)
            {
                child += 1;
            }
            if !H::above(self.nodes[child].value, node.value) {
                break;
            }
            self.put(at, self.nodes[child], places);
            at = child;
        }
        self.put(at, node, places);
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation)] // the capacity is below 2^31
    fn put(&mut self, at: usize, node: Node<T>, places: &mut [Place]) {
        self.nodes[at] = node;
        places[node.slot as usize] = H::place(at as u32);
    }
}
