//! One request on its way through the chain, with what each step found out about it.

use crate::body::{Body, RequestBody};
use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use kcp_apimachinery::names::LogicalClusterName;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// An answer.
pub type Response = http::Response<Body>;

/// The other end of the connection.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Its address; `None` for calls from within the process.
    pub address: Option<SocketAddr>,
    /// The leaf of its client certificate (DER), already verified against the client CA.
    pub client_certificate: Option<Bytes>,
    /// Why the client certificate it showed was refused: its requests answer 401 unless another credential holds.
    pub client_certificate_refused: Option<Arc<str>>,
    /// Who is calling, for calls from within the process, which carry no credential.
    pub in_process: Option<Arc<UserInfo>>,
}

/// Which logical cluster a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cluster {
    /// The request names none.
    #[default]
    None,
    /// One logical cluster.
    Named(LogicalClusterName),
    /// All of them: list and watch for administrators.
    Wildcard,
}

impl Cluster {
    /// The name, where it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name.as_str()),
            Self::None | Self::Wildcard => None,
        }
    }
}

/// What a request's method, path and query ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// Whether it addresses a resource of the API (`/api/…`, `/apis/…` with at least three parts).
    pub is_resource: bool,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; for other paths the
    /// lower-cased method.
    pub verb: &'static str,
    /// API group, empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Namespace, empty where none is named. For a Namespace object its own name.
    pub namespace: String,
    /// Resource (plural).
    pub resource: String,
    /// Subresource, empty for the main one.
    pub subresource: String,
    /// Object name, empty for collections. For collections narrowed by `metadata.name=x` it is `x`.
    pub name: String,
    /// Whether the path itself named the object.
    pub names_object: bool,
}

/// Who is calling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserInfo {
    /// User name.
    pub name: String,
    /// Unique id, may be empty.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Extra attributes.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// Whether the user is in `group`.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|member| member == group)
    }
}

/// One request on its way.
pub struct Exchange {
    /// Method, URI and headers as received.
    pub parts: Parts,
    /// The body, until a step takes it.
    pub body: Option<RequestBody>,
    /// The other end.
    pub peer: Peer,
    /// The path behind the logical cluster's prefix, still percent-encoded; begins with `/`.
    pub path: String,
    /// Which logical cluster.
    pub cluster: Cluster,
    /// Whether the path of the logical cluster ends at a Workspace that cannot be reached. Who may enter `cluster` may
    /// know.
    pub unavailable: bool,
    /// What is asked for.
    pub info: RequestInfo,
    /// Who asks (after impersonation).
    pub user: Arc<UserInfo>,
    /// Who really asks, when `user` is impersonated.
    pub impersonator: Option<Arc<UserInfo>>,
    /// Texts of `Warning` headers to send along.
    pub warnings: Vec<String>,
    /// The id that the `Audit-ID` header carries.
    pub audit_id: String,
}

impl Exchange {
    /// A request as it enters the chain.
    pub fn new(parts: Parts, body: RequestBody, peer: Peer) -> Self {
        Self {
            path: parts.uri.path().to_owned(),
            parts,
            body: Some(body),
            peer,
            cluster: Cluster::None,
            unavailable: false,
            info: RequestInfo::default(),
            user: Arc::default(),
            impersonator: None,
            warnings: Vec::new(),
            audit_id: String::new(),
        }
    }

    /// The request's headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// The raw query, empty where there is none.
    pub fn query(&self) -> &str {
        self.parts.uri.query().unwrap_or_default()
    }

    /// The logical cluster's name; empty for none and for the wildcard.
    pub fn cluster_name(&self) -> &str {
        self.cluster.name().unwrap_or_default()
    }
}
