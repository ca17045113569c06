//! What a config says about a flow, and what a change of it does to those who are there already.
//!
//! A request brings the terms of the config that it came in under. Uploads last minutes: one that came before a reload
//! may ask for its seat after it, and must not bring the old terms back into force for everybody of its tenant.

use super::{
    FairQueue,
    flow::{Flow, FlowKey, FlowTerms},
    load::Load,
    policy::FairBy,
    virtual_time::Weight,
};
use crate::{
    Timestamp,
    rate::{Quota, SharedRate},
};

/// Flows looked at for forgetting with each arrival.
const FORGET_PER_ARRIVAL: usize = 2;

impl<R: SharedRate> FairQueue<R> {
    /// The flow of an arrival, on these terms unless it has newer ones.
    pub(crate) fn arrived(&mut self, key: FlowKey, terms: FlowTerms, now: Timestamp) -> u32 {
        self.flows.forget(FORGET_PER_ARRIVAL, self.virtual_time);
        let index = self.flows.find_or_insert(key);
        let known = self.flows.get(index).map(|flow| flow.terms);
        if known.is_some_and(|known| known != terms && known.generation <= terms.generation) {
            self.adopt(index, terms);
            self.settle(index, now);
        }
        index
    }

    /// Whether somebody of the flow waits on the terms of a later config than this one.
    pub(crate) fn waits_by_newer(&self, index: u32, generation: u64) -> bool {
        let flow = self.flows.get(index);
        flow.is_some_and(|flow| {
            flow.waiting > flow.readmitted && flow.terms.generation > generation
        })
    }

    /// The flow of a request that was admitted before: its terms stay as they are.
    pub(crate) fn readmitted(&mut self, key: FlowKey, inhabitants: u64, now: Timestamp) -> u32 {
        if let Some(index) = self.flows.index(key) {
            return index;
        }
        let terms = FlowTerms {
            generation: 0,
            inhabitants,
            in_flight_max: u32::MAX,
        };
        self.arrived(key, terms, now)
    }

    /// New terms for a flow and those of it who wait; nothing for one that is not remembered.
    pub(crate) fn set_terms(
        &mut self,
        key: FlowKey,
        terms: FlowTerms,
        rate: Option<(Quota, R)>,
        now: Timestamp,
    ) {
        let Some(index) = self.flows.index(key) else {
            return;
        };
        let flow = self.flows.get(index);
        if flow.is_none_or(|flow| flow.terms.generation > terms.generation) {
            return;
        }
        self.adopt(index, terms);
        self.change(index, |flow| flow.rate = rate.filter(|_| flow.waiting > 0));
        self.settle(index, now);
    }

    /// Takes over what fairness follows.
    pub(crate) fn set_fair_by(&mut self, fair_by: FairBy, now: Timestamp) {
        if self.fair_by == fair_by {
            return;
        }
        self.fair_by = fair_by;
        let virtual_time = self.virtual_time;
        let floors = (self.load.weight_floor(), self.weight_floor_by(fair_by));
        for run in self.running.iter_mut() {
            if let Some(flow) = self.flows.get(run.flow) {
                let (old, new) = charged_by(flow, fair_by, floors);
                run.reweigh(old, new);
            }
        }
        for index in self.flows.indices() {
            self.change(index, |flow| {
                let weight = fair_by.weight(flow.terms.inhabitants);
                flow.reweigh(weight, charged_by(flow, fair_by, floors), virtual_time);
            });
        }
        // Only now: the bound of debts is by the sum of all weights.
        for index in self.flows.indices() {
            self.settle(index, now);
        }
    }

    /// What a flow would weigh at least.
    fn weight_floor_by(&self, fair_by: FairBy) -> u64 {
        let flows = self.flows.at(0..self.flows.places());
        let weights = flows
            .filter(|flow| flow.active())
            .map(|flow| fair_by.weight(flow.terms.inhabitants).thousandths());
        let load = Load {
            active: self.load.active,
            active_weight: weights.sum(),
            ..Load::default()
        };
        load.weight_floor()
    }

    fn adopt(&mut self, index: u32, terms: FlowTerms) {
        let Some(flow) = self.flows.get(index) else {
            return;
        };
        let weight = self.fair_by.weight(terms.inhabitants);
        let floored = |weight| self.load.floored(flow, weight);
        let (old, new) = (floored(flow.weight), floored(weight));
        if old != new && flow.in_flight > 0 {
            for run in self.running.iter_mut().filter(|run| run.flow == index) {
                run.reweigh(old, new);
            }
        }
        let virtual_time = self.virtual_time;
        self.change(index, |flow| {
            flow.terms = terms;
            flow.reweigh(weight, (old, new), virtual_time);
        });
    }
}

/// What a flow was charged by, and will be by `fair_by`, with the floors of before and of then.
fn charged_by<R>(flow: &Flow<R>, fair_by: FairBy, floors: (u64, u64)) -> (Weight, Weight) {
    let weight = fair_by.weight(flow.terms.inhabitants);
    (flow.weight.at_least(floors.0), weight.at_least(floors.1))
}
