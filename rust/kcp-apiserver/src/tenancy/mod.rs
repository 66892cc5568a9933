//! Workspaces: the logical clusters that people own, their types, and the way from one to the other.

pub mod at_once;
pub mod content;
pub mod ending;
pub mod home;
pub mod names;
pub mod paths;
pub mod row;
pub mod types;
pub mod view;

/// Storage name of workspaces.
pub const WORKSPACES: &str = "workspaces.tenancy.kcp.io";
/// Storage name of workspace types.
pub const TYPES: &str = "workspacetypes.tenancy.kcp.io";
/// Storage name of what types amount to; no resource is called like that.
pub const TEMPLATES: &str = "birthtemplates.tenancy.kcp.io";

/// The API group of workspaces and their types.
pub const GROUP: &str = "tenancy.kcp.io";
/// The logical cluster that all paths begin with.
pub const ROOT: &str = "root";
/// Name of the only shard there is.
pub const SHARD: &str = "root";

/// The path of a logical cluster that people know, on its LogicalCluster and on types in it.
pub const PATH: &str = "kcp.io/path";
/// The type of a logical cluster: path and name.
pub const TYPE: &str = "internal.tenancy.kcp.io/type";
/// The shard of a logical cluster.
pub const SHARD_NAME: &str = "core.kcp.io/shard";
/// The cluster name that was chosen for a workspace.
pub const CHOSEN: &str = "internal.tenancy.kcp.io/cluster";
/// Who created a workspace.
pub const OWNER: &str = "experimental.tenancy.kcp.io/owner";
/// Groups that somebody has to be in to get in.
pub const REQUIRED_GROUPS: &str = "authorization.kcp.io/required-groups";
/// Which exports have taken which resources.
pub const BINDINGS: &str = "internal.apis.kcp.io/resource-bindings";
/// Label that repeats the phase.
pub const PHASE_LABEL: &str = "tenancy.kcp.io/phase";
/// Labels that say who still has to do their part; a digest of the name follows.
pub const INITIALIZER_LABEL: &str = "initializer.internal.kcp.io/";
/// The same for those who have to do their part before the content goes.
pub const TERMINATOR_LABEL: &str = "terminator.internal.kcp.io/";
/// Keeps a Workspace until its logical cluster is gone.
pub const FINALIZER: &str = "core.kcp.io/logicalcluster";
/// Keeps a LogicalCluster until its content is gone.
pub const CONTENT_FINALIZER: &str = "core.kcp.io/logicalcluster-deletion";
/// Unfinished work of a Workspace that is being deleted.
pub const WORKSPACE_WORK: &str = "workspace-deletion";
/// Unfinished work of a LogicalCluster that is being deleted.
pub const CLUSTER_WORK: &str = "logicalcluster-deletion";
