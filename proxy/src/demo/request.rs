//! A request of the demo, said once: as the `curl` line that a person types, and as what the tour sends.

use super::site::Ports;

/// Which listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Plain HTTP.
    Http,
    /// HTTPS, verified against the demo's own authority.
    Https,
    /// The operators'.
    Admin,
}

/// A request.
#[derive(Debug, Clone)]
#[must_use]
pub struct Request {
    /// The listener.
    pub door: Door,
    /// Name in the URL: Host, and over TLS the SNI.
    pub host: String,
    /// Path and query.
    pub target: String,
    /// GET, or POST with this body.
    pub post: Option<&'static str>,
    /// Further fields; `Host` replaces the one of the URL.
    pub fields: Vec<(&'static str, &'static str)>,
    /// Sends and keeps the cookies of the form that is being filled in.
    pub cookies: bool,
}

impl Request {
    /// GET.
    pub fn get(door: Door, host: &str, target: &str) -> Self {
        Self {
            door,
            host: host.to_owned(),
            target: target.to_owned(),
            post: None,
            fields: Vec::new(),
            cookies: false,
        }
    }

    /// GET of the admin listener.
    pub fn admin(target: &str) -> Self {
        Self::get(Door::Admin, "127.0.0.1", target)
    }

    /// Makes it a POST.
    pub fn post(mut self, body: &'static str) -> Self {
        self.post = Some(body);
        self
    }

    /// Adds a field.
    pub fn field(mut self, name: &'static str, value: &'static str) -> Self {
        self.fields.push((name, value));
        self
    }

    /// With the cookies of the form.
    pub fn cookies(mut self) -> Self {
        self.cookies = true;
        self
    }

    /// The port of its listener.
    pub fn port(&self, ports: Ports) -> u16 {
        match self.door {
            Door::Http => ports.http,
            Door::Https => ports.https,
            Door::Admin => ports.admin,
        }
    }

    /// The value of `Host`.
    pub fn authority(&self, ports: Ports) -> String {
        let own = self.fields.iter().find(|(name, _)| *name == "Host");
        own.map_or_else(
            || format!("{}:{}", self.host, self.port(ports)),
            |(_, value)| (*value).to_owned(),
        )
    }

    /// The line to type in the demo's directory.
    pub fn curl(&self, ports: Ports) -> String {
        let mut words = vec!["curl".to_owned()];
        let scheme = if self.door == Door::Https {
            words.push("--cacert ca.pem".to_owned());
            "https"
        } else {
            "http"
        };
        if self.cookies {
            words.push("-b form -c form".to_owned());
        }
        for (name, value) in &self.fields {
            words.push(format!("-H '{name}: {value}'"));
        }
        match self.post {
            Some("") => words.push("-X POST".to_owned()),
            Some(body) => words.push(format!("-d {body}")),
            None => {}
        }
        let url = format!(
            "{scheme}://{}:{}{}",
            self.host,
            self.port(ports),
            self.target
        );
        // A shell reads ? as a pattern and & as its own.
        words.push(if url.contains(['?', '&']) {
            format!("'{url}'")
        } else {
            url
        });
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_type_says_all_that_is_sent() {
        let request = Request::get(Door::Https, "a.localhost", "/x?ars=1")
            .post("name=Ada")
            .field("Accept", "text/html")
            .cookies();
        assert_eq!(
            request.curl(Ports::USUAL),
            "curl --cacert ca.pem -b form -c form -H 'Accept: text/html' -d name=Ada \
             'https://a.localhost:8443/x?ars=1'"
        );
    }
}
