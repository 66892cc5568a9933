//! What the row of a logical cluster says that decides who gets in.

use crate::tenancy::{PATH, REQUIRED_GROUPS, TYPE};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Annotation: `true` takes the logical cluster offline.
pub const INACTIVE: &str = "core.kcp.io/inactive";
/// The name that annotation had before.
pub const INACTIVE_BEFORE: &str = "internal.kcp.io/inactive";

/// Where a logical cluster is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It has no place yet.
    Scheduling,
    /// Somebody still has to fill it.
    Initializing,
    /// In use.
    Ready,
    /// Taken offline.
    Inactive,
    /// Somebody still has to say farewell.
    Terminating,
    /// What it holds is being deleted.
    Deleting,
    /// Cannot be reached.
    Unavailable,
    /// A text that is no phase.
    #[default]
    Unknown,
}

impl Phase {
    fn parse(text: &str) -> Self {
        match text {
            "" | "Scheduling" => Self::Scheduling,
            "Initializing" => Self::Initializing,
            "Ready" => Self::Ready,
            "Inactive" => Self::Inactive,
            "Terminating" => Self::Terminating,
            "Deleting" => Self::Deleting,
            "Unavailable" => Self::Unavailable,
            _ => Self::Unknown,
        }
    }

    /// Whether content is served in this phase.
    pub const fn has_content(self) -> bool {
        matches!(self, Self::Initializing | Self::Ready | Self::Inactive | Self::Terminating | Self::Deleting)
    }

    /// Whether initializers and terminators have work in this phase.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Initializing | Self::Terminating | Self::Deleting)
    }
}

/// What a logical cluster's row says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Where it is in its life.
    pub phase: Phase,
    /// Whether it was taken offline.
    pub inactive: bool,
    /// Lists of groups: callers have to be in every group of one of them. `None` asks for nothing.
    pub required: Option<Vec<Vec<String>>>,
    /// The canonical path; empty where none is recorded: then it is the name.
    pub path: String,
    /// The type, `PATH:NAME`; empty where none is recorded.
    pub workspace_type: String,
    /// The user who asked for it; empty where nobody is recorded.
    pub creator: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Stored {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    created_by: Option<User>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: String,
}

impl Row {
    /// Reads a row. One that cannot be read is of an unknown phase, so that nobody gets in.
    pub fn parse(json: &[u8]) -> Self {
        let Ok(stored) = serde_json::from_slice::<Stored>(json) else { return Self::default() };
        let mut annotations = stored.metadata.annotations.unwrap_or_default();
        let mut take = |key: &str| annotations.remove(key);
        let inactive = [INACTIVE, INACTIVE_BEFORE].map(|key| take(key).is_some_and(|value| value == "true"));
        Self {
            phase: Phase::parse(&stored.status.phase),
            inactive: inactive.contains(&true),
            required: take(REQUIRED_GROUPS).as_deref().and_then(required),
            path: take(PATH).unwrap_or_default(),
            workspace_type: take(TYPE).unwrap_or_default(),
            creator: stored.spec.created_by.unwrap_or_default().username,
        }
    }

    /// About how many bytes this takes.
    pub fn weight(&self) -> u64 {
        let groups = self.required.iter().flatten().flatten().map(|group| group.len() + 48).sum::<usize>();
        (128 + groups + self.path.len() + self.workspace_type.len() + self.creator.len()) as u64
    }

    /// Whether a member of `groups` has the groups that the row requires.
    pub fn is_satisfied_by(&self, groups: &[String]) -> bool {
        self.required
            .as_ref()
            .is_none_or(|lists| lists.iter().any(|list| list.iter().all(|group| groups.contains(group))))
    }
}

/// `;` stands between alternatives, `,` between the groups of one. An empty text asks for nothing; an empty group, or
/// an empty alternative beside others, is one that nobody has.
fn required(text: &str) -> Option<Vec<Vec<String>>> {
    if text.trim().is_empty() {
        return None;
    }
    let groups = |list: &str| list.split(',').map(|group| group.trim().to_owned()).collect();
    Some(text.split(';').map(groups).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn groups(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_row_is_read_and_what_cannot_be_read_lets_nobody_in() {
        let json = json!({
            "metadata": {"annotations": {
                PATH: "root:a", TYPE: "root:team", REQUIRED_GROUPS: "x,y;z", INACTIVE_BEFORE: "true",
            }},
            "spec": {"createdBy": {"username": "ann"}},
            "status": {"phase": "Ready"},
        });
        let row = Row::parse(json.to_string().as_bytes());
        assert_eq!((row.phase, row.inactive, row.creator.as_str()), (Phase::Ready, true, "ann"));
        assert_eq!((row.path.as_str(), row.workspace_type.as_str()), ("root:a", "root:team"));
        assert_eq!(row.required, Some(vec![groups(&["x", "y"]), groups(&["z"])]));
        for text in ["", "{}", "[]", r#"{"status":{"phase":"Open"}}"#, r#"{"status":{"phase":7}}"#] {
            assert!(!Row::parse(text.as_bytes()).phase.has_content(), "{text}");
        }
    }

    #[test]
    fn required_groups_are_alternatives_of_lists() {
        let cases = [
            ("", &[][..], true),
            (" ", &[], true),
            ("a", &[], false),
            ("a", &["a"], true),
            ("a,b", &["a"], false),
            ("a,b", &["b", "a"], true),
            ("a;b", &["b"], true),
            ("a,b;c", &["a"], false),
            ("a,b;c", &["c"], true),
            (" a , b ", &["a", "b"], true),
            // What nobody can be in opens nothing.
            ("a;", &["b"], false),
            (",", &["b"], false),
            (";", &["b"], false),
        ];
        for (text, held, expected) in cases {
            let row = Row { required: required(text), ..Row::default() };
            assert_eq!(row.is_satisfied_by(&groups(held)), expected, "{text:?} {held:?}");
        }
    }
}
