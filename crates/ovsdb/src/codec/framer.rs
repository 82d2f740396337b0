use crate::Error;

/// The largest message we take unless told otherwise: 64 MiB. A switch with 16,000 tunnel ports takes about 10 MiB for
/// the first copy of what we monitor, so this leaves room and still keeps a wild peer from filling the memory.
pub const MESSAGE_LIMIT: usize = 64 << 20;

/// Cuts a byte stream into JSON objects. OVSDB puts no separator between messages (RFC 7047 section 4), so the end of one
/// is where its outermost brace closes. Each byte is looked at once, however the stream is split.
#[derive(Debug)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Start of the message in hand.
    start: usize,
    /// First byte not looked at.
    scanned: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
    limit: usize,
}

impl Framer {
    /// `limit`: bytes of the largest message to accept.
    pub fn new(limit: usize) -> Self {
        Framer { buffer: Vec::new(), start: 0, scanned: 0, depth: 0, in_string: false, escaped: false, limit }
    }

    /// Takes what the stream brought.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        // One huge message must not keep its memory for ever.
        if self.buffer.is_empty() {
            self.buffer.shrink_to(64 << 10);
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, or `None` until more bytes come.
    ///
    /// After an error the stream has no meaning any more: close it.
    pub fn next_message(&mut self) -> Result<Option<&[u8]>, Error> {
        while let Some(&byte) = self.buffer.get(self.scanned) {
            if self.depth == 0 {
                match byte {
                    b'{' => (self.start, self.depth) = (self.scanned, 1),
                    b' ' | b'\t' | b'\r' | b'\n' => self.start = self.scanned + 1,
                    _ => return Err(Error::Framing(byte)),
                }
                self.scanned += 1;
                continue;
            }
            self.scanned += 1;
            if self.scanned - self.start > self.limit {
                return Err(Error::TooLong { limit: self.limit });
            }
            if self.closes(byte) {
                let message = self.start..self.scanned;
                self.start = self.scanned;
                return Ok(self.buffer.get(message));
            }
        }
        Ok(None)
    }

    /// Whether `byte` ends the outermost object.
    fn closes(&mut self, byte: u8) -> bool {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_string => self.escaped = true,
            b'"' => self.in_string = !self.in_string,
            b'{' if !self.in_string => self.depth += 1,
            b'}' if !self.in_string => self.depth -= 1,
            _ => {}
        }
        self.depth == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// All messages of a stream that arrives in chunks of the given sizes.
    fn cut(stream: &[u8], sizes: &[usize]) -> Vec<Value> {
        let mut framer = Framer::new(1 << 20);
        let mut messages = Vec::new();
        let mut rest = stream;
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let (chunk, tail) = rest.split_at((*sizes.next().unwrap()).clamp(1, rest.len()));
            rest = tail;
            framer.push(chunk);
            while let Some(message) = framer.next_message().unwrap() {
                messages.push(serde_json::from_slice(message).unwrap());
            }
        }
        messages
    }

    #[test]
    fn braces_and_quotes_in_strings_end_nothing() {
        let first = json!({"a": "}\"{\\", "b": [{"c": "\\\""}]});
        let second = json!({});
        let stream = format!("{first}\n {second}{first}");
        assert_eq!(cut(stream.as_bytes(), &[1]), [first.clone(), second.clone(), first.clone()]);
        assert_eq!(cut(stream.as_bytes(), &[1000]), [first.clone(), second, first]);
    }

    #[test]
    fn bounds_a_message_and_not_the_stream() {
        let mut framer = Framer::new(10);
        for _ in 0..100 {
            framer.push(b"{\"a\":1234}");
            assert_eq!(framer.next_message().unwrap().unwrap().len(), 10);
        }
        framer.push(b"{\"a\":12345");
        assert!(framer.next_message().unwrap().is_none(), "10 bytes may still be pending");
        framer.push(b"}");
        assert!(matches!(framer.next_message(), Err(Error::TooLong { limit: 10 })));
    }

    #[test]
    fn refuses_what_is_not_an_object() {
        let mut framer = Framer::new(10);
        framer.push(b" HTTP/1.1");
        assert!(matches!(framer.next_message(), Err(Error::Framing(b'H'))));
    }

    proptest! {
        #[test]
        fn splits_do_not_matter(texts in prop::collection::vec(any::<String>(), 1..8), sizes in prop::collection::vec(1usize..40, 1..9)) {
            let messages: Vec<Value> = texts.iter().map(|text| json!({ text: [text, {"x": text}] })).collect();
            let stream: String = messages.iter().map(Value::to_string).collect();
            prop_assert_eq!(cut(stream.as_bytes(), &sizes), messages);
        }

        #[test]
        fn never_panics(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let mut framer = Framer::new(64);
            for chunk in chunks {
                framer.push(&chunk);
                while let Ok(Some(_)) = framer.next_message() {}
            }
        }
    }
}
