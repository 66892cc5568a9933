//! A server with known tokens, its clock in the test's hand.

use http_body_util::{BodyExt, Full};
use kcp_apiserver::authn::jwt::SigningKey;
use kcp_apiserver::authn::{Authentication, Settings, StaticToken, hash_token};
use kcp_apiserver::authz::bootstrap::Bootstrap;
use kcp_apiserver::clock::Clock;
use kcp_apiserver::mounts::Bridge;
use kcp_apiserver::registry::BuiltIns;
use kcp_apiserver::{ApiServer, Config, Exchange, Peer, Response, UserInfo};
use kcp_storage::BoxFuture;
use kcp_storage::memory::Memory;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const BUILT_INS: &[u8] = include_bytes!("../../../../python/kcp/resources/built_in.json");
const DEFINITIONS: [&[u8]; 3] = [
    include_bytes!("../../../../python/kcp/config/definitions/core.kcp.io_logicalclusters.yaml"),
    include_bytes!("../../../../python/kcp/config/definitions/tenancy.kcp.io_workspaces.yaml"),
    include_bytes!("../../../../python/kcp/config/definitions/tenancy.kcp.io_workspacetypes.yaml"),
];
const BOOTSTRAP: &[u8] = include_bytes!("../../../../python/kcp/resources/bootstrap_rbac.json");

/// The issuer and audience that recordings name.
pub const ISSUER: &str = "https://kubernetes.default.svc";
/// `rbac.authorization.k8s.io/v1`.
pub const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// A clock that stands where it is put.
pub struct TestClock(AtomicI64);

impl TestClock {
    /// Moves the clock.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(self.0.load(Ordering::Relaxed)).expect("a time")
    }
}

/// Answers below `/services/` with who called and which headers are left.
struct Mirror;

impl Bridge for Mirror {
    fn claims(&self, exchange: &Exchange) -> bool {
        exchange.path.starts_with("/services/")
    }

    fn call<'a>(&'a self, exchange: &'a mut Exchange) -> BoxFuture<'a, Response> {
        let headers: Vec<&str> = exchange.headers().keys().map(http::HeaderName::as_str).collect();
        let seen = json!({"user": exchange.user.name, "groups": exchange.user.groups, "headers": headers});
        let body = kcp_apiserver::Body::full(seen.to_string());
        Box::pin(std::future::ready(http::Response::new(body)))
    }
}

/// A server under test.
pub struct Harness {
    /// The server.
    pub server: Arc<ApiServer>,
    /// Its clock.
    pub clock: Arc<TestClock>,
    /// The key that signs its tokens.
    pub key: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub code: u16,
    /// The body as JSON; null when it is not JSON.
    pub body: Value,
}

impl Answer {
    /// The message of a Status.
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    /// The answer, which has to have this code.
    #[track_caller]
    pub fn expect(self, code: u16) -> Self {
        assert_eq!(self.code, code, "{}", self.body);
        self
    }
}

fn user(token: &str, name: &str, groups: &[&str]) -> StaticToken {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    let user = UserInfo { name: name.into(), uid: format!("{name}-uid"), groups, ..UserInfo::default() };
    StaticToken { hash: hash_token(token), user }
}

impl Harness {
    /// A server that knows the tokens `admin` (system:masters), `kcp-admin` (system:kcp:admin), `alice` and `bob`.
    pub async fn new() -> Self {
        Self::with(true).await
    }

    /// Such a server that lets callers without credentials in, as nobody in particular, or does not.
    pub async fn with(anonymous: bool) -> Self {
        let key = SigningKey::generate_pem().expect("a key");
        let settings = Settings {
            tokens: vec![
                user("admin", "admin", &["system:masters"]),
                user("kcp-admin", "kcp-admin", &["system:kcp:admin"]),
                user("alice", "alice", &["developers"]),
                user("bob", "bob", &[]),
            ],
            signing_key: Some(key.clone()),
            issuer: ISSUER.into(),
            audiences: Vec::new(),
            anonymous,
        };
        let clock = Arc::new(TestClock(AtomicI64::new(1_800_000_000)));
        let server = ApiServer::new(Config {
            store: Arc::new(Memory::default()),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            built_ins: BuiltIns::parse(BUILT_INS)
                .and_then(|built_ins| built_ins.with_definitions(DEFINITIONS))
                .expect("the table compiles"),
            authentication: Authentication::new(settings).expect("settings"),
            bridge: Some(Arc::new(Mirror)),
            hooks: None,
            external_address: "127.0.0.1:6443".into(),
            virtual_workspace_url: String::new(),
            root_ca: "-----BEGIN CERTIFICATE-----\n".into(),
            event_ttl: kcp_apiserver::expiry::DEFAULT_EVENT_TTL,
            total_object_limit: 0,
        })
        .expect("a server");
        let bootstrap = Bootstrap::parse(BOOTSTRAP).expect("the declaration");
        server.prepare(&bootstrap).await.expect("bootstrap roles");
        Self { server, clock, key }
    }

    /// Sends a request with headers.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.send_from(Peer::default(), method, path, headers, body).await
    }

    /// Sends a request with headers, as somebody connected in some way.
    pub async fn send_from(
        &self,
        peer: Peer,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let bytes = if body.is_null() { String::new() } else { body.to_string() };
        if !body.is_null() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            request = request.header("content-type", "application/json");
        }
        let body = Full::new(bytes.into()).map_err(|never| match never {}).boxed();
        let response = self.server.handle(request.body(body).expect("a request"), peer).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        Answer { code: parts.status.as_u16(), body: serde_json::from_slice(&bytes).unwrap_or_default() }
    }

    /// Sends a request with a bearer token; an empty one sends none.
    pub async fn call(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        let value = format!("Bearer {token}");
        let headers: &[(&str, &str)] = if token.is_empty() { &[] } else { &[("authorization", &value)] };
        self.send(method, path, headers, &body).await
    }

    /// GET.
    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.call(token, "GET", path, Value::Null).await
    }

    /// POST.
    pub async fn post(&self, token: &str, path: &str, body: Value) -> Answer {
        self.call(token, "POST", path, body).await
    }

    /// Creates a service account and a token for it; returns the token.
    pub async fn account(&self, cluster: &str, name: &str) -> String {
        let path = format!("/clusters/{cluster}/api/v1/namespaces/default/serviceaccounts");
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
        self.post("admin", &path, account).await.expect(201);
        self.token(cluster, name, json!({})).await
    }

    /// A token for a service account.
    pub async fn token(&self, cluster: &str, name: &str, spec: Value) -> String {
        let path = format!("/clusters/{cluster}/api/v1/namespaces/default/serviceaccounts/{name}/token");
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
        let answer = self.post("admin", &path, request).await.expect(201);
        answer.body["status"]["token"].as_str().expect("a token").to_owned()
    }

    /// Lets somebody into a cluster.
    pub async fn admit(&self, cluster: &str, subject: Value) {
        self.bind(cluster, "system:kcp:workspace:access", subject).await;
    }

    /// Binds a user to a cluster role in one cluster.
    pub async fn bind(&self, cluster: &str, role: &str, subject: Value) {
        let path = format!("/clusters/{cluster}{RBAC}/clusterrolebindings");
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"generateName": "b-"}, "roleRef": {"kind": "ClusterRole", "name": role}, "subjects": [subject]});
        self.post("admin", &path, binding).await.expect(201);
    }
}
