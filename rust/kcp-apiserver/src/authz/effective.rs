//! Who somebody is in a logical cluster: identities that are good in some clusters only, and those that come along.

use crate::exchange::UserInfo;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Extra key: the logical cluster an identity comes from.
pub const ORIGIN: &str = "authentication.kcp.io/cluster-name";
/// Extra key: where an identity is good; each value is a comma-separated list of `cluster:NAME`, and all have to hold.
pub const SCOPES: &str = "authentication.kcp.io/scopes";
/// Extra key: another identity that speaks for the caller, as JSON; it may carry more of its kind.
pub const WARRANTS: &str = "authorization.kcp.io/warrant";
/// The user name of callers without credentials.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group of callers with credentials.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of callers without credentials.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";

const SERVICE_ACCOUNT: &str = "system:serviceaccount:";
/// Names service accounts where they are not at home: `…CLUSTER:NAMESPACE:NAME`.
const FOREIGN_ACCOUNT: &str = "system:kcp:serviceaccount:";
/// The group of those who were scoped to a logical cluster.
const FROM_CLUSTER: &str = "system:cluster:";
/// Warrants that carry warrants are read so deep and no deeper.
const DEPTH: usize = 8;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Warrant {
    user: String,
    uid: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
}

/// Everybody whose rules count for `user` in `cluster`; never empty. The first is who acts: the user himself within his
/// scope, outside of it nobody in particular. Nothing is copied for users without the extra keys above.
pub fn effective<'a>(cluster: &str, user: &'a UserInfo) -> Cow<'a, [UserInfo]> {
    if ![ORIGIN, SCOPES, WARRANTS].iter().any(|key| user.extra.contains_key(*key)) {
        return Cow::Borrowed(std::slice::from_ref(user));
    }
    let mut found = Vec::new();
    collect(cluster, user, DEPTH, &mut found);
    Cow::Owned(found)
}

fn collect(cluster: &str, user: &UserInfo, depth: usize, found: &mut Vec<UserInfo>) {
    let scoped = from_clusters(user);
    let authenticated = user.is_in(AUTHENTICATED);
    let abroad = |name: String| {
        let known = authenticated.then(|| AUTHENTICATED.to_owned());
        UserInfo { name, groups: known.into_iter().chain(scoped.iter().cloned()).collect(), ..UserInfo::default() }
    };
    found.push(if is_in_scope(cluster, user) {
        user.clone()
    } else if authenticated {
        abroad(ANONYMOUS.into())
    } else {
        UserInfo { name: ANONYMOUS.into(), groups: vec![UNAUTHENTICATED.into()], ..UserInfo::default() }
    });
    if let (Some(account), [origin]) = (user.name.strip_prefix(SERVICE_ACCOUNT), origins(user)) {
        found.push(abroad(format!("{FOREIGN_ACCOUNT}{origin}:{account}")));
    }
    if depth == 0 {
        return;
    }
    for text in user.extra.get(WARRANTS).into_iter().flatten() {
        let Ok(Warrant { user: name, uid, groups, extra }) = serde_json::from_str(text) else { continue };
        let mut warranted = UserInfo { name, uid, groups, extra };
        // An account of no cluster in particular would be the account of that name everywhere.
        if is_service_account(&warranted) && origins(&warranted).is_empty() {
            continue;
        }
        let scoped = from_clusters(&warranted);
        warranted.groups.extend(scoped);
        collect(cluster, &warranted, depth - 1, found);
    }
}

/// Whether the name is that of a service account.
pub fn is_service_account(user: &UserInfo) -> bool {
    user.name.starts_with(SERVICE_ACCOUNT)
}

fn origins(user: &UserInfo) -> &[String] {
    user.extra.get(ORIGIN).map(Vec::as_slice).unwrap_or_default()
}

/// Whether `user` is who he says in `cluster`. A service account of one logical cluster never stands in for the account
/// of the same name in another.
pub fn is_in_scope(cluster: &str, user: &UserInfo) -> bool {
    let is_home = !is_service_account(user) || origins(user).is_empty() || origins(user) == [cluster];
    let mut values = user.extra.get(SCOPES).into_iter().flatten();
    is_home && values.all(|value| scopes(value).any(|scope| scope == cluster))
}

fn scopes(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').filter_map(|scope| scope.strip_prefix("cluster:"))
}

/// The groups of the logical clusters that every value of the scopes names; none where there are no scopes.
fn from_clusters(user: &UserInfo) -> Vec<String> {
    let Some((first, others)) = user.extra.get(SCOPES).and_then(|values| values.split_first()) else {
        return Vec::new();
    };
    let in_all = |one: &&str| others.iter().all(|value| scopes(value).any(|scope| scope == *one));
    let mut held: Vec<String> = scopes(first).filter(in_all).map(|scope| format!("{FROM_CLUSTER}{scope}")).collect();
    held.sort_unstable();
    held.dedup();
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ACCOUNT: &str = "system:serviceaccount:ns:a";

    fn user(name: &str, extra: &[(&str, &[&str])]) -> UserInfo {
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        UserInfo {
            name: name.into(),
            groups: vec![AUTHENTICATED.into(), "g".into()],
            extra: extra.iter().map(|(key, list)| ((*key).to_owned(), values(list))).collect(),
            ..UserInfo::default()
        }
    }

    /// Everybody's name and groups in the cluster `here`.
    fn who(user: &UserInfo) -> Vec<String> {
        let shown = |user: &UserInfo| format!("{} {}", user.name, user.groups.join(" "));
        effective("here", user).iter().map(shown).collect()
    }

    #[test]
    fn identities_out_of_their_scope_are_nobody() {
        let cases = [
            ("no extra", user("a", &[]), true),
            ("account at home", user(ACCOUNT, &[(ORIGIN, &["here"])]), true),
            ("account of another cluster", user(ACCOUNT, &[(ORIGIN, &["there"])]), false),
            ("account of two clusters", user(ACCOUNT, &[(ORIGIN, &["here", "there"])]), false),
            ("account without an origin", user(ACCOUNT, &[(ORIGIN, &[])]), true),
            ("a person's origin does not matter", user("a", &[(ORIGIN, &["there"])]), true),
            ("scope here", user("a", &[(SCOPES, &["cluster:here"])]), true),
            ("scope here or there", user("a", &[(SCOPES, &["cluster:there,cluster:here"])]), true),
            ("scope here and there", user("a", &[(SCOPES, &["cluster:here", "cluster:there"])]), false),
            ("a scope that is not understood", user("a", &[(SCOPES, &["here"])]), false),
        ];
        for (name, user, same) in cases {
            let first = &effective("here", &user)[0];
            assert_eq!(first.name == user.name, same, "{name}");
            assert_eq!(first.name == ANONYMOUS, !same, "{name}");
            assert_eq!(first.is_in("g"), same, "{name}");
        }
    }

    #[test]
    fn who_comes_from_elsewhere_says_from_where() {
        let scoped = user("a", &[(SCOPES, &["cluster:x,cluster:y", "cluster:y,cluster:z"])]);
        assert_eq!(who(&scoped), ["system:anonymous system:authenticated system:cluster:y"]);
        let nobody = UserInfo { groups: Vec::new(), ..scoped };
        assert_eq!(who(&nobody), ["system:anonymous system:unauthenticated"]);
        let account = user(ACCOUNT, &[(ORIGIN, &["there"]), (SCOPES, &["cluster:there"])]);
        let anonymous = "system:anonymous system:authenticated system:cluster:there";
        let foreign = "system:kcp:serviceaccount:there:ns:a system:authenticated system:cluster:there";
        assert_eq!(who(&account), [anonymous, foreign]);
        let home = user(ACCOUNT, &[(ORIGIN, &["here"])]);
        let own = format!("{ACCOUNT} system:authenticated g");
        assert_eq!(who(&home), [own.as_str(), "system:kcp:serviceaccount:here:ns:a system:authenticated"]);
        let two = user(ACCOUNT, &[(ORIGIN, &["here", "there"])]);
        assert_eq!(who(&two), ["system:anonymous system:authenticated"]);
    }

    #[test]
    fn warrants_speak_for_their_carrier() {
        let inner = json!({"user": "inner", "groups": ["i"]}).to_string();
        let outer = json!({"user": "outer", "extra": {WARRANTS: [inner]}}).to_string();
        let scoped = json!({"user": "far", "extra": {SCOPES: ["cluster:there"]}}).to_string();
        let account = json!({"user": ACCOUNT, "groups": [AUTHENTICATED]}).to_string();
        let local = json!({"user": ACCOUNT, "extra": {ORIGIN: ["here"]}}).to_string();
        let carrier = user("a", &[(WARRANTS, &[&outer, "{", "7", &account, &scoped, &local])]);
        let expected = [
            "a system:authenticated g",
            "outer ",
            "inner i",
            "system:anonymous system:unauthenticated",
            &format!("{ACCOUNT} "),
            "system:kcp:serviceaccount:here:ns:a ",
        ];
        assert_eq!(who(&carrier), expected);
        // The carrier's own scope does not bind them.
        let away = user("a", &[(SCOPES, &["cluster:there"]), (WARRANTS, &[&inner])]);
        assert_eq!(who(&away), ["system:anonymous system:authenticated system:cluster:there", "inner i"]);
    }

    #[test]
    fn warrants_in_warrants_come_to_an_end() {
        let mut warrant = json!({"user": "last"}).to_string();
        for _ in 0..12 {
            warrant = json!({"user": "w", "extra": {WARRANTS: [warrant]}}).to_string();
        }
        let found = who(&user("a", &[(WARRANTS, &[&warrant])]));
        assert_eq!((found.len(), found.last().map(String::as_str)), (1 + DEPTH, Some("w ")));
    }
}
