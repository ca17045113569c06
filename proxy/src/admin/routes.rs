//! The resources of the admin listener: one table that the router works from and `docs/openapi.yaml` is tested against.

/// What a route leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resource {
    Liveness,
    Readiness,
    Metrics,
    Status,
    Config,
    Reload,
    Tenants,
    Tenant,
    GrantLease,
    RevokeLease,
    Leases,
    Top,
    Pools,
    Pool,
    EndpointMode,
    Signals,
    Signal,
    Launches,
}

/// One method of one path.
#[derive(Debug)]
pub(super) struct Route {
    /// `GET` stands for `HEAD` as well.
    pub(super) method: &'static str,
    /// A segment in braces is a parameter.
    pub(super) path: &'static str,
    pub(super) resource: Resource,
    /// What it answers, 401 apart.
    pub(super) statuses: &'static [u16],
    /// Needs no token: orchestrators that ask for it have none.
    pub(super) open: bool,
}

const fn get(path: &'static str, resource: Resource, statuses: &'static [u16]) -> Route {
    Route {
        method: "GET",
        path,
        resource,
        statuses,
        open: false,
    }
}

const fn post(path: &'static str, resource: Resource, statuses: &'static [u16]) -> Route {
    Route {
        method: "POST",
        path,
        resource,
        statuses,
        open: false,
    }
}

const fn delete(path: &'static str, resource: Resource, statuses: &'static [u16]) -> Route {
    Route {
        method: "DELETE",
        ..post(path, resource, statuses)
    }
}

const fn open(path: &'static str, resource: Resource, statuses: &'static [u16]) -> Route {
    Route {
        open: true,
        ..get(path, resource, statuses)
    }
}

pub(super) const ROUTES: &[Route] = &[
    open("/livez", Resource::Liveness, &[200]),
    open("/readyz", Resource::Readiness, &[200, 503]),
    get("/metrics", Resource::Metrics, &[200, 500]),
    get("/api/v1/status", Resource::Status, &[200]),
    get("/api/v1/config", Resource::Config, &[200]),
    post("/api/v1/reload", Resource::Reload, &[200, 422, 500]),
    get("/api/v1/tenants", Resource::Tenants, &[200, 400]),
    get("/api/v1/tenants/{key}", Resource::Tenant, &[200, 404]),
    post(
        "/api/v1/tenants/{key}/lease",
        Resource::GrantLease,
        &[200, 400, 404, 409],
    ),
    delete(
        "/api/v1/tenants/{key}/lease",
        Resource::RevokeLease,
        &[200, 404],
    ),
    get("/api/v1/leases", Resource::Leases, &[200]),
    get("/api/v1/top", Resource::Top, &[200, 400]),
    get("/api/v1/pools", Resource::Pools, &[200]),
    get("/api/v1/pools/{name}", Resource::Pool, &[200, 404]),
    post(
        "/api/v1/pools/{name}/endpoints/{address}/{mode}",
        Resource::EndpointMode,
        &[200, 400, 404],
    ),
    get("/api/v1/launches", Resource::Launches, &[200, 500]),
    get("/api/v1/signals", Resource::Signals, &[200]),
    get("/api/v1/signals/{pool}", Resource::Signal, &[200, 404, 503]),
];

/// Parameters of a path in order; empty beyond its number of them.
pub(super) type Parameters<'p> = [&'p str; 3];

/// Where a request leads.
#[derive(Debug)]
pub(super) enum Found<'p> {
    Route(&'static Route, Parameters<'p>),
    /// The path exists, with other methods: the value of `Allow`.
    OtherMethod(String),
    Nothing,
}

pub(super) fn find<'p>(method: &str, path: &'p str) -> Found<'p> {
    let method = if method == "HEAD" { "GET" } else { method };
    let mut allowed = Vec::new();
    for route in ROUTES {
        let Some(parameters) = matched(route.path, path) else {
            continue;
        };
        if route.method == method {
            return Found::Route(route, parameters);
        }
        allowed.push(match route.method {
            "GET" => "GET, HEAD",
            other => other,
        });
    }
    if allowed.is_empty() {
        Found::Nothing
    } else {
        Found::OtherMethod(allowed.join(", "))
    }
}

/// Whether a path is answered without a token, whatever the method.
pub(super) fn is_open(path: &str) -> bool {
    let mut routes = ROUTES.iter();
    routes.any(|route| route.open && matched(route.path, path).is_some())
}

fn matched<'p>(template: &str, path: &'p str) -> Option<Parameters<'p>> {
    let mut parameters = [""; 3];
    let mut slots = parameters.iter_mut();
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parameters),
            (Some(name), Some(value)) if name.starts_with('{') => {
                *slots.next().filter(|_| !value.is_empty())? = value;
            }
            (Some(one), Some(other)) if one == other => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_gives_its_parameters_in_order() {
        let path = "/api/v1/pools/a/endpoints/10.0.0.1:80/drain";
        let Found::Route(route, parameters) = find("POST", path) else {
            panic!("no route");
        };
        assert_eq!(route.resource, Resource::EndpointMode);
        assert_eq!(parameters, ["a", "10.0.0.1:80", "drain"]);
    }

    #[test]
    fn a_known_path_says_which_methods_it_has() {
        let allowed = |method: &str, path: &str| match find(method, path) {
            Found::OtherMethod(allowed) => allowed,
            _ => String::new(),
        };
        assert_eq!(allowed("DELETE", "/api/v1/pools"), "GET, HEAD");
        assert_eq!(allowed("GET", "/api/v1/reload"), "POST");
        assert_eq!(allowed("HEAD", "/livez"), "");
    }

    #[test]
    fn no_path_is_met_by_a_part_or_an_addition() {
        for path in [
            "",
            "/",
            "/livez/",
            "//livez",
            "/api/v1",
            "/api/v1/pools/",
            "/api/v1/pools/a/b",
        ] {
            assert!(matches!(find("GET", path), Found::Nothing), "{path}");
        }
    }

    #[test]
    fn only_health_is_open() {
        let open: Vec<_> = ROUTES.iter().filter(|route| is_open(route.path)).collect();
        let paths: Vec<_> = open.iter().map(|route| route.path).collect();
        assert_eq!(paths, ["/livez", "/readyz"]);
    }

    /// Method, path and statuses of every operation of `docs/openapi.yaml`, by the indentation it is written with.
    fn documented(text: &str) -> Vec<(String, String, Vec<u16>)> {
        let paths = text.split("\npaths:\n").nth(1).unwrap_or_default();
        let paths = paths.split("\ncomponents:\n").next().unwrap_or_default();
        let (mut path, mut operations) = ("", Vec::<(String, String, Vec<u16>)>::new());
        for line in paths.lines() {
            let key = line.trim_start();
            let indent = line.len() - key.len();
            let key = key.split(": ").next().unwrap_or_default();
            let key = key.trim_end_matches(':').trim_matches('"');
            match (indent, key) {
                (2, key) => path = key,
                (4, "get" | "post" | "put" | "patch" | "delete") => {
                    operations.push((key.to_ascii_uppercase(), path.to_owned(), Vec::new()));
                }
                (8, key) => {
                    let status: Option<u16> = key.parse().ok();
                    operations.last_mut().unwrap().2.extend(status);
                }
                _ => {}
            }
        }
        operations.sort();
        operations
    }

    #[test]
    fn the_openapi_file_lists_the_paths_methods_and_statuses_of_the_router() {
        let mut routed: Vec<_> = ROUTES
            .iter()
            .map(|route| {
                let mut statuses = route.statuses.to_vec();
                statuses.extend((!route.open).then_some(401));
                statuses.sort_unstable();
                (route.method.to_owned(), route.path.to_owned(), statuses)
            })
            .collect();
        routed.sort();
        assert_eq!(
            documented(include_str!("../../../docs/openapi.yaml")),
            routed
        );
    }

    #[test]
    fn the_openapi_file_is_yaml_whose_references_lead_somewhere() {
        let text = include_str!("../../../docs/openapi.yaml");
        for event in granit_parser::Parser::new_from_str(text) {
            event.unwrap();
        }
        for reference in text.split("$ref: \"").skip(1) {
            let reference = reference.split('"').next().unwrap();
            let name = reference.rsplit('/').next().unwrap();
            assert!(text.contains(&format!("\n    {name}:\n")), "{reference}");
        }
    }
}
