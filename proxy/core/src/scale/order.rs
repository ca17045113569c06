//! Who is woken first when orders are scarce.
//!
//! An API that takes ten or twenty orders a second needs a minute for the thousand pools that a common launch wakes at
//! once. In the order of their backlog the first orders serve the most people; in the order of arrival they serve
//! whoever was early.

use std::cmp::Reverse;

/// An order that is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Which pool; the caller's number.
    pub pool: u32,
    /// Replicas to have.
    pub replicas: u32,
    /// Replicas that were ordered before.
    pub previous: u32,
    /// Requests that wait in that pool.
    pub waiting: u64,
}

impl Order {
    fn ascends(&self) -> bool {
        self.replicas > self.previous
    }
}

/// Sorts orders by what they serve: those that add before those that take away, the greatest backlog first, sleeping
/// pools before others of the same backlog, and then by number, so that the result is one and the same.
pub fn by_backlog(orders: &mut [Order]) {
    orders.sort_unstable_by_key(|order| {
        (
            Reverse(order.ascends()),
            Reverse(order.waiting),
            order.previous > 0,
            order.pool,
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(pool: u32, previous: u32, replicas: u32, waiting: u64) -> Order {
        Order {
            pool,
            replicas,
            previous,
            waiting,
        }
    }

    #[test]
    fn the_greatest_backlog_comes_first_and_descents_come_last() {
        let mut orders = [
            order(1, 9, 4, 0),
            order(2, 0, 1, 3),
            order(3, 4, 5, 3),
            order(4, 0, 6, 900),
            order(5, 0, 1, 3),
        ];
        by_backlog(&mut orders);
        assert_eq!(orders.map(|order| order.pool), [4, 2, 5, 3, 1]);
    }
}
