//! The cost of a decision at 10,751 tenants: whose request it is, whether its rate allows it, whose turn it is.
//!
//! `idle`: a seat is free and nobody waits, which is most of a pool's life. `busy`: 5,000 wait, and every request that
//! departs lets another one in. The rivals know less: a FIFO knows no tenants, shuffle sharding lets tenants collide,
//! `governor` only counts. Time behind the pool's mutex is that of `idle` and `busy` less an uncontended lock (about
//! 10 ns); `contended` has as many threads at one pool as there are cores.

mod decision;
mod fifo;
mod shuffle;
mod tenants;

fn main() {
    divan::main();
}
