//! Free ports, for configurations that have to name one.

use std::collections::HashSet;
use std::io;
use std::net::TcpListener;
use std::sync::{LazyLock, Mutex, PoisonError};

static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// `N` ports on 127.0.0.1 where nothing listens, none of which this process was given before.
///
/// Another process may take one before it is used: whoever starts a server on it tries again then.
///
/// # Errors
/// When the system has no port left.
pub fn free<const N: usize>() -> io::Result<[u16; N]> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        *port = loop {
            let listener = TcpListener::bind(("127.0.0.1", 0))?;
            let port = listener.local_addr()?.port();
            held.push(listener);
            if given.insert(port) {
                break port;
            }
        };
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let mut all: Vec<u16> = free::<4>().unwrap().into();
        all.extend(free::<4>().unwrap());
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 8);
    }
}
