//! One record of JSON after the other, out of a stream of any length: lists of them, or one a line, or both.

use std::io::{self, BufRead, ErrorKind};

use zeroize::Zeroizing;

/// The longest record, in bytes. What is longer is passed over.
const LONGEST: usize = 256 * 1024;

/// A value as it stands there, or why it was not kept.
pub type Record = Result<Zeroizing<Vec<u8>>, &'static str>;

/// Takes a stream apart. It holds one record at a time.
pub struct Records<R> {
    input: R,
    place: Place,
    /// How many there were so far.
    pub count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside,
    /// A list has begun, or an item of it was there: what may come next.
    Begun,
    AfterItem,
    AfterComma,
}

impl<R: BufRead> Records<R> {
    pub fn new(input: R) -> Self {
        Self { input, place: Place::Outside, count: 0 }
    }

    /// The next record. An error is one of the stream as a whole: what follows can not be told apart any more.
    pub fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            let Some(byte) = self.peek()? else {
                return match self.place {
                    Place::Outside => Ok(None),
                    _ => Err(self.malformed("the list has no end")),
                };
            };
            self.place = match (self.place, byte) {
                (place, b' ' | b'\t' | b'\r' | b'\n') => place,
                (Place::Outside, b'[') => Place::Begun,
                (Place::Begun | Place::AfterItem, b']') => Place::Outside,
                (Place::AfterItem, b',') => Place::AfterComma,
                (Place::AfterItem, _) => return Err(self.malformed("there is no comma behind it")),
                (_, b',' | b']' | b'}') => return Err(self.malformed("nothing stands where a record should")),
                (place, _) => {
                    self.count += 1;
                    self.place = if place == Place::Outside { Place::Outside } else { Place::AfterItem };
                    return self.value().map(Some);
                }
            };
            self.input.consume(1);
        }
    }

    /// Where one ends; what it is, a parser has to say.
    fn value(&mut self) -> io::Result<Record> {
        let mut value = Zeroizing::new(Vec::new());
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        let mut is_too_long = false;
        while let Some(byte) = self.peek()? {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => break,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.input.consume(1);
            match value.len() < LONGEST {
                true => value.push(byte),
                false => is_too_long = true,
            }
            if depth == 0 && !in_string && matches!(byte, b'}' | b']' | b'"') {
                break;
            }
        }
        if depth > 0 || in_string {
            return Err(self.malformed("it has no end"));
        }
        Ok(if is_too_long { Err("it is longer than 256 KiB") } else { Ok(value) })
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.input.fill_buf()?.first().copied())
    }

    fn malformed(&self, why: &str) -> io::Error {
        io::Error::new(ErrorKind::InvalidData, format!("this is no JSON: at record {}, {why}", self.count.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Option<String>) {
        let mut records = Records::new(text.as_bytes());
        let mut found = Vec::new();
        loop {
            match records.next() {
                Ok(Some(Ok(record))) => found.push(String::from_utf8(record.to_vec()).unwrap()),
                Ok(Some(Err(why))) => found.push(why.to_owned()),
                Ok(None) => return (found, None),
                Err(error) => return (found, Some(error.to_string())),
            }
        }
    }

    #[test]
    fn lists_and_lines_are_the_same() {
        let expected = vec![r#"{"a": "]},\"{["}"#.to_owned(), r#"{"b": [1, {}]}"#.to_owned()];
        let [a, b] = [&expected[0], &expected[1]];
        for text in [
            format!("[{a},{b}]"),
            format!(" [ {a} ,\n {b} ]\n"),
            format!("{a}\n{b}"),
            format!("{a}\r\n\r\n{b}\n"),
            format!("{a}{b}"),
            format!("[{a}]\n[{b}]\n[]"),
            format!("[]{a}[{b}]"),
        ] {
            assert_eq!(read(&text), (expected.clone(), None), "{text}");
        }
        for nothing in ["", " \n", "[]", "[ ]\n[]"] {
            assert_eq!(read(nothing), (Vec::new(), None), "{nothing:?}");
        }
    }

    /// A parser refuses them; they are told apart.
    #[test]
    fn what_is_no_object_is_a_record_too() {
        let (found, error) = read("[null, 17, \"a, b]\", [{}, 1], x] true y");
        assert_eq!(found, ["null", "17", "\"a, b]\"", "[{}, 1]", "x", "true", "y"]);
        assert_eq!(error, None);
    }

    #[test]
    fn what_can_not_be_told_apart_ends_it() {
        for (text, count) in [
            ("[{}", 1),
            ("[{},", 1),
            ("[{},]", 1),
            ("[{} {}]", 1),
            ("[,{}]", 0),
            ("{},{}", 1),
            ("{}]", 1),
            ("{}}", 1),
            ("{}\n{\"a\": [", 1),
            ("\"a", 0),
        ] {
            let (found, error) = read(text);
            assert!(found.len() == count && error.is_some(), "{text}: {found:?} {error:?}");
        }
    }

    /// AD-16: a record of any length takes no more memory than one that is kept.
    #[test]
    fn ad_16_what_is_too_long_is_passed_over() {
        let long = format!("{{\"a\": \"{}\"}}", "x".repeat(LONGEST));
        let fits = format!("{{\"a\": \"{}\"}}", "x".repeat(LONGEST - 9));
        let (found, error) = read(&format!("[{long}, {{}}, {fits}]"));
        assert_eq!(
            (found[0].as_str(), found[1].as_str(), found[2].len()),
            ("it is longer than 256 KiB", "{}", LONGEST)
        );
        assert_eq!(error, None);
    }
}
