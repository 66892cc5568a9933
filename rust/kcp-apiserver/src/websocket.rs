//! Watches over WebSocket: what the request and the answer of an upgrade say. The socket itself is the listener's.
//!
//! A listener that can hand a connection over marks the request with [`Upgradable`]; a watch that is asked to upgrade
//! then answers 101 marked with [`Upgraded`], and each frame of its body is one message. Without the mark such a
//! request is an ordinary watch.

use crate::exchange::{Exchange, Response};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL};
use http::header::{SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, StatusCode};
use kcp_apimachinery::status::Status;
use ring::digest;

/// On a request: the connection can be handed over after a 101.
#[derive(Clone, Copy, Debug)]
pub struct Upgradable;

/// On an answer: after the head, the connection speaks WebSocket.
#[derive(Clone, Copy, Debug)]
pub struct Upgraded {
    /// Whether messages are binary; else they are text.
    pub binary: bool,
}

/// The subprotocol that is a bearer token, for browsers, which can set no header.
const BEARER: &str = "base64url.bearer.authorization.k8s.io.";
/// What the accepted key is hashed with (RFC 6455, 1.3).
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether a request asks for WebSocket.
pub fn is_requested(headers: &HeaderMap) -> bool {
    let connection = tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    connection && tokens(headers, &UPGRADE).any(|token| token.eq_ignore_ascii_case("websocket"))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

/// The head of the answer that begins WebSocket; `None` for requests that do not ask for it or cannot have it.
///
/// # Errors
/// 400 for requests that ask in the wrong way.
pub fn accept(exchange: &Exchange, binary: bool) -> Result<Option<Response>, Status> {
    let headers = exchange.headers();
    if exchange.parts.extensions.get::<Upgradable>().is_none() || !is_requested(headers) {
        return Ok(None);
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Status::bad_request("missing or bad WebSocket Version"));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    if BASE64_STANDARD.decode(key).map_or(0, |nonce| nonce.len()) != 16 {
        return Err(Status::bad_request("challenge response is not valid: bad Sec-WebSocket-Key"));
    }
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(KEY_SUFFIX.as_bytes());
    let accepted = BASE64_STANDARD.encode(context.finish());
    let mut response = Response::new(crate::Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_str(&accepted).map_err(Status::internal)?);
    if let Some(protocol) = tokens(headers, &SEC_WEBSOCKET_PROTOCOL).next() {
        answer.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(protocol).map_err(Status::internal)?);
    }
    response.extensions_mut().insert(Upgraded { binary });
    Ok(Some(response))
}

/// The bearer token among the subprotocols of a request; `None` where there is none.
///
/// # Errors
/// Why what is there is no token: fit for the log.
pub fn bearer(headers: &HeaderMap) -> Result<Option<String>, &'static str> {
    if !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) || !is_requested(headers) {
        return Ok(None);
    }
    let (mut token, mut others) = (None, false);
    for protocol in tokens(headers, &SEC_WEBSOCKET_PROTOCOL) {
        match protocol.strip_prefix(BEARER) {
            None => others = true,
            Some(_) if token.is_some() => return Err("multiple base64.bearer.authorization tokens specified"),
            Some(encoded) => token = Some(encoded),
        }
    }
    let Some(encoded) = token else { return Ok(None) };
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded {
        Some(decoded) if others && !decoded.is_empty() => Ok(Some(decoded)),
        // The subprotocol that is answered must not be the token.
        Some(_) if !others => Err("missing additional subprotocol"),
        _ => Err("invalid base64.bearer.authorization token"),
    }
}

/// Takes the token away from the subprotocols.
pub fn strip(headers: &mut HeaderMap) {
    if !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return;
    }
    let kept: Vec<String> = tokens(headers, &SEC_WEBSOCKET_PROTOCOL)
        .filter(|protocol| !protocol.starts_with(BEARER))
        .map(str::to_owned)
        .collect();
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    if let Ok(value) = HeaderValue::from_str(&kept.join(", "))
        && !kept.is_empty()
    {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(protocols: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, "keep-alive, Upgrade".parse().unwrap());
        headers.insert(UPGRADE, "websocket".parse().unwrap());
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocols.parse().unwrap());
        headers
    }

    /// kube-api 3.5.14
    #[test]
    fn a_token_is_one_subprotocol_beside_another() {
        let token = BASE64_URL_SAFE_NO_PAD.encode("secret");
        let mut good = headers(&format!("{BEARER}{token}, base64.binary.k8s.io"));
        assert_eq!(bearer(&good), Ok(Some("secret".into())));
        strip(&mut good);
        assert_eq!(good[SEC_WEBSOCKET_PROTOCOL], "base64.binary.k8s.io");
        assert_eq!(bearer(&good), Ok(None));
        assert!(bearer(&headers(&format!("{BEARER}{token}"))).is_err());
        assert!(bearer(&headers(&format!("{BEARER}{token}, {BEARER}{token}, x"))).is_err());
        assert!(bearer(&headers(&format!("{BEARER}===, x"))).is_err());
        let mut plain = headers(&format!("{BEARER}{token}, x"));
        plain.remove(UPGRADE);
        assert_eq!(bearer(&plain), Ok(None));
    }
}
