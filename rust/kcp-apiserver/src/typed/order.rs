//! The order in which a strict decoder complains: that of the document, which a decoded object no longer has.

use super::decode::Failure;
use kcp_apimachinery::walk;
use std::collections::HashMap;

/// Sorts what a strict decoder says about a JSON body by where in the body it would say it: unknown fields where they
/// stand, repeated ones at their second place. What is not found stays behind the rest, in its order.
pub fn in_document_order(complaints: &mut [String], body: &[u8]) {
    if complaints.len() < 2 {
        return;
    }
    // A body that is no JSON has no order of its own to keep.
    let mut places = Places::default();
    walk::fields(body, |path, _| places.note(path));
    complaints.sort_by_cached_key(|complaint| places.of(complaint).unwrap_or(usize::MAX));
}

/// What a decoder says that reads the JSON body from its beginning to its end: the first failure that ends the decoding,
/// or else the first. `failures` are those of all its values, in any order.
pub fn first_in_document(failures: Vec<Failure>, body: &[u8]) -> Option<String> {
    let mut places = Places::default();
    walk::fields(body, |path, _| places.note(path));
    // An item of a list stands where its list does, behind the items before it.
    let place = |path: &str| {
        let field = path.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '[' | ']'));
        places.by_path.get(path).or_else(|| places.by_path.get(field)).map_or(usize::MAX, |(first, _)| *first)
    };
    let told = failures.into_iter().min_by_key(|failure| (!failure.ends, place(&failure.path)));
    told.map(|failure| failure.text)
}

/// Where each field stands, by its path: the first and the second time.
#[derive(Default)]
struct Places {
    count: usize,
    by_path: HashMap<String, (usize, Option<usize>)>,
}

impl Places {
    fn note(&mut self, path: &str) {
        self.count += 1;
        let place = self.count;
        match self.by_path.get_mut(path) {
            Some((_, second)) => {
                second.get_or_insert(place);
            }
            None => {
                self.by_path.insert(path.to_owned(), (place, None));
            }
        }
    }

    fn of(&self, complaint: &str) -> Option<usize> {
        let (kind, quoted) = complaint.split_once(" field ")?;
        let path: String = serde_json::from_str(quoted).ok()?;
        let (first, second) = self.by_path.get(&path)?;
        if kind == "duplicate" { *second } else { Some(*first) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, first_in_document, in_document_order};

    #[test]
    fn the_first_failure_is_told_unless_another_ends_the_decoding() {
        let body = br#"{"spec": {"b": 1, "a": [1, 2], "t": "x", "s": "y"}, "data": 5}"#;
        let failures = |all: &[(&str, bool)]| -> Vec<Failure> {
            let failure = |&(path, ends): &(&str, bool)| Failure { path: path.into(), ends, text: path.into() };
            all.iter().map(failure).collect()
        };
        let first = |all: &[(&str, bool)]| first_in_document(failures(all), body).unwrap_or_default();
        assert_eq!(first(&[("data", false), ("spec.a[1]", false), ("spec.b", false)]), "spec.b");
        assert_eq!(first(&[("data", false), ("spec.a[0]", false), ("spec.a[1]", false)]), "spec.a[0]");
        assert_eq!(first(&[("spec.b", false), ("spec.s", true), ("spec.t", true)]), "spec.t");
        assert_eq!(first(&[]), "");
    }

    #[test]
    fn complaints_follow_the_document() {
        let body = br#"{"nope": 1, "metadata": {"foo": 1, "name": "x"}, "data": {"a": "1", "a": "2"},
            "list": [{"z": 1}, {"y": 2}], "metada": {}, "immutable": true, "immutable": false}"#;
        let sorted = [
            "duplicate field \"data.a\"",
            "duplicate field \"immutable\"",
            "unknown field \"list[0].z\"",
            "unknown field \"list[1].y\"",
            "unknown field \"metada\"",
            "unknown field \"metadata.foo\"",
            "unknown field \"nope\"",
        ];
        let mut complaints = sorted.map(str::to_owned);
        in_document_order(&mut complaints, body);
        let want = [6, 5, 0, 2, 3, 4, 1].map(|index: usize| sorted[index].to_owned());
        assert_eq!(complaints, want);
    }
}
