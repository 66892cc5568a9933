//! The chain of guards: what a decision goes through, in this order, each a function of its own.
//!
//! The first guard that allows or refuses decides; the others pass the question on. A *deep* check skips those that ask
//! whether somebody may be in the logical cluster at all.

use super::attributes::{Attributes, Decision, Reason};
use super::effective::{is_in_scope, is_service_account};
use super::row::Row;
use super::{ADMIN, DENIED, Granted, MASTERS};
use crate::exchange::UserInfo;

/// The group that looks after the rows of logical clusters, wherever they are.
pub const CLUSTER_ADMIN: &str = "system:kcp:logical-cluster-admin";
/// The group that does so from another shard.
pub const EXTERNAL_CLUSTER_ADMIN: &str = "system:kcp:external-logical-cluster-admin";
/// The group that fills workspaces at the start.
pub const BOOTSTRAPPER: &str = "system:kcp:tenancy:workspace-bootstrapper";
/// What names of the groups begin with that initializers and terminators are in.
pub const LIFECYCLE: [&str; 2] = ["system:kcp:initializer:", "system:kcp:terminator:"];
/// What those hear who may be in a logical cluster that was taken offline.
pub const OFFLINE: &str = "logical cluster is marked inactive";

/// The keys of the guards that say whether somebody may be in a logical cluster.
pub(super) const REQUIRED_GROUPS: &str = "01-requiredgroups";
/// See [`REQUIRED_GROUPS`].
pub(super) const CONTENT: &str = "02-content";

/// A question with all that guards look at.
pub(super) struct Case<'a> {
    /// The logical cluster.
    pub cluster: &'a str,
    /// Who asks, as the credential says.
    pub user: &'a UserInfo,
    /// Who that is here.
    pub acting: &'a UserInfo,
    /// What applies to him.
    pub granted: &'a Granted,
    /// What he wants.
    pub attributes: &'a Attributes<'a>,
    /// Whether it does not matter if he may be here.
    pub deep: bool,
}

/// What a guard says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The next guard's turn; why.
    Next(Reason),
    /// Allowed.
    Allow(Reason),
    /// Refused, whoever else might allow it.
    Deny(Reason),
    /// Refused because nothing allows it.
    NoOpinion(Reason),
}

/// One guard.
pub(super) struct Guard {
    /// How audit and explanations name it.
    pub key: &'static str,
    /// Whether it keeps its reasons to itself: who is refused hears the same whatever is behind it.
    pub discreet: bool,
    /// What it says.
    pub check: fn(&Case<'_>) -> Verdict,
}

/// All guards, in running order.
pub(super) const GUARDS: &[Guard] = &[
    Guard { key: "00-alwaysallowgroups", discreet: false, check: always_allowed },
    Guard { key: REQUIRED_GROUPS, discreet: true, check: required_groups },
    Guard { key: CONTENT, discreet: true, check: content },
    Guard { key: "02-inactive", discreet: false, check: inactive },
    Guard { key: "03-systemcrd", discreet: true, check: system_definitions },
    Guard { key: "04-maxpermissionpolicy", discreet: true, check: maximal_permission_policy },
    Guard { key: "05-rbac", discreet: false, check: rules },
];

/// Asks the guards until one decides, and tells `seen` what each said.
pub(super) fn decide(case: &Case<'_>, mut seen: impl FnMut(&'static str, &Verdict)) -> Decision {
    for guard in GUARDS {
        let verdict = (guard.check)(case);
        seen(guard.key, &verdict);
        let (allowed, reason) = match verdict {
            Verdict::Next(_) => continue,
            Verdict::Allow(reason @ Reason::Binding(_)) => (true, reason),
            Verdict::Allow(_) => (true, Reason::None),
            Verdict::Deny(_) | Verdict::NoOpinion(_) if guard.discreet => (false, Reason::Text(DENIED)),
            Verdict::Deny(reason) | Verdict::NoOpinion(reason) => (false, reason),
        };
        return Decision { allowed, reason, step: guard.key };
    }
    Decision { allowed: false, reason: Reason::Text(DENIED), step: "" }
}

const fn next(reason: &'static str) -> Verdict {
    Verdict::Next(Reason::Text(reason))
}

const fn no_opinion(reason: &'static str) -> Verdict {
    Verdict::NoOpinion(Reason::Text(reason))
}

/// `system:masters` may do everything; what is offline is offline for them too.
fn always_allowed(case: &Case<'_>) -> Verdict {
    if !case.acting.is_in(MASTERS) {
        return next("no group that is always allowed");
    }
    match inactive(case) {
        Verdict::Next(_) => Verdict::Allow(Reason::Text("in the group system:masters")),
        refused => refused,
    }
}

/// The groups that the row asks for.
fn required_groups(case: &Case<'_>) -> Verdict {
    if case.deep {
        return next("deep check");
    }
    let acting = case.acting;
    if acting.is_in(CLUSTER_ADMIN) || is_service_account(case.user) {
        return next("not asked for groups");
    }
    let Some(row) = case.row() else {
        // The next guard knows for whom a name without a row is a logical cluster all the same.
        return next("no such logical cluster");
    };
    if row.required.is_none() {
        return next("no groups are required");
    }
    let exempt = [EXTERNAL_CLUSTER_ADMIN, ADMIN, BOOTSTRAPPER];
    if exempt.iter().any(|group| acting.is_in(group)) || row.is_satisfied_by(&acting.groups) {
        return next("in the required groups");
    }
    Verdict::Deny(Reason::Text("not in the required groups"))
}

/// Whether somebody may be in the logical cluster at all.
fn content(case: &Case<'_>) -> Verdict {
    if case.deep {
        return next("deep check");
    }
    // The server's own clusters.
    if case.cluster.is_empty() || case.cluster.starts_with("system:") {
        return no_opinion("a logical cluster of the system");
    }
    let acting = case.acting;
    if acting.is_in(CLUSTER_ADMIN) {
        return next("administrator of logical clusters");
    }
    let Some(row) = case.row() else {
        // For administrators every name is a logical cluster.
        if acting.is_in(ADMIN) {
            return next("administrator, the logical cluster is not there yet");
        }
        return Verdict::Deny(Reason::Text("LogicalCluster not found"));
    };
    if !row.phase.has_content() {
        return no_opinion("the phase of the logical cluster does not allow access");
    }
    let in_lifecycle = |group: &String| LIFECYCLE.iter().any(|prefix| group.starts_with(prefix));
    if row.phase.is_transient() && acting.groups.iter().any(in_lifecycle) {
        return Verdict::Allow(Reason::Text("an initializer or terminator at work"));
    }
    if is_service_account(case.user) && is_in_scope(case.cluster, case.user) {
        return next("a service account of the logical cluster");
    }
    match &case.granted.entry {
        Some(source) => Verdict::Next(Reason::Binding(source.clone())),
        None => no_opinion("no verb=access permission on /"),
    }
}

/// A logical cluster that was taken offline answers nobody. Told to those alone who may be there.
fn inactive(case: &Case<'_>) -> Verdict {
    if case.deep || !case.row().is_some_and(|row| row.inactive) {
        return next("active");
    }
    if is_answered_offline(case.attributes) {
        return next("answered where inactive");
    }
    Verdict::Deny(Reason::Text(OFFLINE))
}

/// What a logical cluster answers that was taken offline.
pub(super) fn is_answered_offline(attributes: &Attributes<'_>) -> bool {
    let Attributes { is_resource, group, resource, path, .. } = *attributes;
    if is_resource { (group, resource) == ("core.kcp.io", "logicalclusters") } else { path.starts_with("/openapi") }
}

/// What only the server itself says of bindings and exports.
fn system_definitions(case: &Case<'_>) -> Verdict {
    let Attributes { is_resource, group, resource, subresource, .. } = *case.attributes;
    let protected = is_resource
        && group == "apis.kcp.io"
        && matches!(resource, "apibindings" | "apiexports")
        && subresource == "status";
    if protected { Verdict::Deny(Reason::Text("the status is the server's alone")) } else { next("not protected") }
}

/// What the owner of an export lets those do who bind it. No export is bound yet, so there is nothing to hold against.
fn maximal_permission_policy(case: &Case<'_>) -> Verdict {
    next(if case.deep { "deep check" } else { "not a bound resource" })
}

/// The roles and bindings of the logical cluster and those of all.
fn rules(case: &Case<'_>) -> Verdict {
    match case.granted.find(case.attributes) {
        Some(source) => Verdict::Allow(Reason::Binding(source.clone())),
        None => Verdict::NoOpinion(case.granted.missing(case.attributes)),
    }
}

impl Case<'_> {
    fn row(&self) -> Option<&Row> {
        self.granted.own.row.as_ref()
    }
}
