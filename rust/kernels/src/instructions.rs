//! The instruction set that the kernels use: the widest of this machine, unless one is forced.
//!
//! Results do not depend on it. Force one to test that, or to measure it.

use pulp::Arch;
use std::sync::atomic::{AtomicU8, Ordering};

/// A set of vector instructions that the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Instructions {
    /// Those that every machine of its kind has: SSE2 on x86-64.
    Scalar = 1,
    /// AVX2 and FMA of x86-64.
    Avx2 = 2,
    /// AVX-512 of x86-64.
    Avx512 = 3,
    /// NEON of aarch64.
    Neon = 4,
}

/// The number of the forced set; 0 if none is.
static FORCED: AtomicU8 = AtomicU8::new(0);

impl Instructions {
    /// All sets, from the narrowest to the widest.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512];

    /// Its name in lower case: `avx2`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
        }
    }

    /// Whether this machine has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        self.arch().is_some()
    }

    /// The set that the kernels use now.
    #[must_use]
    pub fn in_use() -> Self {
        let of_arch = |arch: Arch| match arch {
            #[cfg(target_arch = "x86_64")]
            Arch::V4(_) => Self::Avx512,
            #[cfg(target_arch = "x86_64")]
            Arch::V3(_) => Self::Avx2,
            #[cfg(target_arch = "aarch64")]
            Arch::Neon(_) => Self::Neon,
            _ => Self::Scalar,
        };
        Self::forced().unwrap_or_else(|| of_arch(Arch::new()))
    }

    /// The set that is forced, if any.
    #[must_use]
    pub fn forced() -> Option<Self> {
        let number = FORCED.load(Ordering::Relaxed);
        Self::ALL.into_iter().find(|each| *each as u8 == number)
    }

    /// Forces this set for all kernels of the process that start from now on. Returns false, and
    /// changes nothing, if this machine does not have it.
    #[must_use]
    pub fn force(self) -> bool {
        let is_available = self.is_available();
        if is_available {
            FORCED.store(self as u8, Ordering::Relaxed);
        }
        is_available
    }

    /// Lets kernels that start from now on use the widest set.
    pub fn use_widest() {
        FORCED.store(0, Ordering::Relaxed);
    }

    fn arch(self) -> Option<Arch> {
        match self {
            Self::Scalar => Some(Arch::Scalar),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => pulp::x86::V3::try_new().map(Arch::V3),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => pulp::x86::V4::try_new().map(Arch::V4),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => pulp::aarch64::Neon::try_new().map(Arch::Neon),
            #[allow(unreachable_patterns)] // those of other machines
            _ => None,
        }
    }
}

/// The instruction set to dispatch to.
pub(crate) fn arch() -> Arch {
    Instructions::forced().and_then(Instructions::arch).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Instructions;

    #[test]
    fn no_machine_has_the_sets_of_two_kinds() {
        assert!(Instructions::Scalar.is_available());
        assert!(!Instructions::Neon.is_available() || !Instructions::Avx2.is_available());
    }

    /// Narrower sets are not forced here: the tests that run at the same time use what is forced.
    #[test]
    fn the_widest_set_is_in_use() {
        let (available, others): (Vec<_>, Vec<_>) =
            Instructions::ALL.into_iter().partition(|set| set.is_available());
        let widest = available.last().copied();
        assert_eq!((Some(Instructions::in_use()), Instructions::forced()), (widest, None));
        assert!(!others.into_iter().any(Instructions::force));
        assert_eq!(Instructions::forced(), None);
        assert!(widest.is_some_and(Instructions::force));
        assert_eq!((Some(Instructions::in_use()), Instructions::forced()), (widest, widest));
        Instructions::use_widest();
        assert_eq!(Instructions::forced(), None);
    }
}
