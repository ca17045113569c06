//! The process groups of commands that run, known where a signal's handler can end them: no lock, no allocation.
//!
//! A table of fixed size, because the handler may interrupt whoever grows one. Who ends by `SIGKILL` leaves its commands
//! behind; that cannot be helped from here.

use std::{
    sync::atomic::{AtomicI32, Ordering},
    time::Duration,
};

use rustix::{
    process::{Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpid},
    thread::{NanosleepRelativeResult, nanosleep},
    time::Timespec,
};

/// Commands that may run at once.
const GROUPS_MAX: usize = 1_024;
/// How often it is looked whether all have ended that were asked to.
const LOOKS: usize = 40;
/// Time between two looks; with the number of them 2 s, long enough for a proxy that ends replicas of its own.
const LOOK: Duration = Duration::from_millis(50);

/// Their leaders; 0 is free.
static GROUPS: [AtomicI32; GROUPS_MAX] = [const { AtomicI32::new(0) }; GROUPS_MAX];

/// A group that is known for as long as this lives.
#[derive(Debug)]
pub(super) struct Group {
    place: &'static AtomicI32,
    leader: Pid,
}

impl Group {
    /// Of this leader; none if too many run.
    pub(super) fn of(leader: Pid) -> Option<Self> {
        let number = leader.as_raw_nonzero().get();
        let place = GROUPS.iter().find(|place| {
            let taken = place.compare_exchange(0, number, Ordering::AcqRel, Ordering::Relaxed);
            taken.is_ok()
        })?;
        Some(Self { place, leader })
    }

    /// Sends a signal to all of it.
    pub(super) fn kill(&self, signal: Signal) {
        // Fails only when nobody of the group is left.
        let _ = kill_process_group(self.leader, signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.place.store(0, Ordering::Release);
    }
}

/// Ends them all: asks first, and kills after two seconds. Safe in a signal's handler, after which the process ends.
pub(crate) fn end_all() {
    for signal in [Signal::TERM, Signal::KILL] {
        for group in known() {
            let _ = kill_process_group(group, signal);
        }
        if all_have_ended() {
            return;
        }
    }
}

/// Waits until nobody is left; false if there was time enough.
fn all_have_ended() -> bool {
    for _ in 0..LOOKS {
        if !known().any(is_alive) {
            return true;
        }
        let look = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(LOOK.subsec_nanos()),
        };
        if let NanosleepRelativeResult::Err(_) = nanosleep(&look) {
            break;
        }
    }
    false
}

fn known() -> impl Iterator<Item = Pid> {
    let leaders = GROUPS.iter().map(|place| place.load(Ordering::Acquire));
    leaders.filter_map(Pid::from_raw)
}

/// A leader that has ended stays in its group until somebody waits for it.
fn is_alive(group: Pid) -> bool {
    let _ = waitpid(Some(group), WaitOptions::NOHANG);
    test_kill_process_group(group).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_known_until_it_is_dropped() {
        // No process has this number: the kernel's highest is 2^22 (proc_sys_kernel(5)).
        let leader = Pid::from_raw(i32::MAX).unwrap();
        let group = Group::of(leader).unwrap();
        assert!(known().any(|known| known == leader));
        drop(group);
        assert!(!known().any(|known| known == leader));
    }
}
