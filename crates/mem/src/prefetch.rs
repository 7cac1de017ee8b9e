//! Asks the processor for a cache line before it is needed. Invariant: a hint only; it never
//! faults and changes nothing but time.

/// Starts loading the cache line that holds `place`, where the processor can be asked to.
#[inline]
pub(crate) fn prefetch<T>(place: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch does not access memory as far as the program can tell: an address that
    // is not mapped is ignored. SSE is part of every x86-64.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(place.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = place;
}
