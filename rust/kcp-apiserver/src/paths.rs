//! stub
use crate::chain::Next;
use crate::chain::StepResult;
use crate::exchange::Exchange;
use crate::server::ApiServer;
/// stub
pub async fn serve(_s: &ApiServer, _e: &mut Exchange) -> StepResult {
    Ok(Next::Continue)
}
