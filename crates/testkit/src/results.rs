//! The file of measured results, `docs/results.json`, from which the documents take their tables.
//!
//! A program that measures prints its figures, and with `RECORD=1` in its environment it replaces
//! its own section of the file. `tests/results.rs` holds the documents against the file.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::Map;
use serde_json::Value;

/// The file's path below the repository's root.
pub const FILE: &str = "docs/results.json";

/// Replaces the section `name` (`load.rated` is `rated` within `load`) of the results below `root`
/// where `RECORD=1` asks for it, and says on standard output that it did.
pub fn record(root: &Path, name: &str, figures: &Value) -> io::Result<()> {
    if std::env::var("RECORD").as_deref() != Ok("1") {
        return Ok(());
    }
    let file = root.join(FILE);
    let mut results = match fs::read(&file) {
        Ok(text) => serde_json::from_slice(&text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Value::Object(Map::new()),
        Err(error) => return Err(error),
    };
    replace(&mut results, name, figures);
    fs::write(&file, serde_json::to_string_pretty(&results)? + "\n")?;
    println!("recorded as {name} in {FILE}; `make figures` brings the documents' tables after it");
    Ok(())
}

fn replace(results: &mut Value, name: &str, figures: &Value) {
    let mut section = results;
    for part in name.split('.') {
        if !section.is_object() {
            *section = Value::Object(Map::new());
        }
        section = &mut section[part];
    }
    section.clone_from(figures);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_section_is_replaced_and_the_others_stay() {
        let mut results = json!({"load": {"rated": 1, "mixed": 2}, "eval": 3});
        replace(&mut results, "load.rated", &json!([4]));
        replace(&mut results, "bench", &json!(5));
        let expected = json!({"load": {"rated": [4], "mixed": 2}, "eval": 3, "bench": 5});
        assert_eq!(results, expected);
    }
}
