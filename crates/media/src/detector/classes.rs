//! Maps a model's class names to the classes that the daemon looks for. Pure.

use crate::detection::Class;

/// The 80 classes of COCO begin with the person; the other names are never needed here.
pub const COCO_CLASSES: usize = 80;

/// The meaning of a model's outputs: one entry for each output that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassMap {
    outputs: Vec<(usize, Class)>,
    total: usize,
}

impl ClassMap {
    /// From the model's names, in the order of its outputs. Names that mean nothing here are
    /// skipped; several outputs may mean the same.
    pub fn from_names(names: &[String]) -> Self {
        let outputs = names.iter().enumerate();
        let outputs = outputs.filter_map(|(i, name)| Some((i, class_of(name)?))).collect();
        Self { outputs, total: names.len() }
    }

    /// The map of a model trained on COCO.
    pub fn coco() -> Self {
        Self { outputs: vec![(0, Class::Person)], total: COCO_CLASSES }
    }

    /// Outputs that matter, each with its meaning, by rising index.
    pub fn outputs(&self) -> &[(usize, Class)] {
        &self.outputs
    }

    /// Returns the class that one output means.
    pub fn class(&self, output: usize) -> Option<Class> {
        self.outputs.iter().find(|(index, _)| *index == output).map(|(_, class)| *class)
    }

    /// Returns the number of classes that the model knows, those included that don't matter here.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Those of `required` that the model can't find.
    pub fn missing(&self, required: &[Class]) -> Vec<Class> {
        let found = |class: &Class| self.outputs.iter().any(|(_, known)| known == class);
        required.iter().copied().filter(|class| !found(class)).collect()
    }
}

/// Returns the class that a name means; models in the wild write it in many ways.
fn class_of(name: &str) -> Option<Class> {
    match name.trim().to_lowercase().as_str() {
        "fire" | "flame" | "flames" => Some(Class::Fire),
        "smoke" => Some(Class::Smoke),
        "person" | "people" | "pedestrian" | "human" => Some(Class::Person),
        _ => None,
    }
}

/// Reads class names as exporters write them: JSON (`["fire", "smoke"]`, `{"0": "fire"}`) or
/// Ultralytics' Python dictionary (`{0: 'fire', 1: 'smoke'}`). `None` where it is neither, or
/// where the numbers are not 0, 1, 2 and so on.
pub fn parse_names(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if let Some(list) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let mut reader = Reader { rest: list };
        let mut names = Vec::new();
        while !reader.at_end() {
            names.push(reader.quoted()?);
            reader.skip(',');
        }
        return (!names.is_empty()).then_some(names);
    }
    let body = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut reader = Reader { rest: body };
    let mut names = Vec::new();
    while !reader.at_end() {
        let number = reader.number()?;
        if number != names.len() || !reader.skip(':') {
            return None;
        }
        names.push(reader.quoted()?);
        reader.skip(',');
    }
    (!names.is_empty()).then_some(names)
}

/// Reads numbers and quoted texts off the front of a text.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn at_end(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.is_empty()
    }

    fn skip(&mut self, mark: char) -> bool {
        self.rest = self.rest.trim_start();
        let stripped = self.rest.strip_prefix(mark);
        self.rest = stripped.unwrap_or(self.rest);
        stripped.is_some()
    }

    /// A number, quoted or not.
    fn number(&mut self) -> Option<usize> {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with(['"', '\'']) {
            return self.quoted()?.parse().ok();
        }
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits.parse().ok()
    }

    fn quoted(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        let quote = self.rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.rest = &self.rest[at + c.len_utf8()..];
                return Some(text);
            }
            text.push(if c == '\\' { chars.next()?.1 } else { c });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_exporters_write_them() {
        let expected = Some(vec!["fire".to_owned(), "a 'b', c".to_owned()]);
        for text in [
            r#"{0: 'fire', 1: "a 'b', c"}"#,
            r#"{0: 'fire', 1: 'a \'b\', c'}"#,
            r#"{"0": "fire", "1": "a 'b', c"}"#,
            r#" ["fire" , "a 'b', c"] "#,
            r#"['fire',"a 'b', c",]"#,
        ] {
            assert_eq!(parse_names(text), expected, "{text}");
        }
    }

    #[test]
    fn invalid_name_lists_are_refused() {
        for text in ["", "fire", "{}", "[]", "{1: 'fire'}", "{0: fire}", "[\"fire", "{0 'a'}"] {
            assert_eq!(parse_names(text), None, "{text}");
        }
    }

    #[test]
    fn unknown_names_are_skipped() {
        let names = ["Smoke", "car", "FIRE", "flame"].map(str::to_owned);
        let map = ClassMap::from_names(&names);
        assert_eq!(map.outputs(), [(0, Class::Smoke), (2, Class::Fire), (3, Class::Fire)]);
        assert_eq!(map.class(1), None);
        assert_eq!(map.missing(&Class::ALL), [Class::Person]);
    }
}
