//! The entries of an object as its scale shows them, and back.

use super::element::Element;
use super::entries::{Entries, Entry};
use super::set::FieldSet;
use std::borrow::Cow;

/// The version of scales.
pub const SCALE_VERSION: &str = "autoscaling/v1";

/// Where a scale keeps its replicas.
const IN_SCALE: [&str; 2] = ["spec", "replicas"];

/// Where objects of a version keep their replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replicas<'p> {
    /// At this dotted path: `.spec.replicas`.
    At(&'p str),
    /// The version has no scale.
    Nowhere,
    /// The version is not served.
    Unserved,
}

fn path(dotted: &str) -> Vec<Element<'_>> {
    dotted.split('.').filter(|name| !name.is_empty()).map(Element::field).collect()
}

impl<'a> Entries<'a> {
    /// Those who own the replicas, as owners of the scale's.
    pub fn to_scale<'p>(&self, replicas: impl Fn(&str) -> Replicas<'p>) -> Self {
        let owns = |entry: &&Entry<'a>| match replicas(&entry.api_version) {
            Replicas::At(at) => entry.fields.has(&path(at)),
            Replicas::Nowhere | Replicas::Unserved => false,
        };
        let seen = |entry: &Entry<'a>| Entry {
            api_version: Cow::Borrowed(SCALE_VERSION),
            fields: FieldSet::of(&[&IN_SCALE]),
            ..entry.clone()
        };
        Self(self.0.iter().filter(owns).map(seen).collect())
    }

    /// The entries of the object after its scale was written: who owns the scale's replicas owns the object's, and nobody
    /// else does. `api_version` is the version of the request.
    #[must_use]
    pub fn with_scale<'p: 'a>(
        self,
        scale: Self,
        api_version: &'a str,
        replicas: impl Fn(&str) -> Replicas<'p>,
    ) -> Self {
        let in_scale = IN_SCALE.map(Element::field);
        let mut owners: Vec<Entry<'a>> = scale.0.into_iter().filter(|entry| entry.fields.has(&in_scale)).collect();
        let mut after = Vec::with_capacity(self.0.len() + 1);
        for mut entry in self.0 {
            match replicas(&entry.api_version) {
                Replicas::Unserved => continue,
                Replicas::At(at) if entry.fields.has(&path(at)) => {
                    let same = |owner: &Entry<'a>| {
                        (owner.operation, &owner.manager, &owner.subresource)
                            == (entry.operation, &entry.manager, &entry.subresource)
                    };
                    match owners.iter().position(same) {
                        Some(index) => {
                            owners.swap_remove(index);
                        }
                        None => {
                            let mut taken = FieldSet::new();
                            taken.insert(path(at));
                            entry.fields.subtract(&taken);
                        }
                    }
                }
                Replicas::At(_) | Replicas::Nowhere => {}
            }
            if !entry.fields.is_empty() {
                after.push(entry);
            }
        }
        if let Replicas::At(at) = replicas(api_version) {
            for owner in owners {
                let mut fields = FieldSet::new();
                fields.insert(path(at));
                let known = after.iter_mut().find(|entry: &&mut Entry<'a>| {
                    let same_version = owner.operation == super::Operation::Apply || entry.api_version == api_version;
                    (entry.operation, &entry.manager, &entry.subresource)
                        == (owner.operation, &owner.manager, &owner.subresource)
                        && same_version
                });
                match known {
                    Some(entry) => entry.fields.unite(fields),
                    None => after.push(Entry { api_version: Cow::Borrowed(api_version), fields, time: None, ..owner }),
                }
            }
        }
        Self(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn replicas(version: &str) -> Replicas<'static> {
        match version {
            "v1" => Replicas::At(".spec.count"),
            "v2" => Replicas::Nowhere,
            _ => Replicas::Unserved,
        }
    }

    fn entry(manager: &str, operation: &str, version: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": version, "fieldsType": "FieldsV1",
            "fieldsV1": fields})
    }

    // kube-api 3.8.17
    #[test]
    fn owners_of_replicas_are_seen_through_the_scale() {
        let entries = json!([
            entry("a", "Apply", "v1", json!({"f:spec": {"f:count": {}, "f:other": {}}})),
            entry("b", "Update", "v1", json!({"f:spec": {"f:other": {}}})),
            entry("c", "Update", "v2", json!({"f:spec": {"f:count": {}}})),
        ]);
        let seen = Entries::decode(&entries).unwrap().to_scale(replicas).to_json();
        let want = json!([entry("a", "Apply", "autoscaling/v1", json!({"f:spec": {"f:replicas": {}}}))]);
        assert_eq!(serde_json::from_slice::<Value>(&seen).unwrap(), want);
    }

    // kube-api 3.8.17
    #[test]
    fn what_a_scale_took_is_taken_from_the_object() {
        let entries = json!([
            entry("a", "Apply", "v1", json!({"f:spec": {"f:count": {}, "f:other": {}}})),
            entry("c", "Update", "v2", json!({"f:spec": {"f:count": {}}})),
            entry("d", "Update", "v9", json!({"f:spec": {"f:count": {}}})),
        ]);
        let mut scaler = entry("s", "Update", "autoscaling/v1", json!({"f:spec": {"f:replicas": {}}}));
        scaler["subresource"] = json!("scale");
        let scale = json!([scaler]);
        let after = Entries::decode(&entries).unwrap().with_scale(Entries::decode(&scale).unwrap(), "v1", replicas);
        let mut new = entry("s", "Update", "v1", json!({"f:spec": {"f:count": {}}}));
        new["subresource"] = json!("scale");
        let want = json!([
            entry("a", "Apply", "v1", json!({"f:spec": {"f:other": {}}})),
            entry("c", "Update", "v2", json!({"f:spec": {"f:count": {}}})),
            new,
        ]);
        assert_eq!(serde_json::from_slice::<Value>(&after.to_json()).unwrap(), want);
    }

    // kube-api 3.8.17
    #[test]
    fn an_owner_that_stays_keeps_its_entry() {
        let entries = json!([entry("a", "Update", "v1", json!({"f:spec": {"f:count": {}, "f:other": {}}}))]);
        let decoded = Entries::decode(&entries).unwrap();
        let after = decoded.clone().with_scale(decoded.to_scale(replicas), "v1", replicas);
        assert_eq!(serde_json::from_slice::<Value>(&after.to_json()).unwrap(), entries);
    }
}
