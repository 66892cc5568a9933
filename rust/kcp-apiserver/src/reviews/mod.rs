//! Kinds that are asked, not stored: who a token stands for, who may do what, who am I.

mod access;
mod rules;
mod token;
mod who;

use crate::exchange::{Exchange, UserInfo};
use crate::server::ApiServer;
use crate::strategy::Strategy;
use crate::strategy::base::Base;
use kcp_apimachinery::status::Status;
use kcp_storage::BoxFuture;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Which question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    LocalAccess,
    SelfAccess,
    SelfRules,
    SelfWho,
    Access,
    Token,
}

/// The strategy of a review kind.
struct Review {
    base: Base,
    question: Question,
}

/// The strategy of the review kind whose declaration gives this name; `None` for other names.
pub fn strategy(name: &str, definition: &str) -> Option<Arc<dyn Strategy>> {
    let question = match name {
        "localsubjectaccessreviews" => Question::LocalAccess,
        "selfsubjectaccessreviews" => Question::SelfAccess,
        "selfsubjectreviews" => Question::SelfWho,
        "selfsubjectrulesreviews" => Question::SelfRules,
        "subjectaccessreviews" => Question::Access,
        "tokenreviews" => Question::Token,
        _ => return None,
    };
    Some(Arc::new(Review { base: Base::new(definition), question }))
}

impl Strategy for Review {
    fn failures(&self, object: &mut Value) -> Vec<crate::typed::Failure> {
        self.base.failures(object)
    }

    fn decode(&self, object: &mut Value) -> Result<Vec<String>, String> {
        self.base.decode(object)
    }

    fn base(&self) -> Option<&Base> {
        // The answer about rules is a new object, which nobody wrote.
        (self.question != Question::SelfRules).then_some(&self.base)
    }

    fn answer<'a>(
        &'a self,
        server: &'a ApiServer,
        exchange: &'a Exchange,
        object: Value,
    ) -> Option<BoxFuture<'a, Result<Value, Status>>> {
        Some(Box::pin(create(server, exchange, self.question, object)))
    }

    fn cells(&self, _object: &Value, _now: jiff::Timestamp) -> Vec<Value> {
        Vec::new()
    }
}

async fn create(
    server: &ApiServer,
    exchange: &Exchange,
    question: Question,
    mut review: Value,
) -> Result<Value, Status> {
    if !review["metadata"].is_object() {
        review["metadata"] = Value::Object(Map::new());
    }
    if let (false, Some(meta)) = (question == Question::LocalAccess, review["metadata"].as_object_mut()) {
        // A namespace says nothing of what is in none.
        meta.remove("namespace");
    }
    match question {
        Question::LocalAccess | Question::SelfAccess | Question::Access => {
            access::answer(server, exchange, question, review).await
        }
        Question::SelfRules => rules::answer(server, exchange, review).await,
        Question::SelfWho => Ok(who::answer(server, exchange, review)),
        Question::Token => token::answer(server, exchange, review).await,
    }
}

/// A user as reviews show one: empty parts are left out.
fn user_info(user: &UserInfo) -> Value {
    let mut shown = Map::new();
    shown.insert("username".into(), user.name.clone().into());
    if !user.uid.is_empty() {
        shown.insert("uid".into(), user.uid.clone().into());
    }
    if !user.groups.is_empty() {
        shown.insert("groups".into(), user.groups.clone().into());
    }
    if !user.extra.is_empty() {
        shown.insert("extra".into(), json!(user.extra));
    }
    Value::Object(shown)
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
