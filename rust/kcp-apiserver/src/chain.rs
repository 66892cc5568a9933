//! What every request meets, in running order.

use crate::exchange::{Exchange, Response};
use crate::server::ApiServer;
use crate::{authn, authz, cluster, mounts, request_info, verbs};
use kcp_apimachinery::status::Status;
use kcp_storage::BoxFuture;

/// What a step decided.
pub enum Next {
    /// The next step's turn.
    Continue,
    /// This is the answer.
    Answer(Response),
}

/// A step's result: an error is answered as a `Status`, in one place.
pub type StepResult = Result<Next, Status>;

/// How a step runs: at once, or with awaits.
pub enum Run {
    /// Completes at once.
    Now(fn(&ApiServer, &mut Exchange) -> StepResult),
    /// May wait.
    Await(for<'a> fn(&'a ApiServer, &'a mut Exchange) -> BoxFuture<'a, StepResult>),
}

/// One step.
pub struct Step {
    /// Its name in traces and in `docs/design/flow.md`.
    pub name: &'static str,
    /// What it does.
    pub run: Run,
}

/// The chain. Tests walk it; `docs/design/flow.md` prints it.
pub const CHAIN: &[Step] = &[
    Step { name: "cluster::resolve", run: Run::Await(cluster::resolve) },
    Step { name: "request_info::parse", run: Run::Now(request_info::parse) },
    Step { name: "authn::identify", run: Run::Await(authn::identify) },
    Step { name: "authn::impersonate", run: Run::Await(authn::impersonate) },
    Step { name: "mounts::bridge", run: Run::Await(mounts::bridge) },
    Step { name: "authz::allow", run: Run::Await(authz::allow) },
    Step { name: "verbs::serve", run: Run::Await(verbs::serve) },
];
