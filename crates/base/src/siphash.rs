//! SipHash by Aumasson and Bernstein (2012): a keyed hash for what a peer can choose. Invariant: the
//! key is secret and drawn by whoever starts the engine; a simulation gives a fixed one.

/// The key of a hash. Without it nobody can find inputs that collide, even by watching which of
/// theirs did.
#[derive(Clone, Copy)]
pub struct SipKey([u64; 2]);

impl SipKey {
    /// A key from 16 bytes of entropy.
    #[must_use]
    pub const fn new(key: [u64; 2]) -> Self {
        Self(key)
    }

    /// SipHash-1-3 of the words' little-endian bytes: to place things in tables.
    #[must_use]
    #[inline]
    pub fn table_hash<const N: usize>(self, words: [u64; N]) -> u64 {
        self.rounds::<1, 3, N>(words, 0)
    }

    /// The same of the words and the low `count` bytes of `rest`, fewer than eight, whose others are
    /// zero.
    #[must_use]
    #[inline]
    pub fn table_hash_with<const N: usize>(self, words: [u64; N], rest: u64, count: u8) -> u64 {
        debug_assert!(count < 8 && rest >> (8 * count) == 0);
        self.rounds::<1, 3, N>(words, rest | u64::from(count) << 56)
    }

    /// SipHash-2-4 of the words' little-endian bytes: for values that a peer sees and must not be
    /// able to predict, as sequence numbers and cookies.
    #[must_use]
    pub fn secret_hash<const N: usize>(self, words: [u64; N]) -> u64 {
        self.rounds::<2, 4, N>(words, 0)
    }

    /// `C` rounds for each word, `D` at the end. The message's last block is what is left of it and
    /// its length: `last` has the former, and how many bytes that adds to the words'.
    #[inline]
    fn rounds<const C: u32, const D: u32, const N: usize>(self, words: [u64; N], last: u64) -> u64 {
        let [k0, k1] = self.0;
        let mut state = State([
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ]);
        for word in words {
            state.absorb::<C>(word);
        }
        state.absorb::<C>(last.wrapping_add((N as u64 * 8) << 56));
        state.0[2] ^= 0xff;
        (0..D).for_each(|_| state.round());
        state.0[0] ^ state.0[1] ^ state.0[2] ^ state.0[3]
    }
}

/// The key is a secret: it does not get into a log by way of a derived `Debug`.
impl core::fmt::Debug for SipKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SipKey(secret)")
    }
}

struct State([u64; 4]);

impl State {
    #[inline]
    fn absorb<const C: u32>(&mut self, word: u64) {
        self.0[3] ^= word;
        (0..C).for_each(|_| self.round());
        self.0[0] ^= word;
    }

    #[inline]
    const fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a = a.wrapping_add(b);
        c = c.wrapping_add(d);
        b = b.rotate_left(13) ^ a;
        d = d.rotate_left(16) ^ c;
        a = a.rotate_left(32).wrapping_add(d);
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        d = d.rotate_left(21) ^ a;
        self.0 = [a, b, c.rotate_left(32), d];
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::SipKey;
    use core::hash::Hasher;

    /// The authors' test vectors for SipHash-2-4: key 00 01 … 0f, message 00 01 ….
    #[test]
    fn matches_the_reference_vectors() {
        let key = SipKey::new([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]);
        assert_eq!(key.secret_hash([]), 0x726f_db47_dd0e_0e31);
        assert_eq!(key.secret_hash([0x0706_0504_0302_0100]), 0x93f5_f579_9a93_2462);
        let two = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        assert_eq!(key.secret_hash(two), 0x3f2a_cc7f_57c2_9bdb);
    }

    /// The standard library's hasher is SipHash-1-3 with a zero key.
    #[test]
    fn matches_the_standard_library() {
        let words = [u64::MAX, 3, 0x1234_5678_9abc_def0];
        let mut hasher = std::hash::DefaultHasher::new();
        words.iter().for_each(|word| hasher.write(&word.to_le_bytes()));
        assert_eq!(SipKey::new([0, 0]).table_hash(words), hasher.finish());
        hasher.write(&[1, 2]);
        assert_eq!(SipKey::new([0, 0]).table_hash_with(words, 0x0201, 2), hasher.finish());
    }
}
