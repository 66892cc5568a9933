//! Typed decoding of built-in bodies: what Kubernetes' Go types would make of a JSON object.
//!
//! The OpenAPI definition of a kind is compiled once, at the first object, into a tree of [`Node`]s; decoding walks the
//! object and the tree together. It drops fields the kind does not have and reports them as the strict decoder does,
//! drops nulls and empty values that Go's encoder would omit, adds the ones it always prints, checks types with Go's
//! texts, and writes times in their canonical form. What a definition cannot say about a Go type stands in `go.rs`.

mod base64;
mod compile;
mod decode;
mod go;
mod order;

pub use compile::Definitions;
use compile::Tree;
use serde_json::Value;
use std::sync::OnceLock;

pub use self::base64::check as check_base64;
pub use decode::Failure;
pub use order::{first_in_document, in_document_order};

/// How objects of one built-in kind are decoded.
pub struct Typed {
    definition: String,
    definitions: Definitions,
    tree: OnceLock<Tree>,
}

impl Typed {
    /// Decoding by the definition of that name, looked up at the first object.
    pub fn new(definition: impl Into<String>, definitions: Definitions) -> Self {
        Self { definition: definition.into(), definitions, tree: OnceLock::new() }
    }

    /// Checks and normalises `object`. Returns what was dropped because the kind does not have it, as the strict
    /// decoder names it, in the order of the object's sorted fields.
    ///
    /// # Errors
    /// The text of Go's decoder for the first value of a wrong type.
    pub fn decode(&self, object: &mut Value) -> Result<Vec<String>, String> {
        self.tree().decode(object)
    }

    /// All values of `object` that are not what their fields hold.
    pub fn failures(&self, object: &mut Value) -> Vec<Failure> {
        self.tree().failures(object)
    }

    fn tree(&self) -> &Tree {
        self.tree.get_or_init(|| Tree::compile(&self.definition, self.definitions))
    }
}

#[cfg(test)]
mod tests;
