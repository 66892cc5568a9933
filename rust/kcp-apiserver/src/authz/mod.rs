//! What callers may do: role-based rules of each logical cluster, and the rules that apply in all of them.
//!
//! A decision goes through a list of guards ([`guards`]) that look at what is stored and nothing else. The roles and bindings of a logical cluster are compiled at the
//! first request that needs them ([`derived`]) and kept until one of them changes ([`generations`]); what applies to one
//! user is picked out once and kept as long. The bootstrap roles live in the logical cluster `system:admin` and apply in
//! every other one.

mod attributes;
pub mod bootstrap;
pub mod derived;
pub mod effective;
pub mod entries;
pub mod explain;
pub mod generations;
mod guards;
#[cfg(test)]
mod model;
pub mod offline;
pub mod row;
pub mod rule;
mod step;
#[cfg(test)]
mod tests;

pub use attributes::{Attributes, Decision, Reason};
pub use effective::{ANONYMOUS, AUTHENTICATED, ORIGIN, SCOPES, UNAUTHENTICATED, WARRANTS};
pub use guards::{BOOTSTRAPPER, CLUSTER_ADMIN, EXTERNAL_CLUSTER_ADMIN, LIFECYCLE, OFFLINE};
pub use step::{allow, require};

use crate::exchange::UserInfo;
use derived::{Derived, Grants, RoleRef, Source};
use effective::effective;
use generations::{Generations, LOGICAL_CLUSTERS};
use guards::{Case, Verdict};
use kcp_apimachinery::status::Status;
use kcp_storage::{Backend, Key, Observer, Revision};
use offline::Offline;
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

/// The verb on the path `/` that lets somebody into a logical cluster.
const ENTER: &str = "access";
/// The reason given where somebody has no business in a logical cluster, whether it exists or not.
pub(crate) const DENIED: &str = "access denied";

/// Bytes of compiled roles and bindings that are kept.
const STATES: u64 = 64 << 20;
/// Bytes of what applies to single users that are kept.
const GRANTS: u64 = 32 << 20;
/// Bytes of rows that are kept for those who need no rules.
const ROWS: u64 = 4 << 20;
/// Derivations that run side by side; each holds the roles of one cluster in memory.
const LANES: usize = 64;

/// Rules of all logical clusters.
pub struct Authorization {
    store: Arc<dyn Backend>,
    generations: Arc<Generations>,
    /// What ends watches of logical clusters that go offline.
    pub offline: Arc<Offline>,
    states: Cache<String, State, ByWeight>,
    rows: Cache<String, State, ByWeight>,
    granted: Cache<u128, Arc<Granted>, ByWeight>,
    hashers: [RandomState; 2],
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
    /// The generations of `own` and `base`.
    generations: (u64, u64),
    own: Arc<Derived>,
    base: Arc<Derived>,
    wide: Grants,
    by_namespace: HashMap<String, Grants>,
    /// What lets the user into the logical cluster.
    entry: Option<Arc<Source>>,
    weight: u64,
}

#[derive(Clone)]
struct ByWeight;

impl Weighter<String, State> for ByWeight {
    fn weight(&self, key: &String, state: &State) -> u64 {
        key.len() as u64 + state.derived.weight
    }
}

impl Weighter<u128, Arc<Granted>> for ByWeight {
    fn weight(&self, _: &u128, granted: &Arc<Granted>) -> u64 {
        granted.weight
    }
}

impl Authorization {
    /// Rules over the roles and bindings in `store`.
    pub fn new(store: &Arc<dyn Backend>) -> Self {
        let generations = Arc::new(Generations::new(generations::of_rules));
        store.observe(Arc::clone(&generations) as Arc<dyn Observer>);
        Self {
            store: Arc::clone(store),
            offline: Offline::new(store),
            generations,
            states: Cache::with_weighter(1024, STATES, ByWeight),
            rows: Cache::with_weighter(1024, ROWS, ByWeight),
            granted: Cache::with_weighter(1024, GRANTS, ByWeight),
            hashers: [RandomState::new(), RandomState::new()],
            lanes: (0..LANES).map(|_| tokio::sync::Mutex::new(())).collect(),
        }
    }

    /// Counts the changes of each cluster's rules, and of its row.
    pub fn generations(&self) -> Arc<Generations> {
        Arc::clone(&self.generations)
    }

    /// Whether `user` may be in `cluster` and may do there what `attributes` describe.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn permits(
        &self,
        cluster: &str,
        user: &UserInfo,
        attributes: &Attributes<'_>,
    ) -> Result<Decision, Status> {
        self.decide(cluster, user, attributes, false, |_, _| {}).await
    }

    /// A deep check: whether the roles and bindings of `cluster`, and those of every cluster, let `user` do what
    /// `attributes` describe, be it in a cluster that is closed to him. Never decides by a state older than the last
    /// acknowledged write to a role or binding.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn allowed(
        &self,
        cluster: &str,
        user: &UserInfo,
        attributes: &Attributes<'_>,
    ) -> Result<Decision, Status> {
        self.decide(cluster, user, attributes, true, |_, _| {}).await
    }

    /// Whether `user` may be in `cluster` at all, whatever he may do there.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn enters(&self, cluster: &str, user: &UserInfo) -> Result<bool, Status> {
        let decision = self.permits(cluster, user, &Attributes::path(ENTER, "/")).await?;
        Ok(is_entry(&decision))
    }

    /// Whether `user` could be in `cluster` by its row, roles and bindings as they were at a revision, and by the rules
    /// of all clusters as they are now.
    ///
    /// # Errors
    /// When the store cannot be read; 410 when history does not reach back to the revision.
    pub async fn entered_at(&self, cluster: &str, user: &UserInfo, at: Revision) -> Result<bool, Status> {
        let users = effective(cluster, user);
        let own = Derived::load_at(&*self.store, cluster, at).await;
        let own = Arc::new(own.map_err(|error| crate::verbs::storage_error(&error))?);
        let own = State { generation: 0, derived: own };
        let granted = Granted::picked(cluster, &users, own, self.state(BASE).await?);
        let attributes = Attributes::path(ENTER, "/");
        let case = Case { cluster, user, acting: &users[0], granted: &granted, attributes: &attributes, deep: false };
        Ok(is_entry(&guards::decide(&case, |_, _| {})))
    }

    /// Whether a logical cluster is offline for what addresses `resource` in `group`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn is_offline(&self, cluster: &str, group: &str, resource: &str) -> Result<bool, Status> {
        let attributes = Attributes { group, resource, is_resource: true, ..Attributes::default() };
        let derived = self.row(cluster).await?;
        Ok(derived.row.as_ref().is_some_and(|row| row.inactive && !guards::is_answered_offline(&attributes)))
    }

    async fn decide(
        &self,
        cluster: &str,
        user: &UserInfo,
        attributes: &Attributes<'_>,
        deep: bool,
        seen: impl FnMut(&'static str, &Verdict),
    ) -> Result<Decision, Status> {
        let users = effective(cluster, user);
        let acting = &users[0];
        // Who may do everything needs no rules, and his requests derive none.
        let granted = if acting.is_in(MASTERS) {
            Arc::new(Granted::of_row(self.row(cluster).await?))
        } else {
            self.granted(cluster, &users).await?
        };
        Ok(guards::decide(&Case { cluster, user, acting, granted: &granted, attributes, deep }, seen))
    }

    /// Every rule that applies to `user` in `cluster`, cluster-wide and in `namespace` (empty for none), in the order of
    /// decisions, and why roles could not be resolved, if any could not.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn rules_for(&self, cluster: &str, user: &UserInfo, namespace: &str) -> Result<Held, Status> {
        let granted = self.granted(cluster, &effective(cluster, user)).await?;
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
        let own = self.state(cluster).await?.derived;
        let base = self.state(BASE).await?.derived;
        Ok(own.resolve(Some(&base), role, namespace))
    }

    async fn state(&self, cluster: &str) -> Result<State, Status> {
        // Taken before anything is read: what is derived is at least this new.
        let needed = self.generations.of(cluster, "");
        if let Some(state) = self.states.get(cluster)
            && state.generation >= needed
        {
            return Ok(state);
        }
        // The hash is cut down to the number of lanes.
        #[allow(clippy::cast_possible_truncation)]
        let lane = self.hashers[0].hash_one(cluster) as usize % LANES;
        let _lane = self.lanes[lane].lock().await;
        // Who had the lane before may have derived what is needed.
        if let Some(state) = self.states.get(cluster)
            && state.generation >= needed
        {
            return Ok(state);
        }
        let generation = self.generations.of(cluster, "");
        let derived = Derived::load(&*self.store, cluster).await.map_err(|error| unreadable(cluster, &error))?;
        let state = State { generation, derived: Arc::new(derived) };
        self.states.insert(cluster.to_owned(), state.clone());
        Ok(state)
    }

    /// The row of a logical cluster without anything else that is derived.
    async fn row(&self, cluster: &str) -> Result<Arc<Derived>, Status> {
        let generation = self.generations.of(cluster, "");
        for known in [&self.states, &self.rows] {
            if let Some(state) = known.get(cluster)
                && state.generation >= generation
            {
                return Ok(state.derived);
            }
        }
        let key = Key::new(LOGICAL_CLUSTERS, cluster, "", "cluster");
        let item = self.store.get(&key).await.map_err(|error| unreadable(cluster, &error))?;
        let derived = Arc::new(Derived::of_row(item.as_ref().map(derived::row)));
        self.rows.insert(cluster.to_owned(), State { generation, derived: Arc::clone(&derived) });
        Ok(derived)
    }

    async fn granted(&self, cluster: &str, users: &[UserInfo]) -> Result<Arc<Granted>, Status> {
        // Taken before anything is looked at: what is found is at least this new.
        let needed = (self.generations.of(cluster, ""), self.generations.of(BASE, ""));
        let key = self.identity(cluster, users);
        if let Some(granted) = self.granted.get(&key)
            && granted.generations.0 >= needed.0
            && granted.generations.1 >= needed.1
        {
            return Ok(granted);
        }
        let own = self.state(cluster).await?;
        let base = if cluster == BASE { own.clone() } else { self.state(BASE).await? };
        let granted = Arc::new(Granted::picked(cluster, users, own, base));
        self.granted.insert(key, Arc::clone(&granted));
        Ok(granted)
    }

    /// Names a logical cluster and everybody whose rules count there, by 128 bits of two keyed hashes: nobody who does not
    /// know the keys finds two that share a name, and chance does not either.
    fn identity(&self, cluster: &str, users: &[UserInfo]) -> u128 {
        let [high, low] = self.hashers.each_ref().map(|hasher| {
            let mut hasher = hasher.build_hasher();
            cluster.hash(&mut hasher);
            for user in users {
                user.name.hash(&mut hasher);
                user.groups.hash(&mut hasher);
            }
            u128::from(hasher.finish())
        });
        high << 64 | low
    }
}

/// Whether a decision about entering was not one of the guards of entry.
fn is_entry(decision: &Decision) -> bool {
    !matches!(decision.step, guards::REQUIRED_GROUPS | guards::CONTENT)
}

fn unreadable(cluster: &str, error: &kcp_storage::Error) -> Status {
    tracing::error!(cluster, %error, "roles cannot be read");
    Status::internal("the rules of the logical cluster cannot be read")
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
    /// Of somebody to whom nothing is granted.
    fn of_row(own: Arc<Derived>) -> Self {
        Self {
            generations: (0, 0),
            base: Arc::clone(&own),
            own,
            wide: Grants::default(),
            by_namespace: HashMap::new(),
            entry: None,
            weight: 0,
        }
    }

    /// What applies to `users` in a logical cluster, of whom the first acts.
    fn picked(cluster: &str, users: &[UserInfo], own: State, base: State) -> Self {
        let generations = (own.generation, base.generation);
        let (own, base) = (own.derived, base.derived);
        let mut by_namespace = HashMap::new();
        // Bindings of the base resolve in the base alone, or a tenant's role could stand in for a bootstrap role.
        base.grants(None, users, &mut by_namespace);
        if cluster != BASE {
            own.grants(Some(&base), users, &mut by_namespace);
        }
        let mut granted = Granted::of_row(own);
        granted.base = base;
        granted.generations = generations;
        granted.wide = by_namespace.remove("").unwrap_or_default();
        let count: usize = by_namespace.values().map(|scope| scope.grants.len() + 1).sum();
        granted.weight = 256 + 160 * (count + granted.wide.grants.len()) as u64;
        granted.by_namespace = by_namespace;
        granted.entry = granted.find(&Attributes::path(ENTER, "/")).cloned();
        granted
    }

    /// What allows it.
    fn find(&self, attributes: &Attributes<'_>) -> Option<&Arc<Source>> {
        let scopes = [Some(&self.wide), self.in_namespace(attributes.namespace)];
        let mut grants = scopes.into_iter().flatten().flat_map(|scope| &scope.grants);
        grants.find(|grant| grant.rules.iter().any(|rule| rule.allows(attributes))).map(|grant| &grant.source)
    }

    /// Why roles that might allow it could not be resolved, if any could not.
    fn missing(&self, attributes: &Attributes<'_>) -> Reason {
        let scopes = [Some(&self.wide), self.in_namespace(attributes.namespace)];
        let missing: Vec<&String> = scopes.into_iter().flatten().flat_map(|scope| &scope.missing).collect();
        if missing.is_empty() {
            return Reason::None;
        }
        Reason::Shared(format!("rbac: RBAC: {}", aggregate(missing)).into())
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
