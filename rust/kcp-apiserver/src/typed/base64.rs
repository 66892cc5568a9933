//! Checks base64 as Go's standard encoding reads it, down to the offset its error names.

/// Length of the decoded bytes.
///
/// # Errors
/// The offset of the input byte that Go's `CorruptInputError` names.
pub fn check(text: &str) -> Result<usize, usize> {
    let src = text.as_bytes();
    let mut at = 0;
    let mut bytes = 0;
    loop {
        let mut read = 0;
        while read < 4 {
            let Some(byte) = src.get(at) else {
                return if read == 0 { Ok(bytes) } else { Err(at - read) };
            };
            at += 1;
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => read += 1,
                b'\n' | b'\r' => {}
                b'=' if read >= 2 => return padding(src, at, read, bytes),
                _ => return Err(at - 1),
            }
        }
        bytes += 3;
    }
}

/// The rest of the input after its first padding byte, which followed `read` digits of the last quantum.
fn padding(src: &[u8], mut at: usize, read: usize, bytes: usize) -> Result<usize, usize> {
    let skip = |at: &mut usize| {
        while matches!(src.get(*at), Some(b'\n' | b'\r')) {
            *at += 1;
        }
    };
    if read == 2 {
        skip(&mut at);
        match src.get(at) {
            None => return Err(src.len()),
            Some(b'=') => at += 1,
            Some(_) => return Err(at - 1),
        }
    }
    skip(&mut at);
    if at < src.len() { Err(at) } else { Ok(bytes + read - 1) }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn offsets_are_those_of_go() {
        for (text, want) in [
            ("", Ok(0)),
            ("YQ==", Ok(1)),
            ("YWI=", Ok(2)),
            ("YWJj", Ok(3)),
            ("YWJj\nYQ=\n=\n", Ok(4)),
            ("%%%", Err(0)),
            ("YQ", Err(0)),
            ("YWJjYQ", Err(4)),
            ("YWJjYQ=", Err(7)),
            ("YQ=x", Err(2)),
            ("=", Err(0)),
            ("Y===", Err(1)),
            ("YQ==YQ==", Err(4)),
            ("YW-_", Err(2)),
        ] {
            assert_eq!(check(text), want, "{text:?}");
        }
    }
}
