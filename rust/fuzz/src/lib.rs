//! What fuzz targets have in common: images from bytes, and medians written out.

use badpix_selfcal_kernels::{Edge, Sample};

/// Reads an input byte by byte. Behind its end follow numbers that depend on its length.
pub struct Input<'a> {
    data: &'a [u8],
    state: u64,
}

impl<'a> Input<'a> {
    /// An input of some bytes.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, state: data.len() as u64 }
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        if let Some((&first, rest)) = self.data.split_first() {
            self.data = rest;
            return first;
        }
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.state >> 56) as u8
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()])) % end
    }

    /// An odd number up to `2 * half + 1`.
    pub fn odd(&mut self, half: usize) -> usize {
        2 * self.below(half + 1) + 1
    }

    /// An edge.
    pub fn edge(&mut self) -> Edge {
        match self.byte() % 8 {
            0 => Edge::Zero,
            1 => Edge::Constant(2.0),
            2 => Edge::Nearest,
            3 => Edge::Reflect,
            4 => Edge::Mirror,
            5 => Edge::Wrap,
            _ => Edge::Shrink,
        }
    }

    /// Samples of a window of up to `most` before and after the one that it belongs to.
    pub fn reach(&mut self, most: usize) -> (usize, usize) {
        let length = 1 + self.below(most);
        let before = self.below(length);
        (before, length - 1 - before)
    }

    /// Rows and columns: mostly small, sometimes of few or of many lines.
    pub fn shape(&mut self) -> (usize, usize) {
        match self.byte() % 8 {
            0 => (1 + self.below(3), 1 + self.below(500)),
            1 => (1 + self.below(500), 1 + self.below(3)),
            2 => (1 + self.below(70), 1 + self.below(70)),
            _ => (1 + self.below(20), 1 + self.below(40)),
        }
    }

    /// Some samples: small numbers, special ones, and any bits.
    pub fn samples<T: Sample>(&mut self, count: usize, special: &[T], any: fn(u64) -> T) -> Vec<T> {
        let mut found = Vec::with_capacity(count);
        let kinds = self.byte();
        while found.len() < count {
            let byte = self.byte();
            let sample = match byte {
                0..32 if kinds & 1 == 0 => special[usize::from(byte) % special.len()],
                32..48 if kinds & 2 == 0 => any(u64::from_le_bytes([(); 8].map(|()| self.byte()))),
                48..64 if kinds & 4 == 0 => T::NAN,
                _ => T::nearest((f64::from(byte) - 128.0) / 8.0),
            };
            let times = if byte == 64 { self.below(100) } else { 1 };
            found.extend(std::iter::repeat_n(sample, times.min(count - found.len())));
        }
        found
    }
}

/// Samples of single precision.
pub fn singles(input: &mut Input<'_>, count: usize) -> Vec<f32> {
    const MOST: f32 = f32::MAX;
    let special = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, MOST, -MOST, 1e-45, -1e-45, 1e-38];
    #[allow(clippy::cast_possible_truncation)]
    input.samples(count, &special, |bits| f32::from_bits(bits as u32))
}

/// Samples of double precision.
pub fn doubles(input: &mut Input<'_>, count: usize) -> Vec<f64> {
    const MOST: f64 = f64::MAX;
    let special =
        [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, MOST, -MOST, 5e-324, -5e-324, 1e-308];
    input.samples(count, &special, f64::from_bits)
}

/// Whether two numbers are equal, or both NaN.
pub fn same<T: Sample>(one: T, other: T) -> bool {
    one == other || one.is_nan() && other.is_nan()
}

/// Panics unless two rows of numbers are the same.
pub fn assert_same<T: Sample>(ours: &[T], theirs: &[T], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (at, (&ours, &theirs)) in ours.iter().zip(theirs).enumerate() {
        assert!(
            same(ours, theirs),
            "{what}, at {at}: {:?} is not {:?}",
            Shown(ours),
            Shown(theirs)
        );
    }
}

struct Shown<T>(T);

impl<T: Sample> std::fmt::Debug for Shown<T> {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{:e}", self.0.into())
    }
}

/// The median of those samples that are not NaN.
pub fn naive_median<T: Sample>(mut samples: Vec<T>) -> T {
    samples.retain(|sample| !sample.is_nan());
    samples.sort_by(T::order);
    match samples.len() {
        0 => T::NAN,
        n if n % 2 == 1 => samples[n / 2],
        n => samples[n / 2 - 1].midpoint(samples[n / 2]),
    }
}

/// The running median of windows that reach some rows and columns before and after each sample, of
/// which `least` must be valid.
pub fn naive<T: Sample>(
    image: &[T],
    (rows, cols): (usize, usize),
    (up, down): (usize, usize),
    (left, right): (usize, usize),
    edge: Edge,
    least: usize,
) -> Vec<T> {
    let signed = usize::cast_signed;
    let window = |y: isize, x: isize| {
        let mut samples = Vec::new();
        for v in y - signed(up)..=y + signed(down) {
            for u in x - signed(left)..=x + signed(right) {
                let place = (index(v, signed(rows), edge), index(u, signed(cols), edge));
                samples.push(match (place, edge) {
                    ((Some(v), Some(u)), _) => image[(v * signed(cols) + u).cast_unsigned()],
                    (_, Edge::Zero) => T::ZERO,
                    (_, Edge::Constant(value)) => T::nearest(value),
                    _ => T::NAN,
                });
            }
        }
        let valid = samples.iter().filter(|sample| !sample.is_nan()).count();
        if valid < least { T::NAN } else { naive_median(samples) }
    };
    (0..signed(rows * cols)).map(|i| window(i / signed(cols), i % signed(cols))).collect()
}

/// The sample that stands for a place on a line, if there is one.
fn index(at: isize, n: isize, edge: Edge) -> Option<isize> {
    match edge {
        _ if (0..n).contains(&at) => Some(at),
        Edge::Nearest => Some(at.clamp(0, n - 1)),
        Edge::Wrap => Some(at.rem_euclid(n)),
        Edge::Reflect if at < 0 => index(-1 - at, n, edge),
        Edge::Reflect => index(2 * n - 1 - at, n, edge),
        Edge::Mirror if n == 1 => Some(0),
        Edge::Mirror if at < 0 => index(-at, n, edge),
        Edge::Mirror => index(2 * n - 2 - at, n, edge),
        _ => None,
    }
}
