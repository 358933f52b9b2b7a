//! Numbers drawn for one try of a request: the same ones in every run.

use fastrand::Rng;

/// What a number is drawn for.
#[derive(Clone, Copy, Debug)]
pub(super) enum For {
    /// When the next request arrives.
    Arrivals,
    /// Which worker a request comes to.
    Worker,
    /// Which replica a try goes to.
    Replica,
    /// How long the replica takes.
    Service,
    /// How late a hedge leaves.
    Lateness,
}

/// The generator of numbers for a try, seeded by SplitMix64 of all that tells it from others.
pub(super) fn rng(seed: u64, what: For, request: usize, attempt: usize) -> Rng {
    let parts = [what as u64, request as u64, attempt as u64];
    Rng::with_seed(parts.into_iter().fold(mixed(seed), |sum, part| mixed(sum ^ part)))
}

const fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// An exponential variate of mean 1.
pub(super) fn exponential(rng: &mut Rng) -> f64 {
    -(1.0 - rng.f64()).ln()
}

/// A standard normal variate (Box and Muller, 1958).
pub(super) fn normal(rng: &mut Rng) -> f64 {
    (2.0 * exponential(rng)).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
}
