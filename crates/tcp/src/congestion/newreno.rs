//! NewReno's congestion avoidance: RFC 5681 section 3.1. Invariant: at most one segment is added
//! per window of data acknowledged.

/// The window after `bytes` were acknowledged in congestion avoidance.
pub(super) fn grow(window: u32, counted: &mut u32, bytes: u32, mss: u32) -> u32 {
    *counted = counted.saturating_add(bytes);
    if *counted < window {
        return window;
    }
    *counted -= window;
    window + mss
}

/// ssthresh after a loss: RFC 5681 equation 4.
pub(super) fn threshold(in_flight: u32, mss: u32) -> u32 {
    (in_flight / 2).max(2 * mss)
}
