//! A TCP proxy that adds a fixed delay in each direction and limits nothing else, so that a client shows
//! what it does on a long way to its broker.
//!
//! ```text
//! bench-delayproxy --listen 127.0.0.1:0 --to 127.0.0.1:9092 --one-way-ms 10
//! ```
//! It prints `listening on HOST:PORT` first. A client follows the addresses in the broker's metadata, so
//! the broker has to advertise the proxy on the listener that the proxy leads to.

mod pipe;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(10);

fn flag(name: &str) -> String {
    std::env::args().skip_while(|a| a != name).nth(1).unwrap_or_else(|| panic!("{name} is missing"))
}

fn main() -> io::Result<()> {
    let listener = TcpListener::bind(flag("--listen"))?;
    let to = flag("--to").to_socket_addrs()?.next().expect("an address behind --to");
    let delay = Duration::from_millis(flag("--one-way-ms").parse().expect("--one-way-ms"));
    println!("listening on {}", listener.local_addr()?);
    serve(&listener, to, delay);
    Ok(())
}

/// Carries every connection for as long as its two ends want it.
fn serve(listener: &TcpListener, to: SocketAddr, delay: Duration) {
    for client in listener.incoming().flatten() {
        thread::spawn(move || {
            if let Err(e) = carry(client, to, delay) {
                eprintln!("connection to {to}: {e}");
            }
        });
    }
}

fn carry(client: TcpStream, to: SocketAddr, delay: Duration) -> io::Result<()> {
    let server = TcpStream::connect_timeout(&to, CONNECT)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    pipe::start(client.try_clone()?, server.try_clone()?, delay);
    pipe::start(server, client, delay);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::Shutdown;
    use std::time::Instant;

    const DELAY: Duration = Duration::from_millis(30);

    /// A connection, through the proxy, to a server that runs `talk` on the first one it accepts.
    fn through(talk: impl FnOnce(TcpStream) + Send + 'static) -> TcpStream {
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (to, address) =
            (server.local_addr().expect("bound"), proxy.local_addr().expect("bound"));
        thread::spawn(move || talk(server.accept().expect("the proxy").0));
        thread::spawn(move || serve(&proxy, to, DELAY));
        let client = TcpStream::connect(address).expect("the proxy");
        client.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        client
    }

    fn echo(mut stream: TcpStream) {
        let mut bytes = [0; 4096];
        loop {
            match stream.read(&mut bytes).expect("bytes") {
                0 => return,
                n => stream.write_all(&bytes[..n]).expect("the way back"),
            }
        }
    }

    #[test]
    fn an_answer_takes_the_delay_twice_every_time() {
        let mut client = through(echo);
        for round in 0..5_u8 {
            let asked = Instant::now();
            client.write_all(&[round]).expect("sent");
            let mut answer = [0xff];
            client.read_exact(&mut answer).expect("an answer");
            assert_eq!(answer, [round]);
            let took = asked.elapsed();
            assert!(took >= 2 * DELAY, "{took:?}");
            assert!(took < 8 * DELAY, "{took:?}");
        }
    }

    #[test]
    fn what_is_in_flight_does_not_wait_for_what_went_before() {
        let mut client = through(echo);
        let mut reader = client.try_clone().expect("a second handle");
        let started = Instant::now();
        let writer = thread::spawn(move || {
            for _ in 0..20 {
                client.write_all(&[7]).expect("sent");
                thread::sleep(Duration::from_millis(5));
            }
        });
        reader.read_exact(&mut [0; 20]).expect("all answers");
        writer.join().expect("all sent");
        // One after the other would take 20 round trips: 1.2 s.
        assert!(started.elapsed() < Duration::from_millis(600), "{:?}", started.elapsed());
    }

    #[test]
    fn much_arrives_whole_and_in_order_and_its_end_after_it() {
        let sent: Vec<u8> = (0..16_u32 << 20).map(|i| (i ^ (i >> 11)) as u8).collect();
        let expected = sent.clone();
        let (tell, told) = std::sync::mpsc::channel();
        let mut client = through(move |mut stream| {
            let mut got = Vec::new();
            stream.read_to_end(&mut got).expect("everything");
            stream.write_all(b"thanks").expect("an answer after the end");
            tell.send(got).expect("the test");
        });
        client.write_all(&sent).expect("sent");
        client.shutdown(Shutdown::Write).expect("no more");
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).expect("the answer");
        assert_eq!(answer, b"thanks");
        assert!(told.recv().expect("the server") == expected);
    }

    #[test]
    fn a_server_that_goes_ends_a_client_that_still_sends() {
        let mut client = through(drop);
        let started = Instant::now();
        while client.write_all(&[0; 4096]).is_ok() {
            assert!(started.elapsed() < Duration::from_secs(10), "nobody told the client");
            thread::sleep(Duration::from_millis(5));
        }
    }
}
