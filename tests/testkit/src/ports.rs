//! Free ports, for configurations that have to name one.

use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::ops::Range;
use std::process;
use std::sync::{Mutex, PoisonError};

/// Below what systems use for outgoing connections (from 32768 on Linux, from 49152 by RFC 6335, section 6): there,
/// any program's next connection could take a port between its choice and its use.
const RANGE: Range<u16> = 10_240..32_768;

/// The port that was given last; every process begins somewhere else.
static LAST: Mutex<Option<u16>> = Mutex::new(None);

/// `N` ports on 127.0.0.1 where nothing listens, none of which this process was given before.
///
/// Another program may still take one before it is used: whoever starts a server on it tries again then.
///
/// # Errors
/// When the range has no port left.
pub fn free<const N: usize>() -> io::Result<[u16; N]> {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ports = [0; N];
    for port in &mut ports {
        *port = next(&mut last)?;
    }
    Ok(ports)
}

fn next(last: &mut Option<u16>) -> io::Result<u16> {
    let mut port = last.unwrap_or_else(beginning);
    for _ in RANGE {
        port = if port + 1 < RANGE.end { port + 1 } else { RANGE.start };
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(_) => {
                *last = Some(port);
                return Ok(port);
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(ErrorKind::AddrInUse, "no port is free"))
}

/// Spread by the process, so that two that run at the same time rarely meet.
fn beginning() -> u16 {
    let length = u32::from(RANGE.end - RANGE.start);
    let offset = process::id().wrapping_mul(0x9E37_79B1) % length;
    RANGE.start + u16::try_from(offset).unwrap_or_default()
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

    #[test]
    fn a_taken_port_is_passed_over() {
        let [port] = free().unwrap();
        let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
        assert_ne!(next(&mut Some(port - 1)).unwrap(), port);
    }

    #[test]
    fn the_range_is_gone_around() {
        let port = next(&mut Some(RANGE.end - 1)).unwrap();
        assert!(RANGE.contains(&port), "{port}");
    }
}
