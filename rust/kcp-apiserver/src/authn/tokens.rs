//! Static bearer tokens, kept as digests.

use crate::authz::AUTHENTICATED;
use crate::exchange::UserInfo;
use ring::digest::{SHA256, digest};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The SHA-256 of a token.
pub type TokenHash = [u8; 32];

/// Whom a token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticToken {
    /// SHA-256 of the token; the token itself is not kept.
    pub hash: TokenHash,
    /// The user.
    pub user: UserInfo,
}

/// Why a token file cannot be used. Names the line, never its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFileError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for TokenFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for TokenFileError {}

/// The digest under which a token is looked up and cached.
pub fn hash(token: &str) -> TokenHash {
    let mut out = TokenHash::default();
    out.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    out
}

/// Reads a token file: CSV with the columns token, user name, user id and, optionally, a quoted, comma-separated list of
/// groups. Empty lines and lines that begin with `#` are skipped; of two lines with one token the later wins.
///
/// # Errors
/// The first line that cannot be understood.
pub fn parse_token_file(text: &str) -> Result<Vec<StaticToken>, TokenFileError> {
    let mut tokens = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end_matches('\r');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |message: String| TokenFileError { line: index + 1, message };
        let columns = columns(line).map_err(|message| wrong(message.to_owned()))?;
        let [token, name, uid, rest @ ..] = columns.as_slice() else {
            let found = columns.len();
            return Err(wrong(format!(
                "token file must have at least 3 columns (token, user name, user uid), found {found}"
            )));
        };
        if token.is_empty() {
            return Err(wrong("the token is empty".to_owned()));
        }
        if name.is_empty() {
            return Err(wrong("the user name is empty".to_owned()));
        }
        let groups = rest.first().map(String::as_str).unwrap_or_default();
        let groups = groups.split(',').map(str::trim).filter(|group| !group.is_empty()).map(str::to_owned).collect();
        let user = UserInfo { name: name.clone(), uid: uid.clone(), groups, ..UserInfo::default() };
        tokens.push(StaticToken { hash: hash(token), user });
    }
    Ok(tokens)
}

/// One line's columns. A column in quotes may hold commas, and quotes when doubled.
fn columns(line: &str) -> Result<Vec<String>, &'static str> {
    let mut columns = Vec::new();
    let mut rest = line.trim_start();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut column = String::new();
            let mut chars = quoted.char_indices();
            let end = loop {
                match chars.next() {
                    None => return Err("a quoted column is not closed"),
                    Some((at, '"')) if quoted[at + 1..].starts_with('"') => {
                        column.push('"');
                        chars.next();
                    }
                    Some((at, '"')) => break at + 1,
                    Some((_, char)) => column.push(char),
                }
            };
            columns.push(column);
            let after = quoted[end..].trim_start();
            match after.strip_prefix(',') {
                Some(next) => rest = next.trim_start(),
                None if after.is_empty() => return Ok(columns),
                None => return Err("text follows a quoted column"),
            }
        } else {
            match rest.split_once(',') {
                Some((column, next)) => {
                    columns.push(column.to_owned());
                    rest = next.trim_start();
                }
                None => {
                    columns.push(rest.to_owned());
                    return Ok(columns);
                }
            }
        }
    }
}

/// All static tokens.
#[derive(Default)]
pub(super) struct Tokens(HashMap<u64, Vec<(TokenHash, Arc<UserInfo>)>>);

impl Tokens {
    pub(super) fn new(tokens: Vec<StaticToken>) -> Self {
        let mut table: HashMap<u64, Vec<(TokenHash, Arc<UserInfo>)>> = HashMap::new();
        for StaticToken { hash, mut user } in tokens {
            if !user.is_in(AUTHENTICATED) {
                user.groups.push(AUTHENTICATED.to_owned());
            }
            let bucket = table.entry(prefix(&hash)).or_default();
            bucket.retain(|(other, _)| *other != hash);
            bucket.push((hash, Arc::new(user)));
        }
        Self(table)
    }

    /// Who the token with this digest stands for. A caller cannot choose digests, so finding the bucket tells nothing;
    /// within it every byte is compared.
    pub(super) fn find(&self, hash: &TokenHash) -> Option<Arc<UserInfo>> {
        let mut found = None;
        for (known, user) in self.0.get(&prefix(hash))? {
            if same(known, hash) {
                found = Some(user);
            }
        }
        found.cloned()
    }
}

fn prefix(hash: &TokenHash) -> u64 {
    let mut raw = [0; 8];
    raw.copy_from_slice(&hash[..8]);
    u64::from_le_bytes(raw)
}

/// Compares in a time that does not depend on where two digests differ.
fn same(a: &TokenHash, b: &TokenHash) -> bool {
    let difference = a.iter().zip(b).fold(0, |sum, (a, b)| std::hint::black_box(sum | (a ^ b)));
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_reads_as_kubernetes_reads_it() {
        let text = "# who\na,ann,1\r\n\nb, \"bob \"\"b\"\"\",2,\"g, h\"\nc,carl,,single\n";
        let tokens = parse_token_file(text).unwrap();
        let users: Vec<_> = tokens
            .iter()
            .map(|token| (token.user.name.as_str(), token.user.uid.as_str(), token.user.groups.join("|")))
            .collect();
        assert_eq!(
            users,
            [("ann", "1", String::new()), ("bob \"b\"", "2", "g|h".to_owned()), ("carl", "", "single".to_owned())]
        );
        let table = Tokens::new(tokens);
        assert_eq!(table.find(&hash("a")).unwrap().groups, [AUTHENTICATED]);
        assert_eq!(table.find(&hash("b")).unwrap().groups, ["g", "h", AUTHENTICATED]);
        assert!(table.find(&hash("d")).is_none());
    }

    #[test]
    fn a_bad_line_is_named_without_its_content() {
        for (text, line) in [("a,ann,1\nsecret,bob", 2), ("secret,ann,1,\"g", 1), (",ann,1", 1), ("secret,,1", 1)] {
            let error = parse_token_file(text).unwrap_err();
            assert_eq!(error.line, line, "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn of_two_lines_with_one_token_the_later_wins() {
        let table = Tokens::new(parse_token_file("t,ann,1\nt,bob,2").unwrap());
        assert_eq!(table.find(&hash("t")).unwrap().name, "bob");
    }
}
