//! What to change when a request would be refused; the operator's column of `docs/request.md` for one request.

use schleuse_core::Refusal;

/// For the refusals that can be foreseen; the others are the backend's or the moment's.
pub(super) const fn remedy(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::BadRequest(..) => {
            "mend the client: no config makes this acceptable; docs/request.md lists the engine's reasons"
        }
        Refusal::BadPath => "use a path without dot segments, NUL and broken percent escapes",
        Refusal::RepeatedKey => "name ars or ags once in the query, in this spelling",
        Refusal::ContradictingTenants => {
            "mend the link or the form: host, path, query and header must name one office"
        }
        Refusal::UnknownHost => {
            "add the host to `hosts` of a service, or of a tenant in `tenants.overrides`"
        }
        Refusal::NoTenant => {
            "name the tenant in one of the service's ways (`tenant_from`), as /ARS/ in front of the path"
        }
        Refusal::KeyTooShort => {
            "use a key of the level in `responsible` or longer: 12 digits always do"
        }
        Refusal::UnknownTenant => {
            "check the key; after a merger add the old one to `tenants.aliases`; use ARS or AGS where a name is shared"
        }
        Refusal::AmbiguousService => {
            "set `service` in the tenant's override, or put the service's name first in the path"
        }
        Refusal::NotAllowed => {
            "add the client's network to `allow_from`, or the proxy in between to `trusted_proxies`"
        }
        Refusal::Misdirected => "put the names that share an address on one certificate",
        Refusal::BodyTooLarge => "raise `body_max` of the service, or send less",
        Refusal::NoEndpoint => "write `endpoints` for the pool",
        _ => "see the table of refusals in docs/request.md",
    }
}
