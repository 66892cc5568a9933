//! Pods.

use super::{list, number, or_none, text};
use crate::strategy::cells as common;
use serde_json::{Value, json};

/// What the statuses of a pod's containers come to.
struct Summary {
    ready: usize,
    total: usize,
    status: String,
    restarts: i64,
    /// When a container last restarted; empty: none did.
    last_restart: String,
}

/// Name, Ready, Status, Restarts, Age, IP, Node, Nominated Node, Readiness Gates.
pub fn cells(object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let summary = summarize(object);
    let restarts = match (summary.restarts, summary.last_restart.as_str()) {
        (0, _) | (_, "") => summary.restarts.to_string(),
        (restarts, last) => format!("{restarts} ({} ago)", common::since(last, now)),
    };
    vec![
        common::name(object),
        format!("{}/{}", summary.ready, summary.total).into(),
        summary.status.into(),
        restarts.into(),
        common::age(object, now),
        or_none(text(object, "/status/podIPs/0/ip")).into(),
        or_none(text(object, "/spec/nodeName")).into(),
        or_none(text(object, "/status/nominatedNodeName")).into(),
        readiness_gates(object).into(),
    ]
}

/// Pods that are through are so marked, for clients that hide them.
pub fn conditions(object: &Value) -> Option<Value> {
    let (reason, message) = match text(object, "/status/phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}

fn summarize(object: &Value) -> Summary {
    let phase = text(object, "/status/phase");
    let mut status = or(text(object, "/status/reason"), phase).to_owned();
    for condition in list(object, "/status/conditions") {
        if condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated" {
            "SchedulingGated".clone_into(&mut status);
        }
    }
    let init = list(object, "/spec/initContainers");
    // Init containers that go on running count like the others.
    let is_sidecar = |name: &Value| {
        init.iter().any(|container| container["name"] == *name && container["restartPolicy"] == "Always")
    };
    let sidecars = init.iter().filter(|container| container["restartPolicy"] == "Always").count();
    let mut out = Summary {
        ready: 0,
        total: list(object, "/spec/containers").len() + sidecars,
        status,
        restarts: 0,
        last_restart: String::new(),
    };
    let (mut sidecar_restarts, mut sidecar_last) = (0, String::new());
    let mut initializing = false;
    for (index, container) in list(object, "/status/initContainerStatuses").iter().enumerate() {
        let sidecar = is_sidecar(&container["name"]);
        out.restarts += number(container, "/restartCount");
        later(&mut out.last_restart, container);
        if sidecar {
            sidecar_restarts += number(container, "/restartCount");
            later(&mut sidecar_last, container);
        }
        let terminated = container.pointer("/state/terminated");
        let waiting = text(container, "/state/waiting/reason");
        let why = match terminated {
            Some(terminated) if number(terminated, "/exitCode") == 0 => continue,
            _ if sidecar && container["started"] == true => {
                out.ready += usize::from(container["ready"] == true);
                continue;
            }
            Some(terminated) => ended(terminated),
            None if !matches!(waiting, "" | "PodInitializing") => waiting.to_owned(),
            None => format!("{index}/{}", init.len()),
        };
        out.status = format!("Init:{why}");
        initializing = true;
        break;
    }
    let is_true = |kind: &str| {
        let conditions = list(object, "/status/conditions").iter();
        conditions.into_iter().any(|condition| condition["type"] == kind && condition["status"] == "True")
    };
    if !initializing || is_true("Initialized") {
        out.restarts = sidecar_restarts;
        out.last_restart = sidecar_last;
        main_containers(object, &mut out, is_true("Ready"));
    }
    if object.pointer("/metadata/deletionTimestamp").is_some_and(Value::is_string) {
        if text(object, "/status/reason") == "NodeLost" {
            "Unknown".clone_into(&mut out.status);
        } else if !matches!(phase, "Succeeded" | "Failed") {
            "Terminating".clone_into(&mut out.status);
        }
    }
    out
}

fn main_containers(object: &Value, out: &mut Summary, ready: bool) {
    let (mut running, mut error) = (false, String::new());
    for container in list(object, "/status/containerStatuses").iter().rev() {
        out.restarts += number(container, "/restartCount");
        later(&mut out.last_restart, container);
        let waiting = text(container, "/state/waiting/reason");
        if !waiting.is_empty() {
            waiting.clone_into(&mut out.status);
        } else if let Some(terminated) = container.pointer("/state/terminated") {
            out.status = ended(terminated);
            if number(terminated, "/exitCode") != 0 {
                error.clone_from(&out.status);
            }
        } else if container["ready"] == true && container.pointer("/state/running").is_some() {
            running = true;
            out.ready += 1;
        }
    }
    // A pod is not completed while one of its containers goes on.
    if out.status == "Completed" {
        if running && ready {
            "Running".clone_into(&mut out.status);
        } else if !error.is_empty() {
            out.status = error;
        } else if running {
            "NotReady".clone_into(&mut out.status);
        }
    }
}

/// Why a container ended.
fn ended(terminated: &Value) -> String {
    match (text(terminated, "/reason"), number(terminated, "/signal")) {
        ("", 0) => format!("ExitCode:{}", number(terminated, "/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

/// Keeps the later of two times at which a container ended. Times of one form compare as text.
fn later(last: &mut String, container: &Value) {
    let finished = text(container, "/lastState/terminated/finishedAt");
    if finished > last.as_str() {
        finished.clone_into(last);
    }
}

fn readiness_gates(object: &Value) -> String {
    let gates = list(object, "/spec/readinessGates");
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let conditions = list(object, "/status/conditions");
    let holds = |gate: &&Value| {
        let condition = conditions.iter().find(|condition| condition["type"] == gate["conditionType"]);
        condition.is_some_and(|condition| condition["status"] == "True")
    };
    format!("{}/{}", gates.iter().filter(holds).count(), gates.len())
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(spec: Value, status: Value) -> String {
        let object = json!({"metadata": {"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": spec,
            "status": status});
        let cells = cells(&object, "2026-01-01T01:00:00Z".parse().unwrap());
        cells[1..4].iter().map(|cell| cell.as_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    /// kube-api 2.A
    #[test]
    fn a_row_tells_what_the_containers_do() {
        let spec = json!({"containers": [{"name": "a"}, {"name": "b"}]});
        let running = json!({"name": "a", "ready": true, "restartCount": 0, "state": {"running": {}}});
        for (wanted, status) in [
            ("0/2 Pending 0", json!({"phase": "Pending"})),
            ("0/2 Evicted 0", json!({"phase": "Failed", "reason": "Evicted"})),
            ("1/2 Running 0", json!({"phase": "Running", "containerStatuses": [running]})),
            (
                "1/2 CrashLoopBackOff 3 (30m ago)",
                json!({"phase": "Running", "containerStatuses": [running,
                {"name": "b", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": {"finishedAt": "2026-01-01T00:30:00Z"}}}]}),
            ),
            (
                "0/2 Error 1",
                json!({"phase": "Running", "containerStatuses": [
                {"name": "a", "restartCount": 1, "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}),
            ),
            (
                "0/2 Signal:9 0",
                json!({"containerStatuses": [{"state": {"terminated": {"exitCode": 137, "signal": 9}}}]}),
            ),
            (
                "1/2 NotReady 0",
                json!({"containerStatuses": [
                {"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}, running]}),
            ),
            (
                "0/2 SchedulingGated 0",
                json!({"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}),
            ),
        ] {
            assert_eq!(row(spec.clone(), status), wanted);
        }
    }

    #[test]
    fn initialization_is_told_until_it_is_through() {
        let spec = json!({"containers": [{"name": "a"}],
            "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]});
        let done = json!({"name": "i", "state": {"terminated": {"exitCode": 0}}});
        let started = json!({"name": "s", "started": true, "ready": true, "restartCount": 2, "state": {"running": {}}});
        for (wanted, statuses) in [
            ("0/2 Init:0/2 0", json!([{"name": "i", "state": {"running": {}}}])),
            ("0/2 Init:ErrImagePull 0", json!([{"name": "i", "state": {"waiting": {"reason": "ErrImagePull"}}}])),
            (
                "0/2 Init:ExitCode:3 1",
                json!([{"name": "i", "restartCount": 1, "state": {"terminated": {"exitCode": 3}}}]),
            ),
            ("0/2 Init:1/2 0", json!([done, {"name": "s", "state": {"waiting": {"reason": "PodInitializing"}}}])),
            ("1/2 Pending 2", json!([done, started])),
        ] {
            assert_eq!(row(spec.clone(), json!({"phase": "Pending", "initContainerStatuses": statuses})), wanted);
        }
    }

    #[test]
    fn deleted_and_finished_pods_are_told_apart() {
        let mut object = json!({"metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"phase": "Running"}});
        assert_eq!(summarize(&object).status, "Terminating");
        assert!(conditions(&object).is_none());
        object["status"] = json!({"phase": "Succeeded"});
        assert_eq!(summarize(&object).status, "Succeeded");
        assert_eq!(conditions(&object).unwrap()[0]["reason"], "Succeeded");
        object["status"] = json!({"phase": "Running", "reason": "NodeLost"});
        assert_eq!(summarize(&object).status, "Unknown");
    }

    #[test]
    fn wide_columns_tell_where_a_pod_is() {
        let object = json!({"metadata": {"name": "p"},
            "spec": {"nodeName": "n", "readinessGates": [{"conditionType": "x"}, {"conditionType": "y"}]},
            "status": {"podIPs": [{"ip": "10.1.1.1"}], "conditions": [{"type": "y", "status": "True"}]}});
        let cells = cells(&object, jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(json!(cells[5..]), json!(["10.1.1.1", "n", "<none>", "1/2"]));
    }
}
