//! What is right line by line and wrong as a whole.

use crate::support::{BODY, HEAD, Site, body_problems, problems};

#[test]
fn a_pool_that_is_not_there_is_named() {
    assert_eq!(
        body_problems(
            &BODY
                .replace("pool: a", "pool: wohngelt")
                .replace("  a: {", "  wohngeld: {")
        ),
        "schleuse.yaml:5:71: services.wohngeld.pool: there is no pool `wohngelt`; did you mean `wohngeld`?"
    );
}

#[test]
fn a_host_leads_to_one_service() {
    let body = BODY.replace("pools:", "  bafoeg: { hosts: [bafoeg.example, wohngeld.example], responsible: land, pool: a }\npools:");
    assert_eq!(
        body_problems(&body),
        "schleuse.yaml:6:37: services.bafoeg.hosts[1]: the host is taken: service wohngeld, host wohngeld.example; a host leads to one service or tenant: remove it from one of the two"
    );
}

#[test]
fn hosts_are_names_in_their_one_spelling() {
    for (host, expected) in [
        (
            "wohngeld.example:8080",
            "`wohngeld.example:8080` has a port; write wohngeld.example: ports belong to listeners",
        ),
        (
            "https://wohngeld.example/",
            "`https://wohngeld.example/` is a URL; write the host alone: wohngeld.example",
        ),
        (
            "wohngeld.example/antrag",
            "`wohngeld.example/antrag` has a path; write the host alone: wohngeld.example",
        ),
        (
            "Wohngeld.example",
            "`Wohngeld.example` has capital letters; write wohngeld.example",
        ),
        (
            "wohngeld.example.",
            "`wohngeld.example.` ends with a dot; write wohngeld.example",
        ),
        (
            "köln.example",
            "`köln.example` has letters beyond ASCII; write its ASCII form, which starts with xn--",
        ),
        (
            "wohn_geld.example",
            "`wohn_geld.example` has a character that no host name has; use letters, digits, - and dots",
        ),
        (
            "a.*.example",
            "`a.*.example` has a * that is not its whole first label; write \"*.domain\", which stands for one label",
        ),
        (
            "a..example",
            "`a..example` has a label that is empty or longer than 63 characters; check the dots",
        ),
        (
            "300.1.1.1",
            "`300.1.1.1` is neither a host name nor an IP address; check it",
        ),
        (
            "2001:db8::1",
            "`2001:db8::1` is an IPv6 address without brackets; write \"[2001:db8::1]\"",
        ),
        (
            "[2001:db8::1]:80",
            "`[2001:db8::1]:80` has a port; write \"[2001:db8::1]\": ports belong to listeners",
        ),
    ] {
        let body = BODY.replace("[wohngeld.example]", &format!("[\"{host}\"]"));
        let expected = format!("schleuse.yaml:5:23: services.wohngeld.hosts[0]: {expected}");
        let problems = body_problems(&body);
        assert_eq!(problems.lines().next().unwrap(), expected);
    }
    for host in [
        "10.0.0.1",
        "[2001:db8::1]",
        "*.wohngeld.example",
        "localhost",
        "xn--kln-sna.example",
    ] {
        Site::new(format!(
            "{HEAD}{}",
            BODY.replace("[wohngeld.example]", &format!("[\"{host}\"]"))
        ))
        .loaded();
    }
}

#[test]
fn a_tenant_and_an_alias_are_in_the_register() {
    let tenants = "gemeinden.csv, overrides: { \"053150000000\": { hosts: [koeln.example] } }, aliases: { \"160610049049\": \"160610000000\" } }";
    assert_eq!(
        problems(format!("{HEAD}{BODY}").replace("gemeinden.csv }", tenants)),
        "schleuse.yaml:3:107: tenants.aliases.160610049049: the new key is no place of the register; write `\"old key\": \"new key\"`, or remove it"
    );
    let tenants = tenants.replace("160610000000", "160610115115");
    assert_eq!(
        problems(format!("{HEAD}{BODY}").replace("gemeinden.csv }", &tenants)),
        "schleuse.yaml:3:50: tenants.overrides.053150000000: `053150000000` is in no row of the register; check it; a key that ceased belongs into `aliases`"
    );
}

#[test]
fn a_tenants_service_is_one_of_the_services() {
    let tenants = "gemeinden.csv, overrides: { \"110000000000\": { hosts: [berlin.example], service: wohngelt } } }";
    assert_eq!(
        problems(format!("{HEAD}{BODY}").replace("gemeinden.csv }", tenants)),
        "schleuse.yaml:3:102: tenants.overrides.110000000000.service: there is no service wohngelt; did you mean `wohngeld`?"
    );
}

#[test]
fn hosts_are_checked_even_when_the_register_is_missing() {
    let body = BODY.replace(
        "pools:",
        "  bafoeg: { hosts: [wohngeld.example], responsible: land, pool: a }\npools:",
    );
    let site = Site::new(format!("{HEAD}{body}"));
    std::fs::remove_file(site.path("gemeinden.csv")).unwrap();
    assert_eq!(site.problems().lines().count(), 2);
}

#[test]
fn listeners_and_admin_do_not_share_an_address() {
    let yaml = format!("{HEAD}{BODY}admin: {{ address: 127.0.0.1:8080 }}\n");
    assert_eq!(
        problems(&yaml),
        "schleuse.yaml:8:19: admin.address: 127.0.0.1:8080 is taken by listeners[0].address (127.0.0.1:8080, line 2); choose another port, or remove one of the two"
    );
    assert!(
        problems(yaml.replace("[{ address: 127.0.0.1", "[{ address: 0.0.0.0"))
            .contains("is taken by")
    );
    let twice = "[{ address: 127.0.0.1:8080 }, { address: 127.0.0.1:8080 }]";
    assert!(
        problems(yaml.replace("[{ address: 127.0.0.1:8080 }]", twice))
            .contains("listeners[1].address: 127.0.0.1:8080 is taken by listeners[0]")
    );
}

#[test]
fn addresses_have_an_ip_and_a_port() {
    for (address, expected) in [
        (
            ":8080",
            "`:8080` has no address; write \"0.0.0.0:8080\", or \"[::]:8080\" for IPv6 as well",
        ),
        (
            "8080",
            "`8080` has no address; write \"0.0.0.0:8080\", or \"[::]:8080\" for IPv6 as well",
        ),
        (
            "localhost:8080",
            "`localhost:8080` has a name for its address; write \"127.0.0.1:8080\"",
        ),
        (
            "proxy.example:8080",
            "`proxy.example:8080` has no IP address; write the IP address, as \"10.0.0.1:8080\": names are not looked up",
        ),
        (
            "10.0.0.1",
            "`10.0.0.1` has no port; write one, as \"10.0.0.1:8080\"",
        ),
        ("::1", "`::1` has no port; write one, as \"[::1]:8080\""),
        (
            "http://10.0.0.1:80/",
            "`http://10.0.0.1:80/` is a URL; write address and port alone: 10.0.0.1:80",
        ),
        (
            "10.0.0.1:99999",
            "`10.0.0.1:99999` is not an IP address with a port; write it as \"127.0.0.1:8080\" or \"[::1]:8080\"",
        ),
    ] {
        let yaml = format!("{HEAD}{BODY}").replace(
            "address: 127.0.0.1:8080",
            &format!("address: \"{address}\""),
        );
        assert_eq!(
            problems(yaml),
            format!("schleuse.yaml:2:24: listeners[0].address: {expected}")
        );
    }
}

#[test]
fn a_tls_listener_does_not_redirect_to_itself() {
    let yaml = format!("{HEAD}{BODY}").replace(
        "8080 }]",
        "8080, redirect_https: true, tls: { certificates: [tls/] } }]",
    );
    let site = Site::new(yaml);
    crate::tls::write_pair(&site, "tls/a", &["a.example"]);
    assert_eq!(
        site.problems(),
        "schleuse.yaml:2:56: listeners[0].redirect_https: a TLS listener would redirect to itself; put it on the plain listener, or remove it"
    );
}

#[test]
fn endpoints_are_reachable_and_stand_once() {
    let endpoints = "endpoints: [\"10.0.0.1:80\", \"10.0.0.1:80\", \"0.0.0.0:80\", \"10.0.0.2:0\"]";
    assert_eq!(
        body_problems(&BODY.replace("endpoints: [\"10.0.0.1:80\"]", endpoints)),
        "\
schleuse.yaml:7:35: pools.a.endpoints[1]: 10.0.0.1:80 stands here twice, first in line 7; remove one of the two
schleuse.yaml:7:50: pools.a.endpoints[2]: nothing can be reached at 0.0.0.0:80; write the backend's own address and port
schleuse.yaml:7:64: pools.a.endpoints[3]: nothing can be reached at 10.0.0.2:0; write the backend's own address and port"
    );
    assert_eq!(
        body_problems(&BODY.replace("[\"10.0.0.1:80\"]", "[]")),
        "schleuse.yaml:7:19: pools.a.endpoints: no endpoint; write at least one, as [\"10.0.0.1:8080\"]"
    );
}

#[test]
fn connections_carry_the_seats() {
    assert_eq!(
        body_problems(&BODY.replace("80\"] }", "80\"], concurrency: 20, connections_max: 19 }")),
        "schleuse.yaml:7:70: pools.a.connections_max: 19 connections cannot carry 20 requests at once; write at least 20, or lower `concurrency`"
    );
}

#[test]
fn a_service_is_reached_by_a_host() {
    let body = BODY.replace("hosts: [wohngeld.example], ", "");
    assert_eq!(
        body_problems(&body),
        "schleuse.yaml:5:3: services.wohngeld: no host leads to this service; write `hosts`, or `hosts` of a tenant in `tenants.overrides`"
    );
    let tenants = "gemeinden.csv, overrides: { \"110000000000\": { hosts: [berlin.example] } } }";
    Site::new(format!("{HEAD}{body}").replace("gemeinden.csv }", tenants)).loaded();
}

#[test]
fn a_service_of_the_bund_asks_nobody_for_the_tenant() {
    assert_eq!(
        body_problems(&BODY.replace("gemeinde,", "bund, tenant_from: [path],")),
        "schleuse.yaml:5:74: services.wohngeld.tenant_from: the Bund is the only tenant of this service, so nothing names it; remove it, or change `responsible`"
    );
    let snapshot = Site::new(format!("{HEAD}{}", BODY.replace("gemeinde,", "bund,")))
        .loaded()
        .snapshot;
    assert!(!snapshot.services[0].tenant_cookie);
}

#[test]
fn a_tenant_header_has_a_name_and_somebody_to_send_it() {
    assert_eq!(
        body_problems(&BODY.replace("gemeinde,", "gemeinde, tenant_from: [header],")),
        "\
schleuse.yaml:5:78: services.wohngeld.tenant_from: asks a header that has no name; write tenant_header: X-Ars
schleuse.yaml:5:78: services.wohngeld.tenant_from: asks a header, and `trusted_proxies` names nobody who may send it; write the networks of your proxies into `trusted_proxies`"
    );
    assert_eq!(
        body_problems(&BODY.replace("gemeinde,", "gemeinde, tenant_header: X-Ars,")),
        "schleuse.yaml:5:80: services.wohngeld.tenant_header: is never asked; add `header` to `tenant_from`, or remove it"
    );
}

#[test]
fn header_rules_do_not_touch_what_is_ours_and_name_a_field_once() {
    let rules = "request: { headers: { set: { Schleuse-Tenant: x, X-A: \"{tenant.arz}\" }, remove: [x-a, Host] } } }";
    let body = BODY.replace("pool: a }", &format!("pool: a, {rules}"));
    assert_eq!(
        body_problems(&body),
        "\
schleuse.yaml:5:103: services.wohngeld.request.headers.set.Schleuse-Tenant: `Schleuse-Tenant` is written by Schleuse itself; remove it, or use another name
schleuse.yaml:5:128: services.wohngeld.request.headers.set.X-A: there is no placeholder `{tenant.arz}`; did you mean {tenant.ars}?
schleuse.yaml:5:155: services.wohngeld.request.headers.remove[0]: `x-a` stands here twice, first in line 5; set it or remove it, once; case does not matter
schleuse.yaml:5:160: services.wohngeld.request.headers.remove[1]: `Host` is written by Schleuse itself; remove it, or use another name"
    );
}

#[test]
fn networks_are_written_without_host_bits() {
    assert_eq!(
        problems(format!("{HEAD}{BODY}trusted_proxies: [10.0.0.1/8, intranet]\n")),
        "\
schleuse.yaml:8:19: trusted_proxies[0]: `10.0.0.1/8` has bits set behind its prefix length; write 10.0.0.0/8, or the address alone
schleuse.yaml:8:31: trusted_proxies[1]: `intranet` is not an IP network; write it as 10.0.0.0/8 or 2001:db8::/32"
    );
}

#[test]
fn affinity_keys_are_long_and_have_one_source() {
    let site = Site::new(format!(
        "{HEAD}{BODY}affinity: {{ keys: [{{ file: short.key }}, {{ env: SCHLEUSE_NO_SUCH_VARIABLE }}, {{}}, {{ file: short.key, env: X }}] }}\n"
    ));
    site.write("short.key", "0123456789\n");
    assert_eq!(
        site.problems(),
        "\
schleuse.yaml:8:28: affinity.keys[0].file: the key has 10 bytes, at least 32 are needed; make one: openssl rand -hex 32
schleuse.yaml:8:48: affinity.keys[1].env: the environment has no variable SCHLEUSE_NO_SUCH_VARIABLE; set it, or name a `file`
schleuse.yaml:8:77: affinity.keys[2]: names no key; write `file: PATH` or `env: NAME`
schleuse.yaml:8:81: affinity.keys[3]: has a file and a variable; keep one of the two"
    );
}

#[test]
fn an_affinity_key_comes_from_the_environment() {
    // Changing the environment is unsafe in a process with threads; cargo itself sets long variables.
    let (name, value) = std::env::vars()
        .find(|(name, value)| name.starts_with("CARGO") && value.len() >= 32)
        .unwrap();
    let snapshot = Site::new(format!(
        "{HEAD}{BODY}affinity: {{ keys: [{{ env: {name} }}] }}\n"
    ))
    .loaded()
    .snapshot;
    assert_eq!(&*snapshot.affinity_keys[0].0, value.as_bytes());
}

#[test]
fn an_admin_token_is_long_can_be_sent_and_has_one_source() {
    let of =
        |token: &str| format!("{HEAD}{BODY}admin: {{ address: 127.0.0.1:1, token: {token} }}\n");
    let found = |token: &str, content: &str| {
        let site = Site::new(of(token));
        site.write("admin.token", content);
        site.problems()
    };
    assert_eq!(
        found("{ file: admin.token }", "fifteen-letters\n"),
        "schleuse.yaml:8:47: admin.token.file: the token has 15 characters, at least 16 are needed; make one: openssl rand -hex 32"
    );
    assert_eq!(
        found("{ file: admin.token }", "0123456789 abcdef\n"),
        "schleuse.yaml:8:47: admin.token.file: the token holds a character that no Authorization field can carry (RFC 6750 section 2.1); make one: openssl rand -hex 32"
    );
    assert_eq!(
        found("{ file: admin.token, env: X }", ""),
        "schleuse.yaml:8:39: admin.token: has a file and a variable; keep one of the two"
    );
    assert_eq!(
        found("{}", ""),
        "schleuse.yaml:8:39: admin.token: names no token; write `file: PATH` or `env: NAME`"
    );
}

#[test]
fn an_admin_token_is_watched_hashed_and_never_shown() {
    let site = Site::new(format!(
        "{HEAD}{BODY}admin: {{ address: 0.0.0.0:9900, token: {{ file: admin.token }} }}\n"
    ));
    site.write("admin.token", "0123456789abcdef\n");
    let before = site.loaded();
    let token = before.snapshot.admin.as_ref().unwrap().token.as_ref();
    assert_eq!(&*token.unwrap().0, b"0123456789abcdef");
    assert!(before.files.contains(&site.path("admin.token")));
    assert!(!format!("{before:?}").contains("0123456789abcdef"));
    assert_eq!(site.warnings(), [""; 0]);
    site.write("admin.token", "fedcba9876543210\n");
    assert_ne!(site.loaded().snapshot.hash, before.snapshot.hash);
}

#[test]
fn what_is_allowed_but_unwise_is_a_warning() {
    let yaml = format!(
        "{HEAD}{BODY}  b: {{ endpoints: [\"10.0.0.2:80\"] }}\nadmin: {{ address: 0.0.0.0:9900 }}\ntrusted_proxies: [0.0.0.0/0]\n"
    );
    assert_eq!(
        Site::new(yaml).warnings(),
        [
            "schleuse.yaml:8:3: pools.b: no service uses this pool; remove it, or name it as a `pool`",
            "schleuse.yaml:9:19: admin.address: 0.0.0.0:9900 is reached from other machines, without a token; set `admin.token`, use a loopback address, or a network of your own",
            "schleuse.yaml:10:18: trusted_proxies: believes everybody: each client can claim any address and tenant; name the networks of your proxies",
        ]
    );
}

#[test]
fn the_hash_changes_with_any_file_that_was_read() {
    let site = Site::new(format!("{HEAD}{BODY}"));
    let before = site.loaded().snapshot.hash;
    assert_eq!(site.loaded().snapshot.hash, before);
    let register = crate::support::REGISTER.replace("Gröde,7", "Gröde,8");
    site.write("gemeinden.csv", register);
    assert_ne!(site.loaded().snapshot.hash, before);
}

#[test]
fn the_state_directory_starts_at_the_config_and_is_no_file() {
    let site = Site::new(format!("{HEAD}state_directory: state\n{BODY}"));
    let snapshot = site.loaded().snapshot;
    assert_eq!(snapshot.state_directory, Some(site.path("state")));
    assert_eq!(
        problems(format!("{HEAD}state_directory: gemeinden.csv\n{BODY}")),
        "schleuse.yaml:4:18: state_directory: gemeinden.csv is no directory; name a directory, or one that can be made"
    );
}
