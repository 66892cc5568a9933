//! `SelfSubjectReview`: who the server takes the caller for.

use super::user_info;
use crate::exchange::Exchange;
use crate::server::ApiServer;
use serde_json::{Value, json};

pub(super) fn answer(server: &ApiServer, exchange: &Exchange, review: Value) -> Value {
    let now = kcp_apimachinery::time::format_rfc3339(server.clock.now().as_second());
    json!({
        "kind": review["kind"],
        "apiVersion": review["apiVersion"],
        "metadata": {"creationTimestamp": now},
        "status": {"userInfo": user_info(&exchange.user)},
    })
}
