//! What a CRD may say but the server will not do.

use super::list;
use super::spec::open_api;
use crate::formats::Format;
use crate::path::At;
use crate::props::{Extra, Items, Props};
use kcp_apimachinery::text::quote;
use serde_json::Value;
use std::collections::BTreeSet;

/// Warnings for a CRD that is being created, each once.
pub fn warnings(crd: &Value) -> Vec<String> {
    let mut all = Vec::new();
    let mut sets = BTreeSet::new();
    for version in list(crd.pointer("/spec/versions")) {
        let Some(Ok(schema)) = open_api(version).map(|schema| Props::parse(schema, &At::Root)) else { continue };
        visit(&schema, &mut |s| {
            let kind = if s.int_or_string { "integer,string" } else { s.kind };
            // Of a node with two types the format is judged as of none.
            let kind = if kind.contains(',') { "" } else { kind };
            if !s.format.is_empty() && Format::for_type(kind, s.format).is_none() {
                all.push(format!("unrecognized format {}", quote(s.format)));
            }
            if s.list_type == Some("set")
                && let Some(item) = s.item()
                && matches!(item.kind, "object" | "array")
            {
                sets.insert(format!(
                    "x-kubernetes-list-type: set for items of type {} is not supported by server-side apply or CEL \
                     validation rules",
                    quote(item.kind)
                ));
            }
        });
    }
    all.extend(sets);
    let mut seen = BTreeSet::new();
    all.retain(|warning| seen.insert(warning.clone()));
    all
}

/// Warnings for a changed CRD: those that the old one did not already earn.
pub fn update_warnings(new: &Value, old: &Value) -> Vec<String> {
    let old: BTreeSet<String> = warnings(old).into_iter().collect();
    let mut new = warnings(new);
    new.retain(|warning| !old.contains(warning));
    new
}

fn visit(s: &Props<'_>, f: &mut dyn FnMut(&Props<'_>)) {
    f(s);
    match &s.items {
        Some(Items::One(item)) => visit(item, f),
        Some(Items::Many(items)) => items.iter().for_each(|item| visit(item, f)),
        None => {}
    }
    if let Some(Extra::Schema(extra)) = &s.extra {
        visit(extra, f);
    }
    s.all_of.iter().chain(&s.any_of).chain(&s.one_of).for_each(|branch| visit(branch, f));
    if let Some(not) = &s.not {
        visit(not, f);
    }
    s.properties.iter().for_each(|(_, property)| visit(property, f));
}
