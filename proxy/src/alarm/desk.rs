//! Which alarm is to be sent next: the newest state of each launch, compared with what the receiver was told last.

use std::{collections::BTreeMap, time::Duration};

use schleuse_core::Timestamp;

use super::{Alarm, State};
use crate::reference::Reference;

/// Between two alarms about one launch: long enough that a replica that crashes and comes back is no stream of alarms,
/// and short beside the minute that is left when the first one is sent.
const PAUSE: Duration = Duration::from_secs(5);

/// An alarm and its number.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) alarm: Alarm,
    /// The same for each repetition.
    pub(super) id: Reference,
}

/// What is to be done now.
#[derive(Debug)]
pub(super) enum Due {
    /// This is to be sent.
    Now(Box<Entry>),
    /// Something may be then.
    In(Duration),
    /// Nothing, until there is something new.
    Never,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// By pool and launch: as many as the config has launches.
    launches: BTreeMap<(String, String), Launch>,
}

#[derive(Debug)]
struct Launch {
    newest: Entry,
    /// What the receiver has taken last, and when.
    told: Option<(State, Timestamp)>,
}

impl Launch {
    fn is_news(&self) -> bool {
        let told = self.told.map_or(State::Ready, |(state, _)| state);
        let (is_short, was_short) = (
            self.newest.alarm.state == State::Short,
            told == State::Short,
        );
        is_short != was_short
    }
}

impl Desk {
    /// How a launch stands now; a state that it had already is nothing new.
    pub(super) fn note(&mut self, alarm: Alarm) {
        let key = (alarm.pool.clone(), alarm.launch.clone());
        let known = self.launches.get_mut(&key);
        if known
            .as_ref()
            .is_some_and(|known| known.newest.alarm.state == alarm.state)
        {
            return;
        }
        let newest = Entry {
            alarm,
            id: Reference::new(),
        };
        match known {
            Some(known) => known.newest = newest,
            None => drop(self.launches.insert(key, Launch { newest, told: None })),
        }
    }

    /// What is to be sent at `now`.
    pub(super) fn due(&mut self, now: Timestamp) -> Due {
        // All is well, nobody was told otherwise (lately): forgotten, so that launches that are over cost nothing.
        let rests = |launch: &Launch| {
            let is_recent = launch.told.is_some_and(|(_, at)| now - at < PAUSE);
            !launch.is_news() && launch.newest.alarm.state != State::Short && !is_recent
        };
        self.launches.retain(|_, launch| !rests(launch));
        let mut soonest = None;
        for launch in self.launches.values().filter(|launch| launch.is_news()) {
            let wait = launch
                .told
                .map_or(Duration::ZERO, |(_, at)| PAUSE.saturating_sub(now - at));
            if wait.is_zero() {
                return Due::Now(Box::new(launch.newest.clone()));
            }
            soonest = Some(soonest.map_or(wait, |known: Duration| known.min(wait)));
        }
        soonest.map_or(Due::Never, Due::In)
    }

    /// The receiver has taken it at `now`.
    pub(super) fn note_told(&mut self, entry: &Entry, now: Timestamp) {
        let Alarm {
            pool,
            launch,
            state,
            ..
        } = &entry.alarm;
        if let Some(known) = self.launches.get_mut(&(pool.clone(), launch.clone())) {
            known.told = Some((*state, now));
        }
    }

    /// The receiver is another one.
    pub(super) fn forget_told(&mut self) {
        for launch in self.launches.values_mut() {
            launch.told = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use schleuse_core::scale::plan::WallTime;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default() + Duration::from_secs(seconds)
    }

    fn alarm(launch: &str, state: State) -> Alarm {
        Alarm {
            state,
            launch: launch.to_owned(),
            service: "wohngeld".to_owned(),
            pool: "a".to_owned(),
            at: WallTime::default(),
            needed: 2,
            ready: u32::from(state != State::Short) * 2,
            max: 9,
            reasons: vec!["plan"],
        }
    }

    /// What is sent, and taken, at that second.
    fn sent(desk: &mut Desk, second: u64) -> Option<(String, State)> {
        let Due::Now(entry) = desk.due(at(second)) else {
            return None;
        };
        desk.note_told(&entry, at(second));
        Some((entry.alarm.launch, entry.alarm.state))
    }

    #[test]
    fn an_alarm_is_sent_once_and_so_is_its_end() {
        let mut desk = Desk::default();
        desk.note(alarm("l", State::Short));
        desk.note(alarm("l", State::Short));
        assert_eq!(sent(&mut desk, 1), Some(("l".to_owned(), State::Short)));
        assert_eq!(sent(&mut desk, 1), None);
        desk.note(alarm("l", State::Ready));
        assert_eq!(sent(&mut desk, 60), Some(("l".to_owned(), State::Ready)));
        assert_eq!(sent(&mut desk, 120), None);
        assert!(desk.launches.is_empty());
    }

    #[test]
    fn what_is_not_taken_is_sent_again_under_its_number() {
        let mut desk = Desk::default();
        desk.note(alarm("l", State::Short));
        let ids = [1, 2].map(|second| match desk.due(at(second)) {
            Due::Now(entry) => entry.id,
            other => panic!("{other:?}"),
        });
        assert_eq!(ids[0], ids[1]);
    }

    #[test]
    fn that_all_is_well_is_no_news_to_who_was_told_nothing() {
        let mut desk = Desk::default();
        desk.note(alarm("l", State::Ready));
        assert_eq!(sent(&mut desk, 1), None);
        desk.note(alarm("m", State::Short));
        desk.note(alarm("m", State::Over)); // nobody could be told meanwhile
        assert_eq!(sent(&mut desk, 2), None);
        assert!(desk.launches.is_empty());
    }

    #[test]
    fn replicas_that_come_and_go_are_one_alarm() {
        let mut desk = Desk::default();
        desk.note(alarm("l", State::Short));
        assert_eq!(sent(&mut desk, 1), Some(("l".to_owned(), State::Short)));
        for state in [State::Ready, State::Short, State::Ready] {
            desk.note(alarm("l", state));
            assert_eq!(sent(&mut desk, 3), None);
        }
        assert!(matches!(desk.due(at(3)), Due::In(time) if time == Duration::from_secs(3)));
        desk.note(alarm("other", State::Short));
        assert_eq!(sent(&mut desk, 3), Some(("other".to_owned(), State::Short)));
        assert_eq!(sent(&mut desk, 6), Some(("l".to_owned(), State::Ready)));
    }

    #[test]
    fn another_receiver_is_told_what_stands() {
        let mut desk = Desk::default();
        desk.note(alarm("l", State::Short));
        assert!(sent(&mut desk, 1).is_some());
        desk.forget_told();
        assert_eq!(sent(&mut desk, 1), Some(("l".to_owned(), State::Short)));
    }
}
