//! Ports that stay the same when a process is started again.

use std::net::{IpAddr, SocketAddr, TcpListener};

use crate::dice::Dice;

/// Below what systems give to outgoing connections, so that none of those takes a port while its process is down.
const PORTS: std::ops::Range<u64> = 12_000..32_000;

/// So many are tried.
const TRIES: usize = 10_000;

/// A port of this address that nobody listens on. Runs at the same time begin at different places.
///
/// # Errors
/// When every port that was tried is taken.
pub fn free_address(host: IpAddr) -> anyhow::Result<SocketAddr> {
    let moment = crate::clock::now().as_nanosecond().unsigned_abs();
    let mut dice = Dice::new(u64::try_from(moment % u128::from(u64::MAX))? ^ u64::from(std::process::id()));
    let mut candidates = (0..TRIES).map(|_| {
        let port = u16::try_from(dice.between(PORTS)).expect("ports are below 65,536");
        SocketAddr::new(host, port)
    });
    // Nobody else is at another host's address.
    let free = candidates.find(|address| !host.is_loopback() || TcpListener::bind(address).is_ok());
    free.ok_or_else(|| anyhow::anyhow!("no port is free"))
}
