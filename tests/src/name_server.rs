//! A name server on this machine that says what a test tells it, over UDP, byte by byte as RFC 1035 §4 has it.
//!
//! It knows answers for names and record types; of a name that it knows nothing about it says NXDOMAIN, of a name that it
//! knows by another type NOERROR without records, unless it is told to misbehave.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
    thread,
};

/// Types of RFC 1035 §3.2.2, RFC 3596 §2.1 and RFC 2782.
const A: u16 = 1;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const AAAA: u16 = 28;
const SRV: u16 = 33;
/// The name of the question, by its place in the packet (§4.1.4).
const NAME_OF_QUESTION: [u8; 2] = [0xc0, 12];
const HEADER_BYTES: usize = 12;

/// How it answers whatever is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// From its records.
    Honest,
    /// With an error code (§4.1.1: 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED) and nothing else.
    Code(u8),
    /// With NXDOMAIN, as said by this zone (its SOA, RFC 2308 §2.1); the root is "".
    Absent(&'static str),
    /// With bytes that are no answer behind the right header.
    Garbage,
    /// With NOERROR and the names of others, who might know (a referral).
    Referral,
    /// With an alias (CNAME) of the name for itself.
    AliasLoop,
    /// Not at all.
    Silent,
}

#[derive(Debug)]
struct State {
    manner: Manner,
    /// How it answers the next so many questions, before it is back to its manner.
    lapse: (usize, Manner),
    ttl_seconds: u32,
    /// The data of each record, by name and type.
    records: BTreeMap<(String, u16), Vec<Vec<u8>>>,
    /// Names and types.
    asked: Vec<(String, u16)>,
}

/// Answers until the process ends.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl NameServer {
    /// Knows nothing yet; its answers hold this long.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub fn new(ttl_seconds: u32) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            manner: Manner::Honest,
            lapse: (0, Manner::Honest),
            ttl_seconds,
            records: BTreeMap::new(),
            asked: Vec::new(),
        }));
        let shared = state.clone();
        thread::spawn(move || {
            let mut packet = [0; 4096];
            while let Ok((count, client)) = socket.recv_from(&mut packet) {
                let answer = shared.lock().unwrap().answer(&packet[..count]);
                if let Some(answer) = answer {
                    let _ = socket.send_to(&answer, client); // who has left needs none
                }
            }
        });
        Self { address, state }
    }

    /// Where it is asked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it answers like this.
    ///
    /// # Panics
    ///
    /// Never.
    pub fn behave(&self, manner: Manner) {
        self.state.lock().unwrap().manner = manner;
    }

    /// It answers the next so many questions like this.
    ///
    /// # Panics
    ///
    /// Never.
    pub fn lapse(&self, questions: usize, manner: Manner) {
        self.state.lock().unwrap().lapse = (questions, manner);
    }

    /// Replaces the addresses of a host.
    ///
    /// # Panics
    ///
    /// Never.
    pub fn set_addresses(&self, name: &str, addresses: &[&str]) {
        let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
        for address in addresses {
            match address.parse().expect("an address") {
                IpAddr::V4(address) => ipv4.push(address.octets().to_vec()),
                IpAddr::V6(address) => ipv6.push(address.octets().to_vec()),
            }
        }
        let records = &mut self.state.lock().unwrap().records;
        records.insert((name.to_owned(), A), ipv4);
        records.insert((name.to_owned(), AAAA), ipv6);
    }

    /// Replaces the services of a name: priority, port and target.
    ///
    /// # Panics
    ///
    /// Never.
    pub fn set_services(&self, name: &str, services: &[(u16, u16, &str)]) {
        let service = |(priority, port, target): &(u16, u16, &str)| {
            let weight = 0_u16;
            let numbers = [*priority, weight, *port].map(u16::to_be_bytes).concat();
            [numbers, spell(target)].concat()
        };
        let services = services.iter().map(service).collect();
        let records = &mut self.state.lock().unwrap().records;
        records.insert((name.to_owned(), SRV), services);
    }

    /// How often it was asked for the IPv4 addresses of a name, or for its services.
    ///
    /// # Panics
    ///
    /// Never.
    pub fn asked(&self, name: &str) -> usize {
        let state = self.state.lock().unwrap();
        let asked = state.asked.iter();
        asked
            .filter(|(asked, kind)| asked == name && *kind != AAAA)
            .count()
    }
}

impl State {
    fn answer(&mut self, question: &[u8]) -> Option<Vec<u8>> {
        let (name, end) = read_name(question)?;
        let kind = u16::from_be_bytes(question.get(end..end + 2)?.try_into().ok()?);
        let question = question.get(..end + 4)?;
        self.asked.push((name.clone(), kind));
        let manner = match &mut self.lapse {
            (0, _) => self.manner,
            (left, manner) => {
                *left -= 1;
                *manner
            }
        };
        match manner {
            Manner::Silent => None,
            Manner::Code(code) => Some(packet(question, code, [0, 0], &[])),
            Manner::Absent(zone) => Some(packet(question, 3, [0, 1], &soa(zone, self.ttl_seconds))),
            Manner::Garbage => Some(packet(question, 0, [7, 0], b"\xff\xff\xff")),
            Manner::Referral => {
                let server = spell("a.root-servers.example");
                let record = record(2, 60, &server);
                Some(packet(question, 0, [0, 1], &record))
            }
            Manner::AliasLoop => {
                let record = record(CNAME, 60, &spell(&name));
                Some(packet(question, 0, [1, 0], &record))
            }
            Manner::Honest => Some(self.tell(question, &name, kind)),
        }
    }

    fn tell(&self, question: &[u8], name: &str, kind: u16) -> Vec<u8> {
        let is_known = self.records.keys().any(|(known, _)| known == name);
        let data = self.records.get(&(name.to_owned(), kind));
        let data = data.map_or(&[][..], Vec::as_slice);
        let records = data.iter().map(|data| record(kind, self.ttl_seconds, data));
        let records: Vec<_> = records.collect();
        let count = u16::try_from(records.len()).expect("few records");
        let code = if is_known { 0 } else { 3 };
        packet(question, code, [count, 0], &records.concat())
    }
}

/// A header, the question, and what follows: `counts` of answers and of authorities.
fn packet(question: &[u8], code: u8, counts: [u16; 2], records: &[u8]) -> Vec<u8> {
    let (id, question) = (&question[..2], &question[HEADER_BYTES..]);
    let flags = [0x85, 0x80 | code]; // an answer, authoritative, recursion wanted and available
    let [answers, authorities] = counts.map(u16::to_be_bytes);
    let counts = [[0, 1], answers, authorities, [0, 0]].concat();
    [id, &flags, &counts, question, records].concat()
}

/// About the name of the question, class IN.
fn record(kind: u16, ttl_seconds: u32, data: &[u8]) -> Vec<u8> {
    record_of(&NAME_OF_QUESTION, kind, ttl_seconds, data)
}

/// About a name, as spelled in the packet.
fn record_of(name: &[u8], kind: u16, ttl_seconds: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("short data");
    [
        name,
        &kind.to_be_bytes(),
        &[0, 1],
        &ttl_seconds.to_be_bytes(),
        &length.to_be_bytes(),
        data,
    ]
    .concat()
}

/// Who speaks for a zone (§3.3.13), and for how long an absence holds.
fn soa(zone: &str, ttl_seconds: u32) -> Vec<u8> {
    let [serial, refresh, retry, expire] = [1, 7_200, 1_800, 86_400];
    let numbers = [serial, refresh, retry, expire, ttl_seconds].map(u32::to_be_bytes);
    let data = [
        &spell("ns.example")[..],
        &spell("hostmaster.example"),
        &numbers.concat(),
    ]
    .concat();
    record_of(&spell(zone), SOA, ttl_seconds, &data)
}

/// Labels with their lengths (§3.1).
fn spell(name: &str) -> Vec<u8> {
    let label = |label: &str| {
        [
            &[u8::try_from(label.len()).expect("short")],
            label.as_bytes(),
        ]
        .concat()
    };
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut labels: Vec<_> = labels.map(label).collect();
    labels.push(vec![0]);
    labels.concat()
}

/// The name of the question, and where it ends.
fn read_name(packet: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), HEADER_BYTES);
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = packet.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        at += length;
    }
}
