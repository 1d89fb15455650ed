//! Rust text cut into the few tokens that paths are made of, without comments, texts and tests.

/// A word, or a sign between words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier, a keyword or a number.
    Word(String),
    /// `::`.
    Separator,
    /// Any other sign.
    Sign(char),
}

/// A token and the line where it begins, counted from 1.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is(&self, sign: char) -> bool {
        self.kind == Kind::Sign(sign)
    }

    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            Kind::Separator | Kind::Sign(_) => None,
        }
    }
}

/// The tokens of a file's code: items behind `#[cfg(test)]` are left out.
pub(crate) fn code(text: &str) -> Vec<Token> {
    without_tests(&all(text))
}

fn all(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < bytes.len() {
        let length = skipped(&text[at..]);
        if length > 0 {
            line += text[at..at + length].matches('\n').count();
            at += length;
            continue;
        }
        let rest = &text[at..];
        let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (kind, length) = if word > 0 {
            (Kind::Word(rest[..word].to_owned()), word)
        } else if rest.starts_with("::") {
            (Kind::Separator, 2)
        } else {
            let sign = rest.chars().next().expect("the text goes on");
            (Kind::Sign(sign), sign.len_utf8())
        };
        tokens.push(Token { kind, line });
        at += length;
    }
    tokens
}

/// The length of the space, comment, text or character that `rest` begins with; 0: none.
fn skipped(rest: &str) -> usize {
    let first = rest.chars().next().expect("the text goes on");
    if first.is_whitespace() {
        return first.len_utf8();
    }
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |end| end + 2);
    }
    let prefix = ["br", "b", "c", "r", ""].into_iter().find(|prefix| {
        let after = rest.strip_prefix(prefix).unwrap_or_default();
        after.starts_with('"') || prefix.ends_with('r') && after.starts_with("#\"")
    });
    if let Some(prefix) = prefix {
        return prefix.len() + quoted(&rest[prefix.len()..], prefix.ends_with('r'));
    }
    let character = rest.strip_prefix("b'").or(rest.strip_prefix('\''));
    character.map_or(0, |inner| {
        let opening = rest.len() - inner.len();
        let length = match inner.strip_prefix('\\') {
            Some(escaped) => escaped.get(1..).and_then(|e| e.find('\'')).map(|end| end + 2),
            None => inner.chars().next().map(char::len_utf8),
        };
        // Without the closing quote it is a lifetime, of which the quote alone is a sign.
        let closed = length.filter(|length| inner[*length..].starts_with('\''));
        closed.map_or(0, |length| opening + length + 1)
    })
}

/// The length of the text that `rest` begins with.
fn quoted(rest: &str, raw: bool) -> usize {
    if raw {
        let hashes = rest.find('"').expect("a raw text opens");
        let end = format!("\"{}", "#".repeat(hashes));
        let inner = hashes + 1;
        return rest[inner..].find(&end).map_or(rest.len(), |at| inner + at + end.len());
    }
    let mut escaped = false;
    for (at, sign) in rest.char_indices().skip(1) {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let marks_tests = |at: usize| {
        let words = ["#", "[", "cfg", "(", "test", ")", "]"];
        words.iter().enumerate().all(|(offset, wanted)| {
            tokens.get(at + offset).is_some_and(|token| match &token.kind {
                Kind::Word(word) => word == wanted,
                Kind::Sign(sign) => wanted.starts_with(*sign),
                Kind::Separator => false,
            })
        })
    };
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if marks_tests(at) {
            at = end_of_item(tokens, at + 7);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Behind the `;` or the closing brace of the item that begins at `from`.
fn end_of_item(tokens: &[Token], from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.kind {
            Kind::Sign('{' | '(' | '[') => depth += 1,
            Kind::Sign(')' | ']') => depth = depth.saturating_sub(1),
            Kind::Sign('}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            Kind::Sign(';') if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

#[test]
fn texts_comments_and_tests_are_no_code() {
    let text = r##"use a::b; // c
        /* d */ let e = "f::g\""; let h = r#"i"#;
        let j: &'k u8 = b'l';
        #[cfg(test)]
        mod tests { use m::n; }
        fn o(p: char) { '\''; '\u{1}' }"##;
    let words: Vec<_> = code(text).iter().filter_map(Token::word).map(str::to_owned).collect();
    assert_eq!(words.join(" "), "use a b let e let h let j k u8 fn o p char");
    assert_eq!(code(text).last().map(|token| token.line), Some(6));
}
