//! Service-account tokens hold for one account of one logical cluster, while it stands.

use crate::harness::{Harness, ISSUER};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kcp_apiserver::authn::jwt::{Claims, SigningKey};
use kcp_apiserver::authn::service_account;
use serde_json::{Value, json};

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn account(name: &str) -> Value {
    json!({"kind": "ServiceAccount", "namespace": "default", "name": name})
}

fn claims(token: &str) -> Claims {
    let body = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("claims")).expect("base64");
    serde_json::from_slice(&body).expect("claims")
}

async fn who(harness: &Harness, token: &str, prefix: &str) -> crate::harness::Answer {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    harness.post(token, &format!("{prefix}/apis/authentication.k8s.io/v1/selfsubjectreviews"), review).await
}

#[tokio::test]
async fn a_token_is_good_in_its_own_logical_cluster_only() {
    let harness = Harness::new().await;
    let here = harness.account("one", "robot").await;
    let there = harness.account("two", "robot").await;
    harness.bind("one", "cluster-admin", account("robot")).await;
    harness.get(&here, &format!("/clusters/one{CONFIG_MAPS}")).await.expect(200);
    // The account of the same name in the other cluster is somebody else, wherever its token is shown.
    harness.get(&there, &format!("/clusters/one{CONFIG_MAPS}")).await.expect(401);
    harness.get(&here, &format!("/clusters/two{CONFIG_MAPS}")).await.expect(401);
    harness.get(&there, &format!("/clusters/two{CONFIG_MAPS}")).await.expect(403);
    harness.get(&here, &format!("/clusters/*{CONFIG_MAPS}")).await.expect(401);
    harness.get(&here, "/clusters/none/api/v1/namespaces").await.expect(401);
    let header = format!("Bearer {here}");
    let headers = [("authorization", header.as_str()), ("x-kubernetes-cluster", "two")];
    harness.send("GET", CONFIG_MAPS, &headers, &Value::Null).await.expect(401);
}

#[tokio::test]
async fn a_request_without_a_logical_cluster_is_about_the_tokens_own() {
    let harness = Harness::new().await;
    let token = harness.account("one", "robot").await;
    harness.get(&token, CONFIG_MAPS).await.expect(403);
    harness.bind("one", "view", account("robot")).await;
    harness.get(&token, CONFIG_MAPS).await.expect(200);
    let me = who(&harness, &token, "").await.expect(201);
    let user = &me.body["status"]["userInfo"];
    assert_eq!(user["username"], "system:serviceaccount:default:robot");
    assert_eq!(user["extra"]["authentication.kcp.io/cluster-name"], json!(["one"]));
    // Without such a token there is no cluster to fall back to.
    harness.get("alice", CONFIG_MAPS).await.expect(403);
    harness.get("kcp-admin", CONFIG_MAPS).await.expect(403);
    let answer = harness.get("admin", CONFIG_MAPS).await.expect(500);
    assert!(answer.message().contains("no cluster found in the context"), "{}", answer.body);
}

#[tokio::test]
async fn an_account_made_anew_does_not_inherit_tokens() {
    let harness = Harness::new().await;
    let token = harness.account("one", "robot").await;
    who(&harness, &token, "/clusters/one").await.expect(201);
    let path = "/clusters/one/api/v1/namespaces/default/serviceaccounts/robot";
    harness.call("admin", "DELETE", path, Value::Null).await.expect(200);
    who(&harness, &token, "/clusters/one").await.expect(401);
    let again = harness.account("one", "robot").await;
    who(&harness, &token, "/clusters/one").await.expect(401);
    who(&harness, &again, "/clusters/one").await.expect(201);
}

#[tokio::test]
async fn a_token_ends_with_its_time_and_with_what_it_is_bound_to() {
    let harness = Harness::new().await;
    harness.account("one", "robot").await;
    let short = harness.token("one", "robot", json!({"expirationSeconds": 600})).await;
    harness.clock.advance(600);
    who(&harness, &short, "").await.expect(201);
    harness.clock.advance(61);
    who(&harness, &short, "").await.expect(401);

    let secrets = "/clusters/one/api/v1/namespaces/default/secrets";
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
    harness.post("admin", secrets, secret).await.expect(201);
    let bound = json!({"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "s"}});
    let bound = harness.token("one", "robot", bound).await;
    who(&harness, &bound, "").await.expect(201);
    harness.call("admin", "DELETE", &format!("{secrets}/s"), Value::Null).await.expect(200);
    who(&harness, &bound, "").await.expect(401);

    let other = harness.token("one", "robot", json!({"audiences": ["somebody-else"]})).await;
    who(&harness, &other, "").await.expect(401);
}

#[tokio::test]
async fn claims_are_believed_only_as_they_were_signed() {
    let harness = Harness::new().await;
    let good = harness.account("one", "robot").await;
    let there = harness.account("two", "robot").await;
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let body = |claims: &Claims| URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).expect("json"));
    let mut elsewhere = claims(&good);
    elsewhere.kubernetes.cluster_name = "two".into();
    let mut crossed = claims(&there);
    crossed.kubernetes.cluster_name = "one".into();
    let other = SigningKey::from_pem(&SigningKey::generate_pem().expect("a key")).expect("a key");
    let ours = SigningKey::from_pem(&harness.key).expect("our key");
    let mut foreign = claims(&good);
    foreign.iss = "https://elsewhere".into();
    let mut early = claims(&good);
    early.nbf += 3600;
    let mut other_uid = claims(&good);
    other_uid.kubernetes.serviceaccount.uid = "0".into();
    let mut other_name = claims(&good);
    other_name.sub = "system:serviceaccount:default:somebody".into();
    let cases = [
        ("alg none", format!("{}.{}.", encode(&json!({"alg": "none"})), parts[1])),
        ("alg HS256", format!("{}.{}.{}", encode(&json!({"alg": "HS256"})), parts[1], parts[2])),
        ("another cluster, old signature", format!("{}.{}.{}", parts[0], body(&elsewhere), parts[2])),
        ("another key", other.sign(&claims(&good)).expect("signed")),
        ("another issuer", ours.sign(&foreign).expect("signed")),
        ("not yet", ours.sign(&early).expect("signed")),
        ("another uid", ours.sign(&other_uid).expect("signed")),
        ("another cluster's account", ours.sign(&crossed).expect("signed")),
        ("another name", ours.sign(&other_name).expect("signed")),
        ("cut", good[..good.len() - 2].to_owned()),
    ];
    who(&harness, &good, "").await.expect(201);
    for (name, token) in cases {
        for prefix in ["", "/clusters/one", "/clusters/two"] {
            let answer = who(&harness, &token, prefix).await;
            assert_eq!(answer.code, 401, "{name} at {prefix:?}: {}", answer.body);
            assert!(!answer.body.to_string().contains(&token), "{name}");
        }
    }
}

#[tokio::test]
async fn a_bad_credential_is_refused_even_where_none_is_needed() {
    let harness = Harness::new().await;
    harness.get("", "/livez").await.expect(200);
    harness.get("nobody-knows-it", "/livez").await.expect(401);
    harness.send("GET", "/livez", &[("authorization", "bEaReR nope")], &Value::Null).await.expect(401);
    harness.send("GET", "/livez", &[("authorization", "Basic YTpi")], &Value::Null).await.expect(200);
    harness.send("GET", "/livez", &[("authorization", "Bearer ")], &Value::Null).await.expect(200);
}

#[tokio::test]
async fn headers_of_a_proxy_name_nobody() {
    let harness = Harness::new().await;
    let headers = [("x-remote-user", "admin"), ("x-remote-group", "system:masters")];
    let answer = harness.send("GET", "/clusters/root/api/v1/namespaces", &headers, &Value::Null).await.expect(403);
    assert!(answer.message().contains("system:anonymous"), "{}", answer.body);
}

#[tokio::test]
async fn keys_are_published_for_others_to_check_tokens() {
    let harness = Harness::new().await;
    let configuration = service_account::openid_configuration(&harness.server).expect("a document");
    assert_eq!(configuration["issuer"], ISSUER);
    assert_eq!(configuration["jwks_uri"], "https://127.0.0.1:6443/openid/v1/jwks");
    let keys = service_account::jwks(&harness.server).expect("a document");
    assert_eq!(keys["keys"][0]["alg"], "ES256");
}
