//! A file that is replaced as a whole, so that whoever reads it sees the old one or the new one.

use crate::failure::{FAILED, Failure};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// A file of keys and passwords.
#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
}

/// A file beside it, which goes away with the value that names it unless it took the other's place.
struct Beside(Option<PathBuf>);

impl Beside {
    fn rename(mut self, to: &Path) -> io::Result<()> {
        let Some(path) = &self.0 else { return Ok(()) };
        fs::rename(path, to)?;
        // Whoever makes a file of this name from now on is somebody else.
        self.0 = None;
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

impl KeyFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// All of it.
    pub(super) fn read(&self) -> Result<String, Failure> {
        fs::read_to_string(&self.path).map_err(|error| self.failed(&error))
    }

    /// Puts what `change` makes of it in its place; a file that is not there is empty. A new file is for its owner alone, an old
    /// one keeps its owner and its rights. Two changes at once: one of them is refused.
    pub(super) fn replace<T>(
        &self,
        change: impl FnOnce(&str) -> Result<(String, T), Failure>,
    ) -> Result<T, Failure> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let beside = self.path.with_file_name(name);
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
        let file = opened.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                let name = beside.display();
                let message =
                    format!("somebody else changes the file; if nobody does, remove {name}");
                Failure::new(FAILED, message)
            }
            _ => Failure::new(FAILED, format!("{}: {error}", beside.display())),
        })?;
        let beside = Beside(Some(beside));
        let (old, metadata) = match fs::read_to_string(&self.path) {
            Ok(old) => (old, fs::metadata(&self.path).ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => (String::new(), None),
            Err(error) => return Err(self.failed(&error)),
        };
        let (new, result) = change(&old)?;
        let written = write(file, &new, metadata.as_ref());
        let replaced = written.and_then(|()| beside.rename(&self.path));
        replaced.and_then(|()| self.settle()).map_err(|error| self.failed(&error))?;
        Ok(result)
    }

    /// A name is on the disk when its directory is.
    fn settle(&self) -> io::Result<()> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn failed(&self, error: &io::Error) -> Failure {
        Failure::new(FAILED, format!("{}: {error}", self.path.display()))
    }
}

fn write(mut file: File, text: &str, old: Option<&fs::Metadata>) -> io::Result<()> {
    if let Some(old) = old {
        file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o777))?;
        // Only root may give files away; for everybody else it is theirs already, or the gateway's group may read it.
        let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::KeyFile;
    use crate::failure::{FAILED, Failure};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_change_is_whole_or_none() {
        let directory = std::env::temp_dir().join(format!("klamm-key-file-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let path = directory.join("keys");
        let file = KeyFile::new(path.clone());
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert!(file.read().is_err());
        let first = file.replace(|old| Ok((format!("{old}one\n"), 1))).unwrap();
        assert_eq!((first, mode()), (1, 0o600));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        file.replace(|old| Ok((format!("{old}two\n"), ()))).unwrap();
        assert_eq!((file.read().unwrap().as_str(), mode()), ("one\ntwo\n", 0o640));

        let refused = file.replace(|_| Err::<(String, ()), _>(Failure::new(FAILED, "no")));
        assert_eq!(refused.unwrap_err().to_string(), "no");
        let inner = file.replace(|old| {
            let meanwhile = file.replace(|_| Ok((String::new(), ())));
            assert!(meanwhile.unwrap_err().to_string().contains("somebody else"));
            Ok((old.to_owned(), ()))
        });
        inner.unwrap();
        assert_eq!(file.read().unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing is left beside it");
        fs::remove_dir_all(&directory).unwrap();
    }
}
