//! What is served where: built-in resources everywhere, custom resources by the definitions of each logical cluster.

mod built_in;
mod changes;
mod custom;
mod everywhere;
mod group;
mod identity;
mod served;
mod system;
#[cfg(test)]
mod tests;
mod view;

pub use built_in::{BuiltIns, GroupSpec, ResourceSpec, SubresourceSpec, VersionSpec};
pub use custom::{api_version, stored};
pub use everywhere::term as definition_term;
pub use group::{CustomGroup, GroupVersion, Member, group_of};
pub use identity::Identity;
pub use served::{Column, Origin, Scale, Served, Subresource};
pub use view::{ClusterView, DEFINITIONS, Registry, definition_name};
