//! Pure: files and names twice over, as processes see them and as they are on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// What a disk writes as a whole.
const SECTOR: usize = 512;

/// Which file a name stands for.
pub(super) type Node = usize;

/// All of a storage.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    dirs: BTreeSet<String>,
    names: BTreeMap<String, Node>,
    /// Names as they are on the disk.
    durable: BTreeMap<String, Node>,
    /// Changes to names that no sync of their directory has covered, in order.
    pending: Vec<Change>,
    files: Vec<FileState>,
}

/// A change to names.
#[derive(Debug, Clone)]
enum Change {
    Link(String, Node),
    Unlink(String),
    Rename { from: String, to: String, node: Node },
}

impl Change {
    fn path(&self) -> &str {
        match self {
            Self::Link(path, _) | Self::Unlink(path) | Self::Rename { to: path, .. } => path,
        }
    }

    fn apply(&self, names: &mut BTreeMap<String, Node>) {
        match self {
            Self::Link(path, node) => drop(names.insert(path.clone(), *node)),
            Self::Unlink(path) => drop(names.remove(path)),
            Self::Rename { from, to, node } => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}

/// One file.
#[derive(Debug, Clone, Default)]
pub(super) struct FileState {
    /// What processes see.
    pub(super) cache: Vec<u8>,
    disk: Vec<u8>,
    /// Sectors that differ.
    dirty: BTreeSet<usize>,
    /// Whether the length may differ.
    resized: bool,
}

impl FileState {
    pub(super) fn write(&mut self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let start = usize::try_from(position).unwrap_or(usize::MAX);
        if start > self.cache.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a write past the end"));
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let end = start + bytes.len();
        self.resized |= end > self.cache.len();
        self.cache.resize(self.cache.len().max(end), 0);
        self.cache[start..end].copy_from_slice(bytes);
        self.dirty.extend(start / SECTOR..=(end - 1) / SECTOR);
        Ok(())
    }

    pub(super) fn truncate(&mut self, len: u64) {
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(self.cache.len());
        self.cache.truncate(len);
        self.resized = true;
        self.dirty.insert(len / SECTOR);
    }

    pub(super) fn sync(&mut self) {
        if self.resized {
            self.disk.resize(self.cache.len(), 0);
        }
        for sector in std::mem::take(&mut self.dirty) {
            copy_sector(sector, &self.cache, &mut self.disk);
        }
        self.resized = false;
    }

    /// The sectors count as written and are not.
    pub(super) fn forget_unsynced(&mut self) {
        self.dirty.clear();
    }

    fn after_power_loss(&self, dice: &mut Dice) -> Self {
        let mut disk = self.disk.clone();
        if self.resized {
            let (low, high) = (disk.len().min(self.cache.len()), disk.len().max(self.cache.len()));
            let len = match dice.roll(4) {
                0 => self.disk.len(),
                1 => low + dice.roll(high - low + 1),
                _ => self.cache.len(),
            };
            disk.resize(len, 0);
        }
        // Now everything, now nothing, now some of it.
        let odds = dice.roll(5);
        for &sector in &self.dirty {
            if dice.roll(4) < odds {
                copy_sector(sector, &self.cache, &mut disk);
            }
        }
        Self { cache: disk.clone(), disk, dirty: BTreeSet::new(), resized: false }
    }
}

fn copy_sector(sector: usize, from: &[u8], to: &mut [u8]) {
    let start = sector * SECTOR;
    let end = (start + SECTOR).min(from.len()).min(to.len());
    if start < end {
        to[start..end].copy_from_slice(&from[start..end]);
    }
}

impl Disk {
    pub(super) fn file(&self, node: Node) -> &FileState {
        &self.files[node]
    }

    pub(super) fn file_mut(&mut self, node: Node) -> &mut FileState {
        &mut self.files[node]
    }

    /// Bytes of all files that have a name.
    pub(super) fn used(&self) -> u64 {
        self.names.values().map(|&node| self.files[node].cache.len() as u64).sum()
    }

    pub(super) fn create_dir(&mut self, path: &str) -> io::Result<()> {
        self.dirs.insert(path.to_owned());
        Ok(())
    }

    pub(super) fn remove_dir(&mut self, path: &str) -> io::Result<()> {
        self.dirs.remove(path);
        let inside: Vec<String> =
            self.names.keys().filter(|name| parent(name) == path).cloned().collect();
        inside.iter().try_for_each(|name| self.remove(name))
    }

    pub(super) fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let all = self.dirs.iter().chain(self.names.keys());
        let inside = all.filter(|entry| !entry.is_empty() && parent(entry) == path);
        let names: BTreeSet<&str> =
            inside.map(|entry| entry.rsplit('/').next().unwrap_or_default()).collect();
        if names.is_empty() && !path.is_empty() && !self.dirs.contains(path) {
            return Err(not_found(path));
        }
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    pub(super) fn open(&mut self, path: &str, empty: bool) -> io::Result<Node> {
        match self.names.get(path).copied() {
            Some(node) => {
                if empty {
                    self.files[node].truncate(0);
                }
                Ok(node)
            }
            None if empty => {
                self.files.push(FileState::default());
                let node = self.files.len() - 1;
                self.change(Change::Link(path.to_owned(), node));
                Ok(node)
            }
            None => Err(not_found(path)),
        }
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let node = *self.names.get(from).ok_or_else(|| not_found(from))?;
        self.change(Change::Rename { from: from.to_owned(), to: to.to_owned(), node });
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &str) -> io::Result<()> {
        if !self.names.contains_key(path) {
            return Err(not_found(path));
        }
        self.change(Change::Unlink(path.to_owned()));
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, path: &str) -> io::Result<()> {
        for change in &self.pending {
            if parent(change.path()) == path {
                change.apply(&mut self.durable);
            }
        }
        self.pending.retain(|change| parent(change.path()) != path);
        Ok(())
    }

    pub(super) fn damage(&mut self, path: &str, position: u64, mask: u8) -> io::Result<()> {
        let node = *self.names.get(path).ok_or_else(|| not_found(path))?;
        let (file, at) = (&mut self.files[node], usize::try_from(position).unwrap_or(usize::MAX));
        for bytes in [&mut file.cache, &mut file.disk] {
            *bytes.get_mut(at).ok_or(io::ErrorKind::UnexpectedEof)? ^= mask;
        }
        Ok(())
    }

    pub(super) fn after_power_loss(&self, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let mut names = self.durable.clone();
        // A journal keeps changes in order and loses the last; without one any of them may be missing.
        let journal = dice.roll(2) == 0;
        let kept = dice.roll(self.pending.len() + 1);
        for (n, change) in self.pending.iter().enumerate() {
            if if journal { n < kept } else { dice.roll(2) == 0 } {
                change.apply(&mut names);
            }
        }
        let files = self.files.iter().map(|file| file.after_power_loss(&mut dice)).collect();
        let dirs = self.dirs.clone();
        Self { dirs, durable: names.clone(), names, pending: Vec::new(), files }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn not_found(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{path}: not found"))
}

/// A sequence of numbers that a seed determines (splitmix64).
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    /// A number below `sides`, which is not 0.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % sides as u64).unwrap_or_default()
    }
}
