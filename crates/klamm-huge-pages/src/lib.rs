//! Memory that the system is asked to give in huge pages.
//!
//! Taking a page from the system for the first time costs more than copying into it, on a virtual machine several times
//! more. A huge page is 512 ordinary ones for little more than the price of one.

use bytes::BytesMut;

/// An empty buffer with room for `capacity` bytes, in huge pages where the system has them for whoever asks
/// (Linux: `transparent_hugepage/enabled` is `madvise` or `always`), else in ordinary ones.
///
/// Only address space is taken; memory comes when it is written to, 2 MiB at a time on most machines.
pub fn with_capacity(capacity: usize) -> BytesMut {
    let mut buffer = BytesMut::with_capacity(capacity);
    ask(&mut buffer);
    buffer
}

/// Asks for huge pages for all of a buffer. Without them everything works the same, so nobody need hear of a refusal.
#[cfg(target_os = "linux")]
fn ask(buffer: &mut BytesMut) {
    use rustix::mm::{Advice, madvise};

    let memory = buffer.spare_capacity_mut();
    // The call wants whole pages. What else lies in the first and the last one is given the same way.
    let page = rustix::param::page_size();
    let before = memory.as_ptr().addr() % page;
    let start = memory.as_mut_ptr().wrapping_byte_sub(before);
    let len = (before + memory.len()).next_multiple_of(page);
    // SAFETY: MADV_HUGEPAGE changes only in which sizes the system hands out pages of this range, never what is in them
    // or who may access them, so it is sound whatever else of the process's memory the range touches.
    let _ = unsafe { madvise(start.cast(), len, Advice::LinuxHugepage) };
}

#[cfg(not(target_os = "linux"))]
fn ask(_: &mut BytesMut) {}

#[cfg(test)]
mod tests {
    use super::with_capacity;

    #[test]
    fn it_is_memory_like_any_other() {
        for capacity in [0, 1, 4096, 5 << 20, 33 << 20] {
            let mut buffer = with_capacity(capacity);
            assert!(buffer.is_empty() && buffer.capacity() >= capacity);
            let place = buffer.as_ptr();
            buffer.resize(capacity, 7);
            assert_eq!(buffer.as_ptr(), place);
            assert!(buffer.iter().all(|&byte| byte == 7));
        }
    }

    /// The system says of every mapping whether it was asked for huge pages: `hg` among its flags.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_was_asked() {
        if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            return println!("this kernel has no huge pages to ask for");
        }
        let buffer = with_capacity(64 << 20);
        let inside = buffer.as_ptr().addr() + (32 << 20);
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut here = false;
        let flags = smaps.lines().find_map(|line| {
            let range = line.split_once(' ').and_then(|(range, _)| range.split_once('-'));
            if let Some((from, to)) = range {
                let number = |text| usize::from_str_radix(text, 16).unwrap();
                here = (number(from)..number(to)).contains(&inside);
            }
            line.strip_prefix("VmFlags:").filter(|_| here)
        });
        assert!(flags.unwrap().split(' ').any(|flag| flag == "hg"), "{flags:?}");
    }
}
