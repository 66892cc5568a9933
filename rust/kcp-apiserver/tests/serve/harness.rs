//! A server over the in-memory engine, and an administrator who calls it.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use kcp_apiserver::authn::Authentication;
use kcp_apiserver::clock::{Clock, SystemClock};
use kcp_apiserver::registry::BuiltIns;
use kcp_apiserver::{ApiServer, Body, Config, Peer, UserInfo};
use kcp_storage::Backend;
use kcp_storage::memory::Memory;
use serde_json::{Value, json};
use std::sync::Arc;

/// The table that the wheel ships.
const BUILT_INS: &[u8] = include_bytes!("../../../../python/kcp/resources/built_in.json");

/// The definition of LogicalClusters that the wheel ships.
const DEFINED: [&[u8]; 1] =
    [include_bytes!("../../../../python/kcp/config/definitions/core.kcp.io_logicalclusters.yaml")];

/// What stands for a certificate authority.
const ROOT_CA: &str = "-----BEGIN CERTIFICATE-----\n";

/// A server under test.
pub struct Harness {
    /// The server.
    pub server: Arc<ApiServer>,
    /// Its store.
    pub memory: Arc<Memory>,
    cluster: String,
    user: Arc<UserInfo>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub code: u16,
    /// The body as JSON; null when it is not JSON.
    pub body: Value,
    /// The body as text.
    pub text: String,
}

impl Harness {
    /// A server whose administrator works in a logical cluster of the given name.
    pub fn new(cluster: &str) -> Self {
        Self::at(cluster, Arc::new(SystemClock))
    }

    /// The same with a clock of the test's.
    pub fn at(cluster: &str, clock: Arc<dyn Clock>) -> Self {
        let memory = Arc::new(Memory::with_uncounted(kcp_apiserver::quota::uncounted()));
        let store = Arc::clone(&memory) as Arc<dyn Backend>;
        Self { memory, ..Self::over(cluster, store, clock) }
    }

    /// The same over another store; `memory` is then empty.
    pub fn over(cluster: &str, store: Arc<dyn Backend>, clock: Arc<dyn Clock>) -> Self {
        let built_ins = BuiltIns::parse(BUILT_INS).expect("the table compiles");
        Self::serve(cluster, store, clock, built_ins, 0, ROOT_CA)
    }

    /// A server over another store that publishes a certificate authority of its own.
    pub fn publishing(cluster: &str, store: Arc<dyn Backend>, root_ca: &str) -> Self {
        let built_ins = BuiltIns::parse(BUILT_INS).expect("the table compiles");
        Self::serve(cluster, store, Arc::new(SystemClock), built_ins, 0, root_ca)
    }

    /// A server with LogicalClusters, which may hold so many objects each; 0: any number.
    pub fn with_object_limit(cluster: &str, limit: u64) -> Self {
        let memory = Arc::new(Memory::with_uncounted(kcp_apiserver::quota::uncounted()));
        let store = Arc::clone(&memory) as Arc<dyn Backend>;
        let built_ins = BuiltIns::parse(BUILT_INS).and_then(|built_ins| built_ins.with_definitions(DEFINED));
        let built_ins = built_ins.expect("the definitions compile");
        Self { memory, ..Self::serve(cluster, store, Arc::new(SystemClock), built_ins, limit, ROOT_CA) }
    }

    /// A server with LogicalClusters over another store; `memory` is then empty.
    pub fn with_rows_over(cluster: &str, store: Arc<dyn Backend>) -> Self {
        let built_ins = BuiltIns::parse(BUILT_INS).and_then(|built_ins| built_ins.with_definitions(DEFINED));
        Self::serve(cluster, store, Arc::new(SystemClock), built_ins.expect("the definitions compile"), 0, ROOT_CA)
    }

    fn serve(
        cluster: &str,
        store: Arc<dyn Backend>,
        clock: Arc<dyn Clock>,
        built_ins: BuiltIns,
        total_object_limit: u64,
        root_ca: &str,
    ) -> Self {
        let memory = Arc::new(Memory::default());
        let server = ApiServer::new(Config {
            store,
            clock,
            built_ins,
            authentication: Authentication::default(),
            bridge: None,
            hooks: None,
            external_address: "127.0.0.1:6443".into(),
            virtual_workspace_url: String::new(),
            root_ca: root_ca.into(),
            event_ttl: kcp_apiserver::expiry::DEFAULT_EVENT_TTL,
            total_object_limit,
        })
        .expect("a server");
        let user = UserInfo { name: "admin".into(), groups: vec!["system:masters".into()], ..UserInfo::default() };
        Self { server, memory, cluster: cluster.into(), user: Arc::new(user) }
    }

    /// The same server and administrator in another logical cluster.
    pub fn in_cluster(&self, cluster: &str) -> Self {
        Self {
            server: Arc::clone(&self.server),
            memory: Arc::clone(&self.memory),
            cluster: cluster.into(),
            user: Arc::clone(&self.user),
        }
    }

    /// The same server and logical cluster as somebody else sees it.
    pub fn as_user(&self, name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let user = UserInfo { name: name.into(), groups, ..UserInfo::default() };
        Self {
            server: Arc::clone(&self.server),
            memory: Arc::clone(&self.memory),
            cluster: self.cluster.clone(),
            user: Arc::new(user),
        }
    }

    /// Sends a request and returns the answer with its body unread.
    pub async fn open(&self, method: &str, path: &str, content_type: &str, body: Bytes) -> http::Response<Body> {
        let header = [("content-type", content_type)];
        self.open_with(method, path, if content_type.is_empty() { &[] } else { &header }, body).await
    }

    /// Sends a request with some headers and returns the answer with its body unread.
    pub async fn open_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> http::Response<Body> {
        let mut request = http::Request::builder().method(method).uri(format!("/clusters/{}{path}", self.cluster));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(body).map_err(|never| match never {}).boxed();
        let request = request.body(body).expect("a request");
        let peer = Peer { in_process: Some(Arc::clone(&self.user)), ..Peer::default() };
        self.server.handle(request, peer).await
    }

    /// GET with headers; the answer has its body unread.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> http::Response<Body> {
        let mut request = http::Request::get(format!("/clusters/{}{path}", self.cluster));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::new()).map_err(|never| match never {}).boxed();
        let peer = Peer { in_process: Some(Arc::clone(&self.user)), ..Peer::default() };
        self.server.handle(request.body(body).expect("a request"), peer).await
    }

    /// Forgets all history up to now.
    pub fn compact(&self) {
        self.memory.compact(self.memory.head());
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, method: &str, path: &str, content_type: &str, body: impl Into<Bytes>) -> Answer {
        let response = self.open(method, path, content_type, body.into()).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer { code: parts.status.as_u16(), body, text }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", Bytes::new()).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, "application/json", body.to_string()).await
    }

    /// PUT of JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, "application/json", body.to_string()).await
    }

    /// A merge patch.
    pub async fn merge(&self, path: &str, body: &Value) -> Answer {
        self.send("PATCH", path, "application/merge-patch+json", body.to_string()).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, "", Bytes::new()).await
    }
}

/// A config map in namespace `default`.
pub fn config_map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

/// A definition of a namespaced custom resource `cowboys.example.com` whose spec has the given properties.
pub fn cowboys(version: &str, properties: Value) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "cowboys.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"plural": "cowboys", "kind": "Cowboy"},
            "versions": [{"name": version, "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": properties},
                    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]}})
}

/// Where definitions live.
pub const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Config maps of namespace `default`.
pub const MAPS: &str = "/api/v1/namespaces/default/configmaps";
