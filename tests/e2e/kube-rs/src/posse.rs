//! The custom resource of the controller, defined by its Rust type.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a posse should be.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(
    group = "posse.example.com",
    version = "v1",
    kind = "Posse",
    namespaced,
    status = "PosseStatus",
    shortname = "po"
)]
pub struct PosseSpec {
    /// Who leads.
    pub sheriff: String,
    /// How many ride.
    #[schemars(range(min = 1, max = 12))]
    pub size: i64,
}

/// What a posse is.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
pub struct PosseStatus {
    /// The generation of the spec that was last acted on.
    pub observed_generation: Option<i64>,
    /// How many are on the roster.
    #[serde(default)]
    pub riders: i64,
}
