//! `/internal/…`: questions to [`control`] that another process of the same kcp asks over HTTP, virtual workspaces that
//! run on their own. They only read, and only `system:masters` may ask: no rule of a role opens them.

use crate::authz::{Attributes, DENIED, MASTERS};
use crate::control::{self, Question};
use crate::exchange::{Cluster, Exchange, Response};
use crate::paths;
use crate::request_info::{value, values};
use crate::respond;
use crate::server::ApiServer;
use http::StatusCode;
use kcp_apimachinery::status::Status;
use kcp_storage::BoxFuture;

/// What paths of questions begin with. The index of paths leaves them out.
pub const PREFIX: &str = "/internal/";

/// `GET /internal/entries?user=NAME&group=NAME…&after=CLUSTER&limit=NUMBER`: the logical clusters that somebody may
/// enter, some at a time.
pub fn entries<'a>(
    server: &'a ApiServer,
    exchange: &'a Exchange,
    _parts: Vec<String>,
) -> BoxFuture<'a, Result<Response, Status>> {
    Box::pin(async move {
        if !exchange.user.is_in(MASTERS) {
            return Err(Attributes::of(exchange).forbidden(&exchange.user, DENIED));
        }
        if exchange.cluster != Cluster::None {
            return Ok(paths::not_found());
        }
        let query = exchange.query();
        let text = |name| value(query, name).unwrap_or_default();
        let limit = text("limit").parse().map_err(|_| Status::bad_request("limit has to be a number"))?;
        let groups = values(query, "group").collect();
        let question = Question::Entries { user: text("user"), groups, after: text("after"), limit };
        let found = control::answer(server, question).await?;
        Ok(respond::full(StatusCode::OK, "application/json", found.to_string()))
    })
}
