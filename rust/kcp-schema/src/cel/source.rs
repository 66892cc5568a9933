//! An expression's text, and errors that point into it.

use std::fmt::Write;

/// Most errors that are told of one expression.
const MAX_ISSUES: usize = 100;
/// Longest line that is repeated below an error, in bytes.
const MAX_SNIPPET: usize = 16_384;

/// What is wrong with an expression, and where: a character offset, or nowhere in particular.
#[derive(Clone, Debug, PartialEq)]
pub struct Issue {
    /// Offset of the character, from 0.
    pub at: Option<u32>,
    /// What is wrong.
    pub message: String,
}

/// Everything wrong with one expression.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Issues {
    list: Vec<Issue>,
    more: usize,
}

impl Issues {
    pub(crate) fn of(at: Option<u32>, message: impl Into<String>) -> Issues {
        let mut issues = Issues::default();
        issues.add(at, message);
        issues
    }

    pub(crate) fn add(&mut self, at: Option<u32>, message: impl Into<String>) {
        if self.list.len() < MAX_ISSUES {
            self.list.push(Issue { at, message: message.into() });
        } else {
            self.more += 1;
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The issues as people read them: each with its line and a mark below it.
    pub fn render(&self, source: &str) -> String {
        let lines: Vec<&str> = source.split('\n').collect();
        let mut placed: Vec<(usize, usize, &Issue)> = Vec::with_capacity(self.list.len());
        for issue in &self.list {
            let (line, column) = issue.at.map_or((0, 0), |at| position(&lines, at as usize));
            placed.push((line, column, issue));
        }
        placed.sort_by_key(|(line, column, _)| (*line, *column));
        let mut texts: Vec<String> = placed
            .into_iter()
            .map(|(line, column, issue)| match (issue.at, line.checked_sub(1).and_then(|line| lines.get(line))) {
                (Some(_), Some(text)) => pointed(line, column, text, &issue.message),
                _ => format!("ERROR: <input>:-1:0: {}", issue.message),
            })
            .collect();
        if self.more > 0 {
            texts.push(format!("{} more errors were truncated", self.more));
        }
        texts.join("\n")
    }
}

/// Line from 1 and column from 0 of a character.
fn position(lines: &[&str], at: usize) -> (usize, usize) {
    let mut left = at;
    for (index, line) in lines.iter().enumerate() {
        let len = line.chars().count();
        if left <= len {
            return (index + 1, left);
        }
        left -= len + 1;
    }
    (lines.len(), lines.last().map_or(0, |line| line.chars().count()))
}

fn pointed(line: usize, column: usize, text: &str, message: &str) -> String {
    let mut out = format!("ERROR: <input>:{line}:{}: {message}", column + 1);
    if text.len() <= MAX_SNIPPET {
        // Writing to a String cannot fail.
        let _ = write!(out, "\n | {}\n | ", text.replace('\t', " "));
        let mut chars = text.chars();
        for c in chars.by_ref().take(column) {
            out.push(if c.len_utf8() > 1 { '\u{ff0e}' } else { '.' });
        }
        out.push(if chars.next().is_some_and(|c| c.len_utf8() > 1) { '\u{ff3e}' } else { '^' });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_points_at_its_character() {
        let mut issues = Issues::of(Some(9), "second");
        issues.add(Some(0), "first");
        assert_eq!(
            issues.render("a +\n\tb.é c"),
            "ERROR: <input>:1:1: first\n | a +\n | ^\nERROR: <input>:2:6: second\n |  b.é c\n | ...\u{ff0e}.^"
        );
        assert_eq!(Issues::of(None, "too deep").render("x"), "ERROR: <input>:-1:0: too deep");
    }
}
