//! stub
use crate::server::ApiServer;
use crate::verbs::Target;
use kcp_apimachinery::status::Status;
use kcp_storage::Guard;
/// stub
pub async fn check(_s: &ApiServer, _t: &Target, _n: &str, _name: &str) -> Result<Guard, Status> {
    Err(Status::not_found_route())
}
