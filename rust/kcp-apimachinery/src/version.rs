//! The order in which Kubernetes prefers versions: GA before beta before alpha, then higher numbers first.

use std::cmp::Ordering;

/// Maturity of a version; later is preferred.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Alpha,
    Beta,
    Stable,
}

/// Compares two versions by preference: the greater one comes first in discovery.
///
/// Names that are not Kubernetes-like (`v1`, `v2beta3`) come after all that are, in alphabetical order.
pub fn compare(a: &str, b: &str) -> Ordering {
    match (rank(a), rank(b)) {
        (Some(x), Some(y)) => x.cmp(&y),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => b.cmp(a),
    }
}

/// Sorts versions, most preferred first.
pub fn sort_by_preference<S: AsRef<str>>(versions: &mut [S]) {
    versions.sort_by(|a, b| compare(b.as_ref(), a.as_ref()));
}

fn rank(version: &str) -> Option<(Stage, u64, u64)> {
    let (major, rest) = number(version.strip_prefix('v')?)?;
    if rest.is_empty() {
        return Some((Stage::Stable, major, 0));
    }
    let (stage, rest) = if let Some(rest) = rest.strip_prefix("alpha") {
        (Stage::Alpha, rest)
    } else {
        (Stage::Beta, rest.strip_prefix("beta")?)
    };
    let (minor, rest) = number(rest)?;
    rest.is_empty().then_some((stage, major, minor))
}

/// Splits leading digits off; `None` when there are none or they exceed a signed 64-bit number.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let value: i64 = text[..end].parse().ok()?;
    Some((value.unsigned_abs(), &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferred_versions_come_first() {
        let mut versions = vec![
            "foo1",
            "v1alpha1",
            "v11beta2",
            "v2",
            "v10",
            "foo10",
            "v3beta1",
            "v1",
            "v12alpha1",
            "v11alpha2",
            "v10beta3",
        ];
        sort_by_preference(&mut versions);
        assert_eq!(
            versions,
            [
                "v10",
                "v2",
                "v1",
                "v11beta2",
                "v10beta3",
                "v3beta1",
                "v12alpha1",
                "v11alpha2",
                "v1alpha1",
                "foo1",
                "foo10"
            ]
        );
    }

    #[test]
    fn names_that_only_look_like_versions_rank_last() {
        for odd in ["v", "v1beta", "v1gamma1", "1", "v1beta1x", "v99999999999999999999", "vé1"] {
            assert_eq!(compare("v1alpha1", odd), Ordering::Greater, "{odd}");
        }
        assert_eq!(compare("v1", "v1"), Ordering::Equal);
    }
}
