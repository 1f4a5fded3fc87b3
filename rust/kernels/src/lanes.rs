//! Vectors of samples, and the operations of the kernels on them.
//!
//! `pulp` provides the operations and picks the instruction set when the program runs. A function
//! that [`Simd::vectorize`] compiles for it must inline all functions that it calls.

use crate::Sample;
use bytemuck::Pod;
use pulp::Simd;
use std::ops::{Deref, DerefMut};

/// Vectors aligned to cache lines: access to a vector that lies in two of them takes twice as long.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct Vectors<V, const N: usize>(pub [V; N]);

impl<V, const N: usize> Deref for Vectors<V, N> {
    type Target = [V; N];

    #[inline(always)]
    fn deref(&self) -> &[V; N] {
        &self.0
    }
}

impl<V, const N: usize> DerefMut for Vectors<V, N> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [V; N] {
        &mut self.0
    }
}

/// The vector operations that the medians need, on one sample type.
pub trait Lanes: Copy {
    /// The samples.
    type T: Sample;
    /// A vector of samples.
    type V: Copy + Pod + Send;
    /// A truth value for each lane.
    type M: Copy;
    /// The instruction set.
    type S: Simd;

    /// Lanes in a vector.
    const WIDTH: usize;

    /// The instruction set.
    fn simd(self) -> Self::S;
    /// Views samples as whole vectors and the remaining samples.
    fn vectors(samples: &[Self::T]) -> (&[Self::V], &[Self::T]);
    /// Views samples as whole vectors and the remaining samples.
    fn vectors_mut(samples: &mut [Self::T]) -> (&mut [Self::V], &mut [Self::T]);
    /// The vector of the first samples of a slice.
    #[inline(always)]
    fn load(self, samples: &[Self::T]) -> Self::V {
        Self::vectors(&samples[..Self::WIDTH]).0[0]
    }
    /// A vector of equal samples.
    fn splat(self, sample: Self::T) -> Self::V;
    /// The lesser of each pair, none of them NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The greater of each pair, none of them NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The mean of each pair, which may overflow.
    fn mean(self, a: Self::V, b: Self::V) -> Self::V;
    /// The sum of each pair.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// The product of each pair.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// The first minus the second.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// Each sample with the other sign.
    fn negated(self, a: Self::V) -> Self::V;
    /// The magnitude of each sample.
    fn magnitude(self, a: Self::V) -> Self::V;
    /// Where one of two masks is true, and the other is not.
    fn differ(self, a: Self::M, b: Self::M) -> Self::M;
    /// Whether the mask is true in any lane.
    fn any(self, mask: Self::M) -> bool;
    /// Where two samples are equal. NaN equals no sample.
    fn equal(self, a: Self::V, b: Self::V) -> Self::M;
    /// Where the first is less.
    fn less(self, a: Self::V, b: Self::V) -> Self::M;
    /// `a` where the mask is true, else `b`.
    fn select(self, mask: Self::M, a: Self::V, b: Self::V) -> Self::V;
}

/// A sample type that vectors can hold.
pub trait Vectorized: Sized {
    /// Its operations with the instruction set `S`.
    type Lanes<S: Simd>: Lanes<T = Self>;

    /// Its operations with an instruction set.
    fn lanes<S: Simd>(simd: S) -> Self::Lanes<S>;
}

/// Operations on single precision.
#[derive(Clone, Copy)]
pub struct Singles<S>(S);

/// Operations on double precision.
#[derive(Clone, Copy)]
pub struct Doubles<S>(S);

impl Vectorized for f32 {
    type Lanes<S: Simd> = Singles<S>;

    #[inline(always)]
    fn lanes<S: Simd>(simd: S) -> Singles<S> {
        Singles(simd)
    }
}

impl Vectorized for f64 {
    type Lanes<S: Simd> = Doubles<S>;

    #[inline(always)]
    fn lanes<S: Simd>(simd: S) -> Doubles<S> {
        Doubles(simd)
    }
}

impl<S: Simd> Lanes for Singles<S> {
    type T = f32;
    type V = S::f32s;
    type M = S::m32s;
    type S = S;

    const WIDTH: usize = S::F32_LANES;

    #[inline(always)]
    fn simd(self) -> S {
        self.0
    }
    #[inline(always)]
    fn vectors(samples: &[f32]) -> (&[S::f32s], &[f32]) {
        S::as_simd_f32s(samples)
    }
    #[inline(always)]
    fn vectors_mut(samples: &mut [f32]) -> (&mut [S::f32s], &mut [f32]) {
        S::as_mut_simd_f32s(samples)
    }
    #[inline(always)]
    fn splat(self, sample: f32) -> S::f32s {
        self.0.splat_f32s(sample)
    }
    #[inline(always)]
    fn min(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.min_f32s(a, b)
    }
    #[inline(always)]
    fn max(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.max_f32s(a, b)
    }
    #[inline(always)]
    fn mean(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.mul_f32s(self.0.add_f32s(a, b), self.0.splat_f32s(0.5))
    }
    #[inline(always)]
    fn add(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.add_f32s(a, b)
    }
    #[inline(always)]
    fn mul(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.mul_f32s(a, b)
    }
    #[inline(always)]
    fn sub(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.sub_f32s(a, b)
    }
    #[inline(always)]
    fn negated(self, a: S::f32s) -> S::f32s {
        self.0.neg_f32s(a)
    }
    #[inline(always)]
    fn magnitude(self, a: S::f32s) -> S::f32s {
        self.0.abs_f32s(a)
    }
    #[inline(always)]
    fn differ(self, a: S::m32s, b: S::m32s) -> S::m32s {
        self.0.xor_m32s(a, b)
    }
    #[inline(always)]
    fn any(self, mask: S::m32s) -> bool {
        self.0.first_true_m32s(mask) < S::F32_LANES
    }
    #[inline(always)]
    fn equal(self, a: S::f32s, b: S::f32s) -> S::m32s {
        self.0.equal_f32s(a, b)
    }
    #[inline(always)]
    fn less(self, a: S::f32s, b: S::f32s) -> S::m32s {
        self.0.less_than_f32s(a, b)
    }
    #[inline(always)]
    fn select(self, mask: S::m32s, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.select_f32s(mask, a, b)
    }
}

impl<S: Simd> Lanes for Doubles<S> {
    type T = f64;
    type V = S::f64s;
    type M = S::m64s;
    type S = S;

    const WIDTH: usize = S::F64_LANES;

    #[inline(always)]
    fn simd(self) -> S {
        self.0
    }
    #[inline(always)]
    fn vectors(samples: &[f64]) -> (&[S::f64s], &[f64]) {
        S::as_simd_f64s(samples)
    }
    #[inline(always)]
    fn vectors_mut(samples: &mut [f64]) -> (&mut [S::f64s], &mut [f64]) {
        S::as_mut_simd_f64s(samples)
    }
    #[inline(always)]
    fn splat(self, sample: f64) -> S::f64s {
        self.0.splat_f64s(sample)
    }
    #[inline(always)]
    fn min(self, a: S::f64s, b: S::f64s) -> S::f64s {
        self.0.min_f64s(a, b)
    }
    #[inline(always)]
    fn max(self, a: S::f64s, b: S::f64s) -> S::f64s {
        self.0.max_f64s(a, b)
    }
    #[inline(always)]
    fn mean(self, a: S::f64s, b: S::f64s) -> S::f64s {
        self.0.mul_f64s(self.0.add_f64s(a, b), self.0.splat_f64s(0.5))
    }
    #[inline(always)]
    fn add(self, a: S::f64s, b: S::f64s) -> S::f64s {
        self.0.add_f64s(a, b)
    }
    #[inline(always)]
    fn mul(self, a: S::f64s, b: S::f64s) -> S::f64s {
        self.0.mul_f64s(a, b)
    }
    #[inline(always)]
    fn sub(self, a: S::f64s, b: S::f64s) -> S::f64s {
        self.0.sub_f64s(a, b)
    }
    #[inline(always)]
    fn negated(self, a: S::f64s) -> S::f64s {
        self.0.neg_f64s(a)
    }
    #[inline(always)]
    fn magnitude(self, a: S::f64s) -> S::f64s {
        self.0.abs_f64s(a)
    }
    #[inline(always)]
    fn differ(self, a: S::m64s, b: S::m64s) -> S::m64s {
        self.0.xor_m64s(a, b)
    }
    #[inline(always)]
    fn any(self, mask: S::m64s) -> bool {
        self.0.first_true_m64s(mask) < S::F64_LANES
    }
    #[inline(always)]
    fn equal(self, a: S::f64s, b: S::f64s) -> S::m64s {
        self.0.equal_f64s(a, b)
    }
    #[inline(always)]
    fn less(self, a: S::f64s, b: S::f64s) -> S::m64s {
        self.0.less_than_f64s(a, b)
    }
    #[inline(always)]
    fn select(self, mask: S::m64s, a: S::f64s, b: S::f64s) -> S::f64s {
        self.0.select_f64s(mask, a, b)
    }
}
