//! Where a step goes: to the service of its own host and path.

use std::path::Path;

use super::super::routes::Routes;
use crate::{citizen::Citizen, prepare::prepare, scenario};

const CONFIG: &str = "version: 1
listeners: [ { address: \"127.0.0.1:8080\" } ]
tenants: { register: gemeinden.csv }
services:
  amt: { hosts: [amt.example], responsible: bund, pool: amt }
  post: { hosts: [post.example], responsible: bund, pool: post }
pools:
  amt: { endpoints: [\"127.0.0.1:9\"] }
  post: { endpoints: [\"127.0.0.1:9\"] }
";

#[test]
fn each_step_goes_to_the_pool_of_its_own_host() {
    let directory = tempfile::tempdir().unwrap();
    let register = "ars,name,bevoelkerung\n110000000000,Berlin,3700000\n";
    std::fs::write(directory.path().join("gemeinden.csv"), register).unwrap();
    let file = directory.path().join("schleuse.yaml");
    std::fs::write(&file, CONFIG).unwrap();
    let loaded = schleuse_config::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
    let scenario = "target: http://amt.example
arrivals: { rate: 1/s, duration: 1s }
journeys:
  - name: two
    steps: [ { get: / }, { get: /, headers: { Host: post.example } } ]
";
    let mut scenario =
        scenario::read(Path::new("two"), scenario).unwrap_or_else(|problems| panic!("{problems}"));
    scenario.target.connect_to = Some(("127.0.0.1".to_owned(), 9));
    let workload = prepare(&scenario).unwrap();
    let routes = Routes::new(&workload, &loaded.snapshot).unwrap();
    let mut citizen = Citizen::arrive(0, 0, &workload);
    let names = [0, 1].map(|step| {
        citizen.step = step;
        let pool = routes.of(&citizen).unwrap().pool;
        loaded.snapshot.pools[pool].name.clone()
    });
    assert_eq!(names, ["amt", "post"]);
}
