//! A watcher of config maps.

use std::collections::BTreeMap;
use std::error::Error;
use std::pin::pin;

use futures_util::TryStreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt};

/// Prints every event of the default namespace's config maps; ends only with an error, as it uses no back-off.
///
/// With `streaming` the first state comes through the watch itself, else through a list in pages of two.
pub async fn run(client: Client, streaming: bool) -> Result<(), Box<dyn Error>> {
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let config = watcher::Config::default();
    let config = if streaming { config.streaming_lists() } else { config.page_size(2) };
    let mut events = pin!(watcher::watcher(maps, config));
    while let Some(event) = events.try_next().await? {
        match event {
            Event::Init => println!("init"),
            Event::InitApply(map) => println!("found {}", shown(&map)),
            Event::InitDone => println!("ready"),
            Event::Apply(map) => println!("applied {}", shown(&map)),
            Event::Delete(map) => println!("deleted {}", map.name_any()),
        }
    }
    Err("the watcher ended".into())
}

/// Name and keys of a config map, as in `prices apple=3`.
fn shown(map: &ConfigMap) -> String {
    let empty = BTreeMap::new();
    let data = map.data.as_ref().unwrap_or(&empty);
    let pairs = data.iter().filter(|(key, _)| *key != "ca.crt").map(|(key, value)| format!(" {key}={value}"));
    format!("{}{}", map.name_any(), pairs.collect::<String>())
}
