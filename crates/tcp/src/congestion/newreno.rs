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

#[cfg(test)]
mod tests {
    use super::{grow, threshold};

    #[test]
    fn what_is_beyond_a_window_counts_for_the_next() {
        let mut counted = 0;
        assert_eq!((grow(10_000, &mut counted, 6_000, 1_000), counted), (10_000, 6_000));
        assert_eq!((grow(10_000, &mut counted, 6_000, 1_000), counted), (11_000, 2_000));
    }

    #[test]
    fn a_threshold_is_half_of_the_flight_and_two_segments_at_least() {
        assert_eq!((threshold(9_000, 1_000), threshold(3_000, 1_000)), (4_500, 2_000));
    }
}
