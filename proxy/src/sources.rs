//! Keeps every pool's source of endpoints and its provisioner running, as the config in force names them.
//!
//! One loop beside the workers: after each reload it ends what is no longer named, starts what is new, and leaves alone
//! what is the same. What sources find goes straight to the pool (`registry::Pool::found`), which knows whether they are
//! still its own.

mod replicas;

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use rustls::ClientConfig;
use schleuse_config::{
    Discovery as DiscoveryConfig, Pool as PoolConfig, ProcessTemplate, ScaleWay,
    Webhook as Receiver,
};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    discovery::{self, Discovery, News, found::Source, watcher::Watcher},
    edge::Edge,
    log::{self, Level},
    provision::{
        Event, Order, Provisioner,
        process::{Place, Processes},
        webhook::{Webhook, system_authorities},
    },
    reference::Reference,
    registry::Pool,
};

/// Events of one pool that nobody has looked at yet.
const EVENTS_MAX: usize = 64;

/// The sources as whoever stops the process sees them.
#[derive(Debug, Default)]
pub struct Sources {
    stopping: CancellationToken,
    replicas: TaskTracker,
}

impl Sources {
    /// Ends all replicas and waits for it: at most the longest `stop_max`, since the requests are over by then.
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
        attempts: 0,
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
    attempts: u64,
}

/// What runs for a pool.
#[derive(Default)]
struct Running {
    discovery: Option<(DiscoveryConfig, AbortHandle)>,
    provisioner: Option<Provisioning>,
    /// The number of the last order.
    ordered: Option<u32>,
}

enum Provisioning {
    Processes(Processes),
    Webhook(Arc<Receiver>, Webhook),
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
        let named = |name: &String| live.pools.iter().any(|pool| pool.name() == name);
        self.running.retain(|name, _| named(name));
        for (pool, config) in live.pools.iter().zip(&live.snapshot.pools) {
            if config.discovery.is_none() && config.scale.is_none() {
                self.running.remove(&config.name);
                continue;
            }
            let mut running = self.running.remove(&config.name).unwrap_or_default();
            self.follow_discovery(&mut running, pool, config);
            self.follow_scale(&mut running, pool, config).await;
            self.running.insert(config.name.clone(), running);
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

    async fn follow_scale(&mut self, running: &mut Running, pool: &Arc<Pool>, config: &PoolConfig) {
        let before = running.provisioner.take();
        let Some(scale) = &config.scale else {
            return; // dropped: it stops
        };
        let (provisioner, is_new) = match (&scale.way, before) {
            (ScaleWay::Process(template), Some(Provisioning::Processes(processes))) => {
                processes.set_template(template.clone());
                (Provisioning::Processes(processes), false)
            }
            (ScaleWay::Webhook(receiver), Some(Provisioning::Webhook(known, webhook)))
                if *receiver == known =>
            {
                (Provisioning::Webhook(known, webhook), false)
            }
            (ScaleWay::Process(template), _) => (self.processes(pool, template), true),
            (ScaleWay::Webhook(receiver), _) => match self.webhook(config, receiver).await {
                Some(webhook) => (webhook, true),
                None => return,
            },
        };
        if is_new || running.ordered != Some(scale.min) {
            running.ordered = Some(scale.min);
            let order = self.order(pool, scale.min);
            match &provisioner {
                Provisioning::Processes(processes) => processes.scale(order),
                Provisioning::Webhook(_, webhook) => webhook.scale(order),
            }
        }
        running.provisioner = Some(provisioner);
    }

    fn order(&mut self, pool: &Pool, desired: u32) -> Order {
        self.attempts += 1;
        let listed = pool.views().iter().filter(|(view, _)| view.listed).count();
        Order {
            attempt: self.attempts,
            desired,
            current: u32::try_from(listed).unwrap_or(u32::MAX),
            reasons: vec!["floor"],
            idempotency_key: Reference::new().as_str().to_owned(),
        }
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
        self.tasks
            .spawn(replicas::follow(pool.clone(), told, stopping));
        Provisioning::Processes(Processes::new(&place, template.clone()))
    }

    async fn webhook(
        &mut self,
        config: &PoolConfig,
        receiver: &Arc<Receiver>,
    ) -> Option<Provisioning> {
        if self.tls.is_none() {
            let read = tokio::task::spawn_blocking(system_authorities).await;
            let read = read.map_err(|error| error.to_string());
            match read.and_then(|tls| tls.map_err(|error| error.to_string())) {
                Ok(tls) => self.tls = Some(Arc::new(tls)),
                Err(error) => {
                    let fields = [("pool", &*config.name), ("error", &*error)];
                    log::event(Level::Error, "webhook_unavailable", &fields);
                }
            }
        }
        let tls = self.tls.clone()?;
        // Nobody reads the events: taken and failed orders are in the log.
        let (events, mut told) = mpsc::channel::<Event>(EVENTS_MAX);
        self.tasks
            .spawn(async move { while told.recv().await.is_some() {} });
        let webhook = Webhook::new(config.name.as_str().into(), receiver.clone(), tls, events);
        Some(Provisioning::Webhook(receiver.clone(), webhook))
    }
}

/// Tells a pool what its source says.
async fn follow(pool: Arc<Pool>, config: DiscoveryConfig, mut discovery: Box<dyn Discovery>) {
    let label = discovery::label(&config);
    let source = Source::Discovery(config);
    let fields = [("pool", pool.name()), ("source", label)];
    loop {
        match discovery.next().await {
            News::Endpoints(endpoints) => {
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
            News::Failed(why) => {
                if pool.not_found(&source, &why) {
                    let fields = [fields[0], fields[1], ("why", &*why)];
                    log::event(Level::Warn, "discovery_failed", &fields);
                }
            }
        }
    }
}
