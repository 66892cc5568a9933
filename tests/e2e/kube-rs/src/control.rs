//! A controller: for each posse a roster (a config map it owns), its status, and a finalizer.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::finalizer::{self, Event};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::watcher;
use kube::{Api, Client, CustomResourceExt, Resource, ResourceExt};
use serde_json::json;
use thiserror::Error as ThisError;

use crate::posse::Posse;

/// The finalizer of this controller, and the name under which it owns fields.
const NAME: &str = "posse.example.com/kube-rs";

/// What can go wrong with one posse.
#[derive(Debug, ThisError)]
enum Failure {
    /// The server refused, or was not there.
    #[error(transparent)]
    Kube(#[from] kube::Error),
    /// The finalizer could not be set or removed, or the work under it failed.
    #[error(transparent)]
    Finalizer(#[from] Box<finalizer::Error<Failure>>),
}

/// Installs the definition and reconciles until SIGTERM.
pub async fn run(client: Client) -> Result<(), Box<dyn Error>> {
    install(client.clone()).await?;
    let posses: Api<Posse> = Api::default_namespaced(client.clone());
    let rosters: Api<ConfigMap> = Api::default_namespaced(client.clone());
    Controller::new(posses, watcher::Config::default())
        .owns(rosters, watcher::Config::default())
        .shutdown_on_signal()
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(1)), Arc::new(client))
        .for_each(|result| async {
            if let Err(error) = result {
                println!("failed {error}");
            }
        })
        .await;
    println!("stopped");
    Ok(())
}

/// Creates the definition, when it is not there yet, and waits until it is established.
async fn install(client: Client) -> Result<(), Box<dyn Error>> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client);
    match definitions.create(&PostParams::default(), &Posse::crd()).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        other => drop(other?),
    }
    await_condition(definitions, Posse::crd_name(), conditions::is_crd_established()).await?;
    println!("installed");
    Ok(())
}

/// Brings one posse to what its spec says.
async fn reconcile(posse: Arc<Posse>, client: Arc<Client>) -> Result<Action, Failure> {
    let namespace = posse.namespace().unwrap_or_default();
    let posses: Api<Posse> = Api::namespaced((*client).clone(), &namespace);
    let rosters: Api<ConfigMap> = Api::namespaced((*client).clone(), &namespace);
    finalizer::finalizer(&posses, NAME, posse, |event| async {
        match event {
            Event::Apply(posse) => muster(&posse, &posses, rosters).await,
            Event::Cleanup(posse) => {
                println!("disbanded {}", posse.name_any());
                Ok(Action::await_change())
            }
        }
    })
    .await
    .map_err(|error| Failure::Finalizer(Box::new(error)))
}

/// Writes roster and status.
async fn muster(posse: &Posse, posses: &Api<Posse>, rosters: Api<ConfigMap>) -> Result<Action, Failure> {
    let name = posse.name_any();
    let roster: ConfigMap = ConfigMap {
        metadata: kube::api::ObjectMeta {
            name: Some(format!("{name}-roster")),
            owner_references: posse.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..Default::default()
        },
        data: Some([("riders".to_owned(), posse.spec.size.to_string())].into()),
        ..Default::default()
    };
    rosters.patch(&roster.name_any(), &PatchParams::apply(NAME).force(), &Patch::Apply(&with_kind(&roster))).await?;
    let status = json!({"status": {"observed_generation": posse.metadata.generation, "riders": posse.spec.size}});
    posses.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await?;
    println!("mustered {name} {}", posse.spec.size);
    Ok(Action::await_change())
}

/// A config map as apply wants it, with its type.
fn with_kind(map: &ConfigMap) -> serde_json::Value {
    let mut value = json!(map);
    value["apiVersion"] = json!("v1");
    value["kind"] = json!("ConfigMap");
    value
}
