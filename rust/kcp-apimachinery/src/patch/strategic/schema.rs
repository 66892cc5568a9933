//! The merge rules of a kind, as data.

use std::collections::BTreeMap;

/// How a list in a patch meets the list in the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListStrategy {
    /// The patch's list takes the place of the other.
    #[default]
    Replace,
    /// Values of the patch are added to those there are.
    MergeValues,
    /// Items with the same value of this field are merged, others are added.
    MergeByKey(String),
}

/// The merge rules of a kind: for each field how it merges, and the rules of what is below it.
///
/// Fields that are not named merge when they are maps and replace when they are lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StrategicSchema {
    fields: BTreeMap<String, Field>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) list: ListStrategy,
    /// A map that is replaced as a whole.
    pub(super) replace_map: bool,
    pub(super) below: StrategicSchema,
}

static EMPTY: Field =
    Field { list: ListStrategy::Replace, replace_map: false, below: StrategicSchema { fields: BTreeMap::new() } };

impl StrategicSchema {
    /// Rules that name no field.
    pub const fn new() -> Self {
        Self { fields: BTreeMap::new() }
    }

    /// Rules of an object whose metadata merges as Kubernetes' does: owners by uid, finalizers by value.
    pub fn object() -> Self {
        let metadata = Self::new().merge_by_key("ownerReferences", "uid", Self::new()).merge_values("finalizers");
        Self::new().below("metadata", metadata)
    }

    /// The same rules, where the map or list of maps `field` has these rules below it.
    #[must_use]
    pub fn below(mut self, field: impl Into<String>, rules: Self) -> Self {
        self.fields.entry(field.into()).or_default().below = rules;
        self
    }

    /// The same rules, where the list of maps `field` merges items with equal values of `key`.
    #[must_use]
    pub fn merge_by_key(mut self, field: impl Into<String>, key: impl Into<String>, item: Self) -> Self {
        let entry = self.fields.entry(field.into()).or_default();
        entry.list = ListStrategy::MergeByKey(key.into());
        entry.below = item;
        self
    }

    /// The same rules, where the list of scalars `field` merges by value.
    #[must_use]
    pub fn merge_values(mut self, field: impl Into<String>) -> Self {
        self.fields.entry(field.into()).or_default().list = ListStrategy::MergeValues;
        self
    }

    /// The same rules, where the map `field` is replaced as a whole.
    #[must_use]
    pub fn replace_map(mut self, field: impl Into<String>) -> Self {
        self.fields.entry(field.into()).or_default().replace_map = true;
        self
    }

    /// Whether no field is named.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub(super) fn field(&self, name: &str) -> &Field {
        self.fields.get(name).unwrap_or(&EMPTY)
    }
}
