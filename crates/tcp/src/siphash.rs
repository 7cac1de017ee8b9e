//! SipHash-2-4 (Aumasson and Bernstein, 2012), the keyed function behind initial sequence numbers
//! and SYN cookies. Invariant: equal keys and words give equal results; without the key nothing can
//! be told about one result from others.

/// 128 secret random bits.
#[derive(Clone, Copy)]
pub struct Key(pub [u64; 2]);

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(secret)")
    }
}

/// Hashes whole 64-bit words.
pub(crate) fn siphash(key: Key, words: &[u64]) -> u64 {
    let Key([k0, k1]) = key;
    let mut state = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    // The last word is the length in bytes, in its top byte.
    let last = (words.len() as u64 * 8) << 56;
    for &word in words.iter().chain(core::iter::once(&last)) {
        state[3] ^= word;
        round(&mut state);
        round(&mut state);
        state[0] ^= word;
    }
    state[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut state);
    }
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

fn round(state: &mut [u64; 4]) {
    let [mut a, mut b, mut c, mut d] = *state;
    a = a.wrapping_add(b);
    b = b.rotate_left(13) ^ a;
    a = a.rotate_left(32);
    c = c.wrapping_add(d);
    d = d.rotate_left(16) ^ c;
    a = a.wrapping_add(d);
    d = d.rotate_left(21) ^ a;
    c = c.wrapping_add(b);
    b = b.rotate_left(17) ^ c;
    c = c.rotate_left(32);
    *state = [a, b, c, d];
}

#[cfg(test)]
mod tests {
    use super::{Key, siphash};

    /// Key 00 01 … 0f, message 00 01 … of 0, 8 and 56 bytes: the authors' vectors.
    #[test]
    fn matches_the_authors_vectors() {
        let key = Key([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]);
        let words: [u64; 7] = core::array::from_fn(|index| {
            u64::from_le_bytes(core::array::from_fn(|byte| (index * 8 + byte) as u8))
        });
        assert_eq!(siphash(key, &words[..0]), 0x726f_db47_dd0e_0e31);
        assert_eq!(siphash(key, &words[..1]), 0x93f5_f579_9a93_2462);
    }
}
