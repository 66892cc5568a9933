//! What callers may do: role-based rules of each logical cluster, and the rules that apply in all of them.
//!
//! A decision looks at what is stored and nothing else. The roles and bindings of a logical cluster are compiled at the
//! first request that needs them ([`derived`]) and kept until one of them changes ([`generations`]); what applies to one
//! user is picked out once and kept as long. The bootstrap roles live in the logical cluster `system:admin` and apply in
//! every other one.

mod attributes;
pub mod bootstrap;
pub mod derived;
pub mod generations;
#[cfg(test)]
mod model;
pub mod rule;
mod scope;
mod step;

pub use attributes::{Attributes, Decision, Reason};
pub use scope::{ANONYMOUS, AUTHENTICATED, ORIGIN, SCOPES, UNAUTHENTICATED};
pub use step::{allow, require};

use crate::exchange::UserInfo;
use derived::{Derived, Grants, RoleRef};
use generations::Generations;
use kcp_apimachinery::status::Status;
use kcp_storage::{Backend, Observer};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rule::Rule;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;

/// The group that may do everything.
pub const MASTERS: &str = "system:masters";
/// The group that administers every logical cluster that belongs to a tenant.
pub const ADMIN: &str = "system:kcp:admin";
/// The logical cluster whose roles and bindings apply in every cluster.
pub const BASE: &str = "system:admin";

/// The reason given where somebody has no business in a logical cluster, whether it exists or not.
const DENIED: &str = "access denied";

/// Bytes of compiled roles and bindings that are kept.
const STATES: u64 = 64 << 20;
/// Bytes of what applies to single users that are kept.
const GRANTS: u64 = 32 << 20;
/// Derivations that run side by side; each holds the roles of one cluster in memory.
const LANES: usize = 64;

/// Rules of all logical clusters.
pub struct Authorization {
    store: Arc<dyn Backend>,
    generations: Arc<Generations>,
    states: Cache<String, State, ByWeight>,
    granted: Cache<u64, Arc<Granted>, ByWeight>,
    hasher: RandomState,
    lanes: Box<[tokio::sync::Mutex<()>]>,
}

/// What one logical cluster's roles and bindings amount to, as of a generation.
#[derive(Clone)]
struct State {
    generation: u64,
    derived: Arc<Derived>,
}

/// Everything granted to one user in one logical cluster.
struct Granted {
    cluster: String,
    name: String,
    groups: Vec<String>,
    own: Arc<Derived>,
    base: Arc<Derived>,
    wide: Grants,
    by_namespace: HashMap<String, Grants>,
    weight: u64,
}

#[derive(Clone)]
struct ByWeight;

impl Weighter<String, State> for ByWeight {
    fn weight(&self, key: &String, state: &State) -> u64 {
        key.len() as u64 + state.derived.weight
    }
}

impl Weighter<u64, Arc<Granted>> for ByWeight {
    fn weight(&self, _: &u64, granted: &Arc<Granted>) -> u64 {
        granted.weight
    }
}

impl Authorization {
    /// Rules over the roles and bindings in `store`.
    pub fn new(store: &Arc<dyn Backend>) -> Self {
        let generations = Arc::new(Generations::default());
        store.observe(Arc::clone(&generations) as Arc<dyn Observer>);
        Self {
            store: Arc::clone(store),
            generations,
            states: Cache::with_weighter(1024, STATES, ByWeight),
            granted: Cache::with_weighter(1024, GRANTS, ByWeight),
            hasher: RandomState::new(),
            lanes: (0..LANES).map(|_| tokio::sync::Mutex::new(())).collect(),
        }
    }

    /// Whether `user` has business in `cluster` and may do there what `attributes` describe.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn permits(
        &self,
        cluster: &str,
        user: &UserInfo,
        attributes: &Attributes<'_>,
    ) -> Result<Decision, Status> {
        let scoped = scope::effective(cluster, user);
        if scoped.is_in(MASTERS) {
            return Ok(Decision { allowed: true, reason: Reason::None });
        }
        let denied = Decision { allowed: false, reason: Reason::Text(DENIED) };
        // The server's own clusters.
        if cluster.starts_with("system:") {
            return Ok(denied);
        }
        let granted = self.granted(cluster, &scoped).await?;
        Ok(if granted.may_enter(user) { granted.decide(attributes) } else { denied })
    }

    /// Whether the roles and bindings of `cluster`, and those of every cluster, let `user` do what `attributes` describe.
    /// Never decides by a state older than the last acknowledged write to a role or binding.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn allowed(
        &self,
        cluster: &str,
        user: &UserInfo,
        attributes: &Attributes<'_>,
    ) -> Result<Decision, Status> {
        let scoped = scope::effective(cluster, user);
        if scoped.is_in(MASTERS) {
            return Ok(Decision { allowed: true, reason: Reason::None });
        }
        Ok(self.granted(cluster, &scoped).await?.decide(attributes))
    }

    /// Every rule that applies to `user` in `cluster`, cluster-wide and in `namespace` (empty for none), in the order of
    /// decisions, and why roles could not be resolved, if any could not.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn rules_for(&self, cluster: &str, user: &UserInfo, namespace: &str) -> Result<Held, Status> {
        let scoped = scope::effective(cluster, user);
        let granted = self.granted(cluster, &scoped).await?;
        let mut held = Held::default();
        let mut missing = Vec::new();
        for scope in [Some(&granted.wide), granted.in_namespace(namespace)].into_iter().flatten() {
            held.rules.extend(scope.grants.iter().map(|grant| Arc::clone(&grant.rules)));
            missing.extend(&scope.missing);
        }
        held.error = (!missing.is_empty()).then(|| aggregate(missing));
        Ok(held)
    }

    /// The rules of a role that a binding in `namespace` of `cluster` refers to.
    ///
    /// # Errors
    /// The outer one when the store cannot be read, the inner one when there is no such role.
    pub async fn role_rules(
        &self,
        cluster: &str,
        role: &RoleRef,
        namespace: &str,
    ) -> Result<Result<Arc<[Rule]>, String>, Status> {
        let own = self.state(cluster).await?;
        let base = self.state(BASE).await?;
        Ok(own.resolve(Some(&base), role, namespace))
    }

    async fn state(&self, cluster: &str) -> Result<Arc<Derived>, Status> {
        // Taken before anything is read: what is derived is at least this new.
        let needed = self.generations.of(cluster);
        if let Some(state) = self.states.get(cluster)
            && state.generation >= needed
        {
            return Ok(state.derived);
        }
        // The hash is cut down to the number of lanes.
        #[allow(clippy::cast_possible_truncation)]
        let lane = self.hasher.hash_one(cluster) as usize % LANES;
        let _lane = self.lanes[lane].lock().await;
        // Who had the lane before may have derived what is needed.
        if let Some(state) = self.states.get(cluster)
            && state.generation >= needed
        {
            return Ok(state.derived);
        }
        let generation = self.generations.of(cluster);
        let derived = Derived::load(&*self.store, cluster).await.map_err(|error| {
            tracing::error!(cluster, %error, "roles cannot be read");
            Status::internal("the rules of the logical cluster cannot be read")
        })?;
        let derived = Arc::new(derived);
        self.states.insert(cluster.to_owned(), State { generation, derived: Arc::clone(&derived) });
        Ok(derived)
    }

    async fn granted(&self, cluster: &str, user: &UserInfo) -> Result<Arc<Granted>, Status> {
        let own = self.state(cluster).await?;
        let base = if cluster == BASE { Arc::clone(&own) } else { self.state(BASE).await? };
        let key = self.identity(cluster, user);
        if let Some(granted) = self.granted.get(&key)
            && granted.is_for(cluster, user, &own, &base)
        {
            return Ok(granted);
        }
        let mut by_namespace = HashMap::new();
        // Bindings of the base resolve in the base alone, or a tenant's role could stand in for a bootstrap role.
        base.grants(None, user, &mut by_namespace);
        if cluster != BASE {
            own.grants(Some(&base), user, &mut by_namespace);
        }
        let wide = by_namespace.remove("").unwrap_or_default();
        let count: usize = by_namespace.values().map(|scope| scope.grants.len() + 1).sum();
        let granted = Arc::new(Granted {
            cluster: cluster.to_owned(),
            name: user.name.clone(),
            groups: user.groups.clone(),
            weight: 256 + 160 * (count + wide.grants.len()) as u64,
            own,
            base,
            wide,
            by_namespace,
        });
        self.granted.insert(key, Arc::clone(&granted));
        Ok(granted)
    }

    fn identity(&self, cluster: &str, user: &UserInfo) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        cluster.hash(&mut hasher);
        user.name.hash(&mut hasher);
        user.groups.hash(&mut hasher);
        hasher.finish()
    }
}

/// Rules that apply to somebody.
#[derive(Default)]
pub struct Held {
    rules: Vec<Arc<[Rule]>>,
    /// Why roles could not be resolved, if any could not.
    pub error: Option<String>,
}

impl Held {
    /// The rules, in the order of decisions.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().flat_map(|rules| rules.iter())
    }
}

impl Granted {
    /// The key is a hash, so the identity is compared in full; the derived states are compared by identity, and this
    /// value keeps them alive, so an address is never that of another state.
    fn is_for(&self, cluster: &str, user: &UserInfo, own: &Arc<Derived>, base: &Arc<Derived>) -> bool {
        Arc::ptr_eq(&self.own, own)
            && Arc::ptr_eq(&self.base, base)
            && self.name == user.name
            && self.groups == user.groups
            && self.cluster == cluster
    }

    /// Whether the user has business in the cluster at all. For administrators every name is a logical cluster; who may
    /// enter one that exists is for its rules to say.
    fn may_enter(&self, user: &UserInfo) -> bool {
        self.own.exists || user.is_in(ADMIN)
    }

    fn decide(&self, attributes: &Attributes<'_>) -> Decision {
        let scopes = [Some(&self.wide), self.in_namespace(attributes.namespace)];
        for scope in scopes.into_iter().flatten() {
            for grant in &scope.grants {
                if grant.rules.iter().any(|rule| rule.allows(attributes)) {
                    return Decision { allowed: true, reason: Reason::Binding(Arc::clone(&grant.source)) };
                }
            }
        }
        let missing: Vec<&String> = scopes.into_iter().flatten().flat_map(|scope| &scope.missing).collect();
        let reason = if missing.is_empty() {
            Reason::None
        } else {
            Reason::Shared(format!("RBAC: {}", aggregate(missing)).into())
        };
        Decision { allowed: false, reason }
    }

    fn in_namespace(&self, namespace: &str) -> Option<&Grants> {
        if namespace.is_empty() { None } else { self.by_namespace.get(namespace) }
    }
}

/// Messages as Kubernetes joins them: one alone as it is, several in brackets, each once.
fn aggregate<'a>(messages: impl IntoIterator<Item = &'a String>) -> String {
    let mut seen = BTreeSet::new();
    let messages: Vec<&str> =
        messages.into_iter().map(String::as_str).filter(|message| seen.insert(*message)).collect();
    match messages.as_slice() {
        [one] => (*one).to_owned(),
        many => format!("[{}]", many.join(", ")),
    }
}
