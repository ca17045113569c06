//! How many seats a load needs: Little's law, square-root staffing, and Erlang's C formula where a wait is promised.
//!
//! `a = rate x seat time` seats are busy on average (Little 1961). What must be free beside them grows with the square
//! root of that, not in proportion (Halfin and Whitt 1981): at 1,000 busy seats a fixed utilisation of 70 % would keep
//! 430 idle where 32 suffice. Very large loads are bounded by a utilisation instead, because real service times are not
//! as kind as the formula's.

use super::number::{ceil, floor, real};

/// Seats for `load` busy ones: the larger of the square-root rule with factor `beta` and the utilisation bound.
pub fn seats(load: f64, beta: f64, utilisation_max: f64) -> f64 {
    let load = load.max(0.0);
    let bound = load / utilisation_max.clamp(0.05, 1.0);
    (load + beta.max(0.0) * load.sqrt()).max(bound)
}

/// Replicas that give so many seats.
pub fn replicas(seats: f64, per_replica: u32) -> u32 {
    ceil(seats / f64::from(per_replica.max(1)))
}

/// Probability that an arrival finds all of `seats` busy (Erlang C); 1 when the load cannot be served.
pub fn wait_probability(seats: u32, load: f64) -> f64 {
    if load <= 0.0 {
        return 0.0;
    }
    if f64::from(seats) <= load {
        return 1.0;
    }
    delayed(blocking(seats, load), seats, load)
}

/// The fewest seats with which no more than the share `late` of all arrivals waits longer than `wait_seconds`.
///
/// For random service times (exponential), which is on the safe side for all that vary less. Exact, at a price that grows
/// with the square root of the load: ten thousand steps, some 100 µs, for a million busy seats. Loads above ten million
/// are answered by the square-root rule alone, which is exact there.
pub fn seats_for_wait(load: f64, seat_seconds: f64, wait_seconds: f64, late: f64) -> u32 {
    if load <= 0.0 || !load.is_finite() {
        return 0;
    }
    if load > 1e7 {
        return ceil(seats(load, 2.0, 1.0));
    }
    let late = late.max(1e-9);
    let exponent = -wait_seconds.max(0.0) / seat_seconds.max(1e-6);
    // Fewer cannot serve the load at all.
    let mut count = floor(load) + 1;
    let mut blocking = blocking(count, load);
    loop {
        let spare = f64::from(count) - load;
        if spare > 0.0 && delayed(blocking, count, load) * (spare * exponent).exp() <= late {
            return count;
        }
        count += 1;
        blocking = next_blocking(blocking, count, load);
    }
}

/// Erlang B: the share of arrivals that find all seats busy when nobody waits.
fn blocking(seats: u32, load: f64) -> f64 {
    1.0 / inverse_terms(seats, load).sum::<f64>()
}

/// What adds up to the inverse of Erlang B: `n!/(n-k)!/load^k` for k from 0 to n, as far as it counts. From about the
/// load on they fall like a bell curve as wide as the root of the load, so few of them do (Jagerman 1974); from one seat
/// on upwards, the usual recursion takes as many steps as there are seats.
fn inverse_terms(seats: u32, load: f64) -> impl Iterator<Item = f64> {
    let (mut term, mut sum) = (1.0, 0.0);
    (0..=seats)
        .map(move |taken| {
            let (this, before) = (term, sum);
            term *= f64::from(seats - taken) / load;
            sum += this;
            (this, before)
        })
        .take_while(|(term, before)| *term > before * f64::EPSILON)
        .map(|(term, _)| term)
}

/// Erlang B for one seat more.
fn next_blocking(blocking: f64, seats: u32, load: f64) -> f64 {
    load * blocking / (f64::from(seats) + load * blocking)
}

/// Erlang C from Erlang B.
fn delayed(blocking: f64, seats: u32, load: f64) -> f64 {
    let utilisation = load / f64::from(seats);
    blocking / (1.0 - utilisation * (1.0 - blocking))
}

/// Seats that are busy on average, by Little's law.
pub fn load(rate: f64, seat_seconds: f64) -> f64 {
    rate.max(0.0) * seat_seconds.max(0.0)
}

/// Seats of so many replicas.
pub fn seats_of(replicas: u32, per_replica: u32) -> f64 {
    real(u64::from(replicas) * u64::from(per_replica.max(1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn erlang_c_agrees_with_published_values() {
        // Textbook values: two busy of three and four seats; Halfin-Whitt's limit for beta = 1 is 0.2234.
        assert!((wait_probability(3, 2.0) - 0.4444).abs() < 1e-4);
        assert!((wait_probability(4, 2.0) - 0.1739).abs() < 1e-4);
        assert!((wait_probability(10_100, 10_000.0) - 0.2234).abs() < 3e-3);
    }

    #[test]
    fn a_thousand_busy_seats_need_tens_of_free_ones_and_not_hundreds() {
        let count = seats_for_wait(1_000.0, 0.1, 0.1, 0.01);
        assert!((1_005..1_050).contains(&count), "{count}");
        assert!((seats(1_000.0, 1.0, 1.0) - 1_031.6).abs() < 0.1);
    }

    #[test]
    fn no_load_needs_no_seat() {
        assert_eq!(seats_for_wait(0.0, 0.1, 1.0, 0.01), 0);
        assert_eq!(replicas(seats(0.0, 1.0, 0.9), 20), 0);
    }

    #[test]
    fn loads_beyond_reason_still_have_an_answer() {
        assert!(seats_for_wait(1e9, 0.1, 1.0, 0.01) > 1_000_000_000);
        assert_eq!(seats_for_wait(f64::NAN, 0.1, 1.0, 0.01), 0);
    }

    #[test]
    fn one_seat_is_enough_for_next_to_nothing() {
        assert_eq!(seats_for_wait(f64::MIN_POSITIVE / 1e9, 0.1, 0.0, 0.01), 1);
        assert!(wait_probability(10_000, 1.0) < 1e-9);
    }

    #[test]
    fn the_price_grows_with_the_square_root_of_the_load() {
        for load in [1e2, 1e4, 1e6] {
            let steps = inverse_terms(floor(load) + 1, load).count();
            assert!(
                real(steps as u64) < 10.0 * load.sqrt(),
                "{steps} for {load}"
            );
            let beyond = f64::from(seats_for_wait(load, 0.1, 0.0, 0.01)) - load;
            assert!(beyond < 3.0 * load.sqrt(), "{beyond} for {load}");
        }
    }

    proptest! {
        #[test]
        fn erlang_b_is_what_the_recursion_from_the_first_seat_on_says(
            load in 0.01..20_000.0_f64, beyond in -2.0..6.0_f64
        ) {
            let seats = floor(load + beyond * load.sqrt()).max(1);
            let recursion = (1..=seats).fold(1.0, |before, seat| next_blocking(before, seat, load));
            let direct = blocking(seats, load);
            prop_assert!((direct / recursion - 1.0).abs() < 1e-9, "{direct} {recursion}");
        }

        #[test]
        fn the_answer_keeps_the_promise_and_one_seat_less_does_not(
            load in 0.1..500.0_f64, wait in 0.0..2.0_f64, late in 0.001..0.2_f64
        ) {
            let count = seats_for_wait(load, 0.1, wait, late);
            let later = |seats: u32| {
                if f64::from(seats) <= load { return 1.0; }
                wait_probability(seats, load) * (-(f64::from(seats) - load) * wait / 0.1).exp()
            };
            prop_assert!(later(count) <= late + 1e-9);
            prop_assert!(later(count - 1) > late - 1e-9);
        }

        #[test]
        fn more_load_never_needs_fewer_seats(load in 0.0..2_000.0_f64, more in 0.0..100.0_f64) {
            prop_assert!(seats(load + more, 1.0, 0.9) >= seats(load, 1.0, 0.9));
            prop_assert!(
                seats_for_wait(load + more, 0.1, 1.0, 0.01) >= seats_for_wait(load, 0.1, 1.0, 0.01)
            );
        }
    }
}
