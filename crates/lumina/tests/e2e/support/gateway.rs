//! Something between Lumina and the provider that fails as networks and gateways do.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use super::http::{find_header, read_message};

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    Submit,
    Read,
    Credits,
    VerifyKey,
}

/// What happens to a call instead of being answered by the provider.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It is refused with this status, and the provider never hears of it.
    Refuse(u16),
    /// The same, with a `Retry-After` of so many seconds.
    RefuseFor(u16, u32),
    /// The provider never hears of it, and no answer comes.
    Swallow,
    /// It is passed on when [`Gateway::let_go`] is called.
    Hold,
    /// The provider answers, and its answer is lost.
    LoseAnswer,
    /// The provider answers, and in place of its answer comes this status.
    Garble(u16),
}

/// A gateway in front of a provider. Without faults it passes everything on.
pub struct Gateway {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    provider: SocketAddr,
    is_over: AtomicBool,
    plans: Mutex<BTreeMap<Call, Plan>>,
    calls: Mutex<Vec<Call>>,
    /// What was held may go on.
    has_let_go: Mutex<bool>,
    let_go: Condvar,
}

#[derive(Default)]
struct Plan {
    next: VecDeque<Fault>,
    always: Option<Fault>,
}

impl Gateway {
    pub fn start(provider: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_over = AtomicBool::new(false);
        let state = Arc::new(State {
            provider,
            is_over,
            plans: Mutex::default(),
            calls: Mutex::default(),
            has_let_go: Mutex::default(),
            let_go: Condvar::new(),
        });
        let serving = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let (state, Ok(stream)) = (serving.clone(), stream) else {
                    continue;
                };
                // A connection that breaks off is what this is for.
                std::thread::spawn(move || drop(state.converse(stream)));
            }
        });
        Self { address, state }
    }

    /// The next calls of this kind meet these faults, one each.
    pub fn fail_next(&self, call: Call, faults: impl IntoIterator<Item = Fault>) {
        self.state
            .plans
            .lock()
            .unwrap()
            .entry(call)
            .or_default()
            .next
            .extend(faults);
    }

    /// All calls of this kind meet this fault, until it is taken away.
    pub fn fail_always(&self, call: Call, fault: Option<Fault>) {
        self.state.plans.lock().unwrap().entry(call).or_default().always = fault;
    }

    /// What is held goes on, and nothing is held any more.
    pub fn let_go(&self) {
        *self.state.has_let_go.lock().unwrap() = true;
        self.state.let_go.notify_all();
    }

    /// How many calls of this kind came.
    pub fn count(&self, call: Call) -> usize {
        self.state
            .calls
            .lock()
            .unwrap()
            .iter()
            .filter(|came| **came == call)
            .count()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        // Wakes the listener, so that it sees that it is over.
        drop(TcpStream::connect(self.address));
    }
}

impl State {
    /// One call a connection: the answer says that it is closed.
    fn converse(&self, mut client: TcpStream) -> io::Result<()> {
        let (head, body) = read_message(&mut client)?;
        let call = kind_of(&head);
        self.calls.lock().unwrap().push(call);
        match self.find_fault(call) {
            None => client.write_all(&self.pass_on(&head, &body)?),
            Some(Fault::Refuse(status)) => client.write_all(&make_refusal(status, "")),
            Some(Fault::RefuseFor(status, seconds)) => {
                client.write_all(&make_refusal(status, &format!("retry-after: {seconds}\r\n")))
            }
            Some(Fault::Garble(status)) => {
                self.pass_on(&head, &body)?;
                client.write_all(&make_refusal(status, ""))
            }
            Some(Fault::Swallow) => wait_until_gone(&mut client),
            Some(Fault::Hold) => {
                let held = self.has_let_go.lock().unwrap();
                drop(self.let_go.wait_while(held, |has_let_go| !*has_let_go).unwrap());
                client.write_all(&self.pass_on(&head, &body)?)
            }
            Some(Fault::LoseAnswer) => {
                self.pass_on(&head, &body)?;
                wait_until_gone(&mut client)
            }
        }
    }

    fn find_fault(&self, call: Call) -> Option<Fault> {
        let mut plans = self.plans.lock().unwrap();
        let plan = plans.get_mut(&call)?;
        plan.next.pop_front().or(plan.always)
    }

    /// The provider's answer, as it came.
    fn pass_on(&self, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut provider = TcpStream::connect(self.provider)?;
        let fields = head.lines().skip(1).filter(|line| !line.is_empty());
        let kept = fields.filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        let mut request = format!("{}\r\nconnection: close\r\n", head.lines().next().unwrap_or_default());
        kept.for_each(|line| request += &format!("{line}\r\n"));
        provider.write_all(&[request.as_bytes(), b"\r\n", body].concat())?;
        let mut answer = Vec::new();
        provider.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

fn kind_of(head: &str) -> Call {
    assert!(
        find_header(head, "authorization").is_some(),
        "the key is sent with every call: {head}"
    );
    match head.lines().next().unwrap_or_default() {
        line if line.starts_with("POST ") => Call::Submit,
        line if line.contains("/account/credits") => Call::Credits,
        line if line.contains("/account/keys/verify") => Call::VerifyKey,
        _ => Call::Read,
    }
}

fn make_refusal(status: u16, field: &str) -> Vec<u8> {
    let body = r#"{"code":"error.internal","message":"an intended fault"}"#;
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Intended\r\nconnection: close\r\ncontent-type: application/json\r\n{field}\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Says nothing until the other side gives up.
fn wait_until_gone(client: &mut TcpStream) -> io::Result<()> {
    while client.read(&mut [0; 64])? > 0 {}
    client.shutdown(Shutdown::Both)
}
