//! Rules as roles state them: what they allow, what they cover, how messages print them.

use super::Attributes;
use kcp_apimachinery::text;
use serde::{Deserialize, Deserializer};
use std::collections::{BTreeMap, BTreeSet};

/// One rule of a role. Absent lists are empty ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// Verbs; `*` for all.
    #[serde(deserialize_with = "nullable")]
    pub verbs: Vec<String>,
    /// API groups; `*` for all.
    #[serde(deserialize_with = "nullable")]
    pub api_groups: Vec<String>,
    /// `resource`, `resource/subresource`, `*/subresource` or `*`.
    #[serde(deserialize_with = "nullable")]
    pub resources: Vec<String>,
    /// Names of objects; empty for all.
    #[serde(deserialize_with = "nullable")]
    pub resource_names: Vec<String>,
    /// Paths that are no resources; a trailing `*` stands for any rest.
    #[serde(rename = "nonResourceURLs", deserialize_with = "nullable")]
    pub non_resource_urls: Vec<String>,
}

fn nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Rule {
    /// Whether the rule allows what `attributes` describe.
    pub fn allows(&self, attributes: &Attributes<'_>) -> bool {
        if !attributes.is_resource {
            return self.non_resource_urls.iter().any(|url| path_matches(url, attributes.path))
                && has_or_star(&self.verbs, attributes.verb);
        }
        // Groups tell most rules apart, so they come first.
        has_or_star(&self.api_groups, attributes.group)
            && self.resources.iter().any(|resource| resource_matches(resource, attributes))
            && has_or_star(&self.verbs, attributes.verb)
            && (self.resource_names.is_empty() || has(&self.resource_names, attributes.name))
    }

    /// Whether this rule alone covers `part`, which has one verb and at most one of everything else.
    fn covers(&self, part: &Self) -> bool {
        has_all_or_star(&self.verbs, &part.verbs)
            && has_all_or_star(&self.api_groups, &part.api_groups)
            && resources_cover(&self.resources, &part.resources)
            && (self.resource_names.is_empty()
                || !part.resource_names.is_empty() && has_all(&self.resource_names, &part.resource_names))
            && part
                .non_resource_urls
                .iter()
                .all(|path| self.non_resource_urls.iter().any(|own| own == path || path_matches(own, path)))
    }

    /// The rule split into parts of one verb, one group, one resource and at most one name, or one verb and one path.
    fn parts(&self) -> Vec<Self> {
        let one = |text: &String| vec![text.clone()];
        let mut parts = Vec::new();
        for group in &self.api_groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    let part =
                        Self { verbs: one(verb), api_groups: one(group), resources: one(resource), ..Self::default() };
                    if self.resource_names.is_empty() {
                        parts.push(part);
                    } else {
                        let named = |name| Self { resource_names: one(name), ..part.clone() };
                        parts.extend(self.resource_names.iter().map(named));
                    }
                }
            }
        }
        for url in &self.non_resource_urls {
            for verb in &self.verbs {
                parts.push(Self { verbs: one(verb), non_resource_urls: one(url), ..Self::default() });
            }
        }
        parts
    }

    /// The rule as messages print it: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`.
    pub fn describe(&self) -> String {
        let fields = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ];
        let shown = fields.iter().filter(|(_, values)| !values.is_empty());
        let shown: Vec<String> = shown.map(|(name, values)| format!("{name}:{}", quoted_list(values))).collect();
        format!("{{{}}}", shown.join(", "))
    }
}

/// A list as Go's `%q` prints it: `["a" "b"]`.
pub fn quoted_list(values: &[String]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| text::quote(value)).collect();
    format!("[{}]", quoted.join(" "))
}

/// The parts of `wanted` that no rule of `held` covers.
pub fn uncovered<'a>(held: &[&Rule], wanted: impl IntoIterator<Item = &'a Rule>) -> Vec<Rule> {
    let parts = wanted.into_iter().flat_map(Rule::parts);
    parts.filter(|part| !held.iter().any(|rule| rule.covers(part))).collect()
}

/// Parts joined again where they differ by their verbs alone, printed, sorted and without repetition.
pub fn describe_compact(parts: &[Rule]) -> Vec<String> {
    type Simple<'a> = (&'a str, &'a str, Option<&'a str>);
    let mut simple: BTreeMap<Simple<'_>, Rule> = BTreeMap::new();
    let mut lines = BTreeSet::new();
    for part in parts {
        match (part.api_groups.as_slice(), part.resources.as_slice(), part.resource_names.as_slice()) {
            ([group], [resource], names) if names.len() <= 1 && part.non_resource_urls.is_empty() => {
                let key = (group.as_str(), resource.as_str(), names.first().map(String::as_str));
                match simple.entry(key) {
                    std::collections::btree_map::Entry::Vacant(entry) => {
                        entry.insert(part.clone());
                    }
                    std::collections::btree_map::Entry::Occupied(mut entry) => {
                        entry.get_mut().verbs.extend_from_slice(&part.verbs);
                    }
                }
            }
            _ => {
                lines.insert(part.describe());
            }
        }
    }
    lines.extend(simple.values().map(Rule::describe));
    lines.into_iter().collect()
}

fn has(set: &[String], wanted: &str) -> bool {
    set.iter().any(|entry| entry == wanted)
}

fn has_or_star(set: &[String], wanted: &str) -> bool {
    set.iter().any(|entry| entry == wanted || entry == "*")
}

fn has_all(set: &[String], wanted: &[String]) -> bool {
    wanted.iter().all(|entry| has(set, entry))
}

fn has_all_or_star(set: &[String], wanted: &[String]) -> bool {
    has(set, "*") || has_all(set, wanted)
}

/// `*`, the exact resource with its subresource, or `*/subresource`. A resource alone does not stand for its
/// subresources, and `resource/*` has no meaning.
fn resource_matches(rule: &str, attributes: &Attributes<'_>) -> bool {
    if rule == "*" {
        return true;
    }
    if attributes.subresource.is_empty() {
        return rule == attributes.resource;
    }
    rule.split_once('/').is_some_and(|(resource, subresource)| {
        subresource == attributes.subresource && (resource == "*" || resource == attributes.resource)
    })
}

fn resources_cover(set: &[String], wanted: &[String]) -> bool {
    has(set, "*")
        || wanted.iter().all(|resource| {
            has(set, resource)
                || resource.split_once('/').is_some_and(|(_, sub)| set.iter().any(|own| is_any_of(own, sub)))
        })
}

fn is_any_of(own: &str, subresource: &str) -> bool {
    own.strip_prefix("*/") == Some(subresource)
}

fn path_matches(rule: &str, path: &str) -> bool {
    rule == path || rule.ends_with('*') && path.starts_with(rule.trim_end_matches('*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn rule(verbs: &[&str], groups: &[&str], resources: &[&str], names: &[&str]) -> Rule {
        Rule {
            verbs: list(verbs),
            api_groups: list(groups),
            resources: list(resources),
            resource_names: list(names),
            non_resource_urls: Vec::new(),
        }
    }

    fn paths(verbs: &[&str], urls: &[&str]) -> Rule {
        Rule { verbs: list(verbs), non_resource_urls: list(urls), ..Rule::default() }
    }

    fn resource<'a>(verb: &'a str, group: &'a str, resource: &'a str, name: &'a str) -> Attributes<'a> {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        Attributes { verb, group, resource, subresource, name, is_resource: true, ..Attributes::default() }
    }

    #[test]
    fn rules_match_as_kubernetes_matches_them() {
        let all = rule(&["*"], &["*"], &["*"], &[]);
        let pods = rule(&["get", "list"], &[""], &["pods"], &[]);
        let table = [
            ("everything", &all, resource("get", "a.b", "c/d", "e"), true),
            ("exact", &pods, resource("get", "", "pods", "x"), true),
            ("another verb", &pods, resource("watch", "", "pods", "x"), false),
            ("another group", &pods, resource("get", "x.y", "pods", "x"), false),
            ("a resource does not grant its subresources", &pods, resource("get", "", "pods/log", "x"), false),
            (
                "exact subresource",
                &rule(&["get"], &[""], &["pods/log"], &[]),
                resource("get", "", "pods/log", ""),
                true,
            ),
            (
                "subresource does not grant the resource",
                &rule(&["get"], &[""], &["pods/log"], &[]),
                resource("get", "", "pods", ""),
                false,
            ),
            ("any/sub", &rule(&["get"], &[""], &["*/scale"], &[]), resource("get", "", "pods/scale", ""), true),
            (
                "any/sub for another",
                &rule(&["get"], &[""], &["*/scale"], &[]),
                resource("get", "", "pods/status", ""),
                false,
            ),
            ("any/sub for none", &rule(&["get"], &[""], &["*/scale"], &[]), resource("get", "", "pods", ""), false),
            (
                "resource/* means nothing",
                &rule(&["get"], &[""], &["pods/*"], &[]),
                resource("get", "", "pods/log", ""),
                false,
            ),
            ("name", &rule(&["get"], &[""], &["pods"], &["a"]), resource("get", "", "pods", "a"), true),
            ("another name", &rule(&["get"], &[""], &["pods"], &["a"]), resource("get", "", "pods", "b"), false),
            (
                "named rules do not list",
                &rule(&["list"], &[""], &["pods"], &["a"]),
                resource("list", "", "pods", ""),
                false,
            ),
            ("resource rules grant no paths", &all, Attributes::path("get", "/metrics"), false),
            ("path", &paths(&["get"], &["/metrics"]), Attributes::path("get", "/metrics"), true),
            ("path below", &paths(&["get"], &["/metrics"]), Attributes::path("get", "/metrics/x"), false),
            ("star path", &paths(&["get"], &["/api/*"]), Attributes::path("get", "/api/v1"), true),
            ("star path without its rest", &paths(&["get"], &["/api/*"]), Attributes::path("get", "/api"), false),
            ("all paths", &paths(&["*"], &["*"]), Attributes::path("post", "/x"), true),
            ("star in the middle", &paths(&["get"], &["/a/*/b"]), Attributes::path("get", "/a/x/b"), false),
            ("path rules grant no resources", &paths(&["*"], &["*"]), resource("get", "", "pods", ""), false),
        ];
        for (name, rule, attributes, expected) in table {
            assert_eq!(rule.allows(&attributes), expected, "{name}");
        }
    }

    #[test]
    fn missing_rights_are_printed_compact_and_sorted() {
        let held = [rule(&["get"], &[""], &["pods"], &[]), paths(&["get"], &["/api/*"])];
        let held: Vec<&Rule> = held.iter().collect();
        let wanted = [
            rule(&["get", "list", "watch"], &["", "apps"], &["pods"], &[]),
            rule(&["get"], &[""], &["secrets"], &["a", "b"]),
            paths(&["get"], &["/api/v1", "/x"]),
        ];
        let lines = describe_compact(&uncovered(&held, &wanted));
        assert_eq!(
            lines,
            [
                r#"{APIGroups:[""], Resources:["pods"], Verbs:["list" "watch"]}"#,
                r#"{APIGroups:[""], Resources:["secrets"], ResourceNames:["a"], Verbs:["get"]}"#,
                r#"{APIGroups:[""], Resources:["secrets"], ResourceNames:["b"], Verbs:["get"]}"#,
                r#"{APIGroups:["apps"], Resources:["pods"], Verbs:["get" "list" "watch"]}"#,
                r#"{NonResourceURLs:["/x"], Verbs:["get"]}"#,
            ]
        );
    }

    #[test]
    fn wider_rules_cover_narrower_ones() {
        let covered = |held: &Rule, wanted: &Rule| uncovered(&[held], [wanted]).is_empty();
        let all = rule(&["*"], &["*"], &["*"], &[]);
        assert!(covered(&all, &rule(&["get"], &["a"], &["b/c"], &["d"])));
        assert!(!covered(&all, &paths(&["get"], &["/x"])));
        assert!(covered(&rule(&["get"], &[""], &["*/scale"], &[]), &rule(&["get"], &[""], &["pods/scale"], &[])));
        assert!(!covered(&rule(&["get"], &[""], &["pods"], &["a"]), &rule(&["get"], &[""], &["pods"], &[])));
        assert!(covered(&rule(&["get"], &[""], &["pods"], &["a", "b"]), &rule(&["get"], &[""], &["pods"], &["b"])));
        assert!(!covered(&rule(&["get"], &[""], &["pods"], &[]), &rule(&["*"], &[""], &["pods"], &[])));
        assert!(covered(&paths(&["*"], &["/a*"]), &paths(&["get"], &["/a/b*"])));
    }
}
