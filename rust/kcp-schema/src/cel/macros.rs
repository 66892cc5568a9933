//! The macros that rules may use, as the parser expands them: `has`, the comprehensions over one and over two
//! variables, and those of optional values and sorting.
//!
//! What they expand to decides what a rule costs, so the expansions are those of the API server's parser.

use cel::Env;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr, operators};
use cel::parser::{Macro, MacroExprHelper, ParseError};

/// The variable in which a comprehension collects its result; no rule can spell it.
pub(super) const RESULT: &str = "@result";
/// The variable of a comprehension that only binds a name.
pub(super) const UNUSED: &str = "#unused";
/// The function that adds an entry to a map being built.
pub(super) const MAP_INSERT: &str = "cel.@mapInsert";
/// The function that sorts a list by the keys in another.
pub(super) const SORT_BY_KEYS: &str = "@sortByAssociatedKeys";
const SORT_INPUT: &str = "@__sortBy_input__";

type Helper<'a, 'h> = &'a mut MacroExprHelper<'h>;
type Expansion = Result<IdedExpr, ParseError>;
type Expander = fn(Helper<'_, '_>, Option<IdedExpr>, Vec<IdedExpr>) -> Expansion;

/// An environment whose parser expands the macros.
pub(super) fn environment() -> Env {
    let mut env = Env::default();
    let receivers: [(&str, usize, Expander); 20] = [
        ("all", 2, all),
        ("all", 3, all),
        ("exists", 2, exists),
        ("exists", 3, exists),
        ("exists_one", 2, exists_one),
        ("exists_one", 3, exists_one),
        ("existsOne", 2, exists_one),
        ("existsOne", 3, exists_one),
        ("map", 2, map),
        ("map", 3, map),
        ("filter", 2, filter),
        ("transformList", 3, transform_list),
        ("transformList", 4, transform_list),
        ("transformMap", 3, transform_map),
        ("transformMap", 4, transform_map),
        ("transformMapEntry", 3, transform_map_entry),
        ("transformMapEntry", 4, transform_map_entry),
        ("optMap", 2, opt_map),
        ("optFlatMap", 2, opt_flat_map),
        ("sortBy", 2, sort_by),
    ];
    let expanding = |expander: Expander| {
        move |helper: &mut MacroExprHelper<'_>, target: &mut Option<IdedExpr>, args: &mut Vec<IdedExpr>| {
            expander(helper, target.take(), std::mem::take(args)).map(Some)
        }
    };
    // Adding fails only for a macro that is there already; a test holds that none is lost.
    let _ = env.add_macro(Macro::global("has", 1, expanding(has)));
    for (name, count, expander) in receivers {
        let _ = env.add_macro(Macro::receiver(name, count, expanding(expander)));
    }
    env
}

fn call(helper: Helper<'_, '_>, function: &str, args: Vec<IdedExpr>) -> IdedExpr {
    helper.next_expr(Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args }))
}

fn member(helper: Helper<'_, '_>, target: IdedExpr, function: &str, args: Vec<IdedExpr>) -> IdedExpr {
    helper.next_expr(Expr::Call(CallExpr { func_name: function.to_owned(), target: Some(Box::new(target)), args }))
}

fn ident(helper: Helper<'_, '_>, name: &str) -> IdedExpr {
    helper.next_expr(Expr::Ident(name.to_owned()))
}

fn result(helper: Helper<'_, '_>) -> IdedExpr {
    ident(helper, RESULT)
}

fn truth(helper: Helper<'_, '_>, value: bool) -> IdedExpr {
    helper.next_expr(Expr::Literal(LiteralValue::Boolean(value.into())))
}

fn number(helper: Helper<'_, '_>, value: i64) -> IdedExpr {
    helper.next_expr(Expr::Literal(LiteralValue::Int(value.into())))
}

fn list(helper: Helper<'_, '_>, items: Vec<IdedExpr>) -> IdedExpr {
    helper.next_expr(Expr::List(ListExpr::new(items)))
}

fn has(helper: Helper<'_, '_>, _target: Option<IdedExpr>, mut args: Vec<IdedExpr>) -> Expansion {
    let arg = args.pop().unwrap_or_default();
    match arg.expr {
        Expr::Select(mut select) => {
            select.test = true;
            Ok(helper.next_expr(Expr::Select(select)))
        }
        _ => Err(helper.new_error(arg.id, "invalid argument to has() macro")),
    }
}

/// The variables of a comprehension, and the arguments that follow them.
struct Vars {
    first: String,
    second: Option<String>,
}

fn variables(helper: Helper<'_, '_>, args: &mut Vec<IdedExpr>, two: bool) -> Result<Vars, ParseError> {
    let mut take = |helper: Helper<'_, '_>| {
        let arg = if args.is_empty() { IdedExpr::default() } else { args.remove(0) };
        match arg.expr {
            Expr::Ident(name) if name == RESULT || name == "__result__" => {
                Err(helper.new_error(arg.id, "iteration variable overwrites accumulator variable"))
            }
            Expr::Ident(name) => Ok((arg.id, name)),
            _ => Err(helper.new_error(arg.id, "argument must be a simple name")),
        }
    };
    let (_, first) = take(helper)?;
    if !two {
        return Ok(Vars { first, second: None });
    }
    let (id, second) = take(helper)?;
    if first == second {
        return Err(helper.new_error(id, format!("duplicate variable name: {first}")));
    }
    Ok(Vars { first, second: Some(second) })
}

struct Fold {
    init: IdedExpr,
    condition: IdedExpr,
    step: IdedExpr,
    result: IdedExpr,
}

fn fold(helper: Helper<'_, '_>, range: Option<IdedExpr>, vars: Vars, fold: Fold) -> IdedExpr {
    helper.next_expr(Expr::Comprehension(Box::new(ComprehensionExpr {
        iter_range: range.unwrap_or_default(),
        iter_var: vars.first,
        iter_var2: vars.second,
        accu_var: RESULT.to_owned(),
        accu_init: fold.init,
        loop_cond: fold.condition,
        loop_step: fold.step,
        result: fold.result,
    })))
}

fn all(helper: Helper<'_, '_>, target: Option<IdedExpr>, mut args: Vec<IdedExpr>) -> Expansion {
    let two = args.len() == 3;
    let vars = variables(helper, &mut args, two)?;
    let init = truth(helper, true);
    let accumulated = result(helper);
    let condition = call(helper, operators::NOT_STRICTLY_FALSE, vec![accumulated]);
    args.insert(0, result(helper));
    let step = call(helper, operators::LOGICAL_AND, args);
    let result = result(helper);
    Ok(fold(helper, target, vars, Fold { init, condition, step, result }))
}

fn exists(helper: Helper<'_, '_>, target: Option<IdedExpr>, mut args: Vec<IdedExpr>) -> Expansion {
    let two = args.len() == 3;
    let vars = variables(helper, &mut args, two)?;
    let init = truth(helper, false);
    let accumulated = result(helper);
    let not = call(helper, operators::LOGICAL_NOT, vec![accumulated]);
    let condition = call(helper, operators::NOT_STRICTLY_FALSE, vec![not]);
    args.insert(0, result(helper));
    let step = call(helper, operators::LOGICAL_OR, args);
    let result = result(helper);
    Ok(fold(helper, target, vars, Fold { init, condition, step, result }))
}

fn exists_one(helper: Helper<'_, '_>, target: Option<IdedExpr>, mut args: Vec<IdedExpr>) -> Expansion {
    let two = args.len() == 3;
    let vars = variables(helper, &mut args, two)?;
    let init = number(helper, 0);
    let condition = truth(helper, true);
    let sum = vec![result(helper), number(helper, 1)];
    args.push(call(helper, operators::ADD, sum));
    args.push(result(helper));
    let step = call(helper, operators::CONDITIONAL, args);
    let compared = vec![result(helper), number(helper, 1)];
    let result = call(helper, operators::EQUALS, compared);
    Ok(fold(helper, target, vars, Fold { init, condition, step, result }))
}

/// A comprehension whose step adds to what is collected, if the filter lets it.
fn collect(
    helper: Helper<'_, '_>,
    target: Option<IdedExpr>,
    vars: Vars,
    init: IdedExpr,
    filter: Option<IdedExpr>,
    step: impl FnOnce(Helper<'_, '_>) -> IdedExpr,
) -> IdedExpr {
    let condition = truth(helper, true);
    let mut step = step(helper);
    if let Some(filter) = filter {
        let unchanged = result(helper);
        step = call(helper, operators::CONDITIONAL, vec![filter, step, unchanged]);
    }
    let result = result(helper);
    fold(helper, target, vars, Fold { init, condition, step, result })
}

fn append(helper: Helper<'_, '_>, item: IdedExpr) -> IdedExpr {
    let sum = vec![result(helper), list(helper, vec![item])];
    call(helper, operators::ADD, sum)
}

fn map(helper: Helper<'_, '_>, target: Option<IdedExpr>, mut args: Vec<IdedExpr>) -> Expansion {
    let item = args.pop().unwrap_or_default();
    let vars = variables(helper, &mut args, false)?;
    let init = list(helper, Vec::new());
    Ok(collect(helper, target, vars, init, args.pop(), |helper| append(helper, item)))
}

fn filter(helper: Helper<'_, '_>, target: Option<IdedExpr>, mut args: Vec<IdedExpr>) -> Expansion {
    let predicate = args.pop();
    let item = args.first().cloned().unwrap_or_default();
    let vars = variables(helper, &mut args, false)?;
    let init = list(helper, Vec::new());
    Ok(collect(helper, target, vars, init, predicate, |helper| append(helper, item)))
}

fn transform_list(helper: Helper<'_, '_>, target: Option<IdedExpr>, mut args: Vec<IdedExpr>) -> Expansion {
    let item = args.pop().unwrap_or_default();
    let vars = variables(helper, &mut args, true)?;
    let init = list(helper, Vec::new());
    Ok(collect(helper, target, vars, init, args.pop(), |helper| append(helper, item)))
}

fn transform_map(helper: Helper<'_, '_>, target: Option<IdedExpr>, mut args: Vec<IdedExpr>) -> Expansion {
    let value = args.pop().unwrap_or_default();
    let vars = variables(helper, &mut args, true)?;
    let init = helper.next_expr(Expr::Map(MapExpr::default()));
    let key = vars.first.clone();
    Ok(collect(helper, target, vars, init, args.pop(), |helper| {
        let entry = vec![result(helper), ident(helper, &key), value];
        call(helper, MAP_INSERT, entry)
    }))
}

fn transform_map_entry(helper: Helper<'_, '_>, target: Option<IdedExpr>, mut args: Vec<IdedExpr>) -> Expansion {
    let entries = args.pop().unwrap_or_default();
    let vars = variables(helper, &mut args, true)?;
    let init = helper.next_expr(Expr::Map(MapExpr::default()));
    Ok(collect(helper, target, vars, init, args.pop(), |helper| {
        let merged = vec![result(helper), entries];
        call(helper, MAP_INSERT, merged)
    }))
}

/// Names a value for one expression: a comprehension over nothing.
fn bind(helper: Helper<'_, '_>, name: &str, value: IdedExpr, body: IdedExpr) -> IdedExpr {
    let iter_range = list(helper, Vec::new());
    let loop_cond = truth(helper, false);
    let loop_step = ident(helper, name);
    helper.next_expr(Expr::Comprehension(Box::new(ComprehensionExpr {
        iter_range,
        iter_var: UNUSED.to_owned(),
        iter_var2: None,
        accu_var: name.to_owned(),
        accu_init: value,
        loop_cond,
        loop_step,
        result: body,
    })))
}

fn opt_map(helper: Helper<'_, '_>, target: Option<IdedExpr>, args: Vec<IdedExpr>) -> Expansion {
    optional(helper, target, args, "optMap")
}

fn opt_flat_map(helper: Helper<'_, '_>, target: Option<IdedExpr>, args: Vec<IdedExpr>) -> Expansion {
    optional(helper, target, args, "optFlatMap")
}

/// `target.hasValue() ? optional.of(body with the value) : optional.none()`; a flat map's body is optional itself.
fn optional(helper: Helper<'_, '_>, target: Option<IdedExpr>, mut args: Vec<IdedExpr>, name: &str) -> Expansion {
    let body = args.pop().unwrap_or_default();
    let variable = args.pop().unwrap_or_default();
    let Expr::Ident(bound) = variable.expr else {
        return Err(helper.new_error(variable.id, format!("{name}() variable name must be a simple identifier")));
    };
    let target = target.unwrap_or_default();
    let has_value = member(helper, target.clone(), "hasValue", Vec::new());
    let value = member(helper, target, "value", Vec::new());
    let mut mapped = bind(helper, &bound, value, body);
    if name == "optMap" {
        let namespace = ident(helper, "optional");
        mapped = member(helper, namespace, "of", vec![mapped]);
    }
    let namespace = ident(helper, "optional");
    let none = member(helper, namespace, "none", Vec::new());
    Ok(call(helper, operators::CONDITIONAL, vec![has_value, mapped, none]))
}

fn sort_by(helper: Helper<'_, '_>, target: Option<IdedExpr>, args: Vec<IdedExpr>) -> Expansion {
    let target = target.unwrap_or_default();
    if matches!(target.expr, Expr::Literal(_) | Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified) {
        let message = "sortBy can only be applied to a list, identifier, comprehension, call or select expression";
        return Err(helper.new_error(target.id, message));
    }
    let input = ident(helper, SORT_INPUT);
    let keys = map(helper, Some(input), args)?;
    let input = ident(helper, SORT_INPUT);
    let sorted = member(helper, input, SORT_BY_KEYS, vec![keys]);
    Ok(bind(helper, SORT_INPUT, target, sorted))
}
