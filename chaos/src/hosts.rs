//! Three hosts on one machine: network namespaces, each with an address of its own, on a bridge.
//!
//! The sandbox and whoever sends subscribers are at the bridge's first address, the database at its second one. A host is
//! cut off from the database by a rule that drops everything from that address to it: nobody is told, packets just do
//! not come. All else reaches it still.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What is made is called so, with a number.
const NAME: &str = "lumchaos";

/// How many there are.
const HOSTS: u8 = 3;

/// The network of the hosts, and the database's. Both are for benchmarks between machines (RFC 2544) and are used by
/// nothing else.
const NETWORK: [u8; 3] = [198, 18, 77];
const DATABASE: Ipv4Addr = Ipv4Addr::new(198, 19, 77, 1);

/// The hosts, as long as this value lives.
#[derive(Debug)]
pub struct Hosts(());

impl Hosts {
    /// Makes them, in place of those that an earlier run has left.
    ///
    /// # Errors
    /// When this is not Linux, or may not be done.
    pub fn make() -> Result<Self> {
        remove();
        let hosts = Self(());
        let [bridge, database] = [address(1), DATABASE.to_string()];
        ip(&format!("link add {NAME}0 type bridge"))?;
        ip(&format!("addr add {bridge}/24 dev {NAME}0"))?;
        ip(&format!("addr add {database}/32 dev {NAME}0"))?;
        ip(&format!("link set {NAME}0 up"))?;
        (1..=HOSTS).try_for_each(|host| join(host, &bridge))?;
        Ok(hosts)
    }

    /// Where the sandbox is, and whoever sends subscribers.
    #[must_use]
    pub fn outside(&self) -> IpAddr {
        ip_of(1)
    }

    /// Where the database is.
    #[must_use]
    pub fn database(&self) -> IpAddr {
        DATABASE.into()
    }

    /// Where a process is that is in this place.
    #[must_use]
    pub fn of(&self, place: usize) -> IpAddr {
        ip_of(number(place) + 10)
    }

    /// A command of a process in this place.
    #[must_use]
    pub fn command(place: usize) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("{NAME}{}", number(place))]);
        command
    }

    /// Nothing comes from the database to this place any more.
    ///
    /// # Errors
    /// When that may not be done.
    pub fn cut_off(&self, place: usize) -> Result<()> {
        ip(&format!("rule add blackhole from {DATABASE} to {}", self.of(place)))
    }

    /// It comes again.
    ///
    /// # Errors
    /// When that may not be done.
    pub fn mend(&self, place: usize) -> Result<()> {
        ip(&format!("rule del blackhole from {DATABASE} to {}", self.of(place)))
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        remove();
    }
}

fn join(host: u8, gateway: &str) -> Result<()> {
    let (name, outer, inner) = (
        format!("{NAME}{host}"),
        format!("{NAME}{host}a"),
        format!("{NAME}{host}b"),
    );
    ip(&format!("netns add {name}"))?;
    ip(&format!("link add {outer} type veth peer name {inner}"))?;
    ip(&format!("link set {inner} netns {name}"))?;
    ip(&format!("link set {outer} master {NAME}0 up"))?;
    ip(&format!("-n {name} addr add {}/24 dev {inner}", address(host + 10)))?;
    ip(&format!("-n {name} link set {inner} up"))?;
    ip(&format!("-n {name} link set lo up"))?;
    ip(&format!("-n {name} route add default via {gateway}"))
}

/// What is not there need not be removed.
fn remove() {
    for host in 1..=HOSTS {
        // As often as a run that was killed may have cut it off.
        while ip(&format!("rule del blackhole from {DATABASE} to {}", address(host + 10))).is_ok() {}
        let _ = ip(&format!("netns del {NAME}{host}"));
        let _ = ip(&format!("link del {NAME}{host}a"));
    }
    let _ = ip(&format!("link del {NAME}0"));
}

fn ip(what: &str) -> Result<()> {
    let told = Command::new("ip").args(what.split(' ')).output();
    let told = told.context("the program `ip` is not there (Debian: iproute2)")?;
    let said = String::from_utf8_lossy(&told.stderr).trim().to_owned();
    ensure!(
        told.status.success(),
        "`ip {what}` failed: {said}. Network namespaces are Linux's, and root's to make"
    );
    Ok(())
}

fn number(place: usize) -> u8 {
    u8::try_from(place + 1).expect("there are three places")
}

fn ip_of(last: u8) -> IpAddr {
    let [a, b, c] = NETWORK;
    Ipv4Addr::new(a, b, c, last).into()
}

fn address(last: u8) -> String {
    ip_of(last).to_string()
}
