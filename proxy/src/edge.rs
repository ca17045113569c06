//! What all parts of the running proxy share: the config in force with the runtime state it found, metrics, and the
//! state of leaving.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use schleuse_config::{AdminToken, ClientPolicy, Listener, Snapshot};
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::task::TaskTracker;

use crate::{
    admit,
    affinity::AffinityKeys,
    alarm::Alarms,
    autoscale::Autoscale,
    clock,
    limits::Limits,
    metrics::Metrics,
    registry::{Pool, Registry, ServiceRuntime},
    sight::leases::Leases,
    signals::SignalBoard,
    sources::Sources,
    tls::{self, CertificateError, Certificates},
};

/// One generation of the config with its runtime state. A request pins one and never sees two.
#[derive(Debug)]
pub struct Live {
    /// Counts from 1.
    pub generation: u64,
    /// Unix time when it came into force.
    pub since: Duration,
    /// What the operator wrote, checked.
    pub snapshot: Snapshot,
    /// What connections may do.
    pub client: Arc<ClientPolicy>,
    /// By `ServiceIndex`.
    pub services: Vec<Arc<ServiceRuntime>>,
    /// By `PoolIndex`.
    pub pools: Vec<Arc<Pool>>,
    /// What the admin listener asks for. A config without `admin` keeps the one before: the listener stays until the next
    /// start, and must not open to everybody meanwhile.
    pub admin_token: Option<AdminToken>,
    /// Sign and verify affinity cookies.
    pub affinity_keys: AffinityKeys,
    /// With their certificates ready for use.
    pub listeners: Vec<Arc<LiveListener>>,
    /// TLS of the scaler's listener; none: plain. A config without `scaler` keeps the one before, as with the token.
    pub scaler_tls: Option<Arc<ServerConfig>>,
    /// Listeners that earlier configs had: connections that outlive them keep their rules until they end.
    retired: Vec<Arc<LiveListener>>,
}

/// Addresses that are remembered after they went; connections of still older ones are told to open a new one.
const RETIRED_MAX: usize = 64;

/// A listener of the config in force.
#[derive(Debug)]
pub struct LiveListener {
    /// As written.
    pub config: Listener,
    /// TLS listeners only.
    pub certificates: Option<Arc<Certificates>>,
}

/// The running proxy.
#[derive(Debug)]
pub struct Edge {
    live: ArcSwap<Live>,
    /// The part of `live` that every connection asks for before each request.
    client: ArcSwap<ClientPolicy>,
    generations: AtomicU64,
    /// Told after each reload.
    replaced: watch::Sender<u64>,
    /// What looks endpoints up and runs replicas, as seen by whoever stops the process.
    pub sources: Sources,
    /// State that outlives reloads.
    pub registry: Registry,
    /// Counters.
    pub metrics: Metrics,
    /// Who may ask how much, and the process's own budget.
    pub limits: Limits,
    /// Tenants that are shown in full for a time.
    pub leases: Leases,
    /// What each pool needs.
    pub signals: Arc<SignalBoard>,
    /// What decides that.
    pub autoscale: Autoscale,
    /// What is not as it was announced, for those who are on duty.
    pub alarms: Alarms,
    /// Requests in flight; stopping waits for them.
    pub requests: TaskTracker,
    leaving: AtomicBool,
    broken: AtomicBool,
}

impl Edge {
    /// Puts the first config in force.
    ///
    /// # Errors
    ///
    /// A certificate that cannot be used.
    pub fn new(
        snapshot: Snapshot,
        registry: Registry,
        metrics: Metrics,
    ) -> Result<Self, CertificateError> {
        let live = Live::new(1, snapshot, &registry, &metrics, None)?;
        live.adopt_endpoints();
        let limits = Limits::new(
            live.snapshot.clients_max,
            registry.workers(),
            metrics.limits.clone(),
        );
        let edge = Self {
            client: ArcSwap::new(live.client.clone()),
            live: ArcSwap::from_pointee(live),
            generations: AtomicU64::new(1),
            replaced: watch::Sender::new(1),
            sources: Sources::default(),
            limits,
            registry,
            metrics,
            leases: Leases::default(),
            signals: Arc::default(),
            autoscale: Autoscale::default(),
            alarms: Alarms::default(),
            requests: TaskTracker::new(),
            leaving: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        };
        edge.adopt_pools();
        edge.note_loaded();
        Ok(edge)
    }

    /// The config in force.
    pub fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// The generation in force.
    pub fn generation(&self) -> u64 {
        self.live.load().generation
    }

    /// The generation in force, and each that follows.
    pub fn generations(&self) -> watch::Receiver<u64> {
        self.replaced.subscribe()
    }

    /// What connections may do.
    pub fn client_policy(&self) -> Arc<ClientPolicy> {
        self.client.load_full()
    }

    /// Makes a config ready to be put in force: everything that can fail.
    ///
    /// # Errors
    ///
    /// A certificate that cannot be used.
    pub(crate) fn prepare(&self, snapshot: Snapshot) -> Result<Live, CertificateError> {
        let generation = self.generations.load(Relaxed) + 1;
        Live::new(
            generation,
            snapshot,
            &self.registry,
            &self.metrics,
            Some(&self.live()),
        )
    }

    /// Puts a prepared config in force. Only `reload` calls it, one at a time.
    pub(crate) fn replace(&self, live: Live) {
        self.generations.store(live.generation, Relaxed);
        live.adopt_endpoints();
        self.client.store(live.client.clone());
        self.live.store(Arc::new(live));
        self.registry.sweep();
        self.adopt_pools();
        self.note_loaded();
        self.replaced.send_replace(self.generations.load(Relaxed));
    }

    fn adopt_pools(&self) {
        let live = self.live();
        let names = live.snapshot.pools.iter().map(|pool| &*pool.name);
        self.signals.adopt(names);
    }

    fn note_loaded(&self) {
        let live = self.live();
        let now = i64::try_from(live.since.as_secs()).unwrap_or(i64::MAX);
        self.metrics
            .config_generation
            .set(i64::try_from(live.generation).unwrap_or(i64::MAX));
        self.metrics.config_loaded.inc();
        self.metrics.config_loaded_at.set(now);
        let sets = live
            .snapshot
            .listeners
            .iter()
            .filter_map(|listener| listener.tls.as_ref());
        let expired = sets
            .flat_map(|set| &set.certificates)
            .filter(|certificate| certificate.not_after < now);
        self.metrics
            .certificates_expired
            .set(i64::try_from(expired.count()).unwrap_or(i64::MAX));
    }

    /// Whether the process is stopping.
    pub fn leaving(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    /// Whether a part that should live as long as the process has ended.
    pub fn broken(&self) -> bool {
        self.broken.load(Relaxed)
    }

    /// A part that should live as long as the process has ended.
    pub fn break_down(&self) {
        self.broken.store(true, Relaxed);
    }

    /// From now on the process is stopping.
    pub fn leave(&self) {
        self.leaving.store(true, Relaxed);
    }
}

impl Live {
    fn new(
        generation: u64,
        snapshot: Snapshot,
        registry: &Registry,
        metrics: &Metrics,
        before: Option<&Self>,
    ) -> Result<Self, CertificateError> {
        let listeners = live_listeners(&snapshot)?;
        let retired = before.map_or_else(Vec::new, |before| before.outlived_by(&listeners));
        Ok(Self {
            generation,
            since: clock::unix(),
            client: Arc::new(snapshot.client.clone()),
            services: snapshot
                .services
                .iter()
                .map(|service| registry.service(&service.name, metrics))
                .collect(),
            pools: snapshot
                .pools
                .iter()
                .map(|pool| registry.pool(pool))
                .collect(),
            admin_token: match &snapshot.admin {
                Some(admin) => admin.token.clone(),
                None => before.and_then(|live| live.admin_token.clone()),
            },
            scaler_tls: match &snapshot.scaler {
                Some(scaler) => scaler.tls.as_ref().map(tls::scaler).transpose()?,
                None => before.and_then(|live| live.scaler_tls.clone()),
            },
            affinity_keys: AffinityKeys::new(
                &snapshot.affinity_keys,
                before.map(|live| &live.affinity_keys),
            ),
            listeners,
            retired,
            snapshot,
        })
    }

    /// Gives the pools the endpoints of this config: the moment in which it comes into force for them.
    fn adopt_endpoints(&self) {
        for (pool, config) in self.pools.iter().zip(&self.snapshot.pools) {
            pool.adopt(config);
            pool.set_terms(|flow| admit::terms_of(self, flow));
        }
    }

    /// Listeners of this config and of earlier ones that the next one no longer has.
    fn outlived_by(&self, next: &[Arc<LiveListener>]) -> Vec<Arc<LiveListener>> {
        let all = self.listeners.iter().chain(&self.retired);
        let is_gone = |old: &&Arc<LiveListener>| {
            next.iter()
                .all(|listener| listener.config.address != old.config.address)
        };
        all.filter(is_gone).take(RETIRED_MAX).cloned().collect()
    }

    /// The rules of the listener with this configured address: of this config, or the last it had.
    pub fn listener(&self, address: SocketAddr) -> Option<&LiveListener> {
        let mut all = self.listeners.iter().chain(&self.retired);
        all.find(|listener| listener.config.address == address)
            .map(|listener| &**listener)
    }

    /// Whether the listener with this configured address is part of this config.
    pub fn listens_on(&self, address: SocketAddr) -> bool {
        let mut listeners = self.listeners.iter();
        listeners.any(|listener| listener.config.address == address)
    }
}

fn live_listeners(snapshot: &Snapshot) -> Result<Vec<Arc<LiveListener>>, CertificateError> {
    let ready = |config: &Listener| {
        let certificates = config.tls.as_deref().map(Certificates::new).transpose()?;
        Ok(Arc::new(LiveListener {
            config: config.clone(),
            certificates: certificates.map(Arc::new),
        }))
    };
    snapshot.listeners.iter().map(ready).collect()
}
