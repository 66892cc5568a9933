//! Label and field selectors of lists, watches and collection deletes, over stored objects.

use crate::exchange::Exchange;
use crate::registry::Served;
use crate::request_info::value;
use crate::verbs::output;
use kcp_apimachinery::selector::{field, label};
use kcp_apimachinery::status::Status;
use kcp_storage::Item;
use serde_json::Value;
use std::borrow::Cow;

/// What a collection request narrows itself to.
pub struct Selection {
    labels: label::Selector,
    fields: field::Selector,
    everything: bool,
}

/// The words for a label that fields cannot be selected by: kinds without labels of their own name the two that all have.
fn unsupported(served: &Served, error: &str) -> String {
    match error.strip_prefix("field label not supported: ") {
        Some(label) if served.is_typed() && !served.strategy.has_selectable_fields() => {
            format!("{label:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
        }
        _ => error.to_owned(),
    }
}

impl Selection {
    /// Reads the selectors from a query and checks that the resource can be selected by them.
    pub fn parse(exchange: &Exchange, served: &Served) -> Result<Self, Status> {
        let query = exchange.query();
        let labels =
            label::Selector::parse(&value(query, "labelSelector").unwrap_or_default()).map_err(Status::bad_request)?;
        let mut fields =
            field::Selector::parse(&value(query, "fieldSelector").unwrap_or_default()).map_err(Status::bad_request)?;
        fields
            .validate(|name| {
                name == "metadata.name"
                    || (name == "metadata.namespace"
                        && (served.namespaced || !served.is_custom())
                        && served.storage != "namespaces")
                    || served.strategy.selects_by(name)
            })
            .map_err(|error| Status::bad_request(unsupported(served, &error)))?;
        let info = &exchange.info;
        if info.names_object && fields.exact_match("metadata.name").is_some_and(|name| name != info.name) {
            return Err(Status::bad_request("fieldSelector metadata.name doesn't match requested name"));
        }
        // The deprecated path of a watch may name its object.
        if info.names_object && fields.is_everything() {
            let escaped = info.name.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=");
            fields = field::Selector::parse(&format!("metadata.name={escaped}")).map_err(Status::bad_request)?;
        }
        let everything = labels.is_everything() && fields.is_everything();
        Ok(Self { labels, fields, everything })
    }

    /// Whether nothing is filtered out.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// What the selection asks of labels.
    pub fn labels(&self) -> &[label::Requirement] {
        self.labels.requirements()
    }

    /// The one name the selection allows, where there is one.
    pub fn only_name(&self) -> Option<&str> {
        self.fields.exact_match("metadata.name")
    }

    /// Whether a stored object is selected, by what it is at the version it is `served` at.
    pub fn matches(&self, served: &Served, item: &Item) -> Result<bool, Status> {
        if self.everything {
            return Ok(true);
        }
        // Names need no decoding: a selection by name skips all other objects at once.
        if self.only_name().is_some_and(|name| name != item.key.name()) {
            return Ok(false);
        }
        Ok(self.matches_object(served, &output::object(served, item)?))
    }

    /// Whether an object is selected.
    pub fn matches_object(&self, served: &Served, object: &Value) -> bool {
        self.everything
            || (self.labels.matches_object(object) && self.fields.matches_with(|name| field(served, object, name)))
    }
}

fn field<'a>(served: &Served, object: &'a Value, name: &str) -> Option<Cow<'a, str>> {
    let meta = |key: &str| Cow::Borrowed(object["metadata"][key].as_str().unwrap_or_default());
    match name {
        "metadata.name" => Some(meta("name")),
        "metadata.namespace" => Some(meta("namespace")),
        other => served.strategy.field(object, other).map(Cow::Owned),
    }
}
