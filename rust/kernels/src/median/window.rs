//! Where a window lies, and what it contains beyond the border of an image.

use super::Axis;
use super::network::builder::Shape;
use crate::{Error, Image, Sample};

/// The number of samples in a window before and after the sample that it belongs to.
///
/// The two numbers are equal in centred windows of odd length. In causal windows, which contain no
/// later samples, `after` is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// Samples before.
    pub before: usize,
    /// Samples after.
    pub after: usize,
}

impl Reach {
    /// Samples in the window.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(self) -> usize {
        self.before.saturating_add(self.after).saturating_add(1)
    }

    /// Shifted towards the start of the line if `origin` is positive.
    pub(super) fn shifted(self, origin: isize) -> Result<Self, Error> {
        let before = self.before.checked_add_signed(origin);
        let after = self.after.checked_add_signed(origin.saturating_neg());
        match (before, after) {
            (Some(before), Some(after)) => Ok(Self { before, after }),
            _ => Err(Error::Origin { origin, before: self.before, after: self.after }),
        }
    }

    /// A reach with the same medians on lines of `n` samples.
    ///
    /// A window that extends `n` to either side holds more equal values from beyond the border than
    /// samples, if any value counts there. Further ones change no median. If the sides differ, `2
    /// n` to one side are enough. Where samples stand for the places beyond, each place counts.
    fn fitted_to(self, n: usize, edge: Edge) -> Self {
        if edge.repeats() {
            return self;
        }
        let most = if self.before == self.after { n } else { n.saturating_mul(2) };
        Self { before: self.before.min(most), after: self.after.min(most) }
    }
}

/// The reach of a centred window of `length` samples, at least 1. Of an even number, one more lies
/// before the pixel.
pub(super) fn centred(length: usize) -> Reach {
    Reach { before: length / 2, after: (length - 1) / 2 }
}

/// The rows and columns that a window contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Extent {
    /// Rows.
    pub(super) height: Reach,
    /// Columns.
    pub(super) width: Reach,
}

impl Shape {
    /// The shape of an image.
    pub(super) fn of<T: Copy>(image: Image<'_, T>) -> Self {
        Self { rows: image.rows(), cols: image.cols() }
    }
}

impl Extent {
    /// A window along an axis, or a square window if there is none.
    pub(super) fn of(axis: Option<Axis>, reach: Reach) -> Self {
        let one = Reach::default();
        match axis {
            Some(Axis::X) => Self { height: one, width: reach },
            Some(Axis::Y) => Self { height: reach, width: one },
            None => Self { height: reach, width: reach },
        }
    }

    /// Rows and columns.
    pub(super) fn shape(self) -> Shape {
        Shape { rows: self.height.len(), cols: self.width.len() }
    }

    /// The axis of a window of one line.
    pub(super) fn axis(self) -> Option<Axis> {
        match self.shape() {
            Shape { rows: 1, .. } => Some(Axis::X),
            Shape { cols: 1, .. } => Some(Axis::Y),
            _ => None,
        }
    }

    /// A window with the same medians on an image of this shape; see [`Reach::fitted_to`].
    pub(super) fn fitted_to(self, image: Shape, edge: Edge) -> Self {
        Self {
            height: self.height.fitted_to(image.rows, edge),
            width: self.width.fitted_to(image.cols, edge),
        }
    }

    /// Rows and columns exchanged.
    pub(super) fn transposed(self) -> Self {
        Self { height: self.width, width: self.height }
    }

    /// The places of the windows in the rows and in the columns of an image.
    pub(super) fn places(self, image: Shape, edge: Edge) -> (Border, Border) {
        let rows = Border { before: self.height.before, n: image.rows, edge };
        let cols = Border { before: self.width.before, n: image.cols, edge };
        (rows, cols)
    }
}

/// What a window contains beyond the image's border. The examples show a line `a b c d`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Edge {
    /// Zeros that count as samples: `0 0 | a b c d | 0 0`.
    #[default]
    Zero,
    /// A value that counts as a sample, rounded to the precision of the image: `v v | a b c d | v
    /// v`.
    Constant(f64),
    /// Nothing: the window ends at the border.
    Shrink,
    /// The nearest sample: `a a | a b c d | d d`.
    Nearest,
    /// The samples in reverse order, the last one again: `b a | a b c d | d c`.
    Reflect,
    /// The samples in reverse order, without the last one: `c b | a b c d | c b`.
    Mirror,
    /// The samples of the other end: `c d | a b c d | a b`.
    Wrap,
}

impl Edge {
    /// The sample that stands for each place that no sample of the image stands for.
    pub(super) fn beyond<T: Sample>(self) -> T {
        match self {
            Self::Zero => T::ZERO,
            Self::Constant(value) => T::nearest(value),
            _ => T::NAN,
        }
    }

    /// Whether samples of the image stand for the places beyond its border.
    pub(super) fn repeats(self) -> bool {
        !matches!(self, Self::Zero | Self::Constant(_) | Self::Shrink)
    }
}

/// The places of the windows on a line of `n` samples, counted from the first place of the first
/// window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Border {
    /// Border before the first sample.
    pub(super) before: usize,
    /// Samples of the line.
    pub(super) n: usize,
    /// What lies beyond its ends.
    pub(super) edge: Edge,
}

impl Border {
    /// The index of the sample at a place, or of the sample that stands for it, if there is one.
    #[inline]
    pub(super) fn sample(self, place: usize) -> Option<usize> {
        match place.checked_sub(self.before) {
            Some(index) if index < self.n => Some(index),
            _ if self.n > 0 => self.stand_in(place),
            _ => None,
        }
    }

    #[cold]
    fn stand_in(self, place: usize) -> Option<usize> {
        let Self { before, n, edge } = self;
        let modulo = |period: usize| (place % period + (period - before % period)) % period;
        match edge {
            Edge::Zero | Edge::Constant(_) | Edge::Shrink => None,
            Edge::Nearest => Some(if place < before { 0 } else { n - 1 }),
            Edge::Wrap => Some(modulo(n)),
            Edge::Reflect => Some(modulo(2 * n)).map(|at| at.min(2 * n - 1 - at)),
            Edge::Mirror => {
                let period = (2 * n - 2).max(1);
                Some(modulo(period)).map(|at| at.min(period - at))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Border, Edge};

    /// The letters at the places around `abcd`, six before and after it.
    fn around(edge: Edge) -> String {
        let border = Border { before: 6, n: 4, edge };
        let letter = |index: usize| char::from(b"abcd"[index]);
        (0..16).map(|place| border.sample(place).map_or('.', letter)).collect()
    }

    #[test]
    fn the_samples_beyond_both_ends() {
        for edge in [Edge::Zero, Edge::Shrink, Edge::Constant(1.0)] {
            assert_eq!(around(edge), "......abcd......");
        }
        assert_eq!(around(Edge::Nearest), "aaaaaaabcddddddd");
        assert_eq!(around(Edge::Reflect), "cddcbaabcddcbaab");
        assert_eq!(around(Edge::Mirror), "abcdcbabcdcbabcd");
        assert_eq!(around(Edge::Wrap), "cdabcdabcdabcdab");
    }

    #[test]
    fn a_single_sample_stands_for_all_and_none_for_nothing() {
        for edge in [Edge::Nearest, Edge::Reflect, Edge::Mirror, Edge::Wrap] {
            let border = |n| Border { before: 3, n, edge };
            assert!((0..9).all(|place| border(1).sample(place) == Some(0)), "{edge:?}");
            assert!((0..9).all(|place| border(0).sample(place).is_none()), "{edge:?}");
        }
    }

    #[test]
    fn places_of_windows_beyond_all_bounds() {
        let border = Border { before: usize::MAX - 1, n: 3, edge: Edge::Wrap };
        assert_eq!(border.sample(usize::MAX), Some(1));
        assert_eq!(border.sample(usize::MAX - 2), Some(2));
    }
}
