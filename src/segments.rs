//! Files of one folder that are numbered in the order in which they were begun.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// Number and path of every file `NUMBER.ending` in `folder`, the oldest first. What is named
/// otherwise is not ours, and a folder that is not there holds nothing.
///
/// # Errors
/// The file system's.
pub fn numbered(folder: &Path, ending: &str) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let ours = path.extension().is_some_and(|named| named == ending);
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        found.extend(number.filter(|_| ours).map(|number| (number, path)));
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_come_by_number_and_nothing_else_comes() {
        let folder = tempfile::tempdir().unwrap();
        let numbers = || -> Vec<u64> {
            numbered(folder.path(), "keng").unwrap().into_iter().map(|(number, _)| number).collect()
        };
        assert!(numbers().is_empty());
        for name in ["10.keng", "0000000009.keng", "x.keng", "7.jsonl", "8", "-1.keng"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(numbers(), [9, 10]);
        assert!(numbered(&folder.path().join("gone"), "keng").unwrap().is_empty());
        assert!(numbered(&folder.path().join("8"), "keng").is_err());
    }
}
