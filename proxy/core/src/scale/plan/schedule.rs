//! The windows of a pool's launches, laid out once: what is asked for at a moment follows from them.
//!
//! Whoever asks four times a second, or for each of a thousand rows, must not lay out a table of a thousand rows each
//! time; and nobody has to ask before the next window opens.

use super::{Capacity, Launch, Need, WallTime, Window, windows};

/// See the head of this file.
#[derive(Clone, Debug)]
pub struct Schedule {
    launches: Vec<Launch>,
    capacity: Capacity,
    windows: Vec<Window>,
}

impl Schedule {
    /// Of the launches of one pool that can do so much. As dear as the formula of Erlang for each launch, at least.
    pub fn new(launches: &[Launch], capacity: &Capacity) -> Self {
        Self {
            launches: launches.to_vec(),
            capacity: *capacity,
            windows: windows(launches, capacity),
        }
    }

    /// What the pool can do, as it was laid out for.
    pub fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// What the launches ask for at `now`; the most of all windows that are open.
    pub fn need(&self, now: WallTime) -> Need {
        self.windows
            .iter()
            .filter(|window| window.opens <= now && now < window.closes)
            .map(|window| Need {
                replicas: window
                    .replicas(&self.launches, &self.capacity, now)
                    .min(self.capacity.max),
                in_window: true,
            })
            .max_by_key(|need| need.replicas)
            .unwrap_or_default()
    }

    /// When the next window opens, if one does after `now`.
    pub fn opens_after(&self, now: WallTime) -> Option<WallTime> {
        let opens = self.windows.iter().map(|window| window.opens);
        opens.filter(|opens| now < *opens).min()
    }

    /// The launches whose windows are open at `now`.
    pub fn open(&self, now: WallTime) -> impl Iterator<Item = &Launch> {
        let is_open = move |window: &&Window| window.opens <= now && now < window.closes;
        let within = move |launch: &&Launch| {
            let mut open = self.windows.iter().filter(is_open);
            open.any(|window| window.begins <= launch.at && launch.at < window.closes)
        };
        self.launches.iter().filter(within)
    }

    pub(super) fn windows(&self) -> &[Window] {
        &self.windows
    }
}
