//! Lists the files of a log that is kept as numbered segments in a folder of their own.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// Lists every file `*.ending` in `folder`, in no order. A folder that is not there holds nothing.
///
/// # Errors
/// The file system's.
pub fn with_ending(folder: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|named| named == ending) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Number and path of every file `NUMBER.ending` in `folder`, the oldest first. What is named
/// otherwise is not ours.
///
/// # Errors
/// As [`with_ending`].
pub fn numbered(folder: &Path, ending: &str) -> io::Result<Vec<(u64, PathBuf)>> {
    let with_number = |path: PathBuf| Some((path.file_stem()?.to_str()?.parse().ok()?, path));
    let mut found: Vec<_> =
        with_ending(folder, ending)?.into_iter().filter_map(with_number).collect();
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_listed_by_number_and_other_files_skipped() {
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
