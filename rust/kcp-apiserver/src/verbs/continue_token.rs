//! Continue tokens: where a paged list goes on, and at which revision.

use crate::verbs::target::Target;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::{DecodeError, Engine};
use bytes::Bytes;
use kcp_apimachinery::status::Status;
use kcp_apimachinery::strict;
use kcp_storage::{Key, Revision};
use serde::{Deserialize, Serialize};

/// What a token says.
pub struct Token {
    /// The revision all pages share; `None`: the newest state.
    pub revision: Option<Revision>,
    /// Encoded key of the last item sent.
    pub after: Bytes,
    /// How many items lay behind the page that gave the token; `None` where it did not say. Whoever makes up a number
    /// is told a number made up.
    pub left: Option<usize>,
    start: String,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    v: String,
    rv: i64,
    start: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<usize>,
}

const VERSION: &str = "meta.k8s.io/v1";

const EXPIRED: &str = "The provided continue parameter is too old to display a consistent list result. You can start a \
    new list without the continue parameter, or use the continue token in this response to retrieve the remainder of \
    the results. Continuing with the provided token results in an inconsistent list - objects that were created, \
    modified, or deleted between the time the first chunk was returned and now may show up in the list.";

impl Token {
    /// A token that continues `target`'s list after an encoded key, where that many items are `left`.
    pub fn encode(revision: Revision, after: &Bytes, left: Option<usize>, target: &Target) -> String {
        let start = match Key::decode(after.clone()) {
            Some(key) => start(&key, target),
            None => String::new(),
        };
        wire(i64::try_from(revision.get()).unwrap_or(i64::MAX), start, left)
    }

    /// Reads a token of `target`'s list.
    ///
    /// # Errors
    /// 400 for anything that is not one: the key it names always lies in the list that is asked for.
    pub fn decode(text: &str, target: &Target) -> Result<Self, Status> {
        let invalid =
            |why: &str| Status::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
        let raw = URL_SAFE_NO_PAD.decode(text).map_err(|error| {
            let offset = match error {
                DecodeError::InvalidByte(offset, _) | DecodeError::InvalidLastSymbol { offset, .. } => offset,
                DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => text.len() - text.len() % 4,
            };
            invalid(&format!("illegal base64 data at input byte {offset}"))
        })?;
        let decoded = strict::decode(&raw).map_err(|error| invalid(&error))?;
        let wire: Wire = serde_json::from_value(decoded).map_err(|error| invalid(&error.to_string()))?;
        if wire.v != VERSION {
            return Err(invalid(&format!("server does not recognize this encoded version {}", wire.v)));
        }
        if wire.start.is_empty() {
            return Err(invalid("encoded start key empty (version meta.k8s.io/v1)"));
        }
        let mut parts: Vec<&str> = wire.start.strip_suffix('\0').unwrap_or(&wire.start).split('/').collect();
        let mut take = |wanted: bool, fixed: &str| -> Option<String> {
            if wanted { (!parts.is_empty()).then(|| parts.remove(0).to_owned()) } else { Some(fixed.to_owned()) }
        };
        let cluster = take(target.cluster.is_empty(), &target.cluster);
        let namespace = take(target.served.namespaced && target.namespace.is_empty(), &target.namespace);
        let name = take(true, "");
        let (Some(cluster), Some(namespace), Some(name)) = (cluster, namespace, name) else {
            return Err(invalid("incomplete start key"));
        };
        if !parts.is_empty() || [&cluster, &namespace, &name].iter().any(|part| part.contains('\0')) {
            return Err(invalid("malformed start key"));
        }
        let revision = match wire.rv {
            -1 => None,
            0 => return Err(invalid("incorrect encoded start resourceVersion (version meta.k8s.io/v1)")),
            positive => Some(Revision::new(u64::try_from(positive).map_err(|_| invalid("negative resourceVersion"))?)),
        };
        let key = Key::new(&target.served.storage, &cluster, &namespace, &name);
        Ok(Self { revision, after: key.to_bytes(), left: wire.left, start: wire.start })
    }

    /// The answer when the token's revision is gone, with a token that goes on at the newest state.
    pub fn expired(self) -> Status {
        let mut status = Status::expired(EXPIRED);
        status.continue_token = Some(wire(-1, self.start, None));
        status
    }
}

fn start(key: &Key, target: &Target) -> String {
    let mut parts = Vec::new();
    if target.cluster.is_empty() {
        parts.push(key.cluster());
    }
    if target.served.namespaced && target.namespace.is_empty() {
        parts.push(key.namespace());
    }
    parts.push(key.name());
    format!("{}\0", parts.join("/"))
}

fn wire(rv: i64, start: String, left: Option<usize>) -> String {
    let wire = Wire { v: VERSION.to_owned(), rv, start, left };
    // A struct of numbers and strings always serializes.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&wire).unwrap_or_default())
}
