//! The replicas that were ordered and do not serve yet: how long ago each was ordered, what their cold start turns out to
//! be, and whether they fail.
//!
//! Whoever starts replicas does not say which endpoint came of which order, so the oldest order is taken for the first
//! endpoint that serves. An endpoint that served before and comes back (from an ejection, from maintenance) is no start,
//! unless it was not wanted meanwhile: an address may stay in the list while its replica sleeps.
//!
//! Where starts or orders fail, the time from order to service is that of a defect and of the pauses after it, not of a
//! start: learnt as one, it would make a pool that was mended long ago refuse who finds it asleep. Such times are no
//! measure. A start that takes long without anybody saying that it failed is one: it may have to load an image.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use rustc_hash::FxHashMap;
use schleuse_core::Timestamp;

use super::sample::{Endpoint, Sample};

/// A replica that serves for so long after the last failed start shows that starts succeed. One that crashes each time
/// as soon as it serves does not.
const SOUND_AFTER: Duration = Duration::from_secs(5);
/// After something failed, replicas that are ordered before one has served for so long may have to wait for each other:
/// for half a minute local processes are tried one at a time.
const CALM_AFTER: Duration = Duration::from_secs(30);

/// A replica that does not serve yet.
#[derive(Debug, Clone, Copy)]
struct Ordered {
    at: Timestamp,
    /// Nothing has failed since, and nothing that failed before holds it up.
    is_measure: bool,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// Endpoints of the list that have served, and whether they do now. Those that do not are there only as far as they
    /// were wanted ever since.
    known: FxHashMap<SocketAddr, bool>,
    /// Each replica that does not serve yet, the oldest first.
    ordered: VecDeque<Ordered>,
    /// Failed starts as the pool counts them, of which nothing is new.
    counted: u64,
    /// The same of failed orders.
    orders_counted: u64,
    /// A start or an order has failed, and no replica has served for [`CALM_AFTER`] since.
    disturbed: bool,
    /// Since when the first endpoint serves that came after the last failure.
    calm_since: Option<Timestamp>,
    /// Failed starts in a row.
    failing: u32,
    /// Since when the newest endpoint serves; none after a failed start.
    sound_since: Option<Timestamp>,
}

impl Starts {
    /// With endpoints that are there already.
    pub(super) fn new(sample: &Sample) -> Self {
        let known = serving(sample)
            .map(|endpoint| (endpoint.address, true))
            .collect();
        Self {
            known,
            counted: sample.starts_failed,
            orders_counted: sample.orders_failed,
            ..Self::default()
        }
    }

    /// Compares with what was there before; the cold starts that ended meanwhile and are a measure.
    pub(super) fn look(&mut self, sample: &Sample, now: Timestamp) -> Vec<Duration> {
        let listed = sample.endpoints.as_deref().unwrap_or_default();
        self.known.retain(|address, serves| {
            *serves = false;
            listed.iter().any(|endpoint| endpoint.address == *address)
        });
        self.note_failures(sample);
        let mut cold_starts = Vec::new();
        for endpoint in serving(sample) {
            if self.known.insert(endpoint.address, true).is_some() {
                continue;
            }
            self.sound_since = Some(now);
            self.calm_since.get_or_insert(now);
            let ordered = self.ordered.pop_front();
            let measure = ordered.filter(|ordered| ordered.is_measure);
            cold_starts.extend(measure.map(|ordered| now - ordered.at));
        }
        let lasts = |since: Option<Timestamp>, time| since.is_some_and(|since| now - since >= time);
        if lasts(self.sound_since, SOUND_AFTER) {
            self.failing = 0;
        }
        if lasts(self.calm_since, CALM_AFTER) {
            self.disturbed = false;
        }
        cold_starts
    }

    fn note_failures(&mut self, sample: &Sample) {
        let starts = sample.starts_failed.saturating_sub(self.counted);
        let orders = sample.orders_failed.saturating_sub(self.orders_counted);
        self.counted = sample.starts_failed;
        self.orders_counted = sample.orders_failed;
        if starts > 0 {
            let starts = u32::try_from(starts).unwrap_or(u32::MAX);
            self.failing = self.failing.saturating_add(starts);
            self.sound_since = None;
        }
        if starts + orders > 0 {
            self.disturbed = true;
            self.calm_since = None;
            for ordered in &mut self.ordered {
                ordered.is_measure = false;
            }
        }
    }

    /// So many replicas are wanted from `now` on.
    pub(super) fn order(&mut self, replicas: u32, now: Timestamp) {
        let wanted = usize::try_from(replicas).unwrap_or(usize::MAX);
        let mut surplus = self.known.len().saturating_sub(wanted);
        self.known.retain(|_, serves| {
            let goes = !*serves && surplus > 0;
            surplus -= usize::from(goes);
            !goes
        });
        let missing = wanted.saturating_sub(self.known.len());
        // Who goes first when fewer are wanted is the newest, whose start has cost the least so far.
        self.ordered.truncate(missing);
        while self.ordered.len() < missing {
            self.ordered.push_back(Ordered {
                at: now,
                is_measure: !self.disturbed,
            });
        }
    }

    /// How long ago each replica that does not serve yet was ordered.
    pub(super) fn ages(&self, now: Timestamp) -> Vec<Duration> {
        self.ordered
            .iter()
            .map(|ordered| now - ordered.at)
            .collect()
    }

    /// Failed starts since the last one that turned out well.
    pub(super) fn failing(&self) -> u32 {
        self.failing
    }
}

fn serving(sample: &Sample) -> impl Iterator<Item = &Endpoint> {
    let listed = sample.endpoints.as_deref().unwrap_or_default();
    listed.iter().filter(|endpoint| endpoint.serves)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default() + Duration::from_secs(seconds)
    }

    /// A pool whose endpoints have these ports; a negative one does not serve.
    fn sample(ports: &[i32], starts_failed: u64) -> Sample {
        let endpoint = |port: &i32| Endpoint {
            address: SocketAddr::from(([127, 0, 0, 1], u16::try_from(port.abs()).unwrap())),
            serves: *port > 0,
            pending: false,
            seats: 1,
        };
        Sample {
            starts_failed,
            endpoints: Some(ports.iter().map(endpoint).collect()),
            ..Sample::default()
        }
    }

    #[test]
    fn a_cold_start_lasts_from_the_order_until_the_endpoint_serves() {
        let mut starts = Starts::new(&sample(&[], 0));
        starts.order(2, at(1));
        assert!(
            starts.look(&sample(&[-7], 0), at(3)).is_empty(),
            "it only listens"
        );
        assert_eq!(
            starts.look(&sample(&[7], 0), at(4)),
            [Duration::from_secs(3)]
        );
        assert_eq!(starts.ages(at(6)), [Duration::from_secs(5)]);
    }

    #[test]
    fn what_served_before_and_comes_back_is_no_start() {
        let mut starts = Starts::new(&sample(&[7], 0));
        starts.order(2, at(1));
        starts.look(&sample(&[-7], 0), at(2));
        assert!(starts.look(&sample(&[7], 0), at(3)).is_empty());
        assert_eq!(starts.ages(at(3)).len(), 1);
    }

    #[test]
    fn an_address_that_stays_in_the_list_while_its_replica_sleeps_starts_again() {
        let mut starts = Starts::new(&sample(&[7, 8], 0));
        starts.order(1, at(1));
        starts.look(&sample(&[7, -8], 0), at(2));
        starts.order(1, at(2));
        starts.order(2, at(3));
        assert_eq!(starts.ages(at(5)), [Duration::from_secs(2)]);
        starts.look(&sample(&[7, 8], 0), at(6));
        starts.order(0, at(7));
        starts.look(&sample(&[-7, -8], 0), at(8));
        starts.order(0, at(8));
        starts.order(1, at(20));
        let woken = starts.look(&sample(&[-7, 8], 0), at(23));
        assert_eq!(woken, [Duration::from_secs(3)]);
    }

    #[test]
    fn a_replica_that_went_is_one_that_starts_again() {
        let mut starts = Starts::new(&sample(&[7, 8], 0));
        starts.order(2, at(1));
        assert!(starts.ages(at(1)).is_empty());
        starts.look(&sample(&[7], 0), at(2));
        starts.order(2, at(2));
        assert_eq!(starts.ages(at(5)), [Duration::from_secs(3)]);
    }

    #[test]
    fn of_fewer_wanted_the_newest_are_not_started() {
        let mut starts = Starts::new(&sample(&[], 0));
        starts.order(1, at(1));
        starts.order(3, at(2));
        starts.order(1, at(3));
        assert_eq!(starts.ages(at(3)), [Duration::from_secs(2)]);
    }

    #[test]
    fn a_start_during_which_one_failed_is_no_measure_of_a_cold_start() {
        let mut starts = Starts::new(&sample(&[], 0));
        starts.order(1, at(0));
        starts.look(&sample(&[], 1), at(1));
        starts.look(&sample(&[], 5), at(60)); // it was mended after that
        let learnt = starts.look(&sample(&[7], 5), at(90));
        assert!(learnt.is_empty(), "{learnt:?}");
        assert!(starts.ages(at(90)).is_empty());
    }

    #[test]
    fn an_order_that_was_not_taken_at_once_is_no_measure_of_a_cold_start() {
        let mut starts = Starts::new(&sample(&[7], 0));
        starts.order(2, at(0));
        let refused = |ports: &[i32]| Sample {
            orders_failed: 1,
            ..sample(ports, 0)
        };
        starts.look(&refused(&[7]), at(1));
        assert_eq!(starts.failing(), 0, "nobody has tried to start one");
        let learnt = starts.look(&refused(&[7, 8]), at(120));
        assert!(learnt.is_empty(), "{learnt:?}");
    }

    #[test]
    fn cold_starts_are_learnt_again_when_one_has_served_for_half_a_minute() {
        let mut starts = Starts::new(&sample(&[], 0));
        starts.look(&sample(&[], 3), at(1));
        starts.order(1, at(2));
        starts.look(&sample(&[7], 3), at(10));
        starts.order(2, at(20)); // has to wait until the loop is known to be over
        let early = starts.look(&sample(&[7, 8], 3), at(45));
        assert!(early.is_empty(), "{early:?}");
        starts.order(3, at(50));
        let learnt = starts.look(&sample(&[7, 8, 9], 3), at(52));
        assert_eq!(learnt, [Duration::from_secs(2)]);
    }

    #[test]
    fn starts_fail_until_one_has_served_for_a_while() {
        let mut starts = Starts::new(&sample(&[], 4));
        starts.order(1, at(0));
        starts.look(&sample(&[], 6), at(1));
        assert_eq!(starts.failing(), 2);
        starts.look(&sample(&[7], 6), at(2));
        starts.look(&sample(&[], 7), at(3)); // it crashed at once
        starts.look(&sample(&[], 7), at(60));
        assert_eq!(starts.failing(), 3);
        starts.look(&sample(&[8], 7), at(61));
        starts.look(&sample(&[8], 7), at(66));
        assert_eq!(starts.failing(), 0);
    }
}
