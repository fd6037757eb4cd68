//! Programs a test starts: each ends with the value that stands for it.

use crate::wait;
use std::io;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

/// A running program. Dropping it kills it and waits for it.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `command`.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        Ok(Self { child: command.spawn()? })
    }

    /// The child, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// How it ended, or `None` when it still runs after `limit`.
    pub fn ends_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        wait::until(limit, || self.ended())
    }

    /// Asks it to end, so that it can end its own children, and kills it when it does not within `limit`.
    pub fn end(&mut self, limit: Duration) {
        if self.signal("TERM").is_ok() && self.ends_within(limit).is_some() {
            return;
        }
        let _ = self.child.kill();
    }

    /// Sends a signal by its name without `SIG`, such as `TERM`.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, name: &str) -> io::Result<()> {
        // The shell's own kill: the one way to signal without unsafe code or a program that may be missing.
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\""])
            .args([name, &self.child.id().to_string()])
            .status()?;
        if sent.success() { Ok(()) } else { Err(io::Error::other(format!("could not send {name}"))) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_ends_by_the_signal_it_is_sent() {
        use std::os::unix::process::ExitStatusExt as _;
        let mut process = Process::start(Command::new("sleep").arg("60")).unwrap();
        assert!(process.ended().is_none());
        process.signal("TERM").unwrap();
        assert_eq!(process.ends_within(Duration::from_secs(5)).and_then(|s| s.signal()), Some(15));
    }
}
