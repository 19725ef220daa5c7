//! Real processes: what they print is kept, and none outlives its test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::wait::until;

/// A running process. Dropped, it is killed.
pub struct Process {
    name: String,
    child: Child,
    printed: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

/// What can be sent to a process that shall end.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    Interrupt,
    Terminate,
}

impl Process {
    /// Starts it. What it prints, on both streams, is kept line by line.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        let command = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let printed = Arc::default();
        let out = child.stdout.take().expect("it is piped");
        let err = child.stderr.take().expect("it is piped");
        let readers = vec![keep_lines(out, &printed), keep_lines(err, &printed)];
        Self {
            name: name.to_owned(),
            child,
            printed,
            readers,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.printed.lock().unwrap().clone()
    }

    /// The first line that contains this, as soon as it is printed.
    #[track_caller]
    pub fn wait_for_line(&self, part: &str) -> String {
        let what = format!("{} to print {part:?}", self.name);
        until(&what, || {
            // Asked before the lines are looked at: what ended has printed everything.
            let over = self.readers.iter().all(JoinHandle::is_finished);
            let found = self.lines().into_iter().find(|line| line.contains(part));
            assert!(
                found.is_some() || !over,
                "{} ended before it printed {part:?}",
                self.name
            );
            found
        })
    }

    /// Asks it to end.
    pub fn send(&self, signal: Signal) {
        let name = match signal {
            Signal::Interrupt => "INT",
            Signal::Terminate => "TERM",
        };
        let script = format!("kill -{name} {}", self.id());
        let sent = Command::new("sh").args(["-c", &script]).status().unwrap();
        assert!(sent.success(), "{script}");
    }

    /// Ends it at once, as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let what = format!("{} to end", self.name);
        let status = until(&what, || self.child.try_wait().unwrap());
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        status
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- what {} printed:\n{}\n---", self.name, self.lines().join("\n"));
        }
    }
}

fn keep_lines(stream: impl Read + Send + 'static, printed: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let printed = printed.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            printed.lock().unwrap().push(line);
        }
    })
}
