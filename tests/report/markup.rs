//! Tells whether a page is well-formed: every element is closed where it should be, every attribute
//! is quoted, and every character that needs it is escaped.

/// Panics where it is not, and says at what.
pub(crate) fn check(page: &str) {
    let mut rest = page.strip_prefix("<!DOCTYPE html>\n").expect("a doctype");
    let mut open: Vec<&str> = Vec::new();
    loop {
        let (text, tag) = rest.split_once('<').unwrap_or((rest, ""));
        check_text(text, open.last() == Some(&"style"));
        if tag.is_empty() {
            break;
        }
        let (tag, behind) = tag.split_once('>').unwrap_or_else(|| panic!("<{tag:.80} is cut"));
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "</{name}> before {behind:.80}");
            continue;
        }
        let alone = tag.strip_suffix('/');
        let inner = alone.unwrap_or(tag);
        let name = inner.split_whitespace().next().unwrap();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "<{name}>");
        check_attributes(inner[name.len()..].trim());
        if alone.is_none() {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} not closed");
}

fn check_text(text: &str, raw: bool) {
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    if raw {
        return;
    }
    assert!(!text.contains('>'), "{text}");
    for reference in text.split('&').skip(1) {
        let name = reference.split(';').next().unwrap();
        assert!(["amp", "lt", "gt", "quot", "#39", "#160"].contains(&name), "&{reference:.20}");
    }
}

fn check_attributes(text: &str) {
    let mut rest = text;
    let mut names = Vec::new();
    while !rest.is_empty() {
        let (name, behind) = rest.split_once("=\"").unwrap_or_else(|| panic!("{rest}"));
        assert!(name.chars().all(|c| c.is_ascii_alphabetic() || c == '-'), "{name} in {text}");
        assert!(!names.contains(&name), "{name} twice in {text}");
        names.push(name);
        let (value, behind) = behind.split_once('"').unwrap_or_else(|| panic!("{behind}"));
        check_text(value, false);
        rest = behind.trim_start();
    }
}
