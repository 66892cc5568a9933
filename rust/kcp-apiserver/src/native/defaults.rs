//! What objects of native kinds are given where they say nothing, by the message that a part of them is.

use super::form;
use serde_json::{Map, Value, json};

type Fields = Map<String, Value>;

/// A default that depends on nothing.
#[derive(Clone, Copy)]
enum Given {
    Text(&'static str),
    Number(i64),
    Truth(bool),
    /// A part that is always printed.
    Part,
}

use Given::{Number, Part, Text, Truth};

const CONTAINER: &[(&str, Given)] = &[
    ("resources", Part),
    ("terminationMessagePath", Text("/dev/termination-log")),
    ("terminationMessagePolicy", Text("File")),
];

const MODE: &[(&str, Given)] = &[("defaultMode", Number(0o644))];

/// The defaults of a message, by its name behind `io.k8s.api.`.
fn given(message: &str) -> &'static [(&'static str, Given)] {
    match message {
        "apps.v1.Deployment" => &[("spec", Part), ("status", Part)],
        "apps.v1.DeploymentSpec" => &[
            ("replicas", Number(1)),
            ("revisionHistoryLimit", Number(10)),
            ("progressDeadlineSeconds", Number(600)),
            ("strategy", Part),
        ],
        "apps.v1.RollingUpdateDeployment" => &[("maxUnavailable", Text("25%")), ("maxSurge", Text("25%"))],
        "core.v1.AzureDiskVolumeSource" => &[
            ("cachingMode", Text("ReadWrite")),
            ("fsType", Text("ext4")),
            ("readOnly", Truth(false)),
            ("kind", Text("Shared")),
        ],
        "core.v1.ConfigMapVolumeSource"
        | "core.v1.DownwardAPIVolumeSource"
        | "core.v1.ProjectedVolumeSource"
        | "core.v1.SecretVolumeSource" => MODE,
        "core.v1.Container" | "core.v1.EphemeralContainer" => CONTAINER,
        "core.v1.ContainerPort" => &[("protocol", Text("TCP"))],
        "core.v1.ContainerStatus" => &[("state", Part), ("lastState", Part)],
        "core.v1.FileKeySelector" => &[("optional", Truth(false))],
        "core.v1.GRPCAction" => &[("service", Text(""))],
        "core.v1.HTTPGetAction" => &[("path", Text("/")), ("scheme", Text("HTTP"))],
        "core.v1.HostPathVolumeSource" => &[("type", Text(""))],
        "core.v1.ISCSIVolumeSource" => &[("iscsiInterface", Text("default"))],
        "core.v1.ObjectFieldSelector" => &[("apiVersion", Text("v1"))],
        "core.v1.PersistentVolumeClaimSpec" => &[("volumeMode", Text("Filesystem")), ("resources", Part)],
        "core.v1.PersistentVolumeClaimTemplate" | "core.v1.PodTemplateSpec" => &[("metadata", Part), ("spec", Part)],
        "core.v1.Pod" | "core.v1.Service" => &[("spec", Part), ("status", Part)],
        "core.v1.PodSpec" => &[
            ("dnsPolicy", Text("ClusterFirst")),
            ("restartPolicy", Text("Always")),
            ("securityContext", Part),
            ("terminationGracePeriodSeconds", Number(30)),
            ("schedulerName", Text("default-scheduler")),
        ],
        "core.v1.Probe" => &[
            ("timeoutSeconds", Number(1)),
            ("periodSeconds", Number(10)),
            ("successThreshold", Number(1)),
            ("failureThreshold", Number(3)),
        ],
        "core.v1.RBDVolumeSource" => {
            &[("pool", Text("rbd")), ("user", Text("admin")), ("keyring", Text("/etc/ceph/keyring"))]
        }
        "core.v1.ResourceFieldSelector" => &[("divisor", Text("0"))],
        "core.v1.ScaleIOVolumeSource" => &[("storageMode", Text("ThinProvisioned")), ("fsType", Text("xfs"))],
        "core.v1.ServiceAccountTokenProjection" => &[("expirationSeconds", Number(3600))],
        "core.v1.ServicePort" => &[("protocol", Text("TCP"))],
        "core.v1.ServiceSpec" => &[("sessionAffinity", Text("None")), ("type", Text("ClusterIP"))],
        "core.v1.ServiceStatus" => &[("loadBalancer", Part)],
        _ => &[],
    }
}

/// Fills in the defaults of an object and of everything in it.
pub fn fill(object: &mut Value, definition: &'static str) {
    form::walk(object, definition, &mut |fields, definition| {
        let message = definition.strip_prefix("io.k8s.api.").unwrap_or(definition);
        for (field, value) in given(message) {
            // What is there costs nothing: no text is made for it.
            if !fields.contains_key(*field) {
                fields.insert((*field).to_owned(), value.value());
            }
        }
        depending(fields, message);
    });
}

impl Given {
    fn value(self) -> Value {
        match self {
            Text(text) => text.into(),
            Number(number) => number.into(),
            Truth(truth) => truth.into(),
            Part => json!({}),
        }
    }
}

/// Defaults that depend on what else a part says.
fn depending(fields: &mut Fields, message: &str) {
    match message {
        "apps.v1.DeploymentStrategy" => {
            fields.entry("type").or_insert_with(|| "RollingUpdate".into());
            if fields["type"] == "RollingUpdate" {
                fields.entry("rollingUpdate").or_insert_with(|| json!({}));
            }
        }
        "core.v1.Container" | "core.v1.EphemeralContainer" => pull_policy(fields, "image", "imagePullPolicy"),
        "core.v1.ImageVolumeSource" => pull_policy(fields, "reference", "pullPolicy"),
        "core.v1.Pod" => pod(fields),
        "core.v1.PodSpec" => service_account(fields),
        "core.v1.PodStatus" => pod_ips(fields),
        "core.v1.Service" => load_balancer(fields),
        "core.v1.ServiceSpec" => service(fields),
        "core.v1.ServicePort" => {
            let unset = fields.get("targetPort").is_none_or(|port| *port == 0 || *port == "");
            if let (true, Some(port)) = (unset, fields.get("port").cloned()) {
                fields.insert("targetPort".to_owned(), port);
            }
        }
        // A volume that says nothing but its name is an empty directory.
        "core.v1.Volume" if fields.keys().all(|key| key == "name") => {
            fields.insert("emptyDir".to_owned(), json!({}));
        }
        _ => {}
    }
}

/// An image of tag `latest` is pulled always; one with a digest and no tag is not.
fn pull_policy(fields: &mut Fields, image: &str, policy: &str) {
    if fields.contains_key(policy) {
        return;
    }
    let reference = fields.get(image).and_then(Value::as_str).unwrap_or_default();
    let (name, digest) = reference.split_once('@').map_or((reference, None), |(name, digest)| (name, Some(digest)));
    // A colon before the last slash belongs to a port.
    let tag = name.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    let latest = !reference.is_empty() && tag.map_or(digest.is_none(), |tag| tag == "latest");
    fields.insert(policy.to_owned(), if latest { "Always" } else { "IfNotPresent" }.into());
}

/// What only a Pod is given, not a template of one.
fn pod(fields: &mut Fields) {
    let Some(spec) = fields.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|seconds| seconds < 0) {
        spec.insert("terminationGracePeriodSeconds".to_owned(), 1.into());
    }
    spec.entry("enableServiceLinks").or_insert(Value::Bool(true));
    let on_host = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for list in ["containers", "initContainers"] {
        let Some(Value::Array(containers)) = spec.get_mut(list) else { continue };
        for container in containers.iter_mut().filter_map(Value::as_object_mut) {
            request_limits(container);
            if on_host {
                host_ports(container);
            }
        }
    }
}

/// A resource that is limited and not requested is requested to its limit.
fn request_limits(container: &mut Fields) {
    let Some(resources) = container.get_mut("resources").and_then(Value::as_object_mut) else { return };
    let Some(Value::Object(limits)) = resources.get("limits").cloned() else { return };
    let Some(requests) = resources.entry("requests").or_insert_with(|| json!({})).as_object_mut() else { return };
    for (name, amount) in limits {
        requests.entry(name).or_insert(amount);
    }
}

fn host_ports(container: &mut Fields) {
    let Some(Value::Array(ports)) = container.get_mut("ports") else { return };
    for port in ports.iter_mut().filter_map(Value::as_object_mut) {
        if let Some(number) = port.get("containerPort").cloned() {
            port.entry("hostPort").or_insert(number);
        }
    }
}

/// The account has an older name as well; both say the same.
fn service_account(spec: &mut Fields) {
    let text = |field: &str| spec.get(field).filter(|value| **value != "").cloned();
    match text("serviceAccountName").or_else(|| text("serviceAccount")) {
        Some(name) => {
            spec.insert("serviceAccountName".to_owned(), name.clone());
            spec.insert("serviceAccount".to_owned(), name);
        }
        None => drop(spec.remove("serviceAccount")),
    }
}

/// One address and the list of them say the same; the one counts.
fn pod_ips(status: &mut Fields) {
    let first = |status: &Fields| status.get("podIPs").and_then(|ips| ips.get(0)?.get("ip").cloned());
    match (status.get("podIP").cloned(), first(status)) {
        (Some(ip), known) if known.as_ref() != Some(&ip) => {
            status.insert("podIPs".to_owned(), json!([{"ip": ip}]));
        }
        (None, Some(ip)) => drop(status.insert("podIP".to_owned(), ip)),
        _ => {}
    }
}

/// How long a Service keeps a client to one of its pods. Parts of a wrong type stay, for the schema to refuse them.
fn session_affinity(spec: &mut Fields) {
    let config = spec.get("sessionAffinityConfig");
    let client = config.and_then(|config| config.get("clientIP"));
    if [config, client].into_iter().flatten().any(|part| !part.is_object()) {
        return;
    }
    let has_seconds = client.is_some_and(|client| client.get("timeoutSeconds").is_some());
    match spec.get("sessionAffinity").and_then(Value::as_str) {
        Some("None") => drop(spec.remove("sessionAffinityConfig")),
        Some("ClientIP") if !has_seconds => {
            spec.insert("sessionAffinityConfig".to_owned(), json!({"clientIP": {"timeoutSeconds": 10_800}}));
        }
        _ => {}
    }
}

fn service(spec: &mut Fields) {
    session_affinity(spec);
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let has_external_ips = spec.get("externalIPs").and_then(Value::as_array).is_some_and(|ips| !ips.is_empty());
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") || kind == "ClusterIP" && has_external_ips {
        spec.entry("externalTrafficPolicy").or_insert_with(|| "Cluster".into());
    }
    if matches!(kind.as_str(), "ClusterIP" | "NodePort" | "LoadBalancer") {
        spec.entry("internalTrafficPolicy").or_insert_with(|| "Cluster".into());
    }
    if kind == "LoadBalancer" {
        spec.entry("allocateLoadBalancerNodePorts").or_insert(Value::Bool(true));
    }
}

/// Addresses of a load balancer are virtual unless they say otherwise.
fn load_balancer(service: &mut Fields) {
    if service.get("spec").is_none_or(|spec| spec["type"] != "LoadBalancer") {
        return;
    }
    let ingress = service.get_mut("status").and_then(|status| status.pointer_mut("/loadBalancer/ingress"));
    let Some(Value::Array(ingress)) = ingress else { return };
    for entry in ingress.iter_mut().filter_map(Value::as_object_mut) {
        if entry.contains_key("ip") {
            entry.entry("ipMode").or_insert_with(|| "VIP".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf;

    /// Fills an object of a kind of the core group.
    fn filled(kind: &'static str, mut object: Value) -> Value {
        fill(&mut object, kind);
        object
    }

    const POD: &str = "io.k8s.api.core.v1.Pod";
    const SERVICE: &str = "io.k8s.api.core.v1.Service";

    #[test]
    fn every_default_is_of_a_field_there_is() {
        for line in include_str!("../protobuf/messages.txt").lines().filter(|line| !line.starts_with([' ', '#'])) {
            let Some(message) = line.strip_prefix("io.k8s.api.") else { continue };
            for (field, _) in given(message) {
                assert!(protobuf::fields(line).contains_key(field), "{line}.{field}");
            }
        }
    }

    #[test]
    fn what_is_said_stays() {
        let object = json!({"spec": {"replicas": 0, "strategy": {"type": "Recreate"}}});
        let object = filled("io.k8s.api.apps.v1.Deployment", object);
        assert_eq!(object["spec"]["replicas"], 0);
        assert_eq!(object["spec"]["strategy"], json!({"type": "Recreate"}));
        let ports = json!([{"port": 80, "targetPort": "web"}, {"port": 53, "protocol": "UDP"}]);
        let object = filled(SERVICE, json!({"spec": {"ports": ports}}));
        let ports = json!([{"port": 80, "targetPort": "web", "protocol": "TCP"},
            {"port": 53, "targetPort": 53, "protocol": "UDP"}]);
        assert_eq!(object["spec"]["ports"], ports);
    }

    #[test]
    fn images_are_pulled_by_their_tag() {
        for (image, policy) in [
            ("a", "Always"),
            ("a:latest", "Always"),
            ("example.com:5000/a", "Always"),
            ("a:latest@sha256:0", "Always"),
            ("a:1", "IfNotPresent"),
            ("a@sha256:0", "IfNotPresent"),
            ("example.com:5000/a/b:2", "IfNotPresent"),
        ] {
            let pod = filled(POD, json!({"spec": {"containers": [{"image": image}]}}));
            assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], policy, "{image}");
        }
    }

    #[test]
    fn a_negative_grace_is_a_second() {
        let pod = filled(POD, json!({"spec": {"terminationGracePeriodSeconds": -5}}));
        assert_eq!(pod["spec"]["terminationGracePeriodSeconds"], 1);
    }

    #[test]
    fn both_names_of_an_account_say_the_same() {
        let pod = filled(POD, json!({"spec": {"serviceAccount": "a"}}));
        assert_eq!(pod["spec"]["serviceAccountName"], "a");
        let pod = filled(POD, json!({"spec": {"serviceAccount": "a", "serviceAccountName": "b"}}));
        assert_eq!(pod["spec"]["serviceAccount"], "b");
    }

    #[test]
    fn addresses_of_a_pod_follow_the_one() {
        let pod = filled(POD, json!({"status": {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.2"}]}}));
        assert_eq!(pod["status"]["podIPs"], json!([{"ip": "10.0.0.1"}]));
        let pod = filled(POD, json!({"status": {"podIPs": [{"ip": "10.0.0.2"}]}}));
        assert_eq!(pod["status"]["podIP"], "10.0.0.2");
    }

    #[test]
    fn addresses_of_a_load_balancer_are_virtual() {
        let status = json!({"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}, {"hostname": "h"}]}});
        let service = filled(SERVICE, json!({"spec": {"type": "LoadBalancer"}, "status": status}));
        let ingress = json!([{"ip": "10.0.0.1", "ipMode": "VIP"}, {"hostname": "h"}]);
        assert_eq!(service["status"]["loadBalancer"]["ingress"], ingress);
    }
}
