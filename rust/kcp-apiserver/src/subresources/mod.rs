//! Subresources with a behaviour of their own: scale, token, finalize.
/// stub
pub async fn create(
    _s: &crate::ApiServer,
    _e: &mut crate::Exchange,
    _t: &crate::verbs::Target,
    _o: serde_json::Value,
) -> Result<serde_json::Value, kcp_apimachinery::Status> {
    Err(kcp_apimachinery::Status::not_found_route())
}
