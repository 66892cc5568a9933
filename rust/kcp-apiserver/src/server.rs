//! The server as a value: what it was configured with and the one way into it.

use crate::authn::Authentication;
use crate::authz::bootstrap::{self, Bootstrap, BootstrapError};
use crate::authz::{Authorization, BASE};
use crate::birth::Templates;
use crate::body::RequestBody;
use crate::chain::{CHAIN, Next, Run};
use crate::clock::Clock;
use crate::clusters::Clusters;
use crate::documents::Documents;
use crate::exchange::{Exchange, Peer, Response};
use crate::health::Health;
use crate::hooks::{Hooks, Nobody};
use crate::metrics::Metrics;
use crate::mounts::Bridge;
use crate::quota::Quota;
use crate::registry::{BuiltIns, Registry};
use crate::respond;
use crate::tenancy::paths::Paths;
use crate::tenancy::types::Types;
use crate::tenancy::view::Bells;
use kcp_storage::{Backend, Event, Observer, Revision};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a server is made of.
pub struct Config {
    /// Where objects live.
    pub store: Arc<dyn Backend>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Built-in resources.
    pub built_ins: BuiltIns,
    /// How callers prove who they are.
    pub authentication: Authentication,
    /// What passes to the application behind the bridge; `None`: those paths answer 404.
    pub bridge: Option<Arc<dyn Bridge>>,
    /// Who decides what needs judgement; `None`: nobody, and what needs it is refused.
    pub hooks: Option<Arc<dyn Hooks>>,
    /// `host:port` under which clients reach the server, for discovery and issued tokens.
    pub external_address: String,
    /// URL under which virtual workspaces are reached, without a slash at its end; empty: at the external address.
    pub virtual_workspace_url: String,
    /// PEM of the certificate authority that clients are to trust, published to every namespace.
    pub root_ca: String,
    /// How long events are kept after they were last written.
    pub event_ttl: Duration,
    /// How many objects a logical cluster may hold that names no limit of its own; 0: any number.
    pub total_object_limit: u64,
}

/// A server. It holds no sockets and no globals: several run in one process.
pub struct ApiServer {
    /// Where objects live.
    pub store: Arc<dyn Backend>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// What is served where.
    pub registry: Arc<Registry>,
    /// How callers prove who they are.
    pub authentication: Authentication,
    /// What callers may do.
    pub authorization: Arc<Authorization>,
    /// What passes to the application behind the bridge.
    pub bridge: Option<Arc<dyn Bridge>>,
    /// Who decides what needs judgement.
    pub hooks: Arc<dyn Hooks>,
    /// What workspace types amount to.
    pub types: Types,
    /// `host:port` under which clients reach the server.
    pub external_address: String,
    /// URL under which virtual workspaces are reached.
    pub virtual_workspace_url: String,
    /// PEM of the certificate authority that clients are to trust.
    pub root_ca: String,
    /// How long events are kept after they were last written.
    pub event_ttl: Duration,
    /// The newest committed revision, for those who wait for one.
    pub newest: tokio::sync::watch::Receiver<Revision>,
    /// What logical clusters are born with.
    pub templates: Templates,
    /// Logical clusters known to exist.
    pub clusters: Clusters,
    /// Where paths of several words lead.
    pub paths: Paths,
    /// Documents of discovery and OpenAPI that were asked for.
    pub documents: Documents,
    /// What the health checks look at besides the store.
    pub health: Health,
    /// What is counted.
    pub metrics: Metrics,
    /// How many objects a logical cluster may hold.
    pub quota: Quota,
    /// Who watches the Workspaces that he may enter.
    pub bells: Arc<Bells>,
}

/// Tells waiting requests which revision was committed last.
struct Newest(tokio::sync::watch::Sender<Revision>);

impl Observer for Newest {
    fn committed(&self, events: &[Arc<Event>]) {
        if let Some(last) = events.last() {
            self.0.send_replace(last.revision);
        }
    }
}

impl ApiServer {
    /// Builds a server over a store. Nothing is read until the first request.
    ///
    /// # Errors
    /// When a definition that the program brings cannot be served.
    pub fn new(config: Config) -> Result<Arc<Self>, String> {
        let registry =
            Arc::new(Registry::new(config.built_ins.publishing(&config.root_ca)?, Arc::clone(&config.store))?);
        let authorization = Arc::new(Authorization::new(&config.store));
        let quota = Quota::new(config.total_object_limit, authorization.generations());
        let virtual_workspace_url = match config.virtual_workspace_url {
            url if url.is_empty() => format!("https://{}", config.external_address),
            url => url,
        };
        let (sender, newest) = tokio::sync::watch::channel(config.store.head());
        config.store.observe(Arc::new(Newest(sender)));
        Ok(Arc::new(Self {
            newest,
            templates: Templates::default(),
            clusters: Clusters::new(&config.store),
            types: Types::new(&*config.store),
            hooks: config.hooks.unwrap_or_else(|| Arc::new(Nobody)),
            paths: Paths::new(&config.store),
            bells: Bells::new(&config.store),
            store: config.store,
            clock: config.clock,
            registry,
            authentication: config.authentication,
            authorization,
            bridge: config.bridge,
            external_address: config.external_address,
            virtual_workspace_url,
            root_ca: config.root_ca,
            event_ttl: config.event_ttl,
            documents: Documents::default(),
            health: Health::default(),
            metrics: Metrics::default(),
            quota,
        }))
    }

    /// Brings the roles and bindings that every logical cluster has, and those of `root`, up to date; returns how many
    /// objects changed. To be called before the first request.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn prepare(&self, bootstrap: &Bootstrap) -> Result<usize, BootstrapError> {
        let now = self.clock.now();
        let everywhere = bootstrap.ensure(&*self.store, BASE, now).await?;
        let root = bootstrap::ROOT;
        self.clusters.ensure(self, root).await.map_err(|status| BootstrapError::Root(status.message.to_string()))?;
        Ok(everywhere + bootstrap.ensure(&*self.store, root, now).await?)
    }

    /// Serves one request. Dropping the future cancels it; a commit that was queued still happens.
    pub async fn handle(&self, request: http::Request<RequestBody>, peer: Peer) -> Response {
        let begun = Instant::now();
        let (parts, body) = request.into_parts();
        let mut exchange = Exchange::new(parts, body, peer);
        respond::begin(&mut exchange);
        let response = self.answer(&mut exchange).await;
        self.metrics.count(&self.registry, &exchange, response.status(), begun.elapsed());
        respond::finish(&exchange, response)
    }

    /// The answer of the first step that has one.
    async fn answer(&self, exchange: &mut Exchange) -> Response {
        for step in CHAIN {
            let result = match step.run {
                Run::Now(run) => run(self, exchange),
                Run::Await(run) => run(self, exchange).await,
            };
            match result {
                Ok(Next::Continue) => {}
                Ok(Next::Answer(response)) => return response,
                Err(status) => return respond::status(exchange, &status),
            }
        }
        let status = kcp_apimachinery::status::Status::not_found_route();
        respond::status(exchange, &status)
    }
}
