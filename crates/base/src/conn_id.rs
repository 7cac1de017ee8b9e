//! The identifier of one connection. Invariant: an identifier is never equal to that of another
//! connection that is open at the same time anywhere in the process; one kept after the end of its
//! connection goes stale, it does not go wrong (the generation tells it from the slot's next user).

/// Names one connection in the whole process: which shard, which slot there, which use of the slot.
///
/// Eight bytes, plain data, safe to keep and to send to another thread. The generation is 16 bits
/// wide, so one kept across 65,536 reuses of the same slot can name a later connection; whoever
/// is woken by identifier therefore treats a wake as a hint, never as proof.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(u64);

impl ConnId {
    /// Puts an identifier together. `slot` is the index of the connection's record in its shard.
    #[must_use]
    pub const fn new(shard: u16, slot: u32, generation: u16) -> Self {
        // `as` because `From` is not yet callable in a const fn; all three widen.
        Self((shard as u64) << 48 | (generation as u64) << 32 | slot as u64)
    }

    /// The shard that owns the connection.
    #[must_use]
    pub const fn shard(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// The index of the connection's record in its shard.
    #[must_use]
    pub const fn slot(self) -> u32 {
        self.0 as u32
    }

    /// Which use of the slot this is, modulo 65,536.
    #[must_use]
    pub const fn generation(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// The identifier as one number, for wire formats and completion tags.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The inverse of [`ConnId::to_bits`].
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl core::fmt::Debug for ConnId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}.{}", self.shard(), self.slot(), self.generation())
    }
}

#[cfg(test)]
mod tests {
    use super::ConnId;

    #[test]
    fn parts_come_back_as_they_went_in() {
        for (shard, slot, generation) in [(0, 0, 0), (u16::MAX, u32::MAX, u16::MAX), (3, 9, 7)] {
            let id = ConnId::new(shard, slot, generation);
            assert_eq!((id.shard(), id.slot(), id.generation()), (shard, slot, generation));
            assert_eq!(ConnId::from_bits(id.to_bits()), id);
        }
    }
}
