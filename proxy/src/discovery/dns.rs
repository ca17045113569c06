//! Endpoints from a name server: A and AAAA records with a port of the config, or SRV records with their own.
//!
//! Asked again when the TTL is over. NOERROR is an answer, with or without records; everything else (time-out, SERVFAIL,
//! a packet that cannot be read, a server that only names others, aliases that lead in a circle) is none. Many names have
//! no AAAA records and servers that fail to say so: a failure of one address family is forgiven where the other one
//! answered with records and the failing one had none before.
//!
//! That the name does not exist (NXDOMAIN) is told as such, for the pool to judge: a cluster's name server says so of a
//! service without replicas, another one of a mistake in the zone. It is told when it was said twice, the second time
//! after the first answer's own TTL, so that it is no echo of it; and only as said by the zone that the name would be in
//! (RFC 2308 §2.1). The root's word means that somebody was asked to whom the name is foreign.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use async_trait::async_trait;
use hickory_resolver::{
    TokioResolver,
    config::{NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, NoRecords, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{Name, RData, RecordType, rdata::SRV},
    },
};
use schleuse_config::{Dns as Question, DnsQuestion};
use schleuse_core::Timestamp;
use tokio::time::sleep_until;

use super::{Discovery, News};
use crate::{backoff::Backoff, clock};

/// A TTL of 0 says "do not cache", not "ask without pause".
const TTL_MIN: Duration = Duration::from_secs(1);
/// Longer ones are kept by the name server as well; asking it once an hour costs nothing.
const TTL_MAX: Duration = Duration::from_hours(1);
/// An answer without records is asked again sooner than most zones say (RFC 2308 §5): the pool is empty until then.
const EMPTY_TTL_MAX: Duration = Duration::from_secs(10);
/// So often in a row a name must be said not to exist.
const ABSENCES_MIN: u32 = 2;
const AFTER_FAILURE: Backoff = Backoff {
    base: Duration::from_secs(1),
    max: Duration::from_secs(30),
};
/// A chain of more aliases is taken for one without end; what looks records up follows as many.
const ALIASES_MAX: usize = 8;
/// More targets of SRV records are no pool, but a mistake in the zone.
const TARGETS_MAX: usize = 1000;

/// How long a name server is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For one try.
    pub timeout: Duration,
    /// Tries after the first.
    pub retries: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(2),
            retries: 2,
        }
    }
}

/// A question that is asked again and again.
#[derive(Debug)]
pub struct Dns {
    question: Question,
    patience: Patience,
    resolver: Option<TokioResolver>,
    /// Names and record types whose last answer had records.
    had_records: HashSet<(String, RecordType)>,
    failures: u32,
    /// How often in a row the name was said not to exist.
    absences: u32,
    due: Timestamp,
}

/// What a look-up found, and how long it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer<T> {
    records: Vec<T>,
    ttl: Duration,
}

impl<T> Answer<T> {
    fn join(mut self, other: Self) -> Self {
        self.records.extend(other.records);
        self.ttl = self.ttl.min(other.ttl);
        self
    }
}

/// Why a look-up found neither records nor their absence.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unknown {
    /// In words.
    why: String,
    /// The name does not exist, and how long that holds.
    absent_ttl: Option<Duration>,
}

impl Unknown {
    /// Something else has to be known to call the whole absent.
    fn into_failure(self) -> Self {
        self.why.into()
    }
}

impl From<String> for Unknown {
    fn from(why: String) -> Self {
        Self {
            why,
            absent_ttl: None,
        }
    }
}

#[async_trait]
impl Discovery for Dns {
    async fn next(&mut self) -> News {
        loop {
            sleep_until(clock::instant(self.due)).await;
            let answer = self.ask().await;
            if let Some(news) = self.judge(answer) {
                return news;
            }
        }
    }
}

impl Dns {
    /// Asks nothing yet.
    pub fn new(question: Question, patience: Patience) -> Self {
        Self {
            question,
            patience,
            resolver: None,
            had_records: HashSet::new(),
            failures: 0,
            absences: 0,
            due: clock::now(),
        }
    }

    /// What an answer says, and when to ask again. None: that has to be said once more.
    fn judge(&mut self, answer: Result<Answer<SocketAddr>, Unknown>) -> Option<News> {
        let now = clock::now();
        match answer {
            Ok(Answer { records, ttl }) => {
                (self.failures, self.absences) = (0, 0);
                self.due = now + ttl.clamp(TTL_MIN, TTL_MAX);
                // In one order: name servers rotate their answers.
                let endpoints: BTreeSet<_> = records.into_iter().collect();
                Some(News::Endpoints(endpoints.into_iter().collect()))
            }
            Err(Unknown {
                why,
                absent_ttl: Some(ttl),
            }) => {
                self.failures = 0;
                self.absences = self.absences.saturating_add(1);
                self.due = now + ttl.clamp(TTL_MIN, EMPTY_TTL_MAX);
                (self.absences >= ABSENCES_MIN).then_some(News::Absent(why))
            }
            Err(Unknown { why, .. }) => {
                self.absences = 0;
                self.failures = self.failures.saturating_add(1);
                self.due = now + AFTER_FAILURE.pause(self.failures);
                self.resolver = None; // /etc/resolv.conf may have changed
                Some(News::Failed(why))
            }
        }
    }

    async fn ask(&mut self) -> Result<Answer<SocketAddr>, Unknown> {
        let resolver = match &self.resolver {
            Some(resolver) => resolver.clone(),
            None => self.resolver.insert(self.connect()?).clone(),
        };
        let (name, answer) = match self.question.question.clone() {
            DnsQuestion::Addresses { name, port } => {
                let found = self.addresses(&resolver, &name).await?;
                (name, with_port(&found, port))
            }
            DnsQuestion::Services { name } => {
                let found = self.services(&resolver, &name).await?;
                (name, found)
            }
        };
        if answer.records.is_empty() {
            follow_aliases(&resolver, &name).await?;
        }
        Ok(answer)
    }

    fn connect(&self) -> Result<TokioResolver, String> {
        let broken = |error: NetError| format!("no resolver: {error}");
        let mut builder = match self.question.resolver {
            None => TokioResolver::builder_tokio().map_err(broken)?,
            Some(address) => {
                let mut server = NameServerConfig::udp_and_tcp(address.ip());
                for connection in &mut server.connections {
                    connection.port = address.port();
                }
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        options.timeout = self.patience.timeout;
        options.attempts = self.patience.retries;
        options.cache_size = 0; // what was found is kept here, and asked again when it is over
        options.use_hosts_file = ResolveHosts::Never;
        builder.build().map_err(broken)
    }

    /// The addresses of a host.
    async fn addresses(
        &mut self,
        resolver: &TokioResolver,
        name: &str,
    ) -> Result<Answer<IpAddr>, Unknown> {
        let (ipv4, ipv6) = tokio::join!(
            look_up(resolver, name, RecordType::A, address_of),
            look_up(resolver, name, RecordType::AAAA, address_of)
        );
        let had = |kind| self.had_records.contains(&(name.to_owned(), kind));
        let merged = merge(
            (ipv4.clone(), had(RecordType::A)),
            (ipv6.clone(), had(RecordType::AAAA)),
        )?;
        for (kind, answer) in [(RecordType::A, ipv4), (RecordType::AAAA, ipv6)] {
            let key = (name.to_owned(), kind);
            match answer {
                Ok(answer) if answer.records.is_empty() => self.had_records.remove(&key),
                Ok(_) => self.had_records.insert(key),
                Err(_) => false,
            };
        }
        Ok(merged)
    }

    /// Every target of the SRV records with its port. One that cannot be looked up makes the whole an unknown: the
    /// others alone would take its load.
    async fn services(
        &mut self,
        resolver: &TokioResolver,
        name: &str,
    ) -> Result<Answer<SocketAddr>, Unknown> {
        let services = look_up(resolver, name, RecordType::SRV, service_of).await?;
        let mut ports: HashMap<String, BTreeSet<u16>> = HashMap::new();
        for service in first_choice(&services.records) {
            let target = service.target.to_ascii();
            let target = target.trim_end_matches('.').to_owned();
            if !target.is_empty() && service.port != 0 {
                ports.entry(target).or_default().insert(service.port);
            }
        }
        if ports.len() > TARGETS_MAX {
            return Err(format!("{name} has more than {TARGETS_MAX} targets").into());
        }
        self.had_records
            .retain(|(known, _)| ports.contains_key(known));
        let mut all = Answer {
            records: Vec::new(),
            ttl: services.ttl,
        };
        for (target, ports) in ports {
            let found = self.addresses(resolver, &target).await;
            let found = found.map_err(Unknown::into_failure)?;
            if found.records.is_empty() {
                return Err(format!("{target} has no address").into());
            }
            for port in ports {
                all = all.join(with_port(&found, port));
            }
        }
        Ok(all)
    }
}

fn with_port(found: &Answer<IpAddr>, port: u16) -> Answer<SocketAddr> {
    let endpoints = found.records.iter();
    Answer {
        records: endpoints.map(|ip| SocketAddr::new(*ip, port)).collect(),
        ttl: found.ttl,
    }
}

type Asked = Result<Answer<IpAddr>, Unknown>;

/// Both address families together; each with whether its last answer had records. The absence of one family need not be
/// looked at sooner than the records of the other. Absent is a name of which neither family has records, as far as both
/// were answered at all.
fn merge((ipv4, ipv4_had): (Asked, bool), (ipv6, ipv6_had): (Asked, bool)) -> Asked {
    match (ipv4, ipv6) {
        (Ok(answer), Ok(none)) | (Ok(none), Ok(answer))
            if none.records.is_empty() && !answer.records.is_empty() =>
        {
            Ok(answer)
        }
        (Ok(ipv4), Ok(ipv6)) => Ok(ipv4.join(ipv6)),
        (Ok(answer), Err(_)) if !ipv6_had && !answer.records.is_empty() => Ok(answer),
        (Err(_), Ok(answer)) if !ipv4_had && !answer.records.is_empty() => Ok(answer),
        (Ok(none), Err(unknown)) | (Err(unknown), Ok(none)) if none.records.is_empty() => {
            Err(unknown)
        }
        (Err(ipv4), Err(ipv6)) => Err(Unknown {
            absent_ttl: ipv4
                .absent_ttl
                .zip(ipv6.absent_ttl)
                .map(|(ipv4, ipv6)| ipv4.min(ipv6)),
            why: ipv4.why,
        }),
        (Ok(_), Err(unknown)) | (Err(unknown), Ok(_)) => Err(unknown.into_failure()),
    }
}

/// The records of the lowest priority number (RFC 2782).
fn first_choice(services: &[SRV]) -> impl Iterator<Item = &SRV> {
    let first = services.iter().map(|service| service.priority).min();
    let is_first = move |service: &&SRV| Some(service.priority) == first;
    services.iter().filter(is_first)
}

fn address_of(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(address) => Some(address.0.into()),
        RData::AAAA(address) => Some(address.0.into()),
        _ => None,
    }
}

fn service_of(data: &RData) -> Option<SRV> {
    match data {
        RData::SRV(service) => Some(service.clone()),
        _ => None,
    }
}

async fn look_up<T>(
    resolver: &TokioResolver,
    name: &str,
    kind: RecordType,
    read: fn(&RData) -> Option<T>,
) -> Result<Answer<T>, Unknown> {
    let broken = |why: &dyn std::fmt::Display| Unknown::from(format!("{kind} of {name}: {why}"));
    let mut whole = Name::from_ascii(name).map_err(|error| broken(&error))?;
    whole.set_fqdn(true);
    match resolver.lookup(whole, kind).await {
        Ok(found) => {
            let answers = found.answers().iter();
            let ttl = answers.clone().map(|record| record.ttl).min();
            let records: Vec<_> = answers.filter_map(|record| read(&record.data)).collect();
            if records.is_empty() {
                return Err(broken(&"the answer holds something else"));
            }
            Ok(Answer {
                records,
                ttl: Duration::from_secs(ttl.unwrap_or_default().into()),
            })
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none)))
            if none.response_code == ResponseCode::NoError =>
        {
            if none.ns.is_some() && none.soa.is_none() {
                return Err(broken(&"the server knows nothing of it")); // a referral: RFC 2308 §2.2
            }
            let ttl = Duration::from_secs(none.negative_ttl.unwrap_or_default().into());
            Ok(Answer {
                records: Vec::new(),
                ttl: ttl.min(EMPTY_TTL_MAX),
            })
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => Err(Unknown {
            absent_ttl: absent_ttl(&none),
            ..broken(&none.response_code)
        }),
        Err(error) => Err(broken(&error)),
    }
}

/// How long it holds that the name does not exist; none: that was not said, or not by a zone that could know it.
fn absent_ttl(none: &NoRecords) -> Option<Duration> {
    let zone = none.soa.as_ref().map(|soa| &soa.name);
    let is_said = none.response_code == ResponseCode::NXDomain && !zone?.is_root();
    is_said.then(|| Duration::from_secs(none.negative_ttl.unwrap_or_default().into()))
}

/// Whether the aliases (CNAME) of a name have an end. The resolver says of a chain that it gave up what it says of a name
/// without records, and that would empty the pool.
async fn follow_aliases(resolver: &TokioResolver, name: &str) -> Result<(), Unknown> {
    let mut alias = name.to_owned();
    for _ in 0..ALIASES_MAX {
        let found = look_up(resolver, &alias, RecordType::CNAME, alias_of).await?;
        match found.records.into_iter().next() {
            Some(target) => alias = target,
            None => return Ok(()),
        }
    }
    Err(format!("the aliases of {name} have no end").into())
}

fn alias_of(data: &RData) -> Option<String> {
    match data {
        RData::CNAME(target) => Some(target.0.to_ascii()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(records: &[&str]) -> Answer<IpAddr> {
        Answer {
            records: records.iter().map(|text| text.parse().unwrap()).collect(),
            ttl: Duration::from_secs(7),
        }
    }

    #[test]
    fn p27_a_failing_address_family_is_forgiven_only_where_nothing_can_be_lost() {
        let failed = || Err(Unknown::from("time-out".to_owned()));
        let (one, none) = (Ok(found(&["10.0.0.1"])), Ok(found(&[])));
        assert_eq!(merge((one.clone(), true), (failed(), false)), one);
        assert_eq!(merge((failed(), false), (one.clone(), true)), one);
        // Its addresses are still in use.
        assert_eq!(merge((one, true), (failed(), true)), failed());
        // Nobody said that there is no endpoint.
        assert_eq!(merge((failed(), false), (none.clone(), false)), failed());
        assert_eq!(merge((failed(), false), (failed(), false)), failed());
        assert_eq!(merge((none.clone(), true), (none.clone(), true)), none);
    }

    #[test]
    fn a_name_does_not_exist_when_no_address_family_says_otherwise() {
        let absent = |seconds| {
            Err(Unknown {
                why: "NXDomain".to_owned(),
                absent_ttl: Some(Duration::from_secs(seconds)),
            })
        };
        let failed = || Err(Unknown::from("time-out".to_owned()));
        let (one, none) = (Ok(found(&["10.0.0.1"])), Ok(found(&[])));
        assert_eq!(merge((absent(5), true), (absent(3), false)), absent(3));
        assert_eq!(merge((absent(5), true), (none.clone(), false)), absent(5));
        assert_eq!(merge((none, false), (absent(5), true)), absent(5));
        assert_eq!(merge((one.clone(), true), (absent(5), false)), one);
        for (ipv4, ipv6) in [
            (absent(5), failed()),
            (failed(), absent(5)),
            (one, absent(5)),
        ] {
            let merged = merge((ipv4, true), (ipv6, true)).unwrap_err();
            assert_eq!(merged.absent_ttl, None, "{}", merged.why);
        }
    }

    #[test]
    fn the_absence_of_one_address_family_is_asked_for_no_sooner_than_the_other_one_is_over() {
        let one = Ok(found(&["10.0.0.1"]));
        let none = Ok(Answer {
            records: Vec::new(),
            ttl: Duration::ZERO,
        });
        assert_eq!(merge((one.clone(), true), (none.clone(), false)), one);
        assert_eq!(merge((none, false), (one.clone(), true)), one);
    }

    #[test]
    fn only_the_services_of_the_lowest_priority_number_are_used() {
        let service = |priority, port| SRV::new(priority, 0, port, Name::root());
        let services = [service(20, 1), service(10, 2), service(10, 3)];
        let ports: Vec<_> = first_choice(&services)
            .map(|service| service.port)
            .collect();
        assert_eq!(ports, [2, 3]);
        assert_eq!(first_choice(&[]).count(), 0);
    }
}
