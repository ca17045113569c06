use std::collections::HashMap;

use proptest::prelude::*;
use schleuse_config::{Burst, ClientLimit};

use super::{
    super::{prefix::tests::policy, salt::RENEWAL},
    *,
};

const SECOND: Duration = Duration::from_secs(1);

fn quota(rate_per_second: f64, burst: u32) -> Quota {
    Quota::new(&ClientLimit {
        rate_per_second,
        burst: Burst::Requests(burst),
        observe: false,
    })
}

/// The nth of the 2²⁴ networks /64 of one /40, an attacker's.
fn network(number: u32) -> ClientNetwork {
    let bits = 0x2001_0db8_u128 << 96 | u128::from(number) << 64;
    ClientNetwork::of(std::net::Ipv6Addr::from_bits(bits).into(), &policy())
}

/// One in another /40 for each number.
fn elsewhere(number: u32) -> ClientNetwork {
    let bits = 0x2a02_u128 << 112 | u128::from(number) << 88;
    ClientNetwork::of(std::net::Ipv6Addr::from_bits(bits).into(), &policy())
}

fn passes(clients: &Clients, network: &ClientNetwork, quota: &Quota, now: Timestamp) -> bool {
    let client = Client {
        service: 3,
        network,
    };
    clients.take(client, quota, now).passes.is_ok()
}

/// How many of ten requests pass.
fn of_ten(clients: &Clients, network: &ClientNetwork, quota: &Quota, now: Timestamp) -> usize {
    (0..10)
        .filter(|_| passes(clients, network, quota, now))
        .count()
}

fn bytes(clients: &Clients) -> usize {
    let of_shard = |shard: &Shard| {
        let buckets = shard.0.lock();
        size_of::<Shard>() + buckets.levels.iter().map(Sets::bytes).sum::<usize>()
    };
    clients.shards.iter().map(of_shard).sum()
}

#[test]
fn p31_addresses_of_one_line_share_a_bucket_and_neighbours_do_not() {
    let (clients, quota) = (Clients::new(1000), quota(1.0, 5));
    let now = Timestamp::default() + SECOND;
    let address = |text: &str| ClientNetwork::of(text.parse().unwrap(), &policy());
    assert_eq!(of_ten(&clients, &address("2001:db8::1"), &quota, now), 5);
    assert_eq!(of_ten(&clients, &address("2001:db8::2"), &quota, now), 0);
    assert_eq!(
        of_ten(&clients, &address("2001:db8:0:1::2"), &quota, now),
        5
    );
    assert_eq!(
        of_ten(&clients, &address("::ffff:192.0.2.1"), &quota, now),
        5
    );
    assert_eq!(of_ten(&clients, &address("192.0.2.1"), &quota, now), 0);
}

#[test]
fn services_count_on_their_own() {
    let (clients, quota) = (Clients::new(1000), quota(1.0, 1));
    let now = Timestamp::default() + SECOND;
    let network = network(0);
    for service in 0..5 {
        let client = Client {
            service,
            network: &network,
        };
        assert!(clients.take(client, &quota, now).passes.is_ok());
        assert!(clients.take(client, &quota, now).passes.is_err());
    }
}

#[test]
fn p30_a_clock_that_runs_back_neither_refuses_nor_refills() {
    let (clients, quota) = (Clients::new(1000), quota(1.0, 5));
    let now = Timestamp::default() + 100 * SECOND;
    let network = network(0);
    for _ in 0..3 {
        assert!(passes(&clients, &network, &quota, now));
    }
    let back = Timestamp::default() + SECOND;
    assert_eq!(of_ten(&clients, &network, &quota, back), 2);
    assert_eq!(of_ten(&clients, &network, &quota, now), 0);
}

#[test]
fn an_attack_from_a_whole_40_needs_no_more_memory_and_pushes_nobody_out() {
    let (clients, quota) = (Clients::new(10_000), quota(0.001, 10));
    let now = Timestamp::default() + SECOND;
    let before = bytes(&clients);
    // In the attacker's own /40 and so in the shard that it fills.
    let neighbour = network(0);
    assert_eq!(of_ten(&clients, &neighbour, &quota, now), 10);
    let mut admitted = 0;
    let mut shared = 0;
    for number in 1..100_000 {
        let network = network(number);
        let client = Client {
            service: 3,
            network: &network,
        };
        let decision = clients.take(client, &quota, now);
        admitted += u32::from(decision.passes.is_ok());
        shared += u32::from(decision.shared);
    }
    assert_eq!(bytes(&clients), before);
    assert!(
        !passes(&clients, &neighbour, &quota, now),
        "its bucket was pushed out and is full again"
    );
    assert!(shared > 99_000, "{shared}");
    assert!(admitted < 1500, "{admitted} of 99,999 got through");
    let served = (0..1000).filter(|number| {
        let network = elsewhere(*number);
        of_ten(&clients, &network, &quota, now) == 10
    });
    assert!(served.count() > 950, "others than the attacker are hit");
}

#[test]
fn a_million_clients_take_36_bytes_each_and_the_bound_is_fixed() {
    for clients_max in [1_000, 1_000_000] {
        let fixed = SHARDS * (size_of::<Shard>() + 3 * WIDEST * 16);
        let most = fixed + 36 * usize::try_from(clients_max).unwrap();
        let clients = Clients::new(clients_max);
        assert!(bytes(&clients) <= most);
        let apart = |shard: &Shard| -> usize {
            let buckets = shard.0.lock();
            buckets.levels.iter().map(Sets::bytes_apart).sum()
        };
        let apart: usize = clients.shards.iter().map(apart).sum();
        assert!(apart <= most, "and as much again for what reloads forgave");
    }
}

#[test]
fn as_many_clients_as_the_table_is_made_for_have_their_own_buckets() {
    let (clients, quota) = (Clients::new(100_000), quota(0.001, 1));
    let now = Timestamp::default() + SECOND;
    let shared = (0..100_000).filter(|number| {
        let network = elsewhere(*number);
        let client = Client {
            service: 3,
            network: &network,
        };
        clients.take(client, &quota, now).shared
    });
    assert!(shared.count() < 2_000);
}

#[test]
fn a_renewed_salt_fills_no_bucket() {
    let (clients, quota) = (Clients::new(1000), quota(0.001, 10));
    let before = Timestamp::from_micros(RENEWAL / 1000 - 1);
    let after = Timestamp::from_micros(RENEWAL / 1000 + 1);
    let network = network(0);
    assert_eq!(of_ten(&clients, &network, &quota, before), 10);
    assert_eq!(of_ten(&clients, &network, &quota, after), 0);
    let later = after + Duration::from_secs(1001);
    assert_eq!(of_ten(&clients, &network, &quota, later), 1);
}

#[derive(Clone, Debug)]
struct Step {
    pause: Duration,
    client: u32,
    quota: usize,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few clients, three /48s, so that they meet in the same sets.
    let client = (0..3_u32, 0..5_u32).prop_map(|(wide, own)| wide << 16 | own);
    let step = (0..200_000_u64, client, 0..2_usize).prop_map(|(pause, client, quota)| Step {
        pause: Duration::from_micros(pause),
        client,
        quota,
    });
    prop::collection::vec(step, 1..600)
}

proptest! {
    /// Whether a client is counted in its own bucket or in shared ones, whatever it moves between, whichever limiter
    /// object decides, and across a renewal of the salt: burst and rate hold in every window.
    #[test]
    fn no_client_ever_gets_more_than_one_burst_and_one_rate(steps in steps(), rate in 0.02_f64..5.0, burst in 1_u32..6) {
        let clients = Clients::new(1); // 8 cells for 15 clients
        let limit = quota(rate, burst);
        let mut now = Timestamp::from_micros(RENEWAL / 1000 - 3_000_000);
        let mut passed: HashMap<u32, Vec<Timestamp>> = HashMap::new();
        for step in steps {
            now = now + step.pause;
            if passes(&clients, &network(step.client), &limit, now) {
                passed.entry(step.client).or_default().push(now);
            }
        }
        for times in passed.values() {
            for (index, start) in times.iter().enumerate() {
                for (count, end) in times[index..].iter().enumerate() {
                    let allowed = f64::from(burst) + (*end - *start).as_secs_f64() * rate;
                    let count = u32::try_from(count + 1).unwrap();
                    prop_assert!(f64::from(count) <= allowed + 1e-6, "{count} in {:?}", *end - *start);
                }
            }
        }
    }

    /// Reloads that change the rate back and forth while clients are at their limit: from each change on, never more
    /// than the new burst and rate allow.
    #[test]
    fn after_a_change_of_the_rate_no_more_passes_than_the_new_one_allows(steps in steps()) {
        let clients = Clients::new(1);
        let quotas = [(2.0, 4_u32), (20.0, 9)];
        let mut now = Timestamp::from_micros(RENEWAL / 1000 - 10_000_000);
        let mut since: Option<(usize, Timestamp)> = None;
        let mut passed: HashMap<u32, u32> = HashMap::new();
        for step in steps {
            now = now + step.pause;
            if since.is_none_or(|(quota, _)| quota != step.quota) {
                since = Some((step.quota, now));
                passed.clear();
            }
            let (rate, burst) = quotas[step.quota];
            let (_, start) = since.unwrap();
            if passes(&clients, &network(step.client), &quota(rate, burst), now) {
                let count = passed.entry(step.client).or_default();
                *count += 1;
                let allowed = f64::from(burst) + (now - start).as_secs_f64() * rate;
                prop_assert!(f64::from(*count) <= allowed + 1e-6);
            }
        }
    }

    /// Reloads that flap between a small and a large burst: what a client is let through in any window is the larger
    /// burst and what the rates gave meanwhile, also across a renewal of the salt. The table has room for all.
    #[test]
    fn flapping_quotas_give_no_client_more_than_the_larger_burst(steps in steps()) {
        let clients = Clients::new(10_000);
        let quotas = [(2.0, 2_u32), (20.0, 9)];
        let start = Timestamp::from_micros(RENEWAL / 1000 - 10_000_000);
        let mut now = start;
        let mut passed: HashMap<u32, Vec<f64>> = HashMap::new();
        for step in steps {
            now = now + step.pause;
            let (rate, burst) = quotas[step.quota];
            while passes(&clients, &network(step.client), &quota(rate, burst), now) {
                passed.entry(step.client).or_default().push((now - start).as_secs_f64());
            }
        }
        for times in passed.values() {
            for (index, began) in times.iter().enumerate() {
                for (count, ended) in (1_u32..).zip(&times[index..]) {
                    let allowed = 9.0 + 20.0 * (ended - began);
                    prop_assert!(f64::from(count) <= allowed + 1e-6, "{count} in {}", ended - began);
                }
            }
        }
    }
}
