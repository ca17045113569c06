//! Whose request is this, from its head: which fields may say so is decided here, what they say in the core.
//!
//! The gateway and `explain` both ask here, so that neither can tell another story than the other.

use schleuse_config::Snapshot;
use schleuse_core::{
    Refusal, ServiceIndex,
    identify::{Facts, Identified, NotIdentified},
};
use schleuse_http1::{Known, RequestHead};

use crate::affinity::cookie;

/// Name of the cookie that carries the tenant through the rest of a form.
pub const TENANT_COOKIE: &str = "schleuse-tenant";

/// Why a request belongs to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unidentified {
    /// What the client is told.
    pub refusal: Refusal,
    /// The service whose rules refused it.
    pub service: Option<ServiceIndex>,
    /// In the core's words; none: the tenant's header stands there twice.
    pub reason: Option<NotIdentified>,
}

impl Unidentified {
    /// The service's name, for the log.
    pub fn service_name(&self, snapshot: &Snapshot) -> Option<String> {
        let service = snapshot.services.get(self.service?.as_usize())?;
        Some(service.name.clone())
    }
}

/// Service, tenant and pool of a request for `host` (normalised). `trusted`: its peer is a trusted proxy.
///
/// # Errors
///
/// [`Unidentified`], with the one reason that the client is told.
pub fn identify(
    snapshot: &Snapshot,
    head: &RequestHead,
    host: &str,
    trusted: bool,
) -> Result<Identified, Unidentified> {
    let tenant_cookie = head
        .values(Known::Cookie)
        .find_map(|field| cookie(field, TENANT_COOKIE))
        .map(|value| std::str::from_utf8(value).unwrap_or_default());
    let mut facts = Facts {
        host,
        path: head.path(),
        query: head.query(),
        cookie: tenant_cookie,
        header: None,
    };
    let mut found = snapshot.routes.identify(&facts);
    let index = found
        .as_ref()
        .map_or_else(NotIdentified::service, |found| Some(found.service));
    let service = index.and_then(|index| snapshot.services.get(index.as_usize()));
    // Which header names the tenant is the service's own choice, so the service comes first.
    if let Some(name) = service.and_then(|service| service.tenant_header.as_deref())
        && trusted
    {
        match tenant_header(head, name) {
            Ok(Some(value)) => {
                facts.header = Some(value);
                found = snapshot.routes.identify(&facts);
            }
            Ok(None) => {}
            Err(refusal) => {
                return Err(Unidentified {
                    refusal,
                    service: index,
                    reason: None,
                });
            }
        }
    }
    found.map_err(|reason| Unidentified {
        refusal: reason.refusal(),
        service: index,
        reason: Some(reason),
    })
}

/// The field by which a trusted proxy names the tenant; twice would be two tenants.
fn tenant_header<'h>(head: &'h RequestHead, name: &str) -> Result<Option<&'h str>, Refusal> {
    let mut fields = head
        .fields()
        .filter(|field| field.name.eq_ignore_ascii_case(name));
    let value = fields
        .next()
        .map(|field| std::str::from_utf8(field.value).unwrap_or_default());
    if fields.next().is_some() {
        // A proxy that adds instead of replacing lets the client speak first.
        Err(Refusal::ContradictingTenants)
    } else {
        Ok(value)
    }
}
