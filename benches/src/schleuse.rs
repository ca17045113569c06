//! Schleuse as a peer: all tenants, several services with a pool each, and the access log on, unless a variant says less.

use std::{
    env,
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::{
    Outcome,
    backend::{CHECK_PATH, GENERATION_FIELD},
    certificate::Certificate,
    http,
    inputs::{Place, SERVICES, register_file},
    machine::PROXY_CORE,
    peer::{Peer, Settings, free_address, log_file},
};

/// Schleuse with everything on, or with one difference, to see what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Everything on.
    Full,
    /// No line per request.
    NoAccessLog,
    /// Answers set no tenant cookie.
    NoTenantCookie,
    /// Neither a rate nor a number in flight, of tenants or clients.
    NoLimits,
    /// One tenant instead of the whole register.
    OneTenant,
    /// Idle upstream connections per tenant instead of per service.
    IsolationByTenant,
    /// So few seats that most requests of 64 connections wait for one.
    BusyQueue,
}

impl Variant {
    const fn name(self) -> &'static str {
        match self {
            Self::Full => "schleuse",
            Self::NoAccessLog => "schleuse-no-log",
            Self::NoTenantCookie => "schleuse-no-cookie",
            Self::NoLimits => "schleuse-no-limits",
            Self::OneTenant => "schleuse-one-tenant",
            Self::IsolationByTenant => "schleuse-isolation",
            Self::BusyQueue => "schleuse-busy-queue",
        }
    }
}

/// Every limit there is, none of which binds: what is measured is the price of asking. `seats` is the most that a tenant
/// can have in flight.
fn limits(seats: u32) -> String {
    format!(
        "
    limits:
      tenant: {{ rate: 100000/s, rate_per_1000_inhabitants: 1/s, in_flight: {seats} }}
      client: {{ rate: 1000000/s }}"
    )
}

/// Of each of four pools, with 64 connections: three of four requests wait.
const BUSY_SEATS: u32 = 4;

/// A running Schleuse and the files it reads.
#[derive(Debug)]
pub(crate) struct Schleuse {
    pub(crate) peer: Peer,
    /// Of the operators' listener.
    pub(crate) admin: SocketAddr,
    config: Config,
}

#[derive(Debug)]
struct Config {
    variant: Variant,
    directory: PathBuf,
    address: SocketAddr,
    admin: SocketAddr,
    backends: Vec<SocketAddr>,
    certificates: Option<PathBuf>,
}

/// The binary: `SCHLEUSE`, else the one beside this program.
pub(crate) fn program() -> Option<String> {
    if let Ok(named) = env::var("SCHLEUSE") {
        return Path::new(&named).is_file().then_some(named);
    }
    let beside = env::current_exe().ok()?.with_file_name("schleuse");
    beside.is_file().then(|| beside.display().to_string())
}

impl Schleuse {
    /// Starts it and asks for a tenant, so that nothing is measured that does not do its job.
    ///
    /// # Errors
    ///
    /// When it does not start, or the backend is not told the right tenant.
    pub(crate) fn start(
        program: &str,
        directory: &Path,
        backends: &[SocketAddr],
        places: &[Place],
        variant: Variant,
        certificate: Option<&Certificate>,
    ) -> Outcome<Self> {
        let name = match certificate {
            None => variant.name().to_owned(),
            Some(_) => format!("{}-tls", variant.name()),
        };
        let config = Config {
            variant,
            directory: directory.join(&name),
            address: free_address()?,
            admin: free_address()?,
            backends: backends.to_vec(),
            certificates: certificate.map(|certificate| certificate.directory.clone()),
        };
        fs::create_dir_all(&config.directory)?;
        config.write_register(places)?;
        config.write(0)?;
        let command = [program, "run", "--config"].map(str::to_owned);
        let mut command = command.to_vec();
        command.push(config.file().display().to_string());
        let settings = Settings {
            environment: vec![("SCHLEUSE_WORKERS", "1".to_owned())],
            output: Some(log_file()?),
        };
        let peer = Peer::start(&name, PROXY_CORE, config.address, &command, settings)?;
        let schleuse = Self {
            peer,
            admin: config.admin,
            config,
        };
        if certificate.is_none() {
            schleuse.check(places)?;
        }
        Ok(schleuse)
    }

    /// The backend must be told the tenant that the request names.
    fn check(&self, places: &[Place]) -> Outcome<()> {
        let place = places.first().ok_or("the register is empty")?;
        let answer = http::ask(
            &mut http::connect(self.peer.address)?,
            &check_request(place),
        )?;
        if answer.status == 200 && answer.body == format!("{} 0", place.ars) {
            return Ok(());
        }
        Err(format!(
            "{} does not name the tenant to the backend: {answer:?}",
            self.peer.name
        )
        .into())
    }

    /// Writes a config that differs in one header field, and the whole register anew.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub(crate) fn write_generation(&self, generation: u32, places: &[Place]) -> Outcome<()> {
        self.config.write_register(places)?;
        self.config.write(generation)
    }
}

/// Asks the backend, through the proxy, what it was told.
pub(crate) fn check_request(place: &Place) -> String {
    let host = SERVICES.map(|name| format!("{name}.example"));
    let host = host.first().map_or("", String::as_str);
    http::get(host, &format!("{CHECK_PATH}?ars={}", place.ars))
}

impl Config {
    fn file(&self) -> PathBuf {
        self.directory.join("schleuse.yaml")
    }

    /// The official file as it is, or its head and one row; replaced by renaming, as editors and Git do.
    fn write_register(&self, places: &[Place]) -> Outcome<()> {
        let fresh = self.directory.join("gemeinden.new");
        if self.variant == Variant::OneTenant {
            let place = places.first().ok_or("the register is empty")?;
            let row = format!("{},\"{}\",{}", place.ars, place.name, place.population);
            fs::write(&fresh, format!("ars,name,bevoelkerung\n{row}\n"))?;
        } else {
            fs::copy(register_file(), &fresh)?;
        }
        Ok(fs::rename(fresh, self.directory.join("gemeinden.csv"))?)
    }

    fn write(&self, generation: u32) -> Outcome<()> {
        let fresh = self.directory.join("schleuse.new");
        fs::write(&fresh, self.text(generation))?;
        Ok(fs::rename(fresh, self.file())?)
    }

    fn text(&self, generation: u32) -> String {
        let tls = self
            .certificates
            .as_ref()
            .map_or_else(String::new, |directory| {
                format!(
                    "\n    tls: {{ certificates: [\"{}/\"] }}",
                    directory.display()
                )
            });
        let mut text = format!(
            "version: 1
workers: 1
listeners:
  - address: \"{address}\"{tls}
admin: {{ address: \"{admin}\" }}
client: {{ idle_max: 1h, connections_per_network_max: 20000 }}
tenants: {{ register: gemeinden.csv }}
access_log: {{ enabled: {log} }}
services:
",
            address = self.address,
            admin = self.admin,
            log = self.variant != Variant::NoAccessLog,
        );
        let isolation = if self.variant == Variant::IsolationByTenant {
            "tenant"
        } else {
            "service"
        };
        let seats = if self.variant == Variant::BusyQueue {
            BUSY_SEATS
        } else {
            1_000
        };
        let limits = if self.variant == Variant::NoLimits {
            String::new()
        } else {
            limits(seats)
        };
        for service in SERVICES {
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "  {service}:
    hosts: [{service}.example, \"*.{service}.example\"]
    responsible: gemeinde
    pool: {service}
    tenant_cookie: {cookie}
    isolation: {isolation}{limits}
    request: {{ headers: {{ set: {{ {GENERATION_FIELD}: \"{generation}\" }} }} }}
",
                cookie = self.variant != Variant::NoTenantCookie,
            );
        }
        text.push_str("pools:\n");
        for (service, backend) in SERVICES.iter().zip(&self.backends) {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "  {service}: {{ endpoints: [\"{backend}\"], concurrency: {seats}, connections_max: 2000, slow_start: 0s, timeouts: {{ keepalive: 1h }} }}"
            );
        }
        text
    }
}
