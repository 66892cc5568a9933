//! URLs, taken apart as Go takes them apart.

use super::{Run, no_overload};
use crate::cel::error::Error;
use crate::cel::value::{Key, Map, Text, Value};
use crate::formats::Format;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A URL and its parts.
#[derive(Debug)]
pub(crate) struct Url {
    pub text: String,
    scheme: String,
    host: String,
    path: String,
    query: String,
}

impl Url {
    fn parse(text: &str) -> Option<Url> {
        if !Format::Uri.accepts(text) {
            return None;
        }
        let rest = text.split('#').next().unwrap_or_default();
        let (scheme, rest) = match rest.find(':') {
            Some(colon) if !rest.starts_with('/') => (rest[..colon].to_ascii_lowercase(), &rest[colon + 1..]),
            _ => (String::new(), rest),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut host = String::new();
        let mut path = rest;
        if let Some(after) = rest.strip_prefix("//") {
            let end = after.find('/').unwrap_or(after.len());
            let authority = &after[..end];
            host = authority.rsplit('@').next().unwrap_or_default().to_owned();
            path = &after[end..];
        } else if !rest.starts_with('/') {
            // Opaque: a scheme and something that is no path.
            path = "";
        }
        Some(Url { text: text.to_owned(), scheme, host, path: path.to_owned(), query: query.to_owned() })
    }

    fn hostname(&self) -> &str {
        match self.host.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => self.host.rsplit_once(':').map_or(&self.host, |(name, _)| name),
        }
    }

    fn port(&self) -> &str {
        let after = match self.host.rfind(']') {
            Some(end) => &self.host[end + 1..],
            None => &self.host,
        };
        after.rsplit_once(':').map_or("", |(_, port)| port)
    }

    fn escaped_path(&self) -> String {
        let mut out = String::with_capacity(self.path.len());
        for byte in self.path.bytes() {
            let plain = byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@!'()*[]%".contains(&byte);
            if plain {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
        out
    }
}

pub(super) fn find(name: &str) -> Option<Run> {
    Some(match name {
        "url" => |machine, _, args| match args {
            [Value::Text(text)] => {
                machine.work(text.len() * 2)?;
                match Url::parse(text) {
                    Some(url) => Ok(Value::Url(Rc::new(url))),
                    None => Err(Error::new(format!(
                        "URL parse error during conversion from string: parse {}: {}",
                        kcp_apimachinery::text::quote(text),
                        fault(text)
                    ))),
                }
            }
            _ => no_overload(),
        },
        "isURL" => |machine, _, args| match args {
            [Value::Text(text)] => {
                machine.work(text.len())?;
                Ok(Value::Bool(Format::Uri.accepts(text)))
            }
            _ => no_overload(),
        },
        "getScheme" => |_, _, args| part(args, |url| url.scheme.clone()),
        "getHost" => |_, _, args| part(args, |url| url.host.clone()),
        "getHostname" => |_, _, args| part(args, |url| url.hostname().to_owned()),
        "getPort" => |_, _, args| part(args, |url| url.port().to_owned()),
        "getEscapedPath" => |_, _, args| part(args, Url::escaped_path),
        "getQuery" => |machine, _, args| match args {
            [Value::Url(url)] => {
                machine.work(url.query.len() * 16)?;
                let mut found: BTreeMap<String, Vec<Value<'_>>> = BTreeMap::new();
                for pair in url.query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    if let (Some(key), Some(value)) = (unescape(key), unescape(value)) {
                        found.entry(key).or_default().push(value.into());
                    }
                }
                let map = found.into_iter().map(|(key, values)| (Key::Text(Text::Owned(key.into())), values.into()));
                Ok(Value::Map(Map::Owned(Rc::new(map.collect()))))
            }
            _ => no_overload(),
        },
        _ => return None,
    })
}

/// What keeps a text from being a URL, in the words of Go's parser where it has some of its own.
fn fault(text: &str) -> String {
    if text.chars().any(|c| c.is_ascii_control()) {
        return "net/url: invalid control character in URL".to_owned();
    }
    if text.is_empty() {
        return "empty url".to_owned();
    }
    if text.starts_with(':') {
        return "missing protocol scheme".to_owned();
    }
    match broken_escape(text) {
        Some(escape) => format!("invalid URL escape {}", kcp_apimachinery::text::quote(escape)),
        None => "invalid URI for request".to_owned(),
    }
}

/// The first escape of a path that is no two digits.
fn broken_escape(text: &str) -> Option<&str> {
    let path = text.split('?').next()?;
    let is_whole = |escape: &str| escape.len() >= 3 && escape.bytes().skip(1).take(2).all(|b| b.is_ascii_hexdigit());
    path.match_indices('%').map(|(at, _)| &path[at..]).find(|escape| !is_whole(escape)).map(|escape| {
        let end = escape.char_indices().map(|(at, c)| at + c.len_utf8()).take(3).last().unwrap_or(escape.len());
        &escape[..end]
    })
}

fn part<'a>(args: &[Value<'a>], get: impl Fn(&Url) -> String) -> Result<Value<'a>, Error> {
    match args {
        [Value::Url(url)] => Ok(get(url).into()),
        _ => no_overload(),
    }
}

/// Undoes the escapes of a query; nothing if one is broken.
fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                out.push((high * 16 + low) as u8);
            }
            byte => out.push(byte),
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}
