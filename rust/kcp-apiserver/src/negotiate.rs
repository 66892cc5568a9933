//! What a client wants to read and what kind of patch it sends: `Accept` and `Content-Type`.
//!
//! A clause of `Accept` that cannot be satisfied is skipped; the first that can be wins. Protobuf is offered for kinds that
//! clients have types for, and for metadata of all kinds; tables have no protobuf form.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use kcp_apimachinery::status::{Reason, Status};

use crate::protobuf;
use crate::registry::Served;
use crate::request_info;

const BUILT_IN: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const STREAMS: [&str; 2] = ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];

/// An encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Media {
    /// `application/json`.
    #[default]
    Json,
    /// `application/yaml`.
    Yaml,
    /// `application/vnd.kubernetes.protobuf`.
    Protobuf,
}

impl Media {
    /// The media type, as `Content-Type` names it.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => protobuf::MEDIA_TYPE,
        }
    }

    /// The media type of a stream of events.
    pub const fn stream_content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
            Self::Json | Self::Yaml => self.content_type(),
        }
    }
}

/// Version of `meta.k8s.io` that a transformed answer is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaVersion {
    /// `meta.k8s.io/v1`.
    V1,
    /// `meta.k8s.io/v1beta1`.
    V1Beta1,
}

impl MetaVersion {
    /// The `apiVersion` of transformed answers.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// What becomes of the objects of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// Nothing.
    #[default]
    Plain,
    /// Rows of a table.
    Table(MetaVersion),
    /// Metadata of one object, or of each object of a watch.
    PartialObject(MetaVersion),
    /// Metadata of a list's objects.
    PartialList(MetaVersion),
    /// Groups, versions and resources in one document (`apidiscovery.k8s.io/v2`).
    AggregatedDiscovery,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Negotiated {
    /// Encoding.
    pub media: Media,
    /// Transformation.
    pub shape: Shape,
    /// Whether JSON is indented.
    pub pretty: bool,
}

impl Negotiated {
    /// Whether stored bytes are the answer as they are.
    pub fn is_plain_json(&self) -> bool {
        self.shape == Shape::Plain && self.media == Media::Json && !self.pretty
    }
}

/// What an endpoint answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A document of discovery; `aggregated` where it has the aggregated form.
    Document {
        /// Whether the aggregated form is offered.
        aggregated: bool,
    },
    /// One object.
    Object,
    /// A list.
    List,
    /// A stream of events.
    Watch,
}

/// What can be had at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What is answered.
    pub endpoint: Endpoint,
    /// Whether the resource is a custom one.
    pub custom: bool,
    /// Whether the kind has objects of its own (review kinds do not): tables and partial metadata.
    pub transforms: bool,
    /// Whether there is a protobuf form of what is not transformed.
    pub protobuf: bool,
}

impl Offer {
    /// Objects, lists or watches of a resource.
    pub fn resource(endpoint: Endpoint, served: &Served) -> Self {
        Self { endpoint, custom: !served.is_typed(), transforms: true, protobuf: served.is_typed() }
    }

    /// Documents of discovery.
    pub const fn document(aggregated: bool) -> Self {
        Self { endpoint: Endpoint::Document { aggregated }, custom: false, transforms: false, protobuf: true }
    }

    /// Whether the endpoint is found by what it produces, as those of built-in resources are: a request that names
    /// nothing of that, not even `*/*`, never reaches the negotiation and is refused in other words.
    fn is_routed(&self) -> bool {
        !self.custom && self.endpoint != Endpoint::Document { aggregated: true }
    }

    /// What a routed endpoint produces.
    fn produced(&self) -> Vec<&'static str> {
        let streams = matches!(self.endpoint, Endpoint::List | Endpoint::Watch);
        BUILT_IN.into_iter().chain(STREAMS.into_iter().filter(|_| streams)).collect()
    }

    /// Whether a shape can be had in a media type.
    fn has(&self, media: Media, shape: Shape) -> bool {
        match (media, shape) {
            (Media::Json | Media::Yaml, _) => true,
            (Media::Protobuf, Shape::Plain) => self.protobuf,
            (Media::Protobuf, Shape::Table(_)) => false,
            (Media::Protobuf, Shape::PartialObject(_) | Shape::PartialList(_) | Shape::AggregatedDiscovery) => true,
        }
    }

    fn shape(&self, parameters: &Parameters<'_>) -> Option<Shape> {
        let (kind, group, version) = match (parameters.kind, parameters.group, parameters.version) {
            (None, None, None) => return Some(Shape::Plain),
            (kind, group, version) => (kind?, group?, version?),
        };
        if let Endpoint::Document { aggregated } = self.endpoint {
            let known = (kind, group, version) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2");
            return (aggregated && known).then_some(Shape::AggregatedDiscovery);
        }
        let version = match (group, version) {
            ("meta.k8s.io", "v1") => MetaVersion::V1,
            ("meta.k8s.io", "v1beta1") => MetaVersion::V1Beta1,
            _ => return None,
        };
        match kind {
            "Table" if self.transforms => Some(Shape::Table(version)),
            "PartialObjectMetadata" if self.transforms => Some(Shape::PartialObject(version)),
            "PartialObjectMetadataList" if self.transforms => Some(Shape::PartialList(version)),
            _ => None,
        }
    }
}

/// The parameters of a clause that mean something.
#[derive(Default)]
struct Parameters<'a> {
    kind: Option<&'a str>,
    group: Option<&'a str>,
    version: Option<&'a str>,
    stream: &'a str,
    pretty: bool,
}

/// One clause of `Accept`.
struct Clause<'a> {
    main: &'a str,
    sub: &'a str,
    quality: f64,
    parameters: Parameters<'a>,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (main, sub) = match parts.next()? {
            "*" => ("*", "*"),
            media => media.split_once('/')?,
        };
        let mut clause = Self { main: main.trim(), sub: sub.trim(), quality: 1.0, parameters: Parameters::default() };
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim();
            let parameters = &mut clause.parameters;
            match key.trim() {
                "q" => clause.quality = value.parse().unwrap_or(0.0),
                "as" => parameters.kind = Some(value),
                "g" => parameters.group = Some(value),
                "v" => parameters.version = Some(value),
                "stream" => parameters.stream = value,
                "pretty" => parameters.pretty = value == "1",
                _ => {}
            }
        }
        Some(clause)
    }

    /// Wildcards stand behind what is named, at the same quality.
    fn rank(&self) -> (f64, bool, bool) {
        (-self.quality, self.main == "*", self.sub == "*")
    }

    /// Whether a routed endpoint is found: routes know `*/*` and whole names, `application/*` is neither.
    fn finds_route(&self) -> bool {
        (self.main, self.sub) == ("*", "*")
            || BUILT_IN.iter().any(|known| known.split_once('/') == Some((self.main, self.sub)))
    }

    fn matches(&self, media: Media) -> bool {
        let sub = match media {
            Media::Json => "json",
            Media::Yaml => "yaml",
            Media::Protobuf => "vnd.kubernetes.protobuf",
        };
        match (self.main, self.sub) {
            ("*" | "application", "*") => true,
            ("application", named) => named == sub,
            _ => false,
        }
    }
}

/// Decides the form of an answer.
///
/// # Errors
/// 406 when no clause of `Accept` can be satisfied.
pub fn accept(headers: &HeaderMap, query: &str, offer: Offer) -> Result<Negotiated, Status> {
    let header = headers.get(ACCEPT).map_or("", |value| value.to_str().unwrap_or("-"));
    let pretty = || pretty(headers, query);
    // What most clients send needs no parsing.
    if matches!(header, "" | "application/json" | "*/*" | "application/json, */*") {
        return Ok(Negotiated { pretty: pretty(), ..Negotiated::default() });
    }
    let mut clauses: Vec<Clause<'_>> = header.split(',').filter_map(|text| Clause::parse(text.trim())).collect();
    clauses.sort_by(|a, b| a.rank().partial_cmp(&b.rank()).unwrap_or(std::cmp::Ordering::Equal));
    if offer.is_routed() && !clauses.iter().any(Clause::finds_route) {
        return Err(no_representation(&offer.produced()));
    }
    for clause in &clauses {
        for media in [Media::Json, Media::Yaml, Media::Protobuf] {
            let parameters = &clause.parameters;
            let streams = parameters.stream.is_empty() || (parameters.stream == "watch" && media != Media::Yaml);
            if !clause.matches(media) || !streams {
                continue;
            }
            let Some(shape) = offer.shape(parameters).filter(|shape| offer.has(media, *shape)) else { continue };
            if offer.endpoint == Endpoint::Watch && media == Media::Yaml {
                return Err(Status::not_acceptable(&STREAMS));
            }
            return Ok(Negotiated { media, shape, pretty: parameters.pretty || pretty() });
        }
    }
    Err(Status::not_acceptable(&BUILT_IN))
}

/// Whether a client takes a document that there is only in JSON.
pub fn takes_json(headers: &HeaderMap) -> bool {
    let header = headers.get(ACCEPT).map_or("", |value| value.to_str().unwrap_or("-"));
    header.is_empty()
        || header.split(',').filter_map(|text| Clause::parse(text.trim())).any(|clause| clause.matches(Media::Json))
}

/// The encoding that a client reads refusals in: what it asked for, as far as a refusal has that form.
pub fn of_refusals(headers: &HeaderMap) -> Media {
    let header = headers.get(ACCEPT).map_or("", |value| value.to_str().unwrap_or("-"));
    if !header.contains("yaml") && !header.contains("protobuf") {
        return Media::Json;
    }
    accept(headers, "", Offer::document(false)).map_or(Media::Json, |negotiated| negotiated.media)
}

/// Whether a client names one of the media types, which have no wildcard form.
pub fn takes_any(headers: &HeaderMap, types: &[&str]) -> bool {
    let header = headers.get(ACCEPT).map_or("", |value| value.to_str().unwrap_or("-"));
    header.split(',').filter_map(|text| text.split(';').next()).any(|text| types.contains(&text.trim()))
}

/// The refusal of a route that produces none of what is asked for.
pub fn no_representation(types: &[&str]) -> Status {
    let mut status = Status::not_acceptable(types);
    status.message = format!("406: Not Acceptable\n\nAvailable representations: {}", types.join(", "));
    status.details = Some(Default::default());
    status
}

/// The refusal of an answer that cannot take the shape asked for: `PartialObjectMetadata` of a list and the reverse.
/// Upstream names the Go type of the answer.
pub fn wrong_shape(wanted: &str, is_list: bool, served: &Served) -> Status {
    let what = if is_list { "a list" } else { "not a list" };
    let kind = if is_list { &served.list_kind } else { &served.kind };
    let package = match served.group.split('.').next() {
        // Both groups of events have one internal type.
        None | Some("" | "events") => "core",
        Some(first) => first,
    };
    let go_type = match (!served.is_typed(), is_list) {
        (true, true) => "*unstructured.UnstructuredList".to_owned(),
        (true, false) => "*unstructured.Unstructured".to_owned(),
        (false, _) => format!("*{package}.{kind}"),
    };
    let mut status = Status::not_acceptable(&BUILT_IN);
    status.message = format!("you requested {wanted}, but the requested object is {what} ({go_type})");
    status
}

/// The refusal of a table of a kind that has none.
pub fn no_table(kind: &str) -> Status {
    let mut status = Status::not_acceptable(&BUILT_IN);
    status.message = format!("the resource {kind} does not support being converted to a Table");
    status
}

/// Whether JSON is indented: the query says so, or says nothing and a person reads along.
pub fn pretty(headers: &HeaderMap, query: &str) -> bool {
    if query.contains("pretty")
        && let Some(value) = request_info::value(query, "pretty")
        && !value.is_empty()
    {
        return matches!(value.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True");
    }
    headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|agent| ["curl", "Wget", "Mozilla/5.0"].iter().any(|person| agent.starts_with(person)))
}

/// A kind of patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Merge with the keys of the kind's lists.
    Strategic,
    /// Server-side apply.
    Apply,
}

impl PatchType {
    /// The media type that names the patch.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json-patch+json",
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

/// The kind of a patch, out of those the resource takes.
///
/// # Errors
/// 415 naming what is taken.
pub fn patch_type(headers: &HeaderMap, offered: &[PatchType]) -> Result<PatchType, Status> {
    let media = media_type(headers);
    offered.iter().copied().find(|known| known.content_type() == media).ok_or_else(|| {
        let types: Vec<&str> = offered.iter().map(|known| known.content_type()).collect();
        let mut status = Status::unsupported_media_type(&types);
        debug_assert_eq!(status.reason, Reason::UnsupportedMediaType);
        // A route of a built-in resource consumes all four kinds; what is none of them does not find the route.
        if offered.contains(&PatchType::Strategic) {
            status.message = "415: Unsupported Media Type".into();
            status.details = Some(Default::default());
        }
        status
    })
}

/// The body's media type without parameters, lower-cased; empty where none is named.
fn media_type(headers: &HeaderMap) -> String {
    let header = headers.get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap_or("-"));
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

    fn get(accept: &str, offer: Offer) -> Result<Negotiated, Status> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        super::accept(&headers, "", offer)
    }

    fn offer(endpoint: Endpoint, custom: bool) -> Offer {
        Offer { endpoint, custom, transforms: true, protobuf: !custom }
    }

    fn object() -> Offer {
        offer(Endpoint::Object, false)
    }

    fn list() -> Offer {
        offer(Endpoint::List, false)
    }

    fn media(accept: &str) -> Media {
        get(accept, object()).unwrap().media
    }

    #[test]
    fn the_best_clause_that_can_be_satisfied_wins() {
        assert_eq!(super::accept(&HeaderMap::new(), "", object()).unwrap(), Negotiated::default());
        for json in [
            "*/*",
            "*",
            "application/json;q=0.1, application/*",
            "text/html, application/json;q=0.5",
            "application/json;charset=utf-8",
            "application/yaml;q=0.1,application/json;q=0.2",
            "*/*, application/json;as=Nope;g=x;v=y",
        ] {
            assert_eq!(media(json), Media::Json, "{json}");
        }
        for yaml in ["application/yaml", "application/json;q=0.5, application/yaml", "*/*, application/yaml"] {
            assert_eq!(media(yaml), Media::Yaml, "{yaml}");
        }
    }

    #[test]
    fn routes_of_built_in_resources_know_no_wildcard_of_application() {
        for offer in [object(), list(), Offer::document(false)] {
            let refused = get("application/*", offer).unwrap_err();
            assert!(refused.message.starts_with("406: Not Acceptable"), "{}", refused.message);
        }
        for offer in [self::offer(Endpoint::List, true), Offer::document(true)] {
            assert_eq!(get("application/*", offer).unwrap().media, Media::Json);
        }
    }

    /// kube-api 2.2, 2.8, 2.11
    #[test]
    fn protobuf_is_for_kinds_with_types_and_for_metadata() {
        let protobuf = "application/vnd.kubernetes.protobuf";
        let both = format!("{protobuf},application/json");
        let custom = offer(Endpoint::Object, true);
        assert_eq!(media(&both), Media::Protobuf);
        assert_eq!(media(&format!("{protobuf};q=0.5,application/json")), Media::Json);
        assert_eq!(get(&both, custom).unwrap().media, Media::Json);
        assert_eq!(get(protobuf, custom).unwrap_err().code, 406);
        let clause = format!("{protobuf};as=Table;v=v1;g=meta.k8s.io");
        assert_eq!(get(&clause, list()).unwrap_err().code, 406);
        assert_eq!(get(&format!("{clause},{TABLE}"), list()).unwrap().media, Media::Json);
        let watch = offer(Endpoint::Watch, false);
        assert_eq!(get(&format!("{protobuf};stream=watch"), watch).unwrap().media, Media::Protobuf);
        assert_eq!(get("application/yaml;stream=watch", watch).unwrap_err().code, 406);
    }

    #[test]
    fn transformations_need_all_three_parameters_and_a_known_version() {
        assert_eq!(get(TABLE, list()).unwrap().shape, Shape::Table(MetaVersion::V1));
        let kubectl = "application/json;as=Table;v=v2;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io";
        assert_eq!(get(kubectl, list()).unwrap().shape, Shape::Table(MetaVersion::V1Beta1));
        let metadata = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,\
            application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
        let got = get(metadata, offer(Endpoint::Object, true)).unwrap();
        assert_eq!((got.shape, got.media), (Shape::PartialObject(MetaVersion::V1), Media::Protobuf));
        assert_eq!(get("application/json;as=Table, application/json", list()).unwrap().shape, Shape::Plain);
        assert!(get("application/json;as=Table;v=v1", list()).is_err());
        let review = Offer { transforms: false, ..object() };
        assert_eq!(get(&format!("{TABLE},application/json"), review).unwrap().shape, Shape::Plain);
    }

    #[test]
    fn aggregated_discovery_is_had_by_its_parameters_only() {
        let v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
        assert_eq!(get(v2, Offer::document(true)).unwrap().shape, Shape::AggregatedDiscovery);
        assert_eq!(get(v2, Offer::document(false)).unwrap().shape, Shape::Plain);
        let profile = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;profile=nopeer";
        assert_eq!(get(profile, Offer::document(true)).unwrap().shape, Shape::AggregatedDiscovery);
        assert_eq!(get(&v2.replace("v=v2", "v=v2beta1"), Offer::document(true)).unwrap().shape, Shape::Plain);
    }

    #[test]
    fn refusals_name_what_there_is() {
        let named = "only the following media types are accepted: application/json, application/yaml, \
            application/vnd.kubernetes.protobuf";
        let unknown = get("application/json;as=Nope;v=v1;g=meta.k8s.io", object()).unwrap_err();
        assert_eq!((unknown.code, unknown.message.as_str()), (406, named));
        let html = get("text/html", list()).unwrap_err();
        assert_eq!(
            html.message,
            "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, \
             application/vnd.kubernetes.protobuf, application/json;stream=watch, \
             application/vnd.kubernetes.protobuf;stream=watch"
        );
        let custom = get("application/vnd.kubernetes.protobuf", offer(Endpoint::Object, true)).unwrap_err();
        assert_eq!(custom.message, named);
        let watch = get("application/yaml", offer(Endpoint::Watch, false)).unwrap_err();
        assert_eq!(
            watch.message,
            "only the following media types are accepted: application/json;stream=watch, \
             application/vnd.kubernetes.protobuf;stream=watch"
        );
    }

    #[test]
    fn people_read_indented_json_unless_they_say_otherwise() {
        let mut headers = HeaderMap::new();
        assert!(!pretty(&headers, ""));
        assert!(pretty(&headers, "limit=1&pretty=true"));
        headers.insert(USER_AGENT, "curl/8.5".parse().unwrap());
        assert!(pretty(&headers, ""));
        assert!(!pretty(&headers, "pretty=0"));
    }

    #[test]
    fn patches_say_which_kind_they_are() {
        let custom = [PatchType::Json, PatchType::Merge, PatchType::Apply];
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "application/strategic-merge-patch+json".parse().unwrap());
        let refused = patch_type(&headers, &custom).unwrap_err();
        assert!(refused.message.ends_with(
            "include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
        ));
        let built_in = [PatchType::Json, PatchType::Merge, PatchType::Strategic, PatchType::Apply];
        assert_eq!(patch_type(&headers, &built_in).unwrap(), PatchType::Strategic);
        headers.insert(CONTENT_TYPE, "application/json".parse().unwrap());
        assert_eq!(patch_type(&headers, &built_in).unwrap_err().message, "415: Unsupported Media Type");
    }
}
