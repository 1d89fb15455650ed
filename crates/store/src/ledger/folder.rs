//! The folder of files: which there are, reading them, appending, and what is dropped.

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::io;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::line::{self, LedgerLine};
use super::{History, IncidentRecord};
use crate::incident::IncidentId;
use crate::segments;
use crate::time::Wall;

/// Below the store's own folder.
const NAME: &str = "ledger";
const ENDING: &str = "jsonl";
/// Ten years of months.
const FILES_MAX: usize = 120;
const BYTES_MAX: u64 = 256 << 20;
const HOUR_US: i64 = 3_600_000_000;
/// A line of ours is never so long.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// The ledger of one store. Reading needs no lock.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Of the store at `store`, `[store] path`; need not be there yet.
    pub fn of(store: &Path) -> Self {
        Self { path: store.join(NAME) }
    }

    /// Returns the folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what is known of incidents that were opened at `from` or later, and of the time since.
    ///
    /// # Errors
    /// The file system's. A folder that is not there holds nothing; a damaged line is counted and
    /// passed over.
    pub fn read(&self, from: Wall) -> io::Result<History> {
        let mut book = History::default();
        let mut cases: BTreeMap<IncidentId, IncidentRecord> = BTreeMap::new();
        // The last sign of life of the month before may be of the first minutes of this one.
        let wanted = month(Wall(from.0.saturating_sub(HOUR_US)));
        for (index, path) in self.files()?.iter().enumerate() {
            let old = name_of(path) < Some(wanted.as_str());
            // The first file tells when the ledger began.
            if old && index > 0 {
                continue;
            }
            let Some(mut file) = open(path)? else { continue };
            while let Some(line) = next(&mut file, &mut book.damaged)? {
                match line {
                    LedgerLine::Head => {}
                    LedgerLine::Note(note) => {
                        let begun = *book.begun.get_or_insert(note.at);
                        book.begun = Some(begun.min(note.at));
                        if !old {
                            book.notes.push(note);
                        }
                    }
                    LedgerLine::Case(case) => {
                        let begun = *book.begun.get_or_insert(case.opened_at);
                        book.begun = Some(begun.min(case.opened_at));
                        let newer = |known: &IncidentRecord| known.revision <= case.revision;
                        if case.opened_at >= from && cases.get(&case.id).is_none_or(newer) {
                            cases.insert(case.id.clone(), case);
                        }
                    }
                }
            }
        }
        book.cases = cases.into_values().collect();
        book.cases.sort_by_key(|case| case.opened_at);
        Ok(book)
    }

    /// Every file, oldest first.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = segments::with_ending(&self.path, ENDING)?;
        files.retain(|path| name_of(path).is_some_and(is_month));
        files.sort();
        Ok(files)
    }

    /// Deletes the oldest files where there are too many, or too large ones; never the newest.
    /// Answers with how many.
    pub(super) fn prune(&self) -> io::Result<usize> {
        let files = self.files()?;
        let mut sizes = Vec::with_capacity(files.len());
        for path in &files {
            sizes.push(fs::metadata(path)?.len());
        }
        let (mut bytes, mut left): (u64, usize) = (sizes.iter().sum(), files.len());
        let mut deleted = 0;
        for (path, size) in files.iter().zip(sizes) {
            if left <= 1 || left <= FILES_MAX && bytes <= BYTES_MAX {
                break;
            }
            fs::remove_file(path)?;
            bytes -= size;
            left -= 1;
            deleted += 1;
        }
        Ok(deleted)
    }
}

/// The end of the month's file.
pub(super) struct LedgerFile {
    folder: Folder,
    open: Option<(String, File)>,
}

impl LedgerFile {
    pub(super) fn new(folder: Folder) -> Self {
        Self { folder, open: None }
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Returns whether a line written at `now` would be the first of its file, or of this daemon's.
    pub(super) fn would_begin(&self, now: Wall) -> bool {
        self.open.as_ref().is_none_or(|(name, _)| *name != month(now))
    }

    /// Appends lines, which are durable once this returns `Ok`. Those of a failed call may stand
    /// there in part.
    pub(super) fn append(&mut self, now: Wall, lines: &[u8]) -> io::Result<()> {
        let name = month(now);
        let file = match &mut self.open {
            Some((open, file)) if *open == name => file,
            slot => &mut slot.insert((name.clone(), self.folder.append_to(&name)?)).1,
        };
        let written = file.write_all(lines).and_then(|()| file.sync_data());
        if written.is_err() {
            // The next one looks how the file ends.
            self.open = None;
        }
        written
    }
}

impl Folder {
    /// The file of that name, at the beginning of a line of its own.
    fn append_to(&self, name: &str) -> io::Result<File> {
        fs::create_dir_all(&self.path)?;
        let path = self.path.join(format!("{name}.{ENDING}"));
        let mut file = File::options().read(true).append(true).create(true).open(path)?;
        let mut head = Vec::new();
        if file.seek(SeekFrom::End(0))? == 0 {
            line::write(&LedgerLine::Head, &mut head);
            File::open(&self.path)?.sync_all()?;
        } else {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                head.push(b'\n');
            }
        }
        file.write_all(&head)?;
        Ok(file)
    }
}

/// None where it has been deleted in the meantime.
fn open(path: &Path) -> io::Result<Option<BufReader<File>>> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::new(file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The next line that can be read. One without its end at the end of the file is being written.
fn next(file: &mut BufReader<File>, damaged: &mut u64) -> io::Result<Option<LedgerLine>> {
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if file.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        let whole = bytes.ends_with(b"\n");
        if let Some(line) = line::read(&bytes) {
            return Ok(Some(line));
        }
        // What a newline that closes a torn line leaves behind is empty.
        if whole && bytes.len() > 1 {
            *damaged += 1;
        }
    }
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_stem()?.to_str()
}

fn is_month(name: &str) -> bool {
    let digits = |part: &str, n| part.len() == n && part.bytes().all(|b| b.is_ascii_digit());
    name.split_once('-').is_some_and(|(year, month)| digits(year, 4) && digits(month, 2))
}

/// The name of the file of that moment, such as `2026-11`.
fn month(at: Wall) -> String {
    at.to_jiff().strftime("%Y-%m").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{UptimeEvent, UptimeRecord};

    fn wall(text: &str) -> Wall {
        Wall::parse_rfc3339(text).unwrap()
    }

    fn alive(text: &str) -> UptimeRecord {
        UptimeRecord { at: wall(text), what: UptimeEvent::Alive }
    }

    fn lines(notes: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for text in notes {
            line::write(&LedgerLine::Note(alive(text)), &mut bytes);
        }
        bytes
    }

    #[test]
    fn torn_line_loses_only_itself() {
        let store = tempfile::tempdir().unwrap();
        let folder = Folder::of(store.path());
        let (first, second) = ("2026-11-21T10:00:00Z", "2026-11-21T10:10:00Z");
        LedgerFile::new(folder.clone()).append(wall(first), &lines(&[first])).unwrap();
        let path = folder.files().unwrap().remove(0);
        let whole = fs::read(&path).unwrap();
        for torn in 0..lines(&[first]).len() {
            fs::write(&path, &whole[..whole.len() - torn]).unwrap();
            let mut file = LedgerFile::new(folder.clone());
            file.append(wall(second), &lines(&[second])).unwrap();
            let book = folder.read(Wall(0)).unwrap();
            // Without its end alone a line can still be read.
            let expected =
                if torn <= 1 { vec![alive(first), alive(second)] } else { vec![alive(second)] };
            assert_eq!(book.notes, expected, "{torn} bytes torn");
            assert_eq!(book.damaged, u64::from(torn > 1));
        }
    }

    #[test]
    fn reader_skips_a_line_that_is_being_written() {
        let store = tempfile::tempdir().unwrap();
        let folder = Folder::of(store.path());
        let at = "2026-11-21T10:00:00Z";
        let mut file = LedgerFile::new(folder.clone());
        file.append(wall(at), &lines(&[at])).unwrap();
        file.append(wall(at), br#"{"alive":"2026-11-2"#).unwrap();
        let book = folder.read(Wall(0)).unwrap();
        assert_eq!((book.notes.len(), book.damaged), (1, 0));
        file.append(wall(at), b"2T10:00:00Z\"}\n").unwrap();
        assert_eq!(folder.read(Wall(0)).unwrap().notes.len(), 2);
    }

    #[test]
    fn foreign_file_needs_little_memory_and_causes_no_panic() {
        let store = tempfile::tempdir().unwrap();
        let folder = Folder::of(store.path());
        fs::create_dir_all(folder.path()).unwrap();
        let mut junk = vec![b'x'; 300_000];
        junk.push(b'\n');
        junk.extend(lines(&["2026-11-21T10:00:00Z"]));
        fs::write(folder.path().join("2026-11.jsonl"), junk).unwrap();
        fs::write(folder.path().join("readme.jsonl"), "x").unwrap();
        let book = folder.read(Wall(0)).unwrap();
        assert_eq!((book.notes.len(), book.damaged), (1, 1));
    }

    #[test]
    fn report_reads_only_the_months_it_needs() {
        let store = tempfile::tempdir().unwrap();
        let folder = Folder::of(store.path());
        let mut file = LedgerFile::new(folder.clone());
        let months = ["2026-08-31T23:59:59Z", "2026-09-01T00:00:00Z", "2026-10-05T00:00:00Z"];
        for at in months {
            assert!(file.would_begin(wall(at)));
            file.append(wall(at), &lines(&[at])).unwrap();
            assert!(!file.would_begin(wall(at)));
        }
        assert_eq!(folder.files().unwrap().len(), 3);
        let book = folder.read(wall("2026-10-20T00:00:00Z")).unwrap();
        assert_eq!((book.notes, book.begun), (vec![alive(months[2])], Some(wall(months[0]))));
        assert_eq!(folder.read(Wall(0)).unwrap().notes.len(), 3);
        assert_eq!(folder.prune().unwrap(), 0);
        for month in 0..130 {
            let name = format!("{}-{:02}.jsonl", 1990 + month / 12, month % 12 + 1);
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(folder.prune().unwrap(), 13);
        assert_eq!(folder.files().unwrap().len(), FILES_MAX);
        assert_eq!(folder.read(Wall(0)).unwrap().notes.len(), 3);
    }
}
