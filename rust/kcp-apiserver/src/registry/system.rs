//! Definitions that the program itself brings: served in every logical cluster, stored in none.

use crate::registry::custom;
use crate::registry::group::{CustomGroup, Draft, Member, group_of};
use crate::strategy::rules;
use crate::yaml;
use kcp_schema::Pool;
use kcp_schema::crd::{self, Definition};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Groups by name.
pub type Groups = BTreeMap<Arc<str>, Arc<CustomGroup>>;

/// Reads a definition as a client would send it, and establishes it.
///
/// # Errors
/// When it is not YAML, or not a definition that a server would take.
pub fn read(definition: &[u8]) -> Result<Value, String> {
    let (mut object, complaints) = yaml::read(definition)?;
    let unknown = crd::decode(&mut object)?;
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if !complaints.is_empty() || !unknown.is_empty() {
        return Err(format!("definition {name}: {}", [complaints, unknown].concat().join(", ")));
    }
    crd::default(&mut object);
    crd::prepare_for_create(&mut object);
    if let Some(errors) = crd::validate_create(&object).aggregate() {
        return Err(format!("definition {name}: {errors}"));
    }
    // Nobody sees when.
    crd::decide_status(&mut object, std::iter::empty(), "");
    Ok(object)
}

/// The groups of some definitions, compiled.
///
/// # Errors
/// When one cannot be served.
pub fn groups(definitions: &[Value], schemas: &Pool) -> Result<Groups, String> {
    let mut drafts: BTreeMap<String, Draft> = BTreeMap::new();
    for object in definitions {
        let member = member(object, schemas)?;
        let group = group_of(&member.name).to_owned();
        let draft = drafts.entry(group.clone()).or_insert_with(|| Draft::of(&group, None));
        draft.set(&Arc::clone(&member.name), Some(Arc::new(member)));
    }
    let finished = drafts.into_iter().map(|(name, draft)| {
        let identity = draft.identity();
        (Arc::from(name), Arc::new(draft.finish(identity)))
    });
    Ok(finished.collect())
}

fn member(object: &Value, schemas: &Pool) -> Result<Member, String> {
    let identity = Member::identify(object);
    let mut member = Member::compile(object, identity, schemas);
    if member.served.is_empty() {
        return Err(format!("definition {} is not served", member.name));
    }
    let definition = Definition::parse(object, schemas).map_err(|errors| errors.aggregate().unwrap_or_default())?;
    let rules = rules::of(&member.name);
    member.served = custom::served_with(&Arc::new(definition), identity, Some(rules));
    Ok(member)
}
