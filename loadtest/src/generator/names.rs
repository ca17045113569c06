//! Looks the target's name up again and again, aside from the load: a slow resolver holds up nobody (a load that waits for
//! its resolver measures the resolver), and an address that is no longer right is not asked for an hour.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// What a look-up finds.
type Found = io::Result<Vec<SocketAddr>>;

/// The addresses of a name, as they were last found. Looking up ends with this value.
#[derive(Debug)]
pub(crate) struct Names {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    addresses: Mutex<Vec<SocketAddr>>,
    /// Raised with each change.
    version: AtomicU64,
    lookups: AtomicU64,
    over: Mutex<bool>,
    ended: Condvar,
}

impl Names {
    /// Looks up `every` so often, in a thread of its own, which nobody waits for: a resolver may take its time.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn watch(
        first: &[SocketAddr],
        every: Duration,
        look_up: impl FnMut() -> Found + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            addresses: Mutex::new(first.to_vec()),
            version: AtomicU64::new(0),
            lookups: AtomicU64::new(0),
            over: Mutex::new(false),
            ended: Condvar::new(),
        });
        let watched = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("names".to_owned());
        thread.spawn(move || watched.look_up_until_over(every, look_up))?;
        Ok(Self { shared })
    }

    /// The addresses, if they are newer than `version`, which is then theirs. Costs one load of a number otherwise.
    pub(crate) fn newer(&self, version: &mut u64) -> Option<Vec<SocketAddr>> {
        let latest = self.shared.version.load(Ordering::Acquire);
        if latest == *version {
            return None;
        }
        *version = latest;
        Some(lock(&self.shared.addresses).clone())
    }

    /// How often the name was looked up.
    pub(crate) fn lookups(&self) -> u64 {
        self.shared.lookups.load(Ordering::Acquire)
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        *lock(&self.shared.over) = true;
        self.shared.ended.notify_all();
    }
}

impl Shared {
    fn look_up_until_over(&self, every: Duration, mut look_up: impl FnMut() -> Found) {
        while !self.is_over_within(every) {
            // A name that cannot be looked up now keeps the addresses that it had.
            if let Ok(mut found) = look_up()
                && !found.is_empty()
            {
                found.sort_unstable();
                self.publish(found);
            }
            self.lookups.fetch_add(1, Ordering::Release);
        }
    }

    fn is_over_within(&self, time: Duration) -> bool {
        let over = lock(&self.over);
        let waited = self.ended.wait_timeout_while(over, time, |over| !*over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn publish(&self, found: Vec<SocketAddr>) {
        let mut addresses = lock(&self.addresses);
        addresses.sort_unstable();
        if *addresses != found {
            *addresses = found;
            self.version.fetch_add(1, Ordering::Release);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// Names whose look-ups find what is sent, and a wait for so many of them.
    fn watched(first: &[SocketAddr]) -> (Names, mpsc::Sender<Found>) {
        let (tell, told) = mpsc::channel::<Found>();
        let look_up = move || {
            told.recv()
                .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
        };
        (Names::watch(first, Duration::ZERO, look_up).unwrap(), tell)
    }

    fn wait_for(names: &Names, lookups: u64) {
        while names.lookups() < lookups {
            std::thread::yield_now();
        }
    }

    #[test]
    fn new_addresses_are_told_once_and_the_same_in_another_order_are_not_new() {
        let first = addresses(&["127.0.0.1:80", "127.0.0.2:80"]);
        let (names, tell) = watched(&first);
        let mut version = 0;
        let turned = addresses(&["127.0.0.2:80", "127.0.0.1:80"]);
        tell.send(Ok(turned)).unwrap();
        wait_for(&names, 1);
        assert_eq!(names.newer(&mut version), None);
        let other = addresses(&["127.0.0.3:80"]);
        tell.send(Ok(other.clone())).unwrap();
        wait_for(&names, 2);
        assert_eq!(names.newer(&mut version), Some(other));
        assert_eq!(names.newer(&mut version), None);
    }

    #[test]
    fn a_look_up_that_fails_or_finds_nothing_changes_nothing() {
        let (names, tell) = watched(&addresses(&["127.0.0.1:80"]));
        tell.send(Err(io::ErrorKind::NotFound.into())).unwrap();
        tell.send(Ok(Vec::new())).unwrap();
        wait_for(&names, 2);
        assert_eq!(names.newer(&mut 0), None);
    }
}
