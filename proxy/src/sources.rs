//! Keeps every pool's source of endpoints and its provisioner running, as the config in force names them.
//!
//! One loop beside the workers: after each reload it ends what is no longer named, starts what is new, and leaves alone
//! what is the same. What sources find goes straight to the pool (`registry::Pool::found`), which knows whether they are
//! still its own.

mod replicas;

use std::{collections::HashMap, net::SocketAddr, path::PathBuf, sync::Arc};

use parking_lot::RwLock;
use rustc_hash::{FxHashMap, FxHashSet};
use rustls::ClientConfig;
use schleuse_config::{
    Discovery as DiscoveryConfig, Pool as PoolConfig, ProcessTemplate, ScaleWay,
    Webhook as Receiver,
};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet, yield_now},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    discovery::{self, Discovery, News, found::Source, watcher::Watcher},
    edge::Edge,
    log::{self, Level},
    provision::{
        Event, Provisioner,
        process::{Place, Processes},
        webhook::Webhook,
    },
    registry::Pool,
    webhook::system_authorities,
};

/// Events of one pool that nobody has looked at yet.
const EVENTS_MAX: usize = 64;

/// The sources as whoever stops the process sees them.
#[derive(Debug, Default)]
pub struct Sources {
    stopping: CancellationToken,
    replicas: TaskTracker,
    offered: RwLock<FxHashMap<String, Offered>>,
}

/// Somebody who carries out orders for a pool.
#[derive(Debug, Clone)]
pub struct Offered {
    /// Unique in this process: another number is another one, who knows nothing of earlier orders.
    pub number: u64,
    /// Takes the orders.
    pub provisioner: Arc<dyn Provisioner>,
}

impl Sources {
    /// Who carries out orders for the pool; none: those who start its endpoints ask for the number, or nobody does.
    pub fn provisioner(&self, pool: &str) -> Option<Offered> {
        self.offered.read().get(pool).cloned()
    }

    fn offer(&self, pool: &str, offered: Offered) {
        self.offered.write().insert(pool.to_owned(), offered);
    }

    fn withdraw_unless(&self, works: impl Fn(&str) -> bool) {
        self.offered.write().retain(|pool, _| works(pool));
    }

    /// Ends all replicas and waits for it: at most the longest `stop_max`, since the requests are over by then, and twelve
    /// seconds more where a guard does not do its work.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.replicas.close();
        self.replicas.wait().await;
    }
}

/// Runs sources and provisioners until the process stops.
pub async fn run(edge: Arc<Edge>) {
    let mut generations = edge.generations();
    let stopping = edge.sources.stopping.clone();
    let mut supervisor = Supervisor {
        edge,
        watcher: Watcher::new(),
        tls: None,
        running: HashMap::new(),
        tasks: JoinSet::new(),
        numbers: 0,
    };
    loop {
        generations.borrow_and_update();
        supervisor.follow_config().await;
        tokio::select! {
            () = stopping.cancelled() => break,
            _ = generations.changed() => {}
            Some(ended) = supervisor.tasks.join_next() => if let Err(error) = ended
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            },
        }
    }
    // The replicas' own tasks go on until the last one has ended; this one lives as long as the process.
    supervisor.running.clear();
    supervisor.edge.sources.withdraw_unless(|_| false);
    std::future::pending::<()>().await;
}

struct Supervisor {
    edge: Arc<Edge>,
    watcher: Arc<Watcher>,
    /// Read once a webhook needs it.
    tls: Option<Arc<ClientConfig>>,
    /// By the pool's name.
    running: HashMap<String, Running>,
    tasks: JoinSet<()>,
    /// Provisioners are numbered, so that a new one is not taken for the one before.
    numbers: u64,
}

/// What runs for a pool.
#[derive(Default)]
struct Running {
    discovery: Option<(DiscoveryConfig, AbortHandle)>,
    provisioner: Option<Provisioning>,
}

/// Stopped when it is dropped: others may hold it until they look again.
enum Provisioning {
    Processes(Arc<Processes>),
    Webhook(Arc<Receiver>, Arc<Webhook>),
}

impl Provisioning {
    /// Whether it is the right one for this way as well; then it works by it from now on.
    fn goes_on_with(&self, way: &ScaleWay) -> bool {
        match (self, way) {
            (Self::Processes(processes), ScaleWay::Process(template)) => {
                processes.set_template(template.clone());
                true
            }
            (Self::Webhook(known, _), ScaleWay::Webhook(receiver)) => known == receiver,
            _ => false,
        }
    }

    fn shared(&self) -> Arc<dyn Provisioner> {
        match self {
            Self::Processes(processes) => processes.clone(),
            Self::Webhook(_, webhook) => webhook.clone(),
        }
    }
}

impl Drop for Provisioning {
    fn drop(&mut self) {
        match self {
            Self::Processes(processes) => processes.stop(),
            Self::Webhook(_, webhook) => webhook.stop(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some((_, task)) = &self.discovery {
            task.abort();
        }
    }
}

impl Supervisor {
    async fn follow_config(&mut self) {
        let live = self.edge.live();
        let mut fresh = Vec::new();
        let names: FxHashSet<_> = live.pools.iter().map(|pool| pool.name()).collect();
        self.running.retain(|name, _| names.contains(&**name));
        for (pool, config) in live.pools.iter().zip(&live.snapshot.pools) {
            if config.discovery.is_none() && config.scale.is_none() {
                self.running.remove(&config.name);
                continue;
            }
            let mut running = self.running.remove(&config.name).unwrap_or_default();
            self.follow_discovery(&mut running, pool, config);
            fresh.extend(self.follow_scale(&mut running, pool, config).await);
            self.running.insert(config.name.clone(), running);
        }
        let works = |running: &Running| running.provisioner.is_some();
        let sources = &self.edge.sources;
        sources.withdraw_unless(|pool| self.running.get(pool).is_some_and(works));
        if fresh.is_empty() {
            return;
        }
        // All of them wait for orders before the first one is given, and all pools are decided about together: otherwise
        // who was started first would go first, whatever waits where.
        yield_now().await;
        for (pool, offered) in fresh {
            sources.offer(&pool, offered);
            self.edge.registry.wakes().push(&pool);
        }
    }

    fn follow_discovery(&mut self, running: &mut Running, pool: &Arc<Pool>, config: &PoolConfig) {
        let known = running.discovery.as_ref().map(|(known, _)| known);
        if known == config.discovery.as_ref() {
            return;
        }
        if let Some((_, task)) = running.discovery.take() {
            task.abort();
        }
        if let Some(wanted) = &config.discovery {
            let source = discovery::source(wanted, &self.watcher);
            let task = self
                .tasks
                .spawn(follow(pool.clone(), wanted.clone(), source));
            running.discovery = Some((wanted.clone(), task));
        }
    }

    /// A provisioner that was started for the pool, which nobody knows of yet.
    async fn follow_scale(
        &mut self,
        running: &mut Running,
        pool: &Arc<Pool>,
        config: &PoolConfig,
    ) -> Option<(String, Offered)> {
        let way = config.scale.as_ref().map(|scale| &scale.way);
        let before = running.provisioner.take();
        let kept = before.filter(|before| way.is_some_and(|way| before.goes_on_with(way)));
        if kept.is_some() {
            running.provisioner = kept;
            return None;
        }
        let fresh = match way {
            Some(ScaleWay::Process(template)) => Some(self.processes(pool, template)),
            Some(ScaleWay::Webhook(receiver)) => self.webhook(pool, config, receiver).await,
            Some(ScaleWay::Keda) | None => None,
        };
        let offered = fresh.as_ref().map(|fresh| {
            self.numbers += 1;
            let offered = Offered {
                number: self.numbers,
                provisioner: fresh.shared(),
            };
            (pool.name().to_owned(), offered)
        });
        running.provisioner = fresh;
        offered
    }

    fn processes(&mut self, pool: &Arc<Pool>, template: &Arc<ProcessTemplate>) -> Provisioning {
        let (events, told) = mpsc::channel(EVENTS_MAX);
        let sources = &self.edge.sources;
        let place = Place {
            pool: pool.name().into(),
            guard: PathBuf::from("/proc/self/exe"),
            events,
            tracker: sources.replicas.clone(),
        };
        let stopping = sources.stopping.clone();
        let processes = Processes::new(&place, template.clone());
        let probed = processes.probed();
        self.tasks
            .spawn(replicas::follow(pool.clone(), told, probed, stopping));
        Provisioning::Processes(Arc::new(processes))
    }

    async fn webhook(
        &mut self,
        pool: &Arc<Pool>,
        config: &PoolConfig,
        receiver: &Arc<Receiver>,
    ) -> Option<Provisioning> {
        if self.tls.is_none() {
            match system_authorities().await {
                Ok(tls) => self.tls = Some(tls),
                Err(error) => {
                    let fields = [("pool", &*config.name), ("error", &*error)];
                    log::event(Level::Error, "webhook_unavailable", &fields);
                }
            }
        }
        let tls = self.tls.clone()?;
        let (events, mut told) = mpsc::channel::<Event>(EVENTS_MAX);
        let pool = pool.clone();
        self.tasks.spawn(async move {
            while let Some(event) = told.recv().await {
                if let Event::Failed { attempt, .. } = event {
                    pool.order_failed(attempt);
                }
            }
        });
        let webhook = Webhook::new(config.name.as_str().into(), receiver.clone(), tls, events);
        Some(Provisioning::Webhook(receiver.clone(), Arc::new(webhook)))
    }
}

/// What the news mean for this pool: its endpoints, or why they are not known.
fn endpoints_by(news: News, pool: &Pool) -> Result<Vec<SocketAddr>, String> {
    match news {
        News::Endpoints(endpoints) => Ok(endpoints),
        News::Absent(_) if pool.is_scaled() => Ok(Vec::new()),
        News::Absent(why) | News::Failed(why) => Err(why),
    }
}

/// Tells a pool what its source says.
async fn follow(pool: Arc<Pool>, config: DiscoveryConfig, mut discovery: Box<dyn Discovery>) {
    let label = discovery::label(&config);
    let source = Source::Discovery(config);
    let fields = [("pool", pool.name()), ("source", label)];
    loop {
        match endpoints_by(discovery.next().await, &pool) {
            Ok(endpoints) => {
                let Some(change) = pool.found(&source, endpoints) else {
                    continue;
                };
                if change.recovered {
                    log::event(Level::Info, "discovery_recovered", &fields);
                }
                if change.added + change.removed > 0 {
                    let [pool, source] = fields;
                    let (added, removed) = (change.added.to_string(), change.removed.to_string());
                    let total = change.total.to_string();
                    let counts = [
                        ("added", &*added),
                        ("removed", &*removed),
                        ("total", &*total),
                    ];
                    let fields = [pool, source, counts[0], counts[1], counts[2]];
                    log::event(Level::Info, "endpoints_found", &fields);
                }
            }
            Err(why) => {
                if pool.not_found(&source, &why) {
                    let fields = [fields[0], fields[1], ("why", &*why)];
                    log::event(Level::Warn, "discovery_failed", &fields);
                }
            }
        }
    }
}
