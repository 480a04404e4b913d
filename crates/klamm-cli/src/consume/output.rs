//! Standard output, written in large blocks by a thread of its own: whoever reads it may be slow, and reading,
//! signals and heartbeats must not wait for that.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use tokio::sync::{mpsc, oneshot, watch};

/// Bytes that are gathered before they are written.
pub(super) const BLOCK_BYTES: usize = 256 * 1024;
/// Blocks that wait for the thread; with the one being written and the one being filled, all there are.
const BLOCKS_MAX: usize = 2;

/// The side that hands over.
#[derive(Debug)]
pub(super) struct Output {
    blocks: mpsc::Sender<Vec<u8>>,
    /// Blocks whose bytes are written, to be filled again.
    spare: mpsc::Receiver<Vec<u8>>,
    handed: u64,
    written: watch::Receiver<u64>,
    /// Taken when it was told.
    ended: Option<oneshot::Receiver<io::Result<()>>>,
}

/// Why nothing can be written any more.
#[derive(Debug)]
pub(super) enum OutputEnd {
    /// Nobody reads it any more: no error, as with any filter.
    Closed,
    Failed(io::Error),
}

impl Output {
    /// Writes to standard output.
    pub(super) fn stdout() -> io::Result<Self> {
        // The standard library's own handle would write line by line.
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        Self::start(File::from(stdout))
    }

    fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (blocks, from_reader) = mpsc::channel(BLOCKS_MAX);
        let (to_reader, spare) = mpsc::channel(BLOCKS_MAX + 2);
        let (progress, written) = watch::channel(0);
        let (end, ended) = oneshot::channel();
        std::thread::Builder::new().name("klamm-out".to_owned()).spawn(move || {
            let result = write_blocks(out, from_reader, &to_reader, &progress);
            // Nobody may wait for it any more.
            let _ = end.send(result);
        })?;
        Ok(Self { blocks, spare, handed: 0, written, ended: Some(ended) })
    }

    /// Hands a block over, and waits while too many are under way; the block comes back empty.
    ///
    /// Dropping the future leaves the block as it was.
    pub(super) async fn write(&mut self, block: &mut Vec<u8>) -> Result<(), OutputEnd> {
        if block.is_empty() {
            return Ok(());
        }
        let Ok(permit) = self.blocks.reserve().await else { return Err(self.end().await) };
        let spare = self.spare.try_recv().unwrap_or_default();
        permit.send(std::mem::replace(block, spare));
        self.handed += 1;
        Ok(())
    }

    /// Waits until everything that was handed over is written.
    pub(super) async fn flushed(&mut self) -> Result<(), OutputEnd> {
        let handed = self.handed;
        let all = self.written.wait_for(|written| *written == handed).await.is_ok();
        if all { Ok(()) } else { Err(self.end().await) }
    }

    async fn end(&mut self) -> OutputEnd {
        let Some(ended) = self.ended.take() else { return OutputEnd::Closed };
        match ended.await {
            Ok(Err(error)) if error.kind() != ErrorKind::BrokenPipe => OutputEnd::Failed(error),
            _ => OutputEnd::Closed,
        }
    }
}

fn write_blocks(
    mut out: impl Write,
    mut blocks: mpsc::Receiver<Vec<u8>>,
    spare: &mpsc::Sender<Vec<u8>>,
    written: &watch::Sender<u64>,
) -> io::Result<()> {
    while let Some(mut block) = blocks.blocking_recv() {
        out.write_all(&block)?;
        block.clear();
        written.send_modify(|written| *written += 1);
        // One large record shall not hold its memory for good. Without room it is let go.
        if block.capacity() <= 2 * BLOCK_BYTES {
            let _ = spare.try_send(block);
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::{BLOCKS_MAX, Output, OutputEnd};
    use std::io::{self, Write};
    use std::sync::mpsc;

    /// Takes as many writes as it is sent leaves.
    struct Slow {
        leave: mpsc::Receiver<io::Result<()>>,
        seen: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.leave.recv().unwrap_or(Err(io::ErrorKind::BrokenPipe.into()))?;
            self.seen.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Output, mpsc::Sender<io::Result<()>>, mpsc::Receiver<Vec<u8>>) {
        let (leave, wait) = mpsc::channel();
        let (seen, see) = mpsc::channel();
        (Output::start(Slow { leave: wait, seen }).unwrap(), leave, see)
    }

    async fn is_pending(future: impl Future) -> bool {
        tokio::select! {
            biased;
            _ = future => false,
            () = tokio::task::yield_now() => true,
        }
    }

    #[tokio::test]
    async fn blocks_come_in_order_and_a_slow_reader_holds_up() {
        let (mut output, leave, seen) = slow();
        // The thread takes the first, which makes room for the last.
        for n in 0..=BLOCKS_MAX {
            output.write(&mut vec![n as u8]).await.map_err(|_| ()).unwrap();
        }
        let mut block = vec![99];
        assert!(is_pending(output.write(&mut block)).await);
        assert_eq!(block, [99], "what was not taken is still there");
        assert!(is_pending(output.flushed()).await);
        (0..10).for_each(|_| leave.send(Ok(())).unwrap());
        output.write(&mut block).await.map_err(|_| ()).unwrap();
        assert!(block.is_empty());
        output.flushed().await.map_err(|_| ()).unwrap();
        let all: Vec<u8> = seen.try_iter().flatten().collect();
        assert_eq!(all, [0, 1, 2, 99]);
    }

    #[tokio::test]
    async fn a_closed_pipe_is_an_end_and_a_full_disk_an_error() {
        let (mut output, leave, _seen) = slow();
        drop(leave);
        output.write(&mut vec![1]).await.map_err(|_| ()).unwrap();
        assert!(matches!(output.flushed().await, Err(OutputEnd::Closed)));

        let (mut output, leave, _seen) = slow();
        leave.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        output.write(&mut vec![1]).await.map_err(|_| ()).unwrap();
        assert!(matches!(output.flushed().await, Err(OutputEnd::Failed(_))));
    }
}
