//! The hash of all filters: xxh3, 64 bits, without a secret. Functions of their own, so that a module holds its code once.

use xxhash_rust::xxh3::xxh3_64;

/// xxh3-64 of some bytes.
#[inline(never)]
pub fn hash64(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// 32 digits of `0-9a-f`: the hash of some bytes, and of them with one more, which is zero.
pub fn hash128_digits(mut bytes: Vec<u8>) -> String {
    let first = hash64(&bytes);
    bytes.push(0);
    let mut digits = String::with_capacity(32);
    push_digits(&mut digits, first);
    push_digits(&mut digits, hash64(&bytes));
    digits
}

/// Sixteen digits.
pub(crate) fn push_digits(text: &mut String, number: u64) {
    for shift in (0..16).rev() {
        let digit = (number >> (shift * 4)) & 15;
        // A digit below 16 is one.
        text.extend(char::from_digit(digit as u32, 16));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lies in a store must be found by every later release.
    #[test]
    fn hashes_never_change() {
        assert_eq!(hash64(b""), 0x2d06_8005_38d3_94c2);
        let digits = format!("{:016x}{:016x}", xxh3_64(b"a"), xxh3_64(b"a\0"));
        assert_eq!(hash128_digits(b"a".to_vec()), digits);
    }
}
