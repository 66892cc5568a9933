//! Sets of fields as trees. Every operation is linear in the smaller tree, or in the one it changes, up to a logarithm.

use super::element::Element;
use std::fmt;

/// A set of paths. Sorted by element at every level; holds no node without a member at or below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet<'a> {
    nodes: Vec<Node<'a>>,
}

/// What a set says about one element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// The step that leads here.
    pub element: Element<'a>,
    /// Whether the path that ends here is in the set.
    pub member: bool,
    /// Paths that go on.
    pub children: FieldSet<'a>,
}

/// How much longer one list has to be than the other before its places are looked up instead of walked.
const LOOK_UP: usize = 16;

impl<'a> FieldSet<'a> {
    /// The empty set.
    pub const fn new() -> Self {
        Self { nodes: Vec::new() }
    }

    /// A set of paths of field names.
    pub fn of(paths: &[&[&'a str]]) -> Self {
        let mut set = Self::new();
        for path in paths {
            set.insert(path.iter().map(|name| Element::field(name)));
        }
        set
    }

    /// A set of nodes in any order. Of an element that occurs twice, membership adds up and the last children count.
    pub fn from_nodes(mut nodes: Vec<Node<'a>>) -> Self {
        nodes.retain(|node| node.member || !node.children.is_empty());
        if !nodes.is_sorted_by(|a, b| a.element < b.element) {
            nodes.sort_by(|a, b| a.element.cmp(&b.element));
            nodes.dedup_by(|later, first| {
                let same = later.element == first.element;
                if same {
                    first.member |= later.member;
                    if !later.children.is_empty() {
                        first.children = std::mem::take(&mut later.children);
                    }
                }
                same
            });
        }
        Self { nodes }
    }

    /// Adds a path; the one of no steps is in no set.
    pub fn insert(&mut self, path: impl IntoIterator<Item = Element<'a>>) {
        let mut path = path.into_iter().peekable();
        let mut set = self;
        while let Some(element) = path.next() {
            let index = match set.nodes.binary_search_by(|node| node.element.cmp(&element)) {
                Ok(index) => index,
                Err(index) => {
                    set.nodes.insert(index, Node { element, member: false, children: Self::new() });
                    index
                }
            };
            let node = &mut set.nodes[index];
            node.member |= path.peek().is_none();
            set = &mut node.children;
        }
    }

    /// Nodes in the order of their elements.
    pub fn nodes(&self) -> &[Node<'a>] {
        &self.nodes
    }

    /// Whether no path is in the set.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many paths are in the set.
    pub fn len(&self) -> usize {
        self.nodes.iter().map(|node| usize::from(node.member) + node.children.len()).sum()
    }

    /// The node of an element.
    pub fn get(&self, element: &Element<'_>) -> Option<&Node<'a>> {
        let index = self.nodes.binary_search_by(|node| node.element.cmp(element)).ok()?;
        self.nodes.get(index)
    }

    /// Whether a path is in the set.
    pub fn has(&self, path: &[Element<'_>]) -> bool {
        let Some((last, way)) = path.split_last() else { return false };
        let set = way.iter().try_fold(self, |set, step| set.get(step).map(|node| &node.children));
        set.and_then(|set| set.get(last)).is_some_and(|node| node.member)
    }

    /// Calls `visit` for every node that `self` and `other` both have.
    fn in_both<'s, 'o, 'b>(&'s self, other: &'o FieldSet<'b>, mut visit: impl FnMut(&'s Node<'a>, &'o Node<'b>)) {
        let (a, b) = (&self.nodes, &other.nodes);
        if a.len() > LOOK_UP * b.len() {
            for node in b {
                if let Some(found) = self.get(&node.element) {
                    visit(found, node);
                }
            }
        } else if b.len() > LOOK_UP * a.len() {
            for node in a {
                if let Some(found) = other.get(&node.element) {
                    visit(node, found);
                }
            }
        } else {
            let mut rest = b.iter().peekable();
            for node in a {
                while rest.next_if(|other| other.element < node.element).is_some() {}
                if let Some(other) = rest.next_if(|other| other.element == node.element) {
                    visit(node, other);
                }
            }
        }
    }

    /// What is in both sets.
    #[must_use]
    pub fn intersection(&self, other: &FieldSet<'_>) -> Self {
        let mut nodes = Vec::new();
        self.in_both(other, |a, b| {
            let children = a.children.intersection(&b.children);
            let member = a.member && b.member;
            if member || !children.is_empty() {
                nodes.push(Node { element: a.element.clone(), member, children });
            }
        });
        Self { nodes }
    }

    /// Whether the sets have a path in common.
    pub fn meets(&self, other: &FieldSet<'_>) -> bool {
        let mut found = false;
        self.in_both(other, |a, b| found = found || a.member && b.member || a.children.meets(&b.children));
        found
    }

    /// Whether every path of this set is in the other.
    pub fn is_subset(&self, other: &FieldSet<'_>) -> bool {
        if self.nodes.len() > other.nodes.len() {
            return false;
        }
        let mut found = 0;
        let mut all = true;
        self.in_both(other, |a, b| {
            found += 1;
            all = all && (b.member || !a.member) && a.children.is_subset(&b.children);
        });
        all && found == self.nodes.len()
    }

    /// Removes the paths that are in `other`, but not what lies below them.
    pub fn subtract(&mut self, other: &FieldSet<'_>) {
        self.remove(other, false);
    }

    /// Removes the paths that are in `other` and everything below them.
    pub fn subtract_deep(&mut self, other: &FieldSet<'_>) {
        self.remove(other, true);
    }

    fn remove(&mut self, other: &FieldSet<'_>, deep: bool) {
        if other.is_empty() || self.is_empty() {
            return;
        }
        let cut = |node: &mut Node<'a>, by: &Node<'_>| {
            if by.member {
                node.member = false;
            }
            if by.member && deep {
                node.children = Self::new();
            } else {
                node.children.remove(&by.children, deep);
            }
            !node.member && node.children.is_empty()
        };
        if self.nodes.len() > LOOK_UP * other.nodes.len() {
            let mut emptied = false;
            for by in &other.nodes {
                if let Ok(index) = self.nodes.binary_search_by(|node| node.element.cmp(&by.element)) {
                    emptied |= cut(&mut self.nodes[index], by);
                }
            }
            if emptied {
                self.nodes.retain(|node| node.member || !node.children.is_empty());
            }
        } else if other.nodes.len() > LOOK_UP * self.nodes.len() {
            self.nodes.retain_mut(|node| other.get(&node.element).is_none_or(|by| !cut(node, by)));
        } else {
            let mut rest = other.nodes.iter().peekable();
            self.nodes.retain_mut(|node| {
                while rest.next_if(|by| by.element < node.element).is_some() {}
                rest.next_if(|by| by.element == node.element).is_none_or(|by| !cut(node, by))
            });
        }
    }

    /// Adds every path of the other set.
    pub fn unite(&mut self, other: Self) {
        if other.is_empty() {
            return;
        }
        if self.is_empty() || self.nodes.last().map(|node| &node.element) < other.nodes.first().map(|n| &n.element) {
            self.nodes.extend(other.nodes);
            return;
        }
        let mine = std::mem::take(&mut self.nodes);
        self.nodes.reserve(mine.len() + other.nodes.len());
        let (mut a, mut b) = (mine.into_iter().peekable(), other.nodes.into_iter().peekable());
        while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
            let order = x.element.cmp(&y.element);
            let (from_a, from_b) =
                (if order.is_le() { a.next() } else { None }, if order.is_ge() { b.next() } else { None });
            match (from_a, from_b) {
                (Some(mut node), Some(same)) => {
                    node.member |= same.member;
                    node.children.unite(same.children);
                    self.nodes.push(node);
                }
                (one, another) => self.nodes.extend(one.or(another)),
            }
        }
        self.nodes.extend(a);
        self.nodes.extend(b);
    }

    /// The union of many sets, in halves, so that no path is moved more often than the logarithm of their number.
    pub fn union_of(mut sets: Vec<Self>) -> Self {
        while sets.len() > 1 {
            let mut halved = Vec::with_capacity(sets.len().div_ceil(2));
            let mut rest = sets.into_iter();
            while let Some(mut set) = rest.next() {
                if let Some(other) = rest.next() {
                    set.unite(other);
                }
                halved.push(set);
            }
            sets = halved;
        }
        sets.pop().unwrap_or_default()
    }

    /// Calls `visit` with every path, members of a level before what lies below it, until it returns `false`.
    pub fn walk(&self, visit: &mut dyn FnMut(&[&Element<'a>]) -> bool) {
        self.walk_below(&mut Vec::new(), visit);
    }

    fn walk_below<'s>(
        &'s self,
        way: &mut Vec<&'s Element<'a>>,
        visit: &mut dyn FnMut(&[&Element<'a>]) -> bool,
    ) -> bool {
        for node in self.nodes.iter().filter(|node| node.member) {
            way.push(&node.element);
            let on = visit(way);
            way.pop();
            if !on {
                return false;
            }
        }
        for node in self.nodes.iter().filter(|node| !node.children.is_empty()) {
            way.push(&node.element);
            let on = node.children.walk_below(way, visit);
            way.pop();
            if !on {
                return false;
            }
        }
        true
    }
}

/// One path a line, as messages show them.
impl fmt::Display for FieldSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        self.walk(&mut |path| {
            lines.push(path.iter().map(ToString::to_string).collect::<String>());
            true
        });
        f.write_str(&lines.join("\n"))
    }
}
