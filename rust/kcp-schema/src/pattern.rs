//! Patterns written for Go's `regexp`, matched by the `regex` crate.
//!
//! Both run in linear time, but they spell a few things differently: here a pattern is checked by Go's rules, with Go's
//! words for what is wrong, and rewritten so that classes mean the same (`\w` is ASCII in Go).

use regex::{Regex, RegexBuilder};

/// Longest pattern accepted, in bytes.
const MAX_LENGTH: usize = 64 << 10;
/// Memory of one compiled pattern, and of one that counts as light.
const MAX_PROGRAM: usize = 512 << 10;
const LIGHT_PROGRAM: usize = 64 << 10;
/// Deepest nesting of groups; Go's own limit is 1000.
const MAX_NESTING: u32 = 200;

/// A compiled pattern.
pub(crate) struct Pattern {
    pub regex: Regex,
    /// Matching takes a time that grows with the text and with the pattern; a heavy one costs much for each character.
    pub heavy: bool,
}

/// Compiles a pattern or says, as Go would, why it cannot be.
pub(crate) fn compile(pattern: &str) -> Result<Pattern, String> {
    if pattern.len() > MAX_LENGTH {
        return Err("error parsing regexp: expression too large".to_owned());
    }
    let translated = Translator::new(pattern).run()?;
    let build = |limit| {
        RegexBuilder::new(&translated).size_limit(limit).dfa_size_limit(256 << 10).nest_limit(MAX_NESTING).build()
    };
    let light = build(LIGHT_PROGRAM).map(|regex| Pattern { regex, heavy: false });
    light.or_else(|_| build(MAX_PROGRAM).map(|regex| Pattern { regex, heavy: true })).map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "error parsing regexp: expression too large".to_owned(),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            format!("error parsing regexp: {}", last.trim_start_matches("error: "))
        }
    })
}

struct Translator<'p> {
    pattern: &'p str,
    at: usize,
    out: String,
    /// Start of the last thing a repetition may follow, or why there is none.
    operand: bool,
    /// Where the repetition operator just written begins, if the last thing was one.
    repeat: Option<usize>,
    groups: u32,
}

fn failure(what: &str, part: &str) -> String {
    format!("error parsing regexp: {what}: `{part}`")
}

impl<'p> Translator<'p> {
    fn new(pattern: &'p str) -> Self {
        Translator {
            pattern,
            at: 0,
            out: String::with_capacity(pattern.len() + 16),
            operand: false,
            repeat: None,
            groups: 0,
        }
    }

    fn rest(&self) -> &'p str {
        &self.pattern[self.at..]
    }

    fn take(&mut self, text: &str) {
        self.out.push_str(text);
        self.at += text.len();
    }

    fn operand_done(&mut self) {
        self.operand = true;
        self.repeat = None;
    }

    fn run(mut self) -> Result<String, String> {
        while let Some(c) = self.rest().chars().next() {
            match c {
                '(' => self.group()?,
                ')' => {
                    if self.groups == 0 {
                        return Err(failure("unexpected )", self.pattern));
                    }
                    self.groups -= 1;
                    self.take(")");
                    self.operand_done();
                }
                '|' => {
                    self.take("|");
                    self.operand = false;
                    self.repeat = None;
                }
                '[' => self.class()?,
                '*' | '+' | '?' => {
                    let end = self.at + 1;
                    self.repetition(end)?;
                }
                '{' => match counted(self.rest())? {
                    Some(len) => {
                        let end = self.at + len;
                        self.repetition(end)?;
                    }
                    None => {
                        self.out.push_str("\\{");
                        self.at += 1;
                        self.operand_done();
                    }
                },
                '\\' => self.escape()?,
                '}' | ']' => {
                    self.out.push('\\');
                    self.out.push(c);
                    self.at += 1;
                    self.operand_done();
                }
                c => {
                    self.out.push(c);
                    self.at += c.len_utf8();
                    self.operand_done();
                }
            }
        }
        if self.groups > 0 {
            return Err(failure("missing closing )", self.pattern));
        }
        Ok(self.out)
    }

    fn repetition(&mut self, mut end: usize) -> Result<(), String> {
        let begin = self.at;
        if !self.operand {
            let operator = &self.pattern[begin..end];
            return Err(failure("missing argument to repetition operator", operator));
        }
        if self.pattern[end..].starts_with('?') {
            end += 1;
        }
        if let Some(before) = self.repeat {
            return Err(failure("invalid nested repetition operator", &self.pattern[before..end]));
        }
        let operator = &self.pattern[begin..end];
        self.take(operator);
        self.repeat = Some(begin);
        Ok(())
    }

    fn group(&mut self) -> Result<(), String> {
        let rest = self.rest();
        if !rest.starts_with("(?") {
            self.groups += 1;
            self.take("(");
            self.operand = false;
            self.repeat = None;
            return Ok(());
        }
        for opening in ["(?P<", "(?<"] {
            if let Some(named) = rest.strip_prefix(opening)
                && !(opening == "(?<" && named.starts_with(['=', '!']))
            {
                let Some(end) = named.find('>') else {
                    return Err(failure("invalid named capture", rest));
                };
                let whole = &rest[..opening.len() + end + 1];
                let name = &named[..end];
                if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                    return Err(failure("invalid named capture", whole));
                }
                self.groups += 1;
                // Names mean nothing to a match, and Go allows names that begin with a digit.
                self.out.push('(');
                self.at += whole.len();
                self.operand = false;
                self.repeat = None;
                return Ok(());
            }
        }
        let flags: String = rest[2..].chars().take_while(|c| "imsU-".contains(*c)).collect();
        let after = rest[2 + flags.len()..].chars().next();
        let malformed =
            flags.ends_with('-') || flags.matches('-').count() > 1 || (flags.is_empty() && after == Some(')'));
        match after {
            Some(end @ (':' | ')')) if !malformed => {
                let whole = &rest[..2 + flags.len() + 1];
                self.take(whole);
                if end == ':' {
                    self.groups += 1;
                }
                self.operand = false;
                self.repeat = None;
                Ok(())
            }
            None => Err(failure("missing closing )", self.pattern)),
            Some(c) => {
                let shown = &rest[..2 + flags.len() + c.len_utf8()];
                let what = "invalid or unsupported Perl syntax";
                // A look-behind is told from a named group by the character after the angle bracket.
                let shown = if shown == "(?<" { rest.get(..4).unwrap_or(shown) } else { shown };
                Err(failure(what, shown))
            }
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let Some(c) = rest[1..].chars().next() else {
            return Err("error parsing regexp: trailing backslash at end of expression: ``".to_owned());
        };
        let whole = &rest[..1 + c.len_utf8()];
        match c {
            'Q' => {
                let quoted = &rest[2..];
                let end = quoted.find("\\E").unwrap_or(quoted.len());
                self.out.push_str(&regex::escape(&quoted[..end]));
                self.at += (2 + end + 2).min(rest.len());
                if end > 0 {
                    self.operand_done();
                }
                return Ok(());
            }
            'E' => {
                self.at += 2;
                return Ok(());
            }
            'A' | 'z' => self.take(whole),
            'b' => {
                self.out.push_str("(?-u:\\b)");
                self.at += 2;
            }
            'B' => {
                self.out.push_str("(?-u:\\B)");
                self.at += 2;
            }
            _ => {
                let class = self.class_escape(c, false)?;
                self.out.push_str(&class);
            }
        }
        self.operand_done();
        Ok(())
    }

    /// An escape that stands for characters, inside or outside brackets; moves past it.
    fn class_escape(&mut self, c: char, bracketed: bool) -> Result<String, String> {
        let rest = self.rest();
        let set = match c {
            'd' => Some("0-9"),
            'w' => Some("0-9A-Za-z_"),
            's' => Some("\\t\\n\\f\\r "),
            _ => None,
        };
        if let Some(set) = set {
            self.at += 2;
            return Ok(format!("[{set}]"));
        }
        let negated = match c {
            'D' => Some("[^0-9]"),
            'W' => Some("[^0-9A-Za-z_]"),
            'S' => Some("[^\\t\\n\\f\\r ]"),
            _ => None,
        };
        if let Some(set) = negated {
            self.at += 2;
            return Ok(set.to_owned());
        }
        match c {
            'p' | 'P' => {
                let name_end = match rest[2..].chars().next() {
                    Some('{') => rest.find('}').map(|end| end + 1),
                    Some(letter) => Some(2 + letter.len_utf8()),
                    None => None,
                };
                let Some(end) = name_end else {
                    return Err(failure("invalid character class range", rest));
                };
                let whole = &rest[..end];
                // `\p{^Greek}` is Go's other way to negate.
                let spelled = match whole.strip_prefix("\\p{^") {
                    Some(name) => format!("\\P{{{name}"),
                    None => whole.to_owned(),
                };
                if Regex::new(&spelled).is_err() {
                    return Err(failure("invalid character class range", whole));
                }
                self.at += end;
                Ok(spelled)
            }
            'a' | 'f' | 't' | 'n' | 'r' | 'v' => {
                self.at += 2;
                Ok(format!("\\{c}"))
            }
            '0'..='7' => {
                let digits: String = rest[1..].chars().take(3).take_while(|d| ('0'..='7').contains(d)).collect();
                // A lone digit would be a back reference, which linear time rules out.
                if c != '0' && digits.len() == 1 {
                    return Err(failure("invalid escape sequence", &rest[..2]));
                }
                self.at += 1 + digits.len();
                let code = u32::from_str_radix(&digits, 8).unwrap_or(0);
                Ok(format!("\\x{{{code:x}}}"))
            }
            'x' => {
                let (digits, len) = match rest[2..].strip_prefix('{') {
                    Some(braced) => match braced.find('}') {
                        Some(end) => (&braced[..end], end + 4),
                        None => return Err(failure("invalid escape sequence", rest)),
                    },
                    None => (rest.get(2..4).unwrap_or_default(), 4),
                };
                let hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
                let code = u32::from_str_radix(digits, 16).ok().filter(|_| hex).and_then(char::from_u32);
                let Some(code) = code else {
                    let mut end = len.min(rest.len());
                    while !rest.is_char_boundary(end) {
                        end += 1;
                    }
                    return Err(failure("invalid escape sequence", &rest[..end]));
                };
                self.at += len;
                Ok(format!("\\x{{{:x}}}", u32::from(code)))
            }
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => {
                self.at += 2;
                Ok(literal(c, bracketed))
            }
            c => Err(failure("invalid escape sequence", &rest[..1 + c.len_utf8()])),
        }
    }

    fn class(&mut self) -> Result<(), String> {
        let begin = self.at;
        let whole = self.rest();
        let missing = || failure("missing closing ]", whole);
        self.take("[");
        if self.rest().starts_with('^') {
            self.take("^");
        }
        let mut first = true;
        loop {
            let rest = self.rest();
            let Some(c) = rest.chars().next() else { return Err(missing()) };
            if c == ']' && !first {
                self.take("]");
                break;
            }
            first = false;
            if rest.starts_with("[:")
                && let Some(end) = rest.find(":]")
            {
                let name = &rest[..end + 2];
                if Regex::new(&format!("[{name}]")).is_err() {
                    return Err(failure("invalid character class range", name));
                }
                self.take(name);
                continue;
            }
            let start = self.at;
            let low = self.class_item(&missing)?;
            let single = low.starts_with('[') || low.starts_with("\\p") || low.starts_with("\\P");
            self.out.push_str(&low);
            let after = self.rest();
            if !single && after.starts_with('-') && after.len() > 1 && !after[1..].starts_with(']') {
                self.out.push('-');
                self.at += 1;
                let high = self.class_item(&missing)?;
                let shown = &self.pattern[start..self.at];
                self.out.push_str(&high);
                if Regex::new(&format!("[{low}-{high}]")).is_err() {
                    return Err(failure("invalid character class range", shown));
                }
            }
        }
        debug_assert!(self.at > begin);
        self.operand_done();
        Ok(())
    }

    fn class_item(&mut self, missing: &dyn Fn() -> String) -> Result<String, String> {
        let rest = self.rest();
        let Some(c) = rest.chars().next() else { return Err(missing()) };
        if c == '\\' {
            let Some(escaped) = rest[1..].chars().next() else { return Err(missing()) };
            return self.class_escape(escaped, true);
        }
        self.at += c.len_utf8();
        Ok(literal(c, true))
    }
}

/// A character that stands for itself, escaped where the regex crate would read more into it.
fn literal(c: char, bracketed: bool) -> String {
    let special = if bracketed { "[]\\^-&~" } else { "\\.+*?()|[]{}^$#&-~" };
    if special.contains(c) { format!("\\{c}") } else { c.to_string() }
}

/// The length of `{n}`, `{n,}` or `{n,m}` at the start, if that is what it is.
fn counted(rest: &str) -> Result<Option<usize>, String> {
    let Some(end) = rest.find('}') else { return Ok(None) };
    let body = &rest[1..end];
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (low, high) = match body.split_once(',') {
        Some((low, high)) => (low, high),
        None => (body, body),
    };
    if !number(low) || !(high.is_empty() || number(high)) {
        return Ok(None);
    }
    let low: u32 = low.parse().unwrap_or(u32::MAX);
    let high: u32 = if high.is_empty() { low } else { high.parse().unwrap_or(u32::MAX) };
    if low > 1000 || high > 1000 || low > high {
        return Err(failure("invalid repeat count", &rest[..=end]));
    }
    Ok(Some(end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_patterns_match_what_they_match_in_go() {
        for (pattern, yes, no) in [
            (r"^\w+$", "abc_1", "é"),
            (r"^\d{1,3}$", "123", "١"),
            (r"^[\w.-]+$", "a.b-c", "a b"),
            (r"^[^\s]+$", "ab", "a b"),
            (r"^a{,2}$", "a{,2}", "aa"),
            (r"^[[a]$", "[", "b"),
            (r"^[a&&b]+$", "a&b", "c"),
            (r"^\/\<\_$", "/<_", "/"),
            (r"^[]a]+$", "]a", "b"),
            (r"^\Qa.b\E$", "a.b", "axb"),
            (r"^(?P<year>\d{4})-(?<m>\d\d)$", "2024-01", "2024"),
            (r"^[[:alpha:]]+$", "ab", "1"),
            (r"^\p{Greek}$", "α", "a"),
            (r"^[A-Za-z0-9_-]*$", "a-b_", "a b"),
            (r"^\x41\x{42}$", "AB", "A"),
            (r"(?i)^abc$", "ABC", "abd"),
            (r"^[0-9a-zA-Z-.]+$", "a-.0", "a,"),
            (r"^[a-z-]+$", "a-", "A"),
        ] {
            let regex = compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert!(regex.regex.is_match(yes), "{pattern} on {yes}");
            assert!(!regex.regex.is_match(no), "{pattern} on {no}");
        }
    }

    #[test]
    fn bad_patterns_are_refused_in_go_words() {
        for (pattern, error) in [
            ("(a", "missing closing ): `(a`"),
            ("a)", "unexpected ): `a)`"),
            ("[a", "missing closing ]: `[a`"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("a{2,1}", "invalid repeat count: `{2,1}`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?!a)", "invalid or unsupported Perl syntax: `(?!`"),
            ("(?<=a)", "invalid or unsupported Perl syntax: `(?<=`"),
            (r"\y", r"invalid escape sequence: `\y`"),
            (r"(a)\1", r"invalid escape sequence: `\1`"),
            ("\\xaΣ", "invalid escape sequence: `\\xaΣ`"),
            (r"\x+1", r"invalid escape sequence: `\x+1`"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("a\\", "trailing backslash at end of expression: ``"),
        ] {
            assert_eq!(compile(pattern).err().unwrap(), format!("error parsing regexp: {error}"), "{pattern}");
        }
    }

    #[test]
    fn an_exploding_pattern_is_refused_and_not_compiled() {
        assert!(compile(r"((\p{L}{1,1000}){1,1000}){1,1000}").is_err());
    }
}
