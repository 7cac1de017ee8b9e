//! Bytes a handler has left for later: [`Held`]. Invariant: no buffer while there are none.

/// Received bytes that were not consumed, in one piece.
#[derive(Debug, Default)]
pub(crate) struct Held {
    bytes: Vec<u8>,
    /// Bytes at the front that were consumed since.
    consumed: usize,
}

/// There is no memory to hold bytes in.
#[derive(Debug)]
pub(crate) struct NoMemory;

impl Held {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.consumed..]
    }

    pub const fn is_empty(&self) -> bool {
        self.bytes.len() == self.consumed
    }

    pub fn append(&mut self, more: &[u8]) -> Result<(), NoMemory> {
        if self.consumed > 0 {
            self.bytes.drain(..self.consumed);
            self.consumed = 0;
        }
        self.bytes.try_reserve(more.len()).map_err(|_| NoMemory)?;
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    /// Drops the first `count` bytes, and the buffer with the last one.
    pub fn consume(&mut self, count: usize) {
        self.consumed = (self.consumed + count).min(self.bytes.len());
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Bytes of memory taken.
    pub const fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::Held;

    #[test]
    fn bytes_stay_in_order_and_the_buffer_goes_with_the_last() {
        let mut held = Held::default();
        held.append(b"abcdef").unwrap();
        held.consume(2);
        held.append(b"gh").unwrap();
        assert_eq!(held.bytes(), b"cdefgh");
        held.consume(99);
        assert!(held.is_empty());
        assert_eq!(held.memory(), 0);
    }
}
