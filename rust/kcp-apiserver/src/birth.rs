//! stub
use crate::server::ApiServer;
use kcp_storage::Op;
/// stub
pub fn ops(_s: &ApiServer, _c: &str) -> Vec<Op> {
    Vec::new()
}
