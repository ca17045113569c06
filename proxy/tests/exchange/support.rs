//! A gateway with a config, and a backend behind it.

use std::{fs, net::SocketAddr, sync::Arc};

use schleuse::{
    connection::ConnectionInfo, deadlines::Deadlines, edge::Edge, gateway::Gateway,
    metrics::Metrics, registry::Registry,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
};

/// A gateway whose one service is `antrag.example`, for all of Germany.
pub(crate) struct Setup {
    pub(crate) gateway: Gateway,
    pub(crate) info: ConnectionInfo,
    pub(crate) deadlines: Arc<Deadlines>,
}

impl Setup {
    /// In front of the backend at `endpoint`.
    pub(crate) fn new(endpoint: SocketAddr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(
            directory.path().join("register.csv"),
            "ars,name,bevoelkerung\n110000000000,Berlin,3782202\n",
        )
        .unwrap();
        let path = directory.path().join("schleuse.yaml");
        let config = format!(
            "version: 1\nlisteners: [{{ address: \"127.0.0.1:1\" }}]\ntenants: {{ register: register.csv }}\n\
             access_log: {{ enabled: false }}\n\
             services:\n  antrag:\n    hosts: [antrag.example]\n    responsible: bund\n    pool: antrag\n\
             pools:\n  antrag:\n    endpoints: [\"{endpoint}\"]\n"
        );
        fs::write(&path, config).unwrap();
        let loaded = schleuse_config::load(&path).unwrap();
        let edge = Edge::new(loaded.snapshot, Registry::new(1), Metrics::new().unwrap());
        Self {
            gateway: Gateway::new(Arc::new(edge.unwrap())),
            info: ConnectionInfo {
                peer: "192.0.2.7:1234".parse().unwrap(),
                listener: "127.0.0.1:1".parse().unwrap(),
                tls: None,
                first_request: true,
            },
            deadlines: Arc::default(),
        }
    }
}

/// A backend that reads each request up to `end`, reports it and sends `answer`, on one connection after the other.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    requests: mpsc::UnboundedReceiver<String>,
}

impl Backend {
    pub(crate) async fn new(end: &'static str, answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (report, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                let mut read = Vec::new();
                while !read.ends_with(end.as_bytes()) {
                    if tcp.read_buf(&mut read).await.unwrap() == 0 {
                        break;
                    }
                }
                report.send(String::from_utf8(read).unwrap()).unwrap();
                tcp.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { address, requests }
    }

    /// The next request as it came.
    pub(crate) async fn request(&mut self) -> String {
        self.requests.recv().await.unwrap()
    }
}
