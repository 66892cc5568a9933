//! Identities that are good in some logical clusters only.

use crate::exchange::UserInfo;
use std::borrow::Cow;

/// Extra key: the logical cluster an identity comes from.
pub const ORIGIN: &str = "authentication.kcp.io/cluster-name";
/// Extra key: where an identity is good; each value is a comma-separated list of `cluster:NAME`, and all have to hold.
pub const SCOPES: &str = "authentication.kcp.io/scopes";
/// The user name of callers without credentials.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group of callers with credentials.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of callers without credentials.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";

const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Who `user` is in `cluster`: out of its scope nobody in particular. A service account of one logical cluster never
/// stands in for the account of the same name in another.
pub fn effective<'a>(cluster: &str, user: &'a UserInfo) -> Cow<'a, UserInfo> {
    if user.extra.is_empty() || is_in_scope(cluster, user) {
        return Cow::Borrowed(user);
    }
    let group = if user.is_in(AUTHENTICATED) { AUTHENTICATED } else { UNAUTHENTICATED };
    Cow::Owned(UserInfo { name: ANONYMOUS.into(), groups: vec![group.into()], ..UserInfo::default() })
}

fn is_in_scope(cluster: &str, user: &UserInfo) -> bool {
    if user.name.starts_with(SERVICE_ACCOUNT)
        && let Some(origins) = user.extra.get(ORIGIN)
        && !origins.is_empty()
        && origins.as_slice() != [cluster]
    {
        return false;
    }
    user.extra
        .get(SCOPES)
        .into_iter()
        .flatten()
        .all(|value| value.split(',').any(|scope| scope.strip_prefix("cluster:").is_some_and(|name| name == cluster)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, extra: &[(&str, &[&str])]) -> UserInfo {
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        UserInfo {
            name: name.into(),
            groups: vec![AUTHENTICATED.into(), "g".into()],
            extra: extra.iter().map(|(key, list)| ((*key).to_owned(), values(list))).collect(),
            ..UserInfo::default()
        }
    }

    #[test]
    fn identities_out_of_their_scope_are_nobody() {
        let account = "system:serviceaccount:ns:a";
        let cases = [
            ("no extra", user("a", &[]), true),
            ("account at home", user(account, &[(ORIGIN, &["here"])]), true),
            ("account of another cluster", user(account, &[(ORIGIN, &["there"])]), false),
            ("account of two clusters", user(account, &[(ORIGIN, &["here", "there"])]), false),
            ("account without an origin", user(account, &[(ORIGIN, &[])]), true),
            ("a person's origin does not matter", user("a", &[(ORIGIN, &["there"])]), true),
            ("scope here", user("a", &[(SCOPES, &["cluster:here"])]), true),
            ("scope here or there", user("a", &[(SCOPES, &["cluster:there,cluster:here"])]), true),
            ("scope here and there", user("a", &[(SCOPES, &["cluster:here", "cluster:there"])]), false),
            ("a scope that is not understood", user("a", &[(SCOPES, &["here"])]), false),
        ];
        for (name, user, same) in cases {
            let effective = effective("here", &user);
            assert_eq!(effective.name == user.name, same, "{name}");
            if !same {
                assert_eq!((effective.name.as_str(), effective.groups.len()), (ANONYMOUS, 1), "{name}");
            }
        }
    }
}
