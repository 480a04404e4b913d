//! The file of last resort: a dead letter per line, on the disk before it counts.

use super::letter::{Letter, LetterError};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A line may have this much: a record of 16 MiB in base64, with room to spare.
const LINE_MAX: usize = 64 << 20;

/// A file of dead letters.
#[derive(Debug)]
pub struct LetterFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    max_bytes: u64,
    /// What a failed write left behind could not be cut off.
    broken: bool,
}

/// Why a dead letter cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The disk.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It has no room for more.
    #[error("{path} has reached {max_bytes} bytes; redrive or remove what is in it")]
    Full {
        /// Which file.
        path: PathBuf,
        /// Its limit.
        max_bytes: u64,
    },
    /// A line that is none.
    #[error("{path}, line {line}: {source}")]
    Line {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        source: LetterError,
    },
}

impl LetterFile {
    /// Opens the file, or makes it, and keeps others from doing so; cuts off a last line that was not finished, which nobody
    /// was promised.
    ///
    /// # Errors
    /// [`FileError::Io`], which is `ResourceBusy` when somebody has it open, a running gateway say.
    pub fn open(path: &Path, max_bytes: u64) -> Result<Self, FileError> {
        let failed = |source| FileError::Io { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(failed)?;
        // Whoever removes letters replaces the file: two must not have it at a time.
        if let Err(error) = file.try_lock() {
            return Err(failed(io::Error::new(io::ErrorKind::ResourceBusy, error.to_string())));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let ours = file.metadata().map_err(failed)?.ino();
            if fs::metadata(path).map_err(failed)?.ino() != ours {
                let replaced = "it was replaced in this moment; try again";
                return Err(failed(io::Error::new(io::ErrorKind::ResourceBusy, replaced)));
            }
        }
        let bytes = whole_lines(&file).map_err(failed)?;
        file.set_len(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        sync_directory(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, bytes, max_bytes, broken: false })
    }

    /// Writes letters behind the others and syncs them, all or none.
    ///
    /// # Errors
    /// [`FileError`]; none of them is in the file then.
    pub fn append<'a>(
        &mut self,
        letters: impl IntoIterator<Item = &'a Letter>,
    ) -> Result<(), FileError> {
        let mut lines = String::new();
        for letter in letters {
            lines.push_str(&letter.to_line());
            lines.push('\n');
        }
        if self.bytes.saturating_add(lines.len() as u64) > self.max_bytes {
            return Err(FileError::Full { path: self.path.clone(), max_bytes: self.max_bytes });
        }
        if self.broken {
            self.file.set_len(self.bytes).map_err(|source| self.failed(source))?;
            self.broken = false;
        }
        let written = self.file.write_all(lines.as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            self.broken = self.file.set_len(self.bytes).is_err();
            return Err(self.failed(source));
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }

    fn failed(&self, source: io::Error) -> FileError {
        FileError::Io { path: self.path.clone(), source }
    }

    /// Calls `each` with every letter of a file, in order, as long as it says so; a last line without an end is left out.
    ///
    /// # Errors
    /// [`FileError::Io`] and [`FileError::Line`].
    pub fn read(path: &Path, mut each: impl FnMut(Letter) -> bool) -> Result<(), FileError> {
        let failed = |source| FileError::Io { path: path.to_owned(), source };
        let mut lines = BufReader::new(File::open(path).map_err(failed)?);
        let (mut text, mut line) = (String::new(), 0);
        loop {
            text.clear();
            let mut limited = io::Read::take(&mut lines, LINE_MAX as u64);
            limited.read_line(&mut text).map_err(failed)?;
            let Some(whole) = text.strip_suffix('\n') else { return Ok(()) };
            line += 1;
            let wrong = |source| FileError::Line { path: path.to_owned(), line, source };
            if !each(Letter::from_line(whole).map_err(wrong)?) {
                return Ok(());
            }
        }
    }

    /// Removes letters by their places, counted from 0: the rest takes the place of the file at once or not at all.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn remove(self, places: &BTreeSet<usize>) -> Result<(), FileError> {
        let rest = || -> io::Result<()> {
            let mut lines = BufReader::new(File::open(&self.path)?);
            let beside = self.path.with_extension("rest");
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut rest = BufWriter::new(options.open(&beside)?);
            let (mut line, mut place) = (Vec::new(), 0);
            while lines.read_until(b'\n', &mut line)? > 0 {
                if !places.contains(&place) {
                    rest.write_all(&line)?;
                }
                line.clear();
                place += 1;
            }
            rest.into_inner()?.sync_all()?;
            fs::rename(&beside, &self.path)?;
            sync_directory(&self.path)
        };
        rest().map_err(|source| self.failed(source))
    }
}

/// The bytes up to the end of the last whole line.
fn whole_lines(file: &File) -> io::Result<u64> {
    let (mut reader, mut end, mut at) = (BufReader::new(file), 0, 0);
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(end);
        }
        if let Some(last) = buffer.iter().rposition(|byte| *byte == b'\n') {
            end = at + last as u64 + 1;
        }
        let length = buffer.len();
        at += length as u64;
        reader.consume(length);
    }
}

/// A new name is on the disk only when its directory is.
fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::letter::tests::letter;
    use super::*;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let id = std::process::id();
            let place = std::env::temp_dir().join(format!("klamm-letters-{id}-{name}"));
            fs::create_dir_all(&place).unwrap();
            Self(place)
        }

        fn file(&self) -> PathBuf {
            self.0.join("dead-letters.jsonl")
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn all(path: &Path) -> Vec<Letter> {
        let mut letters = Vec::new();
        LetterFile::read(path, |letter| {
            letters.push(letter);
            true
        })
        .unwrap();
        letters
    }

    #[test]
    fn letters_are_there_again_and_a_torn_line_is_not() {
        let place = Place::new("torn");
        let mut file = LetterFile::open(&place.file(), 1 << 20).unwrap();
        file.append([&letter(1), &letter(2)]).unwrap();
        drop(file);
        let mut torn = OpenOptions::new().append(true).open(place.file()).unwrap();
        torn.write_all(&letter(3).to_line().as_bytes()[..30]).unwrap();
        assert_eq!(all(&place.file()), [letter(1), letter(2)]);
        let mut file = LetterFile::open(&place.file(), 1 << 20).unwrap();
        file.append([&letter(4)]).unwrap();
        assert_eq!(all(&place.file()), [letter(1), letter(2), letter(4)]);
    }

    #[test]
    fn a_full_file_takes_nothing_and_keeps_what_it_has() {
        let place = Place::new("full");
        let line = letter(1).to_line().len() as u64 + 1;
        let mut file = LetterFile::open(&place.file(), 2 * line).unwrap();
        file.append([&letter(1)]).unwrap();
        let refused = file.append([&letter(2), &letter(3)]).unwrap_err();
        assert!(matches!(refused, FileError::Full { .. }), "{refused}");
        file.append([&letter(2)]).unwrap();
        assert_eq!(all(&place.file()), [letter(1), letter(2)]);
    }

    #[test]
    fn what_was_dealt_with_is_removed() {
        let place = Place::new("remove");
        let mut file = LetterFile::open(&place.file(), 1 << 20).unwrap();
        file.append([&letter(1), &letter(2), &letter(3)]).unwrap();
        assert!(LetterFile::open(&place.file(), 1).is_err(), "somebody has it");
        file.remove(&BTreeSet::from([0, 2])).unwrap();
        assert_eq!(all(&place.file()), [letter(2)]);
        let file = LetterFile::open(&place.file(), 1).unwrap();
        file.remove(&BTreeSet::from([0, 9])).unwrap();
        assert_eq!(all(&place.file()), []);
    }

    #[test]
    fn a_line_that_is_no_letter_is_named() {
        let place = Place::new("line");
        let text = format!("{}\nnothing\n", letter(1).to_line());
        fs::write(place.file(), text).unwrap();
        let error = LetterFile::read(&place.file(), |_| true).unwrap_err();
        assert!(matches!(error, FileError::Line { line: 2, .. }), "{error}");
    }
}
