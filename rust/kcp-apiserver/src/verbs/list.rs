//! list: a collection, paged, at a revision that all pages share.

use crate::chain::{Next, StepResult};
use crate::exchange::Exchange;
use crate::negotiate::{self, Endpoint, Negotiated, Offer, Shape};
use crate::registry::Served;
use crate::server::ApiServer;
use crate::verbs::continue_token::Token;
use crate::verbs::indexed::{self, Page};
use crate::verbs::options::ListOptions;
use crate::verbs::output::{self, IncludeObject};
use crate::verbs::select::Selection;
use crate::verbs::storage_error;
use crate::verbs::target::Target;
use http::StatusCode;
use kcp_apimachinery::status::Status;
use kcp_storage::{At, Error, Item, KeyRange, ListQuery, Revision, off_worker};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Items read from the store and held against selectors at a time.
const CHUNK: usize = 1_000;

/// The most items that the first page of a list counts behind it. Where there are more the number is left out.
const COUNTED: usize = 1_000_000;

/// Bytes of stored objects whose encoding lets other requests have the thread.
const LARGE: usize = 1 << 20;

/// How long a request waits for a revision that has not happened yet.
const FUTURE_WAIT: Duration = Duration::from_secs(3);

/// What a list found.
pub struct Found {
    /// The state that was read.
    pub revision: Revision,
    /// The selected items, in key order.
    pub items: Vec<Item>,
    /// Encoded key to continue after, when there is more.
    pub continue_after: Option<bytes::Bytes>,
    /// How many items are left, where that is known.
    pub remaining: Option<usize>,
}

/// Serves the request.
pub async fn serve(server: &ApiServer, exchange: &mut Exchange, target: &Target) -> StepResult {
    let offer = Offer::resource(Endpoint::List, &target.served);
    let negotiated = negotiate::accept(exchange.headers(), exchange.query(), offer)?;
    let options = ListOptions::parse(exchange.query(), false)?;
    let selection = Selection::parse(exchange, &target.served)?;
    let found = read(server, target, &options, &selection).await?;
    let size: usize = found.items.iter().map(|item| item.value.data.len()).sum();
    let answer = || answer(server, exchange, target, &negotiated, found);
    Ok(Next::Answer(if size > LARGE { off_worker(answer) } else { answer() }?))
}

/// Where a read begins.
struct Start {
    at: At,
    after: Option<bytes::Bytes>,
    /// The token that says so, if one does.
    token: Option<Token>,
}

impl Start {
    async fn of(server: &ApiServer, target: &Target, options: &ListOptions) -> Result<Self, Status> {
        if options.continue_token.is_empty() {
            let mut at = At::Latest;
            if let Some(revision) = options.list_revision()? {
                wait_for(server, revision).await?;
                let exact = options.version_match == "Exact"
                    || (options.version_match.is_empty() && options.limit > 0 && revision > 0);
                if exact {
                    at = At::Exact(Revision::new(revision));
                }
            }
            return Ok(Self { at, after: None, token: None });
        }
        let decoded = Token::decode(&options.continue_token, target)?;
        if !options.resource_version.is_empty() && options.resource_version != "0" {
            let text = "specifying resource version is not allowed when using continue";
            return Err(Status::bad_request(text));
        }
        let at = decoded.revision.map_or(At::Latest, At::Exact);
        Ok(Self { at, after: Some(decoded.after.clone()), token: Some(decoded) })
    }

    /// Why a read from here failed.
    fn refuse(self, error: &Error) -> Status {
        match (error, self.token) {
            (Error::Compacted { .. }, Some(token)) => token.expired(),
            (Error::Compacted { .. }, None) => Status::expired("The resourceVersion for the provided list is too old."),
            _ => storage_error(error),
        }
    }
}

/// Reads what the options ask for.
pub async fn read(
    server: &ApiServer,
    target: &Target,
    options: &ListOptions,
    selection: &Selection,
) -> Result<Found, Status> {
    let start = Start::of(server, target, options).await?;
    let exact = start.token.is_none() && start.at != At::Latest;
    if let (false, Some(term)) = (exact, indexed::term(target, selection)) {
        let revision = start.token.and_then(|token| token.revision);
        let page = Page { revision, after: start.after, limit: options.limit };
        return indexed::read(server, target, selection, &term, page).await;
    }
    // What lies behind the first page of one state lies behind the later ones, less what they hold.
    let left = match &start.token {
        Some(token) if token.revision.is_some() => Behind::Known(token.left),
        _ => Behind::Counted,
    };
    // A resource version of 0 reads from memory anyway, where a limit is as cheap: pages are honoured.
    let result = collect(server, target, selection, start.at, start.after.clone(), options.limit, left).await;
    result.map_err(|error| start.refuse(&error))?
}

/// A whole list for who works through it page by page and holds one page at a time.
///
/// The pages are of one state as long as history reaches back to it; after that they go on with the newest.
pub struct Pages<'a> {
    server: &'a ApiServer,
    target: &'a Target,
    selection: &'a Selection,
    next: Option<Start>,
    begun: bool,
}

impl<'a> Pages<'a> {
    /// Begins where the options say.
    ///
    /// # Errors
    /// What is wrong with the options.
    pub async fn begin(
        server: &'a ApiServer,
        target: &'a Target,
        options: &ListOptions,
        selection: &'a Selection,
    ) -> Result<Self, Status> {
        let next = Some(Start::of(server, target, options).await?);
        Ok(Self { server, target, selection, next, begun: false })
    }

    /// The next page, of at most 1,000 items; `None` after the last.
    ///
    /// # Errors
    /// The store's; 410 where the options name a state that is too old.
    pub async fn next(&mut self) -> Result<Option<Found>, Status> {
        let Some(start) = self.next.take() else { return Ok(None) };
        let page =
            |at| collect(self.server, self.target, self.selection, at, start.after.clone(), CHUNK, Behind::Known(None));
        let mut result = page(start.at).await;
        if let (true, Err(Error::Compacted { .. })) = (self.begun, &result) {
            result = page(At::Latest).await;
        }
        let found = result.map_err(|error| start.refuse(&error))??;
        self.begun = true;
        let after = found.continue_after.clone();
        self.next = after.map(|after| Start { at: At::Exact(found.revision), after: Some(after), token: None });
        Ok(Some(found))
    }
}

/// How it is found out how many items lie behind a page.
#[derive(Clone, Copy)]
enum Behind {
    /// Keys are counted.
    Counted,
    /// The page before said how many lay behind it; `None`: too many to count.
    Known(Option<usize>),
}

/// Where everything lies that a request may select.
pub fn range(target: &Target, selection: &Selection) -> KeyRange {
    match selection.only_name() {
        // No key holds a zero byte, so no object has a name with one; the range below finds none of that name.
        Some(name) if !name.is_empty() && !name.contains('\0') && names_one(target) => {
            KeyRange::object(&target.key(name))
        }
        _ => target.range(),
    }
}

/// Whether a name is enough to say which object is meant.
fn names_one(target: &Target) -> bool {
    !target.namespace.is_empty() || (!target.cluster.is_empty() && !target.served.namespaced)
}

async fn collect(
    server: &ApiServer,
    target: &Target,
    selection: &Selection,
    mut at: At,
    mut after: Option<bytes::Bytes>,
    limit: usize,
    behind: Behind,
) -> Result<Result<Found, Status>, Error> {
    let range = range(target, selection);
    let mut items = Vec::new();
    loop {
        let wanted = match (selection.is_everything(), limit) {
            (true, 0) => None,
            (true, limit) => Some(limit - items.len()),
            (false, _) => Some(CHUNK),
        };
        let query = ListQuery { range: range.clone(), at, after: after.take(), limit: wanted };
        let page = server.store.list(query).await?;
        let revision = page.revision;
        // Later pages of this answer read the same state.
        at = At::Exact(revision);
        let last = page.items.last().map(|item| item.key.to_bytes());
        let mut unread = false;
        if selection.is_everything() && items.is_empty() {
            items = page.items;
        } else {
            let count = page.items.len();
            for (index, item) in page.items.into_iter().enumerate() {
                let Some(served) = target.served_for(&item) else { continue };
                match selection.matches(&served, &item) {
                    Ok(true) => {
                        items.push(item);
                        if limit > 0 && items.len() == limit {
                            // Whether what lies behind is selected is for the next page to find out.
                            unread = index + 1 < count;
                            break;
                        }
                    }
                    Ok(false) => {}
                    Err(status) => return Ok(Err(status)),
                }
            }
        }
        let full = limit > 0 && items.len() == limit;
        if !page.more || full {
            let more = unread || page.more;
            let continue_after = more.then(|| match items.last() {
                Some(item) => item.key.to_bytes(),
                None => last.unwrap_or_default(),
            });
            let remaining = match (&continue_after, behind) {
                _ if !selection.is_everything() => None,
                (Some(after), Behind::Counted) => count(server, &range, at, after.clone()).await?,
                (Some(_), Behind::Known(left)) => left.map(|left| left.saturating_sub(items.len())),
                (None, _) => None,
            };
            return Ok(Ok(Found { revision, items, continue_after, remaining }));
        }
        after = last;
        // A long walk for few items lets others have the thread.
        tokio::task::yield_now().await;
    }
}

/// How many items are left after a page; `None` when there are more than a count is worth.
async fn count(server: &ApiServer, range: &KeyRange, at: At, after: bytes::Bytes) -> Result<Option<usize>, Error> {
    let query = ListQuery { range: range.clone(), at, after: Some(after), limit: Some(COUNTED + 1) };
    let count = server.store.count(query).await?;
    Ok((count <= COUNTED).then_some(count))
}

/// Waits until the store has reached a revision.
///
/// # Errors
/// 504 with cause `ResourceVersionTooLarge` when it does not within three seconds.
pub async fn wait_for(server: &ApiServer, revision: u64) -> Result<(), Status> {
    if server.store.head().get() >= revision {
        return Ok(());
    }
    let mut newest = server.newest.clone();
    if tokio::time::timeout(FUTURE_WAIT, newest.wait_for(|head| head.get() >= revision))
        .await
        .is_ok_and(|seen| seen.is_ok())
    {
        return Ok(());
    }
    Err(Status::too_large_resource_version(revision, server.store.head().get(), 1))
}

/// A list as an answer.
pub fn answer(
    server: &ApiServer,
    exchange: &Exchange,
    target: &Target,
    negotiated: &Negotiated,
    found: Found,
) -> Result<crate::Response, Status> {
    let served = &target.served;
    let token =
        found.continue_after.as_ref().map(|after| Token::encode(found.revision, after, found.remaining, target));
    if negotiated.is_plain_json() {
        let mut out = head(served, &list_meta(!served.is_typed(), found.revision, token, found.remaining))?;
        out.reserve(3 + found.items.iter().map(|item| item.value.data.len() + 160).sum::<usize>());
        append(&mut out, target, &found.items, true)?;
        out.extend_from_slice(TAIL);
        return Ok(output::bytes(exchange, StatusCode::OK, "application/json", out));
    }
    let custom = !served.is_typed() && negotiated.shape == Shape::Plain;
    let metadata = list_meta(custom, found.revision, token, found.remaining);
    let mut objects = Vec::with_capacity(found.items.len());
    for item in &found.items {
        if let Some(served) = target.served_for(item) {
            objects.push((output::object(&served, item)?, served));
        }
    }
    let value = match negotiated.shape {
        Shape::Plain | Shape::AggregatedDiscovery => {
            let items = objects.into_iter().map(|(mut object, served)| {
                if let (true, Some(map)) = (served.is_typed(), object.as_object_mut()) {
                    map.remove("kind");
                    map.remove("apiVersion");
                }
                object
            });
            json!({"kind": served.list_kind, "apiVersion": served.api_version, "metadata": metadata,
                "items": items.collect::<Vec<Value>>()})
        }
        Shape::PartialList(version) => {
            let items: Vec<Value> = objects.iter().map(|(object, _)| output::partial(object, version)).collect();
            // Null where there are none, as Go writes a list that was never made.
            let items = if items.is_empty() { Value::Null } else { Value::Array(items) };
            json!({"kind": "PartialObjectMetadataList", "apiVersion": version.api_version(), "metadata": metadata,
                "items": items})
        }
        Shape::PartialObject(_) => {
            return Err(negotiate::wrong_shape("PartialObjectMetadata", true, served));
        }
        Shape::Table(version) => {
            let include = IncludeObject::parse(exchange.query())?;
            let now = server.clock.now();
            let rows = objects.into_iter().map(|(object, served)| output::row(&served, object, include, version, now));
            let mut table = output::table(version, Some(&served.columns), rows.collect(), Value::Object(metadata));
            let plain = ["roles", "clusterroles", "customresourcedefinitions"].contains(&served.resource.as_str());
            if plain && !served.is_custom() && table["rows"] == json!([]) {
                // Tables that nobody wrote a printer for have null for none.
                table["rows"] = Value::Null;
            }
            table
        }
    };
    output::encode(exchange, negotiated, StatusCode::OK, &value)
}

/// What a list in plain JSON begins with, up to its first item.
///
/// # Errors
/// None that metadata can bring about.
pub fn head(served: &Served, metadata: &Map<String, Value>) -> Result<Vec<u8>, Status> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"kind\":\"");
    out.extend_from_slice(served.list_kind.as_bytes());
    out.extend_from_slice(b"\",\"apiVersion\":\"");
    out.extend_from_slice(served.api_version.as_bytes());
    out.extend_from_slice(b"\",\"metadata\":");
    serde_json::to_writer(&mut out, metadata).map_err(Status::internal)?;
    out.extend_from_slice(b",\"items\":[");
    Ok(out)
}

/// What a list in plain JSON ends with.
pub const TAIL: &[u8] = b"]}\n";

/// Appends items of a list in plain JSON. Returns whether the next one is still the first.
///
/// # Errors
/// When a stored object cannot be read.
pub fn append(out: &mut Vec<u8>, target: &Target, items: &[Item], mut first: bool) -> Result<bool, Status> {
    let with_header = !target.served.is_typed();
    for item in items {
        let Some(served) = target.served_for(item) else { continue };
        if !first {
            out.push(b',');
        }
        first = false;
        output::append(out, &served, item, with_header)?;
    }
    Ok(first)
}

/// Metadata of a list.
pub fn list_meta(
    custom: bool,
    revision: Revision,
    token: Option<String>,
    remaining: Option<usize>,
) -> Map<String, Value> {
    let mut meta = Map::new();
    if custom {
        // Lists of custom resources carry an empty token, as those of a real API server do.
        meta.insert("continue".into(), Value::String(String::new()));
    }
    meta.insert("resourceVersion".into(), Value::String(revision.to_string()));
    if let Some(token) = token {
        meta.insert("continue".into(), Value::String(token));
        if let Some(remaining) = remaining.filter(|remaining| *remaining > 0) {
            meta.insert("remainingItemCount".into(), remaining.into());
        }
    }
    meta
}
