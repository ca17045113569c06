//! All tenants, requests drawn by population, and each one's rate as the proxy holds it.

use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use schleuse_benches::inputs::{Place, drawn_by_population, generator, official_places};
use schleuse_core::{
    Arrival, ArrivalTime, Class, FlowKey, Quota, RegionalKey, SharedRate, TenantId,
};

/// Requests that are drawn once and taken in turn.
const REQUESTS: usize = 65_536;

pub(crate) static PLACES: LazyLock<Vec<Place>> =
    LazyLock::new(|| official_places().unwrap_or_default());

/// A tenant's used rate behind a lock of one byte.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rate(Arc<Mutex<ArrivalTime>>);

impl SharedRate for Rate {
    fn with<T>(&self, use_it: impl FnOnce(&mut ArrivalTime) -> T) -> T {
        use_it(&mut self.0.lock())
    }
}

/// One tenant.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) flow: FlowKey,
    pub(crate) inhabitants: u64,
    pub(crate) rate: Rate,
    pub(crate) quota: Quota,
}

/// All tenants and the order in which they ask.
#[derive(Debug)]
pub(crate) struct Tenants {
    pub(crate) all: Vec<Tenant>,
    /// Places in `all`.
    pub(crate) drawn: Vec<usize>,
}

impl Tenants {
    pub(crate) fn new() -> Self {
        let all: Vec<Tenant> = PLACES.iter().filter_map(tenant).collect();
        let place = |drawn: &Place| PLACES.iter().position(|place| place.ars == drawn.ars);
        // By population most requests are of few tenants; every other one is of the next tenant in turn.
        let drawn: Vec<usize> = drawn_by_population(&PLACES, 512, &mut generator())
            .into_iter()
            .filter_map(place)
            .collect();
        let turn = |number: usize| {
            let popular = drawn.get(number / 2 % drawn.len().max(1)).copied();
            popular
                .filter(|_| number.is_multiple_of(2))
                .unwrap_or(number / 2 % all.len().max(1))
        };
        let drawn = (0..REQUESTS).map(turn).collect();
        Self { all, drawn }
    }

    /// The n-th request's tenant.
    pub(crate) fn turn(&self, number: u64) -> Option<&Tenant> {
        let place = usize::try_from(number).unwrap_or(0) % self.drawn.len().max(1);
        self.all.get(*self.drawn.get(place)?)
    }
}

fn tenant(place: &Place) -> Option<Tenant> {
    let key = RegionalKey::parse_ars(&place.ars).ok()?;
    Some(Tenant {
        flow: FlowKey {
            service: 0,
            tenant: TenantId::new(key),
        },
        inhabitants: place.population,
        rate: Rate::default(),
        // Never reached: what is measured is the way of those who may go.
        quota: Quota::new(1_000_000.0, 1_000_000.0),
    })
}

impl Tenant {
    /// A request of one of a million client networks.
    pub(crate) fn arrival(&self, number: u64) -> Arrival<'_, Rate> {
        Arrival {
            flow: self.flow,
            generation: 0,
            inhabitants: self.inhabitants,
            class: Class::New,
            client: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1_000_000,
            cost: 1,
            bytes: 1_000,
            in_flight_max: 10_000,
            rate: Some((self.quota, &self.rate)),
            preferred: None,
            draw: number.wrapping_mul(0xbf58_476d_1ce4_e5b9),
        }
    }
}
