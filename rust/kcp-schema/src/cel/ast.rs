//! Expressions as parsed: a flat tree whose nodes know where they stand in the text.
//!
//! Lexer, grammar and literals are those of the `cel` crate; its tree is copied into one of our own, in which every
//! node has a number of its own, so that the checker and the estimator can keep what they find out beside it.

use super::depth::depth;
use super::macros;
use super::source::Issues;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo};
use std::sync::OnceLock;

/// Longest expression, in characters.
const MAX_LENGTH: usize = 100_000;
/// Deepest nesting of an expression; chains of operators of one rank nest too.
const MAX_DEPTH: u16 = 250;
/// Stack of the thread that parses: the grammar takes a dozen calls for each level of nesting.
const PARSER_STACK: usize = 256 << 20;

/// The number of a node.
pub(crate) type Id = u32;

/// A parsed expression.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ast {
    pub nodes: Vec<Node>,
    pub root: Id,
}

/// One node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub kind: Kind,
    /// Offset of its token, in characters.
    pub at: u32,
}

/// A value written out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Literal(Literal),
    Ident(Box<str>),
    Select {
        operand: Id,
        field: Box<str>,
        test: bool,
    },
    Call {
        function: Box<str>,
        target: Option<Id>,
        args: Box<[Id]>,
    },
    List {
        items: Box<[Id]>,
        optional: Box<[usize]>,
    },
    Map(Box<[MapEntry]>),
    /// A message: no rule can build one, but its parts are checked.
    Struct {
        name: Box<str>,
        fields: Box<[Id]>,
    },
    Fold(Box<Fold>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct MapEntry {
    pub key: Id,
    pub value: Id,
    pub optional: bool,
}

/// A comprehension: what macros expand to.
#[derive(Clone, Debug)]
pub(crate) struct Fold {
    pub range: Id,
    pub var: Box<str>,
    pub var2: Option<Box<str>>,
    pub accu: Box<str>,
    pub init: Id,
    pub condition: Id,
    pub step: Id,
    pub result: Id,
}

impl Ast {
    pub(crate) fn kind(&self, id: Id) -> &Kind {
        &self.nodes[id as usize].kind
    }

    pub(crate) fn at(&self, id: Id) -> u32 {
        self.nodes[id as usize].at
    }

    /// `a.b.c` as a name, if the node is nothing but names and dots.
    pub(crate) fn qualified_name(&self, id: Id) -> Option<String> {
        match self.kind(id) {
            Kind::Ident(name) => Some(name.to_string()),
            Kind::Select { operand, field, test: false } => Some(format!("{}.{field}", self.qualified_name(*operand)?)),
            _ => None,
        }
    }

    /// Whether a comprehension only names a value.
    pub(crate) fn is_bind(&self, fold: &Fold) -> bool {
        &*fold.accu != macros::RESULT
            && matches!(self.kind(fold.range), Kind::List { items, .. } if items.is_empty())
            && matches!(self.kind(fold.condition), Kind::Literal(Literal::Bool(false)))
    }
}

/// Parses an expression.
pub(crate) fn parse(source: &str) -> Result<Ast, Issues> {
    let length = source.chars().count();
    if length > MAX_LENGTH {
        let message = format!("expression code point size exceeds limit: size: {length}, limit {MAX_LENGTH}");
        return Err(Issues::of(None, message));
    }
    if depth(source) > usize::from(MAX_DEPTH) {
        return Err(too_deep());
    }
    // A thread with a stack of its own: deep expressions fit, and a fault of the parser ends there.
    let parsed = std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().name("cel-parser".to_owned()).stack_size(PARSER_STACK);
        parser.spawn_scoped(scope, || parse_here(source)).map(std::thread::ScopedJoinHandle::join)
    });
    match parsed {
        Ok(Ok(parsed)) => parsed,
        Ok(Err(_)) | Err(_) => Err(Issues::of(None, "unexpected failure of the parser")),
    }
}

fn too_deep() -> Issues {
    Issues::of(None, format!("expression recursion limit exceeded: {MAX_DEPTH}"))
}

fn parse_here(source: &str) -> Result<Ast, Issues> {
    static ENVIRONMENT: OnceLock<cel::Env> = OnceLock::new();
    let parser = ENVIRONMENT.get_or_init(macros::environment).parser();
    let parser = parser.max_recursion_depth(MAX_DEPTH).enable_optional_syntax(true);
    match parser.parse_with_source_info(source) {
        Ok((expr, info)) => {
            let mut copier =
                Copier { ast: Ast::default(), characters: characters(source), info, issues: Issues::default() };
            copier.ast.root = copier.copy(expr, 0);
            if copier.issues.is_empty() { Ok(copier.ast) } else { Err(copier.issues) }
        }
        Err(errors) => {
            let starts = line_starts(source);
            let mut issues = Issues::default();
            for error in errors.errors {
                let (line, column) = error.pos;
                let start = usize::try_from(line - 1).ok().and_then(|line| starts.get(line));
                let at = start.map(|start| start + u32::try_from(column - 1).unwrap_or_default());
                issues.add(at, error.msg);
            }
            Err(issues)
        }
    }
}

fn characters(source: &str) -> Vec<u32> {
    if source.is_ascii() {
        return Vec::new();
    }
    source.chars().zip(0..).flat_map(|(c, index)| std::iter::repeat_n(index, c.len_utf8())).collect()
}

/// Offsets of the lines, in characters.
fn line_starts(source: &str) -> Vec<u32> {
    let mut starts = vec![0];
    starts.extend(source.chars().zip(1..).filter(|(c, _)| *c == '\n').map(|(_, after)| after));
    starts
}

struct Copier {
    ast: Ast,
    /// For each byte of the text the character it belongs to; empty if they are the same.
    characters: Vec<u32>,
    info: SourceInfo,
    issues: Issues,
}

impl Copier {
    fn at(&self, id: u64) -> u32 {
        let byte = self.info.offset_for(id).map_or(0, |(start, _)| start);
        // The parser counts bytes, messages count characters.
        self.characters.get(byte as usize).copied().unwrap_or(byte)
    }

    fn all(&mut self, exprs: Vec<IdedExpr>, depth: u16) -> Box<[Id]> {
        exprs.into_iter().map(|expr| self.copy(expr, depth)).collect()
    }

    fn copy(&mut self, expr: IdedExpr, depth: u16) -> Id {
        let at = self.at(expr.id);
        if depth > MAX_DEPTH * 2 {
            if self.issues.is_empty() {
                self.issues = too_deep();
            }
            return 0;
        }
        let depth = depth + 1;
        let kind = match expr.expr {
            Expr::Unspecified => {
                self.issues.add(Some(at), "unsupported expression");
                Kind::Literal(Literal::Null)
            }
            Expr::Literal(literal) => Kind::Literal(match literal {
                LiteralValue::Boolean(value) => Literal::Bool(value.into_inner()),
                LiteralValue::Bytes(value) => Literal::Bytes(value.into_inner().into()),
                LiteralValue::Double(value) => Literal::Double(value.into_inner()),
                LiteralValue::Int(value) => Literal::Int(value.into_inner()),
                LiteralValue::Null => Literal::Null,
                LiteralValue::String(value) => Literal::Text(value.into_inner().into()),
                LiteralValue::UInt(value) => Literal::Uint(value.into_inner()),
            }),
            Expr::Ident(name) => Kind::Ident(name.into()),
            Expr::Select(select) => Kind::Select {
                operand: self.copy(*select.operand, depth),
                field: select.field.into(),
                test: select.test,
            },
            Expr::Call(call) => Kind::Call {
                function: call.func_name.into(),
                target: call.target.map(|target| self.copy(*target, depth)),
                args: self.all(call.args, depth),
            },
            Expr::List(list) => {
                Kind::List { items: self.all(list.elements, depth), optional: list.optional_indices.into() }
            }
            Expr::Map(map) => {
                let mut entries = Vec::with_capacity(map.entries.len());
                for entry in map.entries {
                    if let EntryExpr::MapEntry(entry) = entry.expr {
                        let (key, value) = (self.copy(entry.key, depth), self.copy(entry.value, depth));
                        entries.push(MapEntry { key, value, optional: entry.optional });
                    }
                }
                Kind::Map(entries.into())
            }
            Expr::Struct(object) => {
                let mut fields = Vec::with_capacity(object.entries.len());
                for entry in object.entries {
                    if let EntryExpr::StructField(field) = entry.expr {
                        fields.push(self.copy(field.value, depth));
                    }
                }
                Kind::Struct { name: object.type_name.into(), fields: fields.into() }
            }
            Expr::Comprehension(fold) => Kind::Fold(Box::new(Fold {
                range: self.copy(fold.iter_range, depth),
                var: fold.iter_var.into(),
                var2: fold.iter_var2.map(Into::into),
                accu: fold.accu_var.into(),
                init: self.copy(fold.accu_init, depth),
                condition: self.copy(fold.loop_cond, depth),
                step: self.copy(fold.loop_step, depth),
                result: self.copy(fold.result, depth),
            })),
        };
        self.ast.nodes.push(Node { kind, at });
        (self.ast.nodes.len() - 1) as Id
    }
}
