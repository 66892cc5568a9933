//! `TokenReview`: whom a token stands for, here.

use super::{strings, user_info};
use crate::exchange::Exchange;
use crate::server::ApiServer;
use kcp_apimachinery::status::Status;
use serde_json::{Value, json};

pub(super) async fn answer(server: &ApiServer, exchange: &Exchange, mut review: Value) -> Result<Value, Status> {
    let token = review["spec"]["token"].as_str().unwrap_or_default();
    if token.is_empty() {
        return Err(Status::bad_request("token is required for TokenReview in authentication"));
    }
    let authentication = &server.authentication;
    let mut audiences = strings(&review["spec"]["audiences"]);
    if audiences.is_empty() {
        audiences = authentication.audiences().to_vec();
    }
    let found = authentication.review(server, exchange.cluster_name(), token, &audiences).await;
    review["status"] = match found {
        Ok(Some(found)) => {
            let mut status = json!({"authenticated": true, "user": user_info(&found.user)});
            if !found.audiences.is_empty() {
                status["audiences"] = json!(found.audiences);
            }
            status
        }
        Ok(None) => json!({"user": {}, "error": "invalid bearer token"}),
        Err(reason) => json!({"user": {}, "error": format!("[invalid bearer token, {reason}]")}),
    };
    Ok(review)
}
