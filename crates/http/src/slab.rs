//! A table that hands out indices: [`Slab`]. Invariant: an index names one entry until it is taken.

use alloc::vec::Vec;

/// Entries by index; freed places are used again, the last one first.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Place<T>>,
    /// The first free place; the length of `places` when there is none.
    free: u32,
    taken: u32,
}

#[derive(Debug)]
enum Place<T> {
    Taken(T),
    /// The next free place.
    Free(u32),
}

impl<T> Slab<T> {
    pub const fn new() -> Self {
        Self { places: Vec::new(), free: 0, taken: 0 }
    }

    /// How many entries there are.
    pub const fn len(&self) -> u32 {
        self.taken
    }

    /// Keeps an entry and says where.
    ///
    /// # Errors
    /// The entry itself, when there is no memory for it.
    pub fn insert(&mut self, entry: T) -> Result<u32, T> {
        let index = self.free;
        match self.places.get_mut(index as usize) {
            Some(place) => {
                if let Place::Free(next) = *place {
                    self.free = next;
                }
                *place = Place::Taken(entry);
            }
            None => {
                if self.places.try_reserve(1).is_err() {
                    return Err(entry);
                }
                self.places.push(Place::Taken(entry));
                self.free += 1;
            }
        }
        self.taken += 1;
        Ok(index)
    }

    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        match self.places.get_mut(index as usize) {
            Some(Place::Taken(entry)) => Some(entry),
            _ => None,
        }
    }

    /// Takes an entry out; its place is free then.
    pub fn take(&mut self, index: u32) -> Option<T> {
        let place = self.places.get_mut(index as usize)?;
        match core::mem::replace(place, Place::Free(self.free)) {
            Place::Taken(entry) => {
                self.free = index;
                self.taken -= 1;
                Some(entry)
            }
            free @ Place::Free(_) => {
                *place = free;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Slab;

    #[test]
    fn places_are_used_again() {
        let mut slab = Slab::new();
        let indices: [_; 3] = core::array::from_fn(|entry| slab.insert(entry));
        assert_eq!(indices, [Ok(0), Ok(1), Ok(2)]);
        assert_eq!((slab.take(1), slab.take(1), slab.take(9)), (Some(1), None, None));
        assert_eq!(slab.take(0), Some(0));
        assert_eq!([7, 8, 9].map(|entry| slab.insert(entry)), [Ok(0), Ok(1), Ok(3)]);
        assert_eq!(slab.get_mut(1), Some(&mut 8));
        assert_eq!(slab.len(), 4);
    }
}
