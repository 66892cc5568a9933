//! The row that stands for a logical cluster: its LogicalCluster object, read and made.

use crate::clusters;
use crate::codec;
use crate::exchange::UserInfo;
use crate::server::ApiServer;
use crate::tenancy::{
    BINDINGS, CONTENT_FINALIZER, INITIALIZER_LABEL, OWNER, PATH, PHASE_LABEL, REQUIRED_GROUPS, ROOT, SHARD, SHARD_NAME,
    TERMINATOR_LABEL, TYPE,
};
use crate::verbs::storage_error;
use bytes::Bytes;
use kcp_apimachinery::{Status, meta, time};
use kcp_storage::{Expect, Guard, Item, Key};
use serde_json::{Value, json};
use sha2::{Digest, Sha224};

/// Bytes of a label's key that follow from a name.
const LABEL_BYTES: usize = 63;

/// The type header of LogicalClusters.
pub const HEADER: codec::Header<'static> =
    codec::Header { api_version: "core.kcp.io/v1alpha1", kind: "LogicalCluster" };

/// A logical cluster's row as it stood at one moment.
pub struct Row {
    /// Where it stands.
    pub key: Key,
    /// What stands there.
    pub item: Item,
    /// The LogicalCluster, without its entries of managed fields.
    pub object: Value,
}

impl Row {
    /// Reads a logical cluster's row; `None` where there is no such cluster.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read(server: &ApiServer, cluster: &str) -> Result<Option<Self>, Status> {
        let key = clusters::row(cluster);
        let Some(item) = server.store.get(&key).await.map_err(|error| storage_error(&error))? else {
            return Ok(None);
        };
        let object = codec::decode_lean(&item, HEADER).map_err(Status::internal)?;
        Ok(Some(Self { key, item, object }))
    }

    /// Holds a commit to the row as it was read.
    pub fn guard(&self) -> Guard {
        Guard { key: self.key.clone(), expect: Expect::At(self.item.revision) }
    }

    /// The path that people know the cluster by; its name where it has none.
    pub fn path(&self) -> &str {
        meta::annotation(&self.object, PATH).unwrap_or_else(|| self.key.cluster())
    }

    /// Path and name of the type.
    pub fn type_of(&self) -> (&str, &str) {
        let default = if self.key.cluster() == ROOT { "root:root" } else { "root:universal" };
        let text = meta::annotation(&self.object, TYPE).unwrap_or(default);
        text.rsplit_once(':').unwrap_or((ROOT, text))
    }

    /// The groups that somebody has to be in.
    pub fn required_groups(&self) -> Option<&str> {
        meta::annotation(&self.object, REQUIRED_GROUPS)
    }

    /// The logical cluster that holds the owner; `None` for those that nobody owns.
    pub fn parent(&self) -> Option<&str> {
        self.object.pointer("/spec/owner/cluster").and_then(Value::as_str).filter(|cluster| !cluster.is_empty())
    }

    /// Whether the cluster is being deleted.
    pub fn is_going(&self) -> bool {
        meta::deletion_timestamp(&self.object).is_some()
    }
}

/// What a new LogicalCluster is to say.
pub struct Draft<'a> {
    /// Its name.
    pub cluster: &'a str,
    /// Its path.
    pub path: &'a str,
    /// Path and name of its type.
    pub type_of: (&'a str, &'a str),
    /// The Workspace that owns it: cluster, name, uid.
    pub owner: Option<(&'a str, &'a str, &'a str)>,
    /// Who made it; becomes its administrator.
    pub creator: Option<&'a UserInfo>,
    /// See [`REQUIRED_GROUPS`].
    pub required_groups: Option<&'a str>,
    /// Who has to do their part before it is ready.
    pub initializers: &'a [String],
    /// Who has to do their part before its content goes.
    pub terminators: &'a [String],
}

impl<'a> Draft<'a> {
    /// A logical cluster that nobody owns and that was made by being written into.
    pub fn plain(cluster: &'a str) -> Self {
        Self {
            cluster,
            path: cluster,
            type_of: (ROOT, if cluster == ROOT { "root" } else { "universal" }),
            owner: None,
            creator: None,
            required_groups: None,
            initializers: &[],
            terminators: &[],
        }
    }

    /// The phase it begins in.
    pub fn phase(&self) -> &'static str {
        if self.initializers.is_empty() { "Ready" } else { "Initializing" }
    }

    /// The LogicalCluster, as it is stored.
    pub fn object(&self, server: &ApiServer, uid: &str) -> Value {
        let now = time::format_rfc3339(server.clock.now().as_second());
        let (type_path, type_name) = self.type_of;
        let mut object = json!({
            "metadata": {
                "name": "cluster",
                "uid": uid,
                "generation": 1,
                "creationTimestamp": now,
                "labels": {PHASE_LABEL: self.phase()},
                "annotations": {
                    BINDINGS: "{}",
                    PATH: self.path,
                    SHARD_NAME: SHARD,
                    TYPE: format!("{type_path}:{type_name}"),
                },
                "finalizers": [CONTENT_FINALIZER],
            },
            "spec": {"directlyDeletable": false},
            "status": {
                "URL": format!("https://{}/clusters/{}", server.external_address, self.cluster),
                "phase": self.phase(),
                "conditions": [initialized(self.initializers, &now)],
            },
        });
        let annotations = &mut object["metadata"]["annotations"];
        if let Some(groups) = self.required_groups {
            annotations[REQUIRED_GROUPS] = groups.into();
        }
        if let Some(creator) = self.creator {
            annotations[OWNER] = json!({"username": creator.name}).to_string().into();
            object["spec"]["createdBy"] = created_by(creator);
        }
        if let Some((cluster, name, uid)) = self.owner {
            object["spec"]["owner"] = json!({"apiVersion": "tenancy.kcp.io/v1alpha1", "resource": "workspaces",
                "name": name, "cluster": cluster, "uid": uid});
        }
        for (field, names) in [("initializers", self.initializers), ("terminators", self.terminators)] {
            if !names.is_empty() {
                object["spec"][field] = json!(names);
                object["status"][field] = json!(names);
            }
        }
        label(&mut object);
        object
    }
}

/// The condition that says whether somebody still has to do their part.
pub fn initialized(left: &[String], now: &str) -> Value {
    if left.is_empty() {
        return json!({"type": "WorkspaceInitialized", "status": "True", "lastTransitionTime": now});
    }
    json!({"type": "WorkspaceInitialized", "status": "False", "severity": "Info", "lastTransitionTime": now,
        "reason": "InitializerExists", "message": format!("Initializers still exist: [{}]", left.join(" "))})
}

fn created_by(user: &UserInfo) -> Value {
    let mut by = json!({"username": user.name});
    if !user.uid.is_empty() {
        by["uid"] = user.uid.as_str().into();
    }
    if !user.groups.is_empty() {
        by["groups"] = json!(user.groups);
    }
    if !user.extra.is_empty() {
        by["extra"] = json!(user.extra);
    }
    by
}

/// Puts the labels on a LogicalCluster that follow from its status, and takes off those that do not.
pub fn label(object: &mut Value) {
    let phase = object["status"]["phase"].as_str().unwrap_or_default().to_owned();
    meta::set_label(object, PHASE_LABEL, &phase);
    let wanted: Vec<(String, String)> = [("initializers", INITIALIZER_LABEL), ("terminators", TERMINATOR_LABEL)]
        .into_iter()
        .flat_map(|(field, prefix)| {
            left(object, field).map(move |name| waiting_label(prefix, name)).collect::<Vec<_>>()
        })
        .collect();
    if let Some(labels) = object["metadata"]["labels"].as_object_mut() {
        labels.retain(|key, _| !key.starts_with(INITIALIZER_LABEL) && !key.starts_with(TERMINATOR_LABEL));
        labels.extend(wanted.into_iter().map(|(key, value)| (key, value.into())));
    }
}

/// Key and value of the label that says that `name` has to do its part: a digest, since names hold what keys cannot.
pub fn waiting_label(prefix: &str, name: &str) -> (String, String) {
    let digest = Sha224::digest(name.as_bytes());
    let hex = digest.iter().fold(String::with_capacity(56), |hex, byte| hex + &format!("{byte:02x}"));
    (format!("{prefix}{}", &hex[..LABEL_BYTES - prefix.len()]), hex)
}

/// The names in a list of the status.
fn left<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    object["status"][field].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Index terms of a LogicalCluster: whoever created it may enter it, and somebody has to do his part in it, by the digest
/// that the label has as its value.
pub fn terms(object: &Value) -> Vec<Bytes> {
    let creator = object.pointer("/spec/createdBy/username").and_then(Value::as_str);
    let mut terms: Vec<Bytes> = creator.map(|name| Bytes::from(format!("subject/User/{name}"))).into_iter().collect();
    for (field, prefix) in [("initializers", INITIALIZER_LABEL), ("terminators", TERMINATOR_LABEL)] {
        terms.extend(
            left(object, field)
                .map(|name| waiting_label(prefix, name))
                .filter_map(|(key, digest)| waiting_term(&key, &digest)),
        );
    }
    terms
}

/// The index term of LogicalClusters that carry a label which says who is waited for; `None` for other labels.
pub fn waiting_term(key: &str, value: &str) -> Option<Bytes> {
    let kinds = [(INITIALIZER_LABEL, "initializer"), (TERMINATOR_LABEL, "terminator")];
    let (_, kind) = kinds.into_iter().find(|(prefix, _)| key.starts_with(prefix))?;
    Some(Bytes::from(format!("{kind}/{value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_follow_the_status_and_terms_name_who_is_waited_for() {
        let mut object = json!({
            "metadata": {"labels": {"mine": "stays", "initializer.internal.kcp.io/old": "x"}},
            "status": {"phase": "Initializing", "initializers": ["root:universal"], "terminators": ["root:a"]},
        });
        label(&mut object);
        // printf root:universal | sha224sum
        let hex = "d1d6459a03641b6fd7560fc2849f6c66fa971a0afeded6ba2d2743f2";
        let labels = object["metadata"]["labels"].as_object().unwrap();
        assert_eq!(labels.len(), 4, "{labels:?}");
        assert_eq!(labels["mine"], "stays");
        assert_eq!(labels[PHASE_LABEL], "Initializing");
        assert_eq!(labels[&format!("{INITIALIZER_LABEL}{}", &hex[..35])], hex);
        let digest = |name: &str| waiting_label(TERMINATOR_LABEL, name).1;
        assert_eq!(terms(&object), [format!("initializer/{hex}"), format!("terminator/{}", digest("root:a"))]);
        object["status"] = json!({"phase": "Ready"});
        label(&mut object);
        assert_eq!(object["metadata"]["labels"], json!({"mine": "stays", PHASE_LABEL: "Ready"}));
        assert!(terms(&object).is_empty());
    }
}
