//! What a shard is told from outside: [`Order`]. Invariant: orders only ever get stricter.

use base::Instant;

/// What a shard is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// Serve.
    #[default]
    Run,
    /// Stop accepting, let every connection finish, and end when the last has. What is left at
    /// `until` is cut off.
    Drain {
        /// The last moment.
        until: Instant,
    },
    /// End every connection now.
    ShutDown,
}

impl Order {
    /// This order and a further one: the stricter of the two, and of two drains the earlier.
    #[must_use]
    pub fn and(self, further: Self) -> Self {
        match (self, further) {
            (Self::ShutDown, _) | (_, Self::ShutDown) => Self::ShutDown,
            (Self::Drain { until: a }, Self::Drain { until: b }) => {
                Self::Drain { until: if a < b { a } else { b } }
            }
            (Self::Run, other) | (other, Self::Run) => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Order;
    use base::Instant;

    #[test]
    fn the_stricter_order_wins_whichever_came_first() {
        let drain = |millis| Order::Drain { until: Instant::from_millis(millis) };
        for (a, b, both) in [
            (Order::Run, Order::Run, Order::Run),
            (Order::Run, drain(5), drain(5)),
            (drain(5), drain(3), drain(3)),
            (drain(5), Order::ShutDown, Order::ShutDown),
            (Order::Run, Order::ShutDown, Order::ShutDown),
        ] {
            assert_eq!(a.and(b), both);
            assert_eq!(b.and(a), both);
        }
    }
}
