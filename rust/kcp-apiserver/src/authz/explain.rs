//! Why somebody may or may not do something: what each guard said, for those who may read bindings.

use super::guards::Verdict;
use super::{Attributes, Authorization, Decision};
use crate::exchange::UserInfo;
use kcp_apimachinery::status::Status;
use serde_json::{Value, json};

/// What one guard said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The guard's key.
    pub step: &'static str,
    /// `Allowed`, `Denied` or `NoOpinion` for the one that decided; `Passed` for those before it.
    pub decision: &'static str,
    /// Why.
    pub reason: String,
}

/// A decision with what led to it.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// What was decided, and by which guard.
    pub decision: Decision,
    /// What the guards said, in running order, the last of which decided.
    pub steps: Vec<Said>,
}

impl Explanation {
    /// One line: which guard decided, and why.
    pub fn summary(&self) -> String {
        let last = self.steps.last();
        let (step, reason) = last.map_or(("", ""), |said| (said.step, said.reason.as_str()));
        let word = if self.decision.allowed { "allowed" } else { "refused" };
        if reason.is_empty() { format!("{word} by {step}") } else { format!("{word} by {step}: {reason}") }
    }

    /// The answer to a question.
    pub fn to_value(&self) -> Value {
        let steps =
            self.steps.iter().map(|said| json!({"step": said.step, "decision": said.decision, "reason": said.reason}));
        json!({
            "allowed": self.decision.allowed,
            "step": self.decision.step,
            "reason": self.summary(),
            "steps": steps.collect::<Vec<_>>(),
        })
    }
}

impl Authorization {
    /// What [`Self::permits`] decides, with all that led to it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn explain(
        &self,
        cluster: &str,
        user: &UserInfo,
        attributes: &Attributes<'_>,
        deep: bool,
    ) -> Result<Explanation, Status> {
        let mut steps = Vec::new();
        let decision = self
            .decide(cluster, user, attributes, deep, |step, verdict| {
                let (decision, reason) = match verdict {
                    Verdict::Next(reason) => ("Passed", reason),
                    Verdict::Allow(reason) => ("Allowed", reason),
                    Verdict::Deny(reason) => ("Denied", reason),
                    Verdict::NoOpinion(reason) => ("NoOpinion", reason),
                };
                steps.push(Said { step, decision, reason: reason.to_string() });
            })
            .await?;
        Ok(Explanation { decision, steps })
    }
}
