//! Big-endian fields at fixed places of fixed-size headers. Invariant: the place is a constant of
//! the caller's, inside the array by construction, so the bounds check folds away.

pub(crate) const fn u16_at<const N: usize>(header: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([header[at], header[at + 1]])
}

pub(crate) const fn u32_at<const N: usize>(header: &[u8; N], at: usize) -> u32 {
    u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

pub(crate) fn bytes_at<const N: usize, const M: usize>(header: &[u8; N], at: usize) -> [u8; M] {
    core::array::from_fn(|index| header[at + index])
}

pub(crate) fn put<const N: usize>(header: &mut [u8; N], at: usize, bytes: &[u8]) {
    header[at..at + bytes.len()].copy_from_slice(bytes);
}
