//! The functions that rules may call: names, overloads and their types.
//!
//! Written as the API server declares them for rules of custom resources at version 1.37; overloads keep their
//! identifiers, because what a call costs depends on them.

use super::types::Type;
use std::collections::HashMap;
use std::sync::OnceLock;

/// One way to call a function.
#[derive(Debug)]
pub(crate) struct Overload {
    pub id: String,
    /// Called on a value rather than by its name alone.
    pub is_member: bool,
    pub params: Vec<Type>,
    pub result: Type,
    /// The letters that stand for types.
    pub letters: Vec<char>,
}

/// All overloads of one name.
#[derive(Debug)]
pub(crate) struct Function {
    pub name: String,
    pub overloads: Vec<Overload>,
}

/// Looks a function up.
pub(crate) fn function(name: &str) -> Option<&'static Function> {
    all().get(name)
}

fn all() -> &'static HashMap<String, Function> {
    static ALL: OnceLock<HashMap<String, Function>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut functions: HashMap<String, Function> = HashMap::new();
        let mut add = |name: &str, overload: Overload| {
            let function = functions
                .entry(name.to_owned())
                .or_insert_with(|| Function { name: name.to_owned(), overloads: Vec::new() });
            function.overloads.push(overload);
        };
        for line in TABLE.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut columns = line.split(';').map(str::trim);
            let mut column = || columns.next().unwrap_or_default();
            let (ids, name, params, result) = (column(), column(), column(), column());
            // One line for each of several types: `list_*_sort; .sort; list(*); list(*)` over a set of types.
            let set = column();
            let choices: &[&str] = match set {
                "comparable" => &["int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes"],
                "summable" => &["int", "uint", "double", "duration"],
                "sortable" => &["int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes"],
                _ => &[""],
            };
            for choice in choices {
                // The extension of lists names these two types in full.
                let named = match (set, *choice) {
                    ("sortable", "duration") => "google.protobuf.Duration",
                    ("sortable", "timestamp") => "google.protobuf.Timestamp",
                    (_, choice) => choice,
                };
                let fill = |text: &str| text.replace('*', choice);
                let mut letters = Vec::new();
                let params = fill(params);
                let params = parse_all(&mut params.as_str(), &mut letters);
                let result = parse(&mut fill(result).as_str(), &mut letters);
                let (is_member, name) = match name.strip_prefix('.') {
                    Some(name) => (true, name),
                    None => (false, name),
                };
                add(name, Overload { id: ids.replace('*', named), is_member, params, result, letters });
            }
        }
        for (name, id) in [("_<_", "less"), ("_<=_", "less_equals"), ("_>_", "greater"), ("_>=_", "greater_equals")] {
            for (left, right) in COMPARED {
                let short = |ty: &str| match ty {
                    "int" => "int64".to_owned(),
                    "uint" => "uint64".to_owned(),
                    other => other.to_owned(),
                };
                let suffix = if left == right { String::new() } else { format!("_{}", short(right)) };
                let mut letters = Vec::new();
                let params = vec![parse(&mut { *left }, &mut letters), parse(&mut { *right }, &mut letters)];
                let id = format!("{id}_{}{suffix}", short(left));
                add(name, Overload { id, is_member: false, params, result: Type::Bool, letters });
            }
        }
        for (name, id) in [
            ("getFullYear", "timestamp_to_year"),
            ("getMonth", "timestamp_to_month"),
            ("getDayOfYear", "timestamp_to_day_of_year"),
            ("getDayOfMonth", "timestamp_to_day_of_month"),
            ("getDate", "timestamp_to_day_of_month_1_based"),
            ("getDayOfWeek", "timestamp_to_day_of_week"),
            ("getHours", "timestamp_to_hours"),
            ("getMinutes", "timestamp_to_minutes"),
            ("getSeconds", "timestamp_to_seconds"),
            ("getMilliseconds", "timestamp_to_milliseconds"),
        ] {
            let member = |id: String, params: Vec<Type>| Overload {
                id,
                is_member: true,
                params,
                result: Type::Int,
                letters: Vec::new(),
            };
            add(name, member(id.to_owned(), vec![Type::Timestamp]));
            add(name, member(format!("{id}_with_tz"), vec![Type::Timestamp, Type::String]));
            if let Some(unit) =
                ["hours", "minutes", "seconds", "milliseconds"].iter().find(|unit| id.ends_with(&format!("to_{unit}")))
            {
                add(name, member(format!("duration_to_{unit}"), vec![Type::Duration]));
            }
        }
        functions
    })
}

const COMPARED: &[(&str, &str)] = &[
    ("bool", "bool"),
    ("int", "int"),
    ("int", "double"),
    ("int", "uint"),
    ("uint", "uint"),
    ("uint", "double"),
    ("uint", "int"),
    ("double", "double"),
    ("double", "int"),
    ("double", "uint"),
    ("string", "string"),
    ("bytes", "bytes"),
    ("timestamp", "timestamp"),
    ("duration", "duration"),
];

fn parse_all(text: &mut &str, letters: &mut Vec<char>) -> Vec<Type> {
    let mut types = Vec::new();
    while !text.trim_start().is_empty() && !text.trim_start().starts_with(')') {
        types.push(parse(text, letters));
        *text = text.trim_start().trim_start_matches(',');
    }
    types
}

fn parse(text: &mut &str, letters: &mut Vec<char>) -> Type {
    *text = text.trim_start();
    let end = text.find(['(', ')', ',']).unwrap_or(text.len());
    let name = text[..end].trim();
    let mut rest = &text[end..];
    let mut inner = Vec::new();
    if let Some(after) = rest.strip_prefix('(') {
        rest = after;
        inner = parse_all(&mut rest, letters);
        rest = rest.trim_start().strip_prefix(')').unwrap_or(rest);
    }
    *text = rest;
    let mut inner = inner.into_iter();
    let mut next = || inner.next().unwrap_or(Type::Error);
    match name {
        "dyn" => Type::Dyn,
        "null" => Type::Null,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "duration" => Type::Duration,
        "timestamp" => Type::Timestamp,
        "list" => next().list(),
        "map" => {
            let key = next();
            Type::map(key, next())
        }
        "optional" => next().optional(),
        "type" => Type::Kind(Some(next().into())),
        "URL" => Type::Named(URL),
        "IP" => Type::Named(IP),
        "CIDR" => Type::Named(CIDR),
        "Quantity" => Type::Named(QUANTITY),
        "Semver" => Type::Named(SEMVER),
        "Format" => Type::Named(FORMAT),
        "Authorizer" => Type::Named("kubernetes.authorization.Authorizer"),
        "PathCheck" => Type::Named("kubernetes.authorization.PathCheck"),
        "GroupCheck" => Type::Named("kubernetes.authorization.GroupCheck"),
        "ResourceCheck" => Type::Named("kubernetes.authorization.ResourceCheck"),
        "Decision" => Type::Named("kubernetes.authorization.Decision"),
        name => match name.chars().next() {
            Some(letter) if name.len() == 1 && letter.is_ascii_uppercase() => {
                if !letters.contains(&letter) {
                    letters.push(letter);
                }
                Type::Param(letter)
            }
            _ => Type::Error,
        },
    }
}

pub(crate) const URL: &str = "kubernetes.URL";
pub(crate) const IP: &str = "net.IP";
pub(crate) const CIDR: &str = "net.CIDR";
pub(crate) const QUANTITY: &str = "kubernetes.Quantity";
pub(crate) const SEMVER: &str = "kubernetes.Semver";
pub(crate) const FORMAT: &str = "kubernetes.NamedFormat";

/// Names that mean types.
pub(crate) fn type_named(name: &str) -> Option<Type> {
    Some(match name {
        "bool" => Type::Bool,
        "bytes" => Type::Bytes,
        "double" => Type::Double,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "string" => Type::String,
        "null_type" => Type::Null,
        "type" => Type::Kind(None),
        "list" => Type::Dyn.list(),
        "map" => Type::map(Type::Dyn, Type::Dyn),
        "google.protobuf.Duration" => Type::Duration,
        "google.protobuf.Timestamp" => Type::Timestamp,
        "optional_type" => Type::Dyn.optional(),
        URL => Type::Named(URL),
        IP => Type::Named(IP),
        CIDR => Type::Named(CIDR),
        QUANTITY => Type::Named(QUANTITY),
        SEMVER => Type::Named(SEMVER),
        FORMAT => Type::Named(FORMAT),
        _ => return None,
    })
}

// The functions of authorizers are declared, although no rule has one: so messages do not call them unknown.
// identifier; name, with a dot before what is called on a value; parameters; result; set of types for `*`
const TABLE: &str = "
conditional; _?_:_; bool, A, A; A
logical_and; _&&_; bool, bool; bool
logical_or; _||_; bool, bool; bool
logical_not; !_; bool; bool
not_strictly_false; @not_strictly_false; bool; bool
equals; _==_; A, A; bool
not_equals; _!=_; A, A; bool

add_bytes; _+_; bytes, bytes; bytes
add_double; _+_; double, double; double
add_duration_duration; _+_; duration, duration; duration
add_duration_timestamp; _+_; duration, timestamp; timestamp
add_timestamp_duration; _+_; timestamp, duration; timestamp
add_int64; _+_; int, int; int
add_list; _+_; list(A), list(A); list(A)
add_string; _+_; string, string; string
add_uint64; _+_; uint, uint; uint
divide_double; _/_; double, double; double
divide_int64; _/_; int, int; int
divide_uint64; _/_; uint, uint; uint
modulo_int64; _%_; int, int; int
modulo_uint64; _%_; uint, uint; uint
multiply_double; _*_; double, double; double
multiply_int64; _*_; int, int; int
multiply_uint64; _*_; uint, uint; uint
negate_double; -_; double; double
negate_int64; -_; int; int
subtract_double; _-_; double, double; double
subtract_duration_duration; _-_; duration, duration; duration
subtract_int64; _-_; int, int; int
subtract_timestamp_duration; _-_; timestamp, duration; timestamp
subtract_timestamp_timestamp; _-_; timestamp, timestamp; duration
subtract_uint64; _-_; uint, uint; uint

index_list; _[_]; list(A), int; A
index_map; _[_]; map(A, B), A; B
optional_list_index_int; _[_]; optional(list(V)), int; optional(V)
optional_map_index_value; _[_]; optional(map(K, V)), K; optional(V)
in_list; @in; A, list(A); bool
in_map; @in; A, map(A, B); bool
size_bytes; size; bytes; int
bytes_size; .size; bytes; int
size_list; size; list(A); int
list_size; .size; list(A); int
size_map; size; map(A, B); int
map_size; .size; map(A, B); int
size_string; size; string; int
string_size; .size; string; int
type; type; A; type(A)

bool_to_bool; bool; bool; bool
string_to_bool; bool; string; bool
bytes_to_bytes; bytes; bytes; bytes
string_to_bytes; bytes; string; bytes
double_to_double; double; double; double
int64_to_double; double; int; double
string_to_double; double; string; double
uint64_to_double; double; uint; double
duration_to_duration; duration; duration; duration
int64_to_duration; duration; int; duration
string_to_duration; duration; string; duration
to_dyn; dyn; A; dyn
int64_to_int64; int; int; int
double_to_int64; int; double; int
duration_to_int64; int; duration; int
string_to_int64; int; string; int
timestamp_to_int64; int; timestamp; int
uint64_to_int64; int; uint; int
string_to_string; string; string; string
bool_to_string; string; bool; string
bytes_to_string; string; bytes; string
double_to_string; string; double; string
duration_to_string; string; duration; string
int64_to_string; string; int; string
timestamp_to_string; string; timestamp; string
uint64_to_string; string; uint; string
ip_to_string; string; IP; string
cidr_to_string; string; CIDR; string
timestamp_to_timestamp; timestamp; timestamp; timestamp
int64_to_timestamp; timestamp; int; timestamp
string_to_timestamp; timestamp; string; timestamp
uint64_to_uint64; uint; uint; uint
double_to_uint64; uint; double; uint
int64_to_uint64; uint; int; uint
string_to_uint64; uint; string; uint

contains_string; .contains; string, string; bool
ends_with_string; .endsWith; string, string; bool
starts_with_string; .startsWith; string, string; bool
matches; matches; string, string; bool
matches_string; .matches; string, string; bool

string_char_at_int; .charAt; string, int; string
string_index_of_string; .indexOf; string, string; int
string_index_of_string_int; .indexOf; string, string, int; int
list_a_index_of_int; .indexOf; list(A), A; int
string_last_index_of_string; .lastIndexOf; string, string; int
string_last_index_of_string_int; .lastIndexOf; string, string, int; int
list_a_last_index_of_int; .lastIndexOf; list(A), A; int
string_lower_ascii; .lowerAscii; string; string
string_upper_ascii; .upperAscii; string; string
string_replace_string_string; .replace; string, string, string; string
string_replace_string_string_int; .replace; string, string, string, int; string
string_split_string; .split; string, string; list(string)
string_split_string_int; .split; string, string, int; list(string)
string_substring_int; .substring; string, int; string
string_substring_int_int; .substring; string, int, int; string
string_trim; .trim; string; string
string_format; .format; string, list(dyn); string
strings_quote; strings.quote; string; string
list_join; .join; list(string); string
list_join_string; .join; list(string), string; string

list_*_is_sorted_bool; .isSorted; list(*); bool; comparable
list_*_sum_*; .sum; list(*); *; summable
list_*_max_*; .max; list(*); *; comparable
list_*_min_*; .min; list(*); *; comparable
list_slice; .slice; list(T), int, int; list(T)
list_flatten; .flatten; list(list(T)); list(T)
list_flatten_int; .flatten; list(dyn), int; list(dyn)
list_*_sort; .sort; list(*); list(*); sortable
list_*_sortByAssociatedKeys; .@sortByAssociatedKeys; list(T), list(*); list(T); sortable
lists_range; lists.range; int; list(int)
list_reverse; .reverse; list(T); list(T)
list_distinct; .distinct; list(T); list(T)
list_first; .first; list(V); optional(V)
list_last; .last; list(V); optional(V)
list_sets_contains_list; sets.contains; list(T), list(T); bool
list_sets_equivalent_list; sets.equivalent; list(T), list(T); bool
list_sets_intersects_list; sets.intersects; list(T), list(T); bool
@mapInsert_map_key_value; cel.@mapInsert; map(K, V), K, V; map(K, V)
@mapInsert_map_map; cel.@mapInsert; map(K, V), map(K, V); map(K, V)

optional_of; optional.of; V; optional(V)
optional_ofNonZeroValue; optional.ofNonZeroValue; V; optional(V)
optional_none; optional.none; ; optional(V)
optional_value; .value; optional(V); V
optional_hasValue; .hasValue; optional(V); bool
optional_or_optional; .or; optional(V), optional(V); optional(V)
optional_orValue_value; .orValue; optional(V), V; V
optional_unwrap; optional.unwrap; list(optional(V)); list(V)
optional_unwrapOpt; .unwrapOpt; list(optional(V)); list(V)
select_optional_field; _?._; dyn, string; optional(V)
list_optindex_optional_int; _[?_]; list(V), int; optional(V)
optional_list_optindex_optional_int; _[?_]; optional(list(V)), int; optional(V)
map_optindex_optional_value; _[?_]; map(K, V), K; optional(V)
optional_map_optindex_optional_value; _[?_]; optional(map(K, V)), K; optional(V)

string_find_string; .find; string, string; string
string_find_all_string; .findAll; string, string; list(string)
string_find_all_string_int; .findAll; string, string, int; list(string)
string_to_url; url; string; URL
is_url_string; isURL; string; bool
url_get_scheme; .getScheme; URL; string
url_get_host; .getHost; URL; string
url_get_hostname; .getHostname; URL; string
url_get_port; .getPort; URL; string
url_get_escaped_path; .getEscapedPath; URL; string
url_get_query; .getQuery; URL; map(string, list(string))
string_to_ip; ip; string; IP
cidr_ip; .ip; CIDR; IP
is_ip; isIP; string; bool
ip_is_canonical; ip.isCanonical; string; bool
ip_family; .family; IP; int
ip_is_unspecified; .isUnspecified; IP; bool
ip_is_loopback; .isLoopback; IP; bool
ip_is_link_local_multicast; .isLinkLocalMulticast; IP; bool
ip_is_link_local_unicast; .isLinkLocalUnicast; IP; bool
ip_is_global_unicast; .isGlobalUnicast; IP; bool
string_to_cidr; cidr; string; CIDR
is_cidr; isCIDR; string; bool
cidr_contains_ip_string; .containsIP; CIDR, string; bool
cidr_contains_ip_ip; .containsIP; CIDR, IP; bool
cidr_contains_cidr_string; .containsCIDR; CIDR, string; bool
cidr_contains_cidr; .containsCIDR; CIDR, CIDR; bool
cidr_prefix_length; .prefixLength; CIDR; int
cidr_masked; .masked; CIDR; CIDR
string_to_quantity; quantity; string; Quantity
is_quantity_string; isQuantity; string; bool
quantity_sign; sign; Quantity; int
quantity_is_greater_than; .isGreaterThan; Quantity, Quantity; bool
quantity_is_less_than; .isLessThan; Quantity, Quantity; bool
quantity_compare_to; .compareTo; Quantity, Quantity; int
quantity_get_float; .asApproximateFloat; Quantity; double
quantity_get_int; .asInteger; Quantity; int
quantity_is_integer; .isInteger; Quantity; bool
quantity_add; .add; Quantity, Quantity; Quantity
quantity_add_int; .add; Quantity, int; Quantity
quantity_sub; .sub; Quantity, Quantity; Quantity
quantity_sub_int; .sub; Quantity, int; Quantity
string_to_semver; semver; string; Semver
string_bool_to_semver; semver; string, bool; Semver
is_semver_string; isSemver; string; bool
is_semver_string_bool; isSemver; string, bool; bool
semver_is_greater_than; .isGreaterThan; Semver, Semver; bool
semver_is_less_than; .isLessThan; Semver, Semver; bool
semver_compare_to; .compareTo; Semver, Semver; int
semver_major; .major; Semver; int
semver_minor; .minor; Semver; int
semver_patch; .patch; Semver; int
format-validate; .validate; Format, string; optional(list(string))
format-named; format.named; string; optional(Format)
format.dns1123Label; format.dns1123Label; ; Format
format.dns1123Subdomain; format.dns1123Subdomain; ; Format
format.dns1035Label; format.dns1035Label; ; Format
format.qualifiedName; format.qualifiedName; ; Format
format.dns1123LabelPrefix; format.dns1123LabelPrefix; ; Format
format.dns1123SubdomainPrefix; format.dns1123SubdomainPrefix; ; Format
format.dns1035LabelPrefix; format.dns1035LabelPrefix; ; Format
format.labelValue; format.labelValue; ; Format
format.uri; format.uri; ; Format
format.uuid; format.uuid; ; Format
format.byte; format.byte; ; Format
format.date; format.date; ; Format
format.datetime; format.datetime; ; Format

authorizer_path; .path; Authorizer, string; PathCheck
authorizer_group; .group; Authorizer, string; GroupCheck
authorizer_serviceaccount; .serviceAccount; Authorizer, string, string; Authorizer
groupcheck_resource; .resource; GroupCheck, string; ResourceCheck
resourcecheck_subresource; .subresource; ResourceCheck, string; ResourceCheck
resourcecheck_namespace; .namespace; ResourceCheck, string; ResourceCheck
resourcecheck_name; .name; ResourceCheck, string; ResourceCheck
resourcecheck_fieldselector; .fieldSelector; ResourceCheck, string; ResourceCheck
resourcecheck_labelselector; .labelSelector; ResourceCheck, string; ResourceCheck
pathcheck_check; .check; PathCheck, string; Decision
resourcecheck_check; .check; ResourceCheck, string; Decision
decision_errored; .errored; Decision; bool
decision_error; .error; Decision; string
decision_allowed; .allowed; Decision; bool
decision_reason; .reason; Decision; string
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_understood() {
        for function in all().values() {
            for overload in &function.overloads {
                let text = format!("{:?} {:?}", overload.params, overload.result);
                assert!(!text.contains("Error"), "{} {text}", overload.id);
            }
        }
        let add = function("_+_").map(|add| add.overloads.len());
        assert_eq!(add, Some(9));
        assert_eq!(function("_<_").map(|less| less.overloads.len()), Some(14));
        let sort = function("sort").map(|sort| sort.overloads[4].id.clone());
        assert_eq!(sort.as_deref(), Some("list_google.protobuf.Duration_sort"));
    }
}
