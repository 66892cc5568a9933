//! Service-account tokens: issued for one account of one logical cluster, good there and nowhere else.

use super::jwt::{Claims, KeyError, KubernetesClaims, Reference, SigningKey};
use super::{Authentication, CREDENTIAL_ID, Refused};
use crate::authz::{AUTHENTICATED, ORIGIN};
use crate::codec;
use crate::exchange::UserInfo;
use crate::server::ApiServer;
use jiff::Timestamp;
use kcp_storage::{Backend, Key};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Seconds by which clocks may differ, and for which something deleted still counts.
const LEEWAY: i64 = 60;
/// Where keys are published.
pub const JWKS_PATH: &str = "/openid/v1/jwks";

/// What tokens are issued and checked with.
pub struct Issuer {
    /// The signing key.
    pub key: SigningKey,
    /// The issuer named in tokens.
    pub name: String,
    /// Audiences that this server is, the issuer among them.
    pub audiences: Vec<String>,
}

/// Somebody a token stands for, with the audiences it is good for here.
pub struct Authenticated {
    /// The account as a user.
    pub user: Arc<UserInfo>,
    /// The audiences asked for that the token has.
    pub audiences: Vec<String>,
}

/// What a token is to say.
pub struct Request<'a> {
    /// The logical cluster.
    pub cluster: &'a str,
    /// The account's namespace.
    pub namespace: &'a str,
    /// The account.
    pub account: Reference,
    /// Audiences.
    pub audiences: Vec<String>,
    /// How long it is good.
    pub seconds: i64,
    /// After how many seconds its holder should have asked for another one.
    pub warn_after: Option<i64>,
    /// A pod, node or secret it is bound to.
    pub bound: Option<(Bound, Reference)>,
}

/// What a token can be bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A pod of the account's namespace.
    Pod,
    /// A node.
    Node,
    /// A secret of the account's namespace.
    Secret,
}

impl Bound {
    /// Where such an object is stored.
    pub fn key(self, cluster: &str, namespace: &str, name: &str) -> Key {
        match self {
            Self::Pod => Key::new("pods", cluster, namespace, name),
            Self::Node => Key::new("nodes", cluster, "", name),
            Self::Secret => Key::new("secrets", cluster, namespace, name),
        }
    }
}

#[derive(Deserialize)]
struct Stored {
    metadata: StoredMeta,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredMeta {
    uid: String,
    deletion_timestamp: Option<String>,
}

impl Issuer {
    /// Issues a token.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn issue(&self, request: Request<'_>, now: Timestamp) -> Result<String, KeyError> {
        let now = now.as_second();
        let mut kubernetes = KubernetesClaims {
            cluster_name: request.cluster.to_owned(),
            namespace: request.namespace.to_owned(),
            serviceaccount: request.account,
            warnafter: request.warn_after.map(|seconds| now.saturating_add(seconds)),
            ..KubernetesClaims::default()
        };
        match request.bound {
            Some((Bound::Pod, reference)) => kubernetes.pod = Some(reference),
            Some((Bound::Node, reference)) => kubernetes.node = Some(reference),
            Some((Bound::Secret, reference)) => kubernetes.secret = Some(reference),
            None => {}
        }
        self.key.sign(&Claims {
            aud: request.audiences,
            exp: now.saturating_add(request.seconds),
            iat: now,
            iss: self.name.clone(),
            jti: uuid::Uuid::new_v4().to_string(),
            sub: user_name(request.namespace, &kubernetes.serviceaccount.name),
            kubernetes,
            nbf: now,
        })
    }

    /// The claims of a token this server issued, if it is one. Nothing but the signature and the issuer is checked.
    pub fn recognize(&self, token: &str) -> Option<Arc<Claims>> {
        self.key.verify(token).filter(|claims| claims.iss == self.name)
    }

    /// Whom claims stand for in `cluster`, for callers that are one of `audiences`.
    ///
    /// # Errors
    /// Why they stand for nobody there; fit to be shown to whoever has the token.
    pub(super) async fn check(
        &self,
        store: &dyn Backend,
        now: Timestamp,
        cluster: &str,
        claims: &Claims,
        audiences: &[String],
    ) -> Result<Authenticated, Refusal> {
        let seconds = now.as_second();
        if seconds > claims.exp.saturating_add(LEEWAY) {
            return Err("service account token has expired".into());
        }
        if seconds < claims.nbf.saturating_sub(LEEWAY) {
            return Err("service account token is not valid yet".into());
        }
        if seconds < claims.iat.saturating_sub(LEEWAY) {
            return Err("service account token is issued in the future".into());
        }
        let good: Vec<String> = audiences.iter().filter(|audience| claims.aud.contains(audience)).cloned().collect();
        if good.is_empty() {
            let (has, wants) = (super::quoted(&claims.aud), super::quoted(audiences));
            return Err(format!("token audiences {has} is invalid for the target audiences {wants}").into());
        }
        let kubernetes = &claims.kubernetes;
        if kubernetes.cluster_name != cluster || cluster.is_empty() {
            return Err("the token belongs to another logical cluster".into());
        }
        let (namespace, account) = (&kubernetes.namespace, &kubernetes.serviceaccount);
        // Names end up in a storage key; only this server signs, but a key is built from checked parts all the same.
        let parts = [namespace, &account.name];
        if claims.sub != user_name(namespace, &account.name) || parts.iter().any(|part| part.contains('\0')) {
            return Err("service account token claims could not be validated".into());
        }
        let key = Key::new("serviceaccounts", cluster, namespace, &account.name);
        if !stands(store, &key, &account.uid, seconds).await? {
            return Err(format!("serviceaccounts {} not found", kcp_apimachinery::text::quote(&account.name)).into());
        }
        let bounds =
            [(Bound::Pod, &kubernetes.pod), (Bound::Node, &kubernetes.node), (Bound::Secret, &kubernetes.secret)];
        for (bound, reference) in bounds {
            let Some(reference) = reference else { continue };
            if reference.name.contains('\0')
                || !stands(store, &bound.key(cluster, namespace, &reference.name), &reference.uid, seconds).await?
            {
                return Err("service account token has been invalidated".into());
            }
        }
        Ok(Authenticated { user: Arc::new(user(claims)), audiences: good })
    }
}

/// Why a token stands for nobody.
pub(super) type Refusal = std::borrow::Cow<'static, str>;

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        refused.0.into()
    }
}

/// Whether an object of this uid stands at `key` and was not deleted long ago.
async fn stands(store: &dyn Backend, key: &Key, uid: &str, now: i64) -> Result<bool, Refusal> {
    let item = store.get(key).await.map_err(|error| {
        tracing::error!(?key, %error, "a service-account token cannot be checked");
        Refusal::from("the token cannot be checked now")
    })?;
    let Some(item) = item else { return Ok(false) };
    let mut json = Vec::new();
    codec::write(&mut json, None, key.cluster(), item.revision, &item.value);
    let Ok(stored) = serde_json::from_slice::<Stored>(&json) else { return Ok(false) };
    let deleted = stored.metadata.deletion_timestamp.map(|time| kcp_apimachinery::time::parse(&time));
    // A time that cannot be read counts as long ago.
    let gone = deleted.is_some_and(|time| time.map_or(true, |time| time < now - LEEWAY));
    Ok(stored.metadata.uid == uid && !gone)
}

/// The user name of an account.
pub fn user_name(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

/// The groups of every account of a namespace.
pub fn groups(namespace: &str) -> Vec<String> {
    vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]
}

/// The namespace and name in the user name of an account; `None` for other users.
pub fn split_user_name(name: &str) -> Option<(&str, &str)> {
    let (namespace, name) = name.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    let good = kcp_apimachinery::names::is_dns1123_label(namespace).is_empty()
        && kcp_apimachinery::names::is_dns1123_subdomain(name).is_empty();
    good.then_some((namespace, name))
}

fn user(claims: &Claims) -> UserInfo {
    let kubernetes = &claims.kubernetes;
    let mut groups = groups(&kubernetes.namespace);
    groups.push(AUTHENTICATED.to_owned());
    let mut extra = BTreeMap::from([
        (CREDENTIAL_ID.to_owned(), vec![format!("JTI={}", claims.jti)]),
        (ORIGIN.to_owned(), vec![kubernetes.cluster_name.clone()]),
    ]);
    for (kind, reference) in [("pod", &kubernetes.pod), ("node", &kubernetes.node)] {
        if let Some(reference) = reference {
            extra.insert(format!("authentication.kubernetes.io/{kind}-name"), vec![reference.name.clone()]);
            extra.insert(format!("authentication.kubernetes.io/{kind}-uid"), vec![reference.uid.clone()]);
        }
    }
    UserInfo { name: claims.sub.clone(), uid: kubernetes.serviceaccount.uid.clone(), groups, extra }
}

/// The document at `/.well-known/openid-configuration`; `None` where no tokens are issued.
pub fn openid_configuration(server: &ApiServer) -> Option<Value> {
    let issuer = issuer(&server.authentication)?;
    Some(json!({
        "issuer": issuer.name,
        "jwks_uri": format!("https://{}{JWKS_PATH}", server.external_address),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }))
}

/// The document at [`JWKS_PATH`], of type `application/jwk-set+json`; `None` where no tokens are issued.
pub fn jwks(server: &ApiServer) -> Option<Value> {
    Some(json!({"keys": [issuer(&server.authentication)?.key.jwk()]}))
}

fn issuer(authentication: &Authentication) -> Option<&Issuer> {
    authentication.issuer.as_ref()
}
