//! Ports that stay the same when a process is started again.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below what systems give to outgoing connections, so that none of those takes a port while its process is down.
const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;

/// An address nobody listens on. Test processes that run at the same time begin at different places.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Neighbours in the list of processes are far apart here.
    let offset = std::process::id().wrapping_mul(7_919);
    let candidates = || {
        let number = offset.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT + FIRST;
        let port = u16::try_from(number).expect("ports are below 65,536");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        TcpListener::bind(address).is_ok().then_some(address)
    };
    (0..COUNT).find_map(|_| candidates()).expect("some port is free")
}
