//! How deep an expression nests, told from its text alone, before a parser that recurses is let near it.
//!
//! The grammar nests by brackets, by ternaries and by operators that group to the left (`a + b + c` is two deep).
//! What counts here is never less than what the parser does; texts are skipped only when they are surely texts.

/// An upper bound of the depth.
pub(super) fn depth(source: &str) -> usize {
    let chars: Vec<char> = source.chars().collect();
    let mut scan = Scan { chars: &chars, open: Vec::new(), level: Level::default(), outside: 0, deepest: 0 };
    let mut at = 0;
    while at < chars.len() {
        at = scan.token(at);
    }
    scan.deepest
}

/// What was met since the last bracket, in the chain of operators that is being read.
#[derive(Clone, Copy, Default)]
struct Level {
    ternaries: usize,
    relations: usize,
    sums: usize,
    members: usize,
}

impl Level {
    fn depth(&self) -> usize {
        self.ternaries + self.relations.max(self.sums).max(self.members)
    }
}

struct Scan<'c> {
    chars: &'c [char],
    open: Vec<(Level, usize)>,
    level: Level,
    outside: usize,
    deepest: usize,
}

impl Scan<'_> {
    /// Reads one token and returns where the next begins.
    fn token(&mut self, at: usize) -> usize {
        let c = self.chars[at];
        let mut next = at + 1;
        match c {
            '"' | '\'' => return text_end(self.chars, at, false).unwrap_or(next),
            '/' if self.chars.get(next) == Some(&'/') => {
                return self.chars[at..].iter().position(|c| *c == '\n').map_or(self.chars.len(), |line| at + line);
            }
            '(' | '[' | '{' => {
                self.open.push((self.level, self.outside));
                self.outside += 1 + self.level.depth();
                self.level = Level::default();
            }
            ')' | ']' | '}' => {
                if let Some((level, outside)) = self.open.pop() {
                    (self.level, self.outside) = (level, outside);
                }
                self.level.members += 1;
            }
            '.' => self.level.members += 1,
            '+' | '-' | '*' | '/' | '%' => {
                self.level.sums += 1;
                self.level.members = 0;
            }
            '<' | '>' | '=' | '!' => {
                next += usize::from(self.chars.get(next) == Some(&'='));
                self.relation();
            }
            '&' | '|' | '?' => self.level = Level { ternaries: self.level.ternaries, ..Level::default() },
            ':' => self.level = Level { ternaries: self.level.ternaries + 1, ..Level::default() },
            ',' => self.level = Level::default(),
            c if c == '_' || c.is_ascii_alphanumeric() => {
                let len = self.chars[at..].iter().take_while(|c| **c == '_' || c.is_ascii_alphanumeric()).count();
                next = at + len;
                let word: String = self.chars[at..next.min(at + 3)].iter().collect();
                match word.as_str() {
                    "in" if len == 2 => self.relation(),
                    "r" | "R" if len == 1 => return text_end(self.chars, next, true).unwrap_or(next),
                    "br" | "bR" | "Br" | "BR" if len == 2 => return text_end(self.chars, next, true).unwrap_or(next),
                    _ => return next,
                }
            }
            _ => return next,
        }
        self.deepest = self.deepest.max(self.outside + self.level.depth());
        next
    }

    fn relation(&mut self) {
        self.level.relations += 1;
        (self.level.sums, self.level.members) = (0, 0);
    }
}

/// The end of the text that begins with a quote at `at`, if it is a whole and valid one.
fn text_end(chars: &[char], at: usize, raw: bool) -> Option<usize> {
    let quote = *chars.get(at).filter(|c| matches!(c, '"' | '\''))?;
    let is_triple = |at: usize| chars.get(at..at + 3).is_some_and(|three| three.iter().all(|c| *c == quote));
    let triple = is_triple(at);
    let mut at = at + if triple { 3 } else { 1 };
    loop {
        match *chars.get(at)? {
            c if c == quote && (!triple || is_triple(at)) => return Some(at + if triple { 3 } else { 1 }),
            '\n' | '\r' if !triple => return None,
            '\\' if !raw => {
                let digits = |count: usize, radix: u32| {
                    let digits = chars.get(at + 2..at + 2 + count)?;
                    digits.iter().all(|c| c.is_digit(radix)).then_some(at + 2 + count)
                };
                at = match *chars.get(at + 1)? {
                    'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '"' | '\'' | '`' | '\\' | '?' => at + 2,
                    'x' | 'X' => digits(2, 16)?,
                    'u' => digits(4, 16)?,
                    'U' => digits(8, 16)?,
                    '0'..='3' => digits(2, 8)?,
                    _ => return None,
                };
            }
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::depth;

    #[test]
    fn nesting_is_never_underestimated() {
        assert_eq!(depth("self.a"), 1);
        assert!(depth(&"(".repeat(300)) >= 300);
        for chain in ["1+", "a.", "1 in ", "1<", "b?c:", "[", "{'a':", "1 - ", "f("] {
            assert!(depth(&chain.repeat(300)) >= 300, "{chain}");
        }
        // Whatever only looks like a text hides nothing.
        for start in ["r'\\' + ", "'\n ", "'\\q ", "'''", "\"", "'\\u12 "] {
            let hidden = format!("{start}{}1", "1+".repeat(300));
            assert!(depth(&hidden) >= 300, "{start}");
        }
    }

    #[test]
    fn what_people_write_is_far_from_the_limit() {
        let long = format!("self.a.matches('{}')", ".-".repeat(400));
        assert!(depth(&long) < 10);
        let choices = vec!["self == 'a.b.c'"; 300].join(" || ");
        assert!(depth(&choices) < 10);
        let map = format!("{{{}}}", vec!["'a': 1"; 300].join(", "));
        assert!(depth(&map) < 10);
    }
}
