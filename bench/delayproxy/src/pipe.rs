//! One direction of one connection: a thread that reads and stamps, and a thread that writes when it is
//! time. What is under way lies in buffers between them that go round.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

const BUFFER: usize = 64 << 10;

/// With full buffers 64 MiB under way: more than 3 GB/s at 20 ms. Whoever sends more waits, as on a
/// socket.
const UNDER_WAY: usize = 1024;

/// Bytes and the moment they are due; no bytes are the end.
struct Parcel {
    due: Instant,
    bytes: Vec<u8>,
    len: usize,
}

/// Carries what comes out of `from` into `into`, `delay` later, until either goes.
pub fn start(from: TcpStream, into: TcpStream, delay: Duration) {
    let (send, parcels) = sync_channel(UNDER_WAY);
    let (give_back, returned) = sync_channel(UNDER_WAY);
    let source = from.try_clone();
    thread::spawn(move || read(from, &send, &returned, delay));
    thread::spawn(move || {
        let whole = write(into, &parcels, &give_back);
        // Nobody takes what comes any more: the source has to see that.
        if let (false, Ok(source)) = (whole, source) {
            let _ = source.shutdown(Shutdown::Both);
        }
    });
}

fn read(
    mut from: TcpStream,
    parcels: &SyncSender<Parcel>,
    returned: &Receiver<Vec<u8>>,
    delay: Duration,
) {
    loop {
        let mut bytes = returned.try_recv().unwrap_or_else(|_| vec![0; BUFFER]);
        let len = match from.read(&mut bytes) {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            // A reset reaches the other end as an end.
            Err(_) => 0,
            Ok(n) => n,
        };
        let parcel = Parcel { due: Instant::now() + delay, bytes, len };
        if parcels.send(parcel).is_err() || len == 0 {
            return;
        }
    }
}

/// Whether everything up to the end was written.
fn write(mut into: TcpStream, parcels: &Receiver<Parcel>, give_back: &SyncSender<Vec<u8>>) -> bool {
    for parcel in parcels {
        thread::sleep(parcel.due.saturating_duration_since(Instant::now()));
        if parcel.len == 0 {
            let _ = into.shutdown(Shutdown::Write);
            return true;
        }
        if into.write_all(&parcel.bytes[..parcel.len]).is_err() {
            return false;
        }
        // With the shelf full the buffer is simply freed.
        let _ = give_back.try_send(parcel.bytes);
    }
    true
}
