//! What Go's JSON decoder would say about a malformed document. Runs only once a document has been refused.

use crate::strict::MAX_DEPTH;

/// The first complaint; `None` when the document is well formed by Go's rules.
pub(crate) fn complaint(bytes: &[u8]) -> Option<String> {
    complaint_within(bytes, MAX_DEPTH)
}

/// The first complaint, where objects and lists may be nested `depth` deep.
pub(crate) fn complaint_within(bytes: &[u8], depth: usize) -> Option<String> {
    Scanner { bytes, at: 0, depth }.document().err()
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

/// What the scanner is inside of.
#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Object,
    List,
}

impl Scanner<'_> {
    /// A well-formed document, and nothing after it. Iterative: depth costs heap, and is bounded.
    fn document(mut self) -> Result<(), String> {
        let mut stack = Vec::new();
        'value: loop {
            // At the beginning of a value.
            match self.next_solid()? {
                b'{' => {
                    self.open(&mut stack, Inside::Object)?;
                    if self.peek_solid()? == b'}' {
                        self.at += 1;
                        stack.pop();
                    } else {
                        self.key()?;
                        continue 'value;
                    }
                }
                b'[' => {
                    self.open(&mut stack, Inside::List)?;
                    if self.peek_solid()? == b']' {
                        self.at += 1;
                        stack.pop();
                    } else {
                        continue 'value;
                    }
                }
                b'"' => self.string()?,
                b't' => self.literal("true")?,
                b'f' => self.literal("false")?,
                b'n' => self.literal("null")?,
                c @ (b'-' | b'0'..=b'9') => self.number(c)?,
                c => return Err(invalid(c, "looking for beginning of value")),
            }
            // After a value.
            loop {
                let Some(inside) = stack.last() else {
                    self.skip_space();
                    return match self.bytes.get(self.at) {
                        None => Ok(()),
                        Some(c) => Err(invalid(*c, "after top-level value")),
                    };
                };
                match (inside, self.next_solid()?) {
                    (Inside::Object, b',') => {
                        self.key()?;
                        continue 'value;
                    }
                    (Inside::List, b',') => continue 'value,
                    (Inside::Object, b'}') | (Inside::List, b']') => {
                        stack.pop();
                    }
                    (Inside::Object, c) => return Err(invalid(c, "after object key:value pair")),
                    (Inside::List, c) => return Err(invalid(c, "after array element")),
                }
            }
        }
    }

    fn open(&self, stack: &mut Vec<Inside>, inside: Inside) -> Result<(), String> {
        stack.push(inside);
        if stack.len() > self.depth {
            return Err(invalid(self.bytes[self.at - 1], "exceeded max depth"));
        }
        Ok(())
    }

    /// An object's key and the colon after it.
    fn key(&mut self) -> Result<(), String> {
        match self.next_solid()? {
            b'"' => self.string()?,
            c => return Err(invalid(c, "looking for beginning of object key string")),
        }
        match self.next_solid()? {
            b':' => Ok(()),
            c => Err(invalid(c, "after object key")),
        }
    }

    /// The rest of a string, after its opening quote.
    fn string(&mut self) -> Result<(), String> {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => match self.next_or_blank() {
                    b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let c = self.next_or_blank();
                            if !c.is_ascii_hexdigit() {
                                return Err(invalid(c, "in \\u hexadecimal character escape"));
                            }
                        }
                    }
                    c => return Err(invalid(c, "in string escape code")),
                },
                c if c < 0x20 => return Err(invalid(c, "in string literal")),
                _ => {}
            }
        }
    }

    fn literal(&mut self, literal: &str) -> Result<(), String> {
        for want in literal.bytes().skip(1) {
            let c = self.next_or_blank();
            if c != want {
                return Err(invalid(c, &format!("in literal {literal} (expecting '{}')", char::from(want))));
            }
        }
        Ok(())
    }

    /// The rest of a number, after its first character.
    fn number(&mut self, mut first: u8) -> Result<(), String> {
        if first == b'-' {
            first = self.next_or_blank();
            if !first.is_ascii_digit() {
                return Err(invalid(first, "in numeric literal"));
            }
        }
        if first != b'0' {
            self.digits();
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.one_digit("after decimal point in numeric literal")?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.one_digit("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn one_digit(&mut self, context: &str) -> Result<(), String> {
        let c = self.next_or_blank();
        if !c.is_ascii_digit() {
            return Err(invalid(c, context));
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The next character, or the blank that Go's scanner sees at the end of its input; it fits nowhere this is used.
    fn next_or_blank(&mut self) -> u8 {
        let c = self.bytes.get(self.at).copied().unwrap_or(b' ');
        self.at += 1;
        c
    }

    fn next(&mut self) -> Result<u8, String> {
        let c = self.bytes.get(self.at).copied().ok_or("unexpected end of JSON input")?;
        self.at += 1;
        Ok(c)
    }

    fn next_solid(&mut self) -> Result<u8, String> {
        self.skip_space();
        self.next()
    }

    fn peek_solid(&mut self) -> Result<u8, String> {
        self.skip_space();
        self.bytes.get(self.at).copied().ok_or_else(|| "unexpected end of JSON input".to_owned())
    }
}

fn invalid(c: u8, context: &str) -> String {
    let quoted = match c {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        // Go takes the byte for a character of Latin-1.
        c => format!("'{}'", crate::text::quote(&char::from(c).to_string()).trim_matches('"')),
    };
    format!("invalid character {quoted} {context}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn complaints_are_gos() {
        for (text, want) in [
            (&b"{}"[..], None),
            (b" [1, -2.5e+3, true, null, \"\\u00e9\\n\", {\"a\": []}] ", None),
            (b"abc", Some("invalid character 'a' looking for beginning of value")),
            (b"nul1", Some("invalid character '1' in literal null (expecting 'l')")),
            (b"{'a':1}", Some("invalid character '\\'' looking for beginning of object key string")),
            (b"{\"a\" 1}", Some("invalid character '1' after object key")),
            (b"{\"a\":1 \"b\"}", Some("invalid character '\"' after object key:value pair")),
            (b"{\"a\":1,}", Some("invalid character '}' looking for beginning of object key string")),
            (b"[1 2]", Some("invalid character '2' after array element")),
            (b"[1,]", Some("invalid character ']' looking for beginning of value")),
            (b"01", Some("invalid character '1' after top-level value")),
            (b"1.x", Some("invalid character 'x' after decimal point in numeric literal")),
            (b"-x", Some("invalid character 'x' in numeric literal")),
            (b"1ex", Some("invalid character 'x' in exponent of numeric literal")),
            (b"\"\n\"", Some("invalid character '\\n' in string literal")),
            (b"\"\\x\"", Some("invalid character 'x' in string escape code")),
            (b"\"\\u00g\"", Some("invalid character 'g' in \\u hexadecimal character escape")),
            (b"\xff", Some("invalid character 'ÿ' looking for beginning of value")),
            (b"\"abc", Some("unexpected end of JSON input")),
            (b"nul", Some("invalid character ' ' in literal null (expecting 'l')")),
            (b"1e", Some("invalid character ' ' in exponent of numeric literal")),
        ] {
            assert_eq!(complaint(text).as_deref(), want, "{}", String::from_utf8_lossy(text));
        }
    }

    proptest! {
        #[test]
        fn serde_and_go_agree_on_what_is_json(text in "[\\[\\]{}:,\"an1ult .e-]{0,16}") {
            let well_formed: Result<serde_json::Value, _> = serde_json::from_str(&text);
            prop_assert_eq!(complaint(text.as_bytes()).is_none(), well_formed.is_ok());
        }
    }
}
