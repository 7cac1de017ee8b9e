//! A seeded random generator: xoshiro256++ by Blackman and Vigna (2019), seeded through
//! SplitMix64. Invariant: the same seed gives the same numbers for ever, on every machine.
//! Not for secrets: keys come from the operating system and are handed in.

/// A small, fast, seeded random generator. 32 bytes.
#[derive(Clone, Debug)]
pub struct Prng {
    state: [u64; 4],
}

impl Prng {
    /// A generator whose whole sequence is determined by `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut mixer = seed;
        let state = core::array::from_fn(|_| split_mix(&mut mixer));
        Self { state }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    /// A number below `bound`, each as likely as the next to within one part in 2^32 (Lemire's
    /// multiplication). Zero when `bound` is zero.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// True `parts` times out of a million on average.
    pub fn chance(&mut self, parts_per_million: u32) -> bool {
        self.below(1_000_000) < parts_per_million
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::Prng;

    #[test]
    fn same_seed_same_numbers_other_seed_others() {
        let draw = |seed| {
            let mut prng = Prng::new(seed);
            core::array::from_fn::<u64, 8, _>(|_| prng.next_u64())
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    /// The generator's own reference: state {1, 2, 3, 4} gives these numbers
    /// (xoshiro256plusplus.c, public domain).
    #[test]
    fn matches_the_reference_sequence() {
        let mut prng = Prng { state: [1, 2, 3, 4] };
        let expected = [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386];
        assert_eq!(core::array::from_fn(|_| prng.next_u64()), expected);
    }

    #[test]
    fn below_stays_below_and_reaches_every_value() {
        let mut prng = Prng::new(1);
        let mut seen = [false; 7];
        for _ in 0..1_000 {
            seen[prng.below(7) as usize] = true;
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!(prng.below(0), 0);
    }
}
