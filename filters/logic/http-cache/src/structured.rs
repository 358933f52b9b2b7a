//! Dictionaries of structured field values (RFC 9651 section 4.2.2), as far as cache directives need them: every rule of
//! the syntax is checked, parameters and the insides of lists are passed over.

/// The value of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item<'v> {
    /// `60`, `-3`; as it is written.
    Integer(&'v [u8]),
    /// `"a, b"`, without the quotes; what is escaped stays so.
    String(&'v [u8]),
    /// A key alone, `?1`, `?0`.
    Boolean(bool),
    /// Anything else.
    Other,
}

/// The members in their order; of a key that stands several times the last value. None: not a well-formed dictionary.
pub(crate) fn dictionary(value: &[u8]) -> Option<Vec<(&[u8], Item<'_>)>> {
    let mut parser = Parser(value);
    let mut members: Vec<(&[u8], Item<'_>)> = Vec::new();
    parser.skip(b" ");
    while !parser.0.is_empty() {
        let key = parser.key()?;
        let item = parser.member()?;
        members.retain(|(known, _)| *known != key);
        members.push((key, item));
        parser.skip(b" \t");
        if parser.0.is_empty() {
            return Some(members);
        }
        parser.byte(b',')?;
        parser.skip(b" \t");
        if parser.0.is_empty() {
            return None;
        }
    }
    Some(members)
}

struct Parser<'v>(&'v [u8]);

impl<'v> Parser<'v> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn byte(&mut self, expected: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == expected).then(|| self.0 = rest)
    }

    fn skip(&mut self, bytes: &[u8]) {
        self.take_while(|byte| bytes.contains(&byte));
    }

    fn take_while(&mut self, holds: impl Fn(u8) -> bool) -> &'v [u8] {
        let end = self.0.iter().position(|byte| !holds(*byte));
        let (taken, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        taken
    }

    /// `lcalpha` or `*`, then those, digits, `_`, `-`, `.`.
    fn key(&mut self) -> Option<&'v [u8]> {
        self.peek()
            .filter(|first| first.is_ascii_lowercase() || *first == b'*')?;
        Some(
            self.take_while(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte)
            }),
        )
    }

    /// What follows a key.
    fn member(&mut self) -> Option<Item<'v>> {
        let item = match self.byte(b'=') {
            Some(()) if self.peek() == Some(b'(') => self.inner_list()?,
            Some(()) => self.bare_item()?,
            None => Item::Boolean(true),
        };
        self.parameters()?;
        Some(item)
    }

    fn inner_list(&mut self) -> Option<Item<'v>> {
        self.byte(b'(')?;
        loop {
            self.skip(b" ");
            if self.byte(b')').is_some() {
                return Some(Item::Other);
            }
            self.bare_item()?;
            self.parameters()?;
            self.peek().filter(|next| matches!(next, b' ' | b')'))?;
        }
    }

    fn parameters(&mut self) -> Option<()> {
        while self.byte(b';').is_some() {
            self.skip(b" ");
            self.key()?;
            if self.byte(b'=').is_some() {
                self.bare_item()?;
            }
        }
        Some(())
    }

    fn bare_item(&mut self) -> Option<Item<'v>> {
        match self.peek()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string().map(Item::String),
            b'?' => self.boolean(),
            b':' => self.byte_sequence(),
            b'@' => self.date(),
            b'%' => self.display_string(),
            b'*' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.take_while(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte));
                Some(Item::Other)
            }
            _ => None,
        }
    }

    /// An integer of at most 15 digits, or a decimal of at most 12 before the point and 3 after.
    fn number(&mut self) -> Option<Item<'v>> {
        let start = self.0;
        let _ = self.byte(b'-');
        let whole = self.take_while(|byte| byte.is_ascii_digit()).len();
        if self.byte(b'.').is_none() {
            let text = start.get(..start.len() - self.0.len())?;
            return (1..=15).contains(&whole).then_some(Item::Integer(text));
        }
        let fraction = self.take_while(|byte| byte.is_ascii_digit()).len();
        ((1..=12).contains(&whole) && (1..=3).contains(&fraction)).then_some(Item::Other)
    }

    fn string(&mut self) -> Option<&'v [u8]> {
        self.byte(b'"')?;
        let start = self.0;
        loop {
            let (first, rest) = self.0.split_first()?;
            let inner = start.get(..start.len() - self.0.len())?;
            self.0 = rest;
            match first {
                b'"' => return Some(inner),
                b'\\' => {
                    let (escaped, rest) = rest.split_first()?;
                    matches!(escaped, b'"' | b'\\').then(|| self.0 = rest)?;
                }
                b' '..=b'~' => {}
                _ => return None,
            }
        }
    }

    fn boolean(&mut self) -> Option<Item<'v>> {
        self.byte(b'?')?;
        match self.byte(b'1') {
            Some(()) => Some(Item::Boolean(true)),
            None => self.byte(b'0').map(|()| Item::Boolean(false)),
        }
    }

    /// The alphabet is checked, that it decodes is not.
    fn byte_sequence(&mut self) -> Option<Item<'v>> {
        self.byte(b':')?;
        self.take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
        self.byte(b':').map(|()| Item::Other)
    }

    fn date(&mut self) -> Option<Item<'v>> {
        self.byte(b'@')?;
        match self.number()? {
            Item::Integer(_) => Some(Item::Other),
            _ => None,
        }
    }

    /// That the escapes are UTF-8 is not checked.
    fn display_string(&mut self) -> Option<Item<'v>> {
        self.byte(b'%')?;
        self.byte(b'"')?;
        loop {
            self.take_while(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'%');
            if self.byte(b'"').is_some() {
                return Some(Item::Other);
            }
            self.byte(b'%')?;
            let (digits, rest) = self.0.split_first_chunk::<2>()?;
            let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            digits.iter().all(is_digit).then(|| self.0 = rest)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sfv::{BareItem, ListEntry, Parser};

    use super::*;

    fn by_sfv(value: &[u8]) -> Option<Vec<(String, Option<i64>)>> {
        let found: sfv::Dictionary = Parser::new(value).parse().ok()?;
        let integer = |entry: &ListEntry| match entry {
            ListEntry::Item(item) => match item.bare_item {
                BareItem::Integer(number) => Some(number.into()),
                _ => None,
            },
            ListEntry::InnerList(_) => None,
        };
        let mut members: Vec<_> = found
            .iter()
            .map(|(key, entry)| (key.as_str().to_owned(), integer(entry)))
            .collect();
        members.sort();
        Some(members)
    }

    fn by_us(value: &[u8]) -> Option<Vec<(String, Option<i64>)>> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let read = |(key, item): (&[u8], Item<'_>)| match item {
            Item::Integer(number) => (text(key), text(number).parse().ok()),
            _ => (text(key), None),
        };
        let mut members: Vec<_> = dictionary(value)?.into_iter().map(read).collect();
        members.sort();
        Some(members)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        /// Texts of the alphabet that matters, without the two whose insides are not checked.
        #[test]
        fn agrees_with_sfv(value in "([a-c*]{1,2}(=(-?[0-9]{1,17}(\\.[0-9]{0,4})?|\"[a \\\\\"]{0,3}\"|\\?[012]|[a-zA*][a:/,]{0,2}|@[0-9]|\\([a1 ;]{0,4}\\)))?(;[a ]{0,3}(=1)?)?[ \\t]{0,1},?[ \\t]{0,1}){0,3}") {
            prop_assert_eq!(by_us(value.as_bytes()), by_sfv(value.as_bytes()), "{:?}", value);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(value: Vec<u8>) {
            let _ = dictionary(&value);
        }
    }
}
