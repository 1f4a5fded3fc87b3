//! Samples for the examples.

/// Noise of which a twentieth is missing, with a spike in every thousandth sample.
pub fn noise_with_spikes(samples: usize) -> Vec<f32> {
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from(u16::try_from(state >> 16).unwrap_or(0)) / 65536.0
    };
    let mut sample = |number: usize| match number % 1000 {
        500 => 100.0,
        _ if random() < 0.05 => f32::NAN,
        _ => random() + random() + random(),
    };
    (0..samples).map(&mut sample).collect()
}
