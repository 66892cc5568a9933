//! Who is calling: credentials in, a [`crate::UserInfo`] out.
//!
//! Credentials are tried in the order client certificate, bearer token, nobody. The first that holds decides; one that
//! does not hold is 401 unless another does, also where anonymous callers are welcome. Headers with which a proxy would
//! name a user are ignored and taken away, like the credentials themselves, before anything else sees the request.

mod certificate;
mod impersonation;
pub mod jwt;
pub mod service_account;
mod tokens;

pub use impersonation::impersonate;
pub use tokens::{StaticToken, TokenFileError, TokenHash, hash as hash_token, parse_token_file};

use crate::authz::{ANONYMOUS, UNAUTHENTICATED};
use crate::chain::{Next, StepResult};
use crate::exchange::{Cluster, Exchange, UserInfo};
use crate::server::ApiServer;
use crate::websocket;
use certificate::Known;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use jwt::{Claims, KeyError, SigningKey};
use kcp_apimachinery::names::LogicalClusterName;
use kcp_apimachinery::status::Status;
use kcp_storage::BoxFuture;
use quick_cache::sync::Cache;
use service_account::{Authenticated, Issuer, Refusal};
use std::borrow::Cow;
use std::sync::Arc;
use tokens::Tokens;

/// Extra key: which credential was shown.
pub const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";
/// The issuer of service-account tokens where none is configured.
pub const ISSUER: &str = "https://kcp.default.svc";

/// Certificates whose content is remembered.
const CERTIFICATES: usize = 1024;
/// A request that a shard forwards has its logical cluster already.
const SHARDED: HeaderName = HeaderName::from_static("x-kubernetes-sharded-request");

/// How callers prove who they are, as plain data.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Static bearer tokens.
    pub tokens: Vec<StaticToken>,
    /// PEM of the ECDSA P-256 key that signs service-account tokens; `None`: none are issued or accepted.
    pub signing_key: Option<String>,
    /// The issuer named in service-account tokens; empty for [`ISSUER`].
    pub issuer: String,
    /// Audiences that this server is, besides the issuer.
    pub audiences: Vec<String>,
    /// Whether callers without credentials get in as `system:anonymous`.
    pub anonymous: bool,
}

/// How callers prove who they are.
pub struct Authentication {
    tokens: Tokens,
    issuer: Option<Issuer>,
    anonymous: Option<Arc<UserInfo>>,
    certificates: Cache<TokenHash, Known>,
}

impl Default for Authentication {
    /// Nobody has a credential, and callers without one are anonymous.
    fn default() -> Self {
        Self {
            tokens: Tokens::default(),
            issuer: None,
            anonymous: Some(anonymous()),
            certificates: Cache::new(CERTIFICATES),
        }
    }
}

/// Why a credential does not hold. For the log: never holds any part of the credential.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused(pub(crate) &'static str);

impl Authentication {
    /// Compiles settings.
    ///
    /// # Errors
    /// When the signing key cannot be used.
    pub fn new(settings: Settings) -> Result<Self, KeyError> {
        let name = if settings.issuer.is_empty() { ISSUER.to_owned() } else { settings.issuer };
        let mut audiences = settings.audiences;
        if audiences.is_empty() {
            audiences.push(name.clone());
        }
        let issuer = match settings.signing_key {
            Some(pem) => Some(Issuer { key: SigningKey::from_pem(&pem)?, name, audiences }),
            None => None,
        };
        Ok(Self {
            tokens: Tokens::new(settings.tokens),
            issuer,
            anonymous: settings.anonymous.then(anonymous),
            certificates: Cache::new(CERTIFICATES),
        })
    }

    /// What service-account tokens are issued and checked with; `None` where there are none.
    pub fn issuer(&self) -> Option<&Issuer> {
        self.issuer.as_ref()
    }

    /// Audiences that this server is.
    pub fn audiences(&self) -> &[String] {
        self.issuer.as_ref().map_or(&[], |issuer| issuer.audiences.as_slice())
    }

    /// Whom a bearer token stands for in `cluster`, for callers that are one of `audiences`; `None` when nobody knows it.
    ///
    /// # Errors
    /// Why it is refused; fit to be shown to whoever has the token.
    pub async fn review(
        &self,
        server: &ApiServer,
        cluster: &str,
        token: &str,
        audiences: &[String],
    ) -> Result<Option<Authenticated>, String> {
        if let Some(user) = self.tokens.find(&hash_token(token)) {
            // Static tokens are for this server.
            let own = self.audiences();
            let good: Vec<String> = audiences.iter().filter(|audience| own.contains(audience)).cloned().collect();
            if good.is_empty() && !audiences.is_empty() {
                return Ok(None);
            }
            return Ok(Some(Authenticated { user, audiences: good }));
        }
        match self.issuer.as_ref().and_then(|issuer| issuer.recognize(token).map(|claims| (issuer, claims))) {
            None => Ok(None),
            Some((issuer, claims)) => {
                let checked = issuer.check(&*server.store, server.clock.now(), cluster, &claims, audiences).await;
                checked.map(Some).map_err(Refusal::into_owned)
            }
        }
    }

    fn certificate(&self, now: Timestamp, der: &[u8]) -> Result<Option<Arc<UserInfo>>, Refused> {
        let mut key = TokenHash::default();
        key.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, der).as_ref());
        let known = match self.certificates.get(&key) {
            Some(known) => known,
            None => {
                let known = Known::parse(der)?;
                self.certificates.insert(key, known.clone());
                known
            }
        };
        known.user(now)
    }
}

/// For a listener that stands before another server, which knows the tokens: whom the connection's certificate stands
/// for, `None` for nobody. A bearer token stays in the headers, for whoever asks that server about it; headers that name
/// a user go.
///
/// # Errors
/// 401 for a certificate that does not hold, without a token besides.
pub fn identify_connection(
    authentication: &Authentication,
    now: Timestamp,
    exchange: &mut Exchange,
) -> Result<Option<Arc<UserInfo>>, Status> {
    strip_claims(&mut exchange.parts.headers);
    let found = match (&exchange.peer.client_certificate, &exchange.peer.client_certificate_refused) {
        (Some(der), _) => authentication.certificate(now, der).map_err(Refusal::from),
        (None, Some(why)) => Err(why.to_string().into()),
        (None, None) => Ok(None),
    };
    match found {
        Ok(user) => Ok(user),
        Err(_) if bearer(exchange).is_some() => Ok(None),
        Err(refusal) => {
            tracing::debug!(audit_id = exchange.audit_id, reason = %refusal, "unauthorized");
            Err(Status::unauthorized())
        }
    }
}

/// The chain's step: finds the caller or answers 401.
///
/// A service-account token belongs to one logical cluster. A request that carries one and names no cluster is about the
/// token's own; the step that resolves clusters runs before and knows no tokens, so it is settled here.
pub fn identify<'a>(server: &'a ApiServer, exchange: &'a mut Exchange) -> BoxFuture<'a, StepResult> {
    if let Some(user) = exchange.peer.in_process.clone() {
        exchange.user = user;
        strip(exchange);
        return Box::pin(std::future::ready(Ok(Next::Continue)));
    }
    Box::pin(async move {
        let user = who(server, exchange).await;
        strip(exchange);
        match user {
            Ok(user) => {
                exchange.user = user;
                Ok(Next::Continue)
            }
            Err(refusal) => {
                tracing::debug!(audit_id = exchange.audit_id, reason = %refusal, "unauthorized");
                Err(Status::unauthorized())
            }
        }
    })
}

async fn who(server: &ApiServer, exchange: &mut Exchange) -> Result<Arc<UserInfo>, Refusal> {
    let authentication = &server.authentication;
    let mut refusal: Option<Refusal> = None;
    if let Some(der) = exchange.peer.client_certificate.clone() {
        match authentication.certificate(server.clock.now(), &der) {
            Ok(Some(user)) => return Ok(user),
            Ok(None) => {}
            Err(refused) => refusal = Some(refused.into()),
        }
    } else if let Some(why) = &exchange.peer.client_certificate_refused {
        refusal = Some(why.to_string().into());
    }
    let token = match bearer(exchange) {
        Some(token) => Some(token.into_owned()),
        None => websocket::bearer(exchange.headers())?,
    };
    if let Some(token) = token {
        if let Some(user) = authentication.tokens.find(&hash_token(&token)) {
            return Ok(user);
        }
        let Some(issuer) = &authentication.issuer else { return Err("unknown bearer token".into()) };
        let Some(claims) = issuer.recognize(&token) else { return Err("unknown bearer token".into()) };
        let cluster = home(exchange, &claims);
        let checked = issuer.check(&*server.store, server.clock.now(), &cluster, &claims, &issuer.audiences).await?;
        if let (Cluster::None, Ok(name)) = (&exchange.cluster, LogicalClusterName::parse(&cluster))
            && belongs_to_a_cluster(exchange)
        {
            exchange.cluster = Cluster::Named(name);
        }
        return Ok(checked.user);
    }
    match (refusal, &authentication.anonymous) {
        (Some(refusal), _) => Err(refusal),
        (None, Some(user)) => Ok(Arc::clone(user)),
        (None, None) => Err("no credentials".into()),
    }
}

/// The logical cluster in which claims have to hold: the request's; the token's own where the request names none. Over
/// all clusters at once no token holds.
fn home(exchange: &Exchange, claims: &Claims) -> String {
    match &exchange.cluster {
        Cluster::Named(name) => name.as_str().to_owned(),
        Cluster::Wildcard => String::new(),
        Cluster::None => claims.kubernetes.cluster_name.clone(),
    }
}

/// Whether a request that names no logical cluster is to be served in its token's: everything but mounts, the server's
/// own metrics, and what another shard sent on.
fn belongs_to_a_cluster(exchange: &Exchange) -> bool {
    exchange.path != "/metrics" && !exchange.path.starts_with("/services/") && !exchange.headers().contains_key(SHARDED)
}

/// The bearer token, if there is one. Other schemes and empty tokens are no credentials; a token that is not text is one
/// that nobody knows.
fn bearer(exchange: &Exchange) -> Option<Cow<'_, str>> {
    let value = exchange.headers().get(AUTHORIZATION)?.as_bytes().trim_ascii();
    let mut words = value.split(|byte| *byte == b' ');
    let scheme = words.next()?;
    let token = words.next()?;
    (scheme.eq_ignore_ascii_case(b"bearer") && !token.is_empty()).then(|| String::from_utf8_lossy(token))
}

/// Takes credentials away, and headers in which only a trusted proxy may name a user.
fn strip(exchange: &mut Exchange) {
    let headers = &mut exchange.parts.headers;
    headers.remove(AUTHORIZATION);
    websocket::strip(headers);
    strip_claims(headers);
}

/// Takes headers away in which only a trusted proxy may name a user.
fn strip_claims(headers: &mut HeaderMap) {
    let claimed = |name: &&HeaderName| name.as_str().starts_with("x-remote-");
    let names: Vec<HeaderName> = headers.keys().filter(claimed).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

fn anonymous() -> Arc<UserInfo> {
    let groups = vec![UNAUTHENTICATED.to_owned()];
    Arc::new(UserInfo { name: ANONYMOUS.to_owned(), groups, ..UserInfo::default() })
}

/// A list as messages print it.
fn quoted(values: &[String]) -> String {
    crate::authz::rule::quoted_list(values)
}
