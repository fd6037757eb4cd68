//! What okgate's tests share.
//!
//! [`http`] speaks HTTP/1.1 byte for byte, [`stub`] answers okgate's own calls and counts them,
//! [`process`] runs a program that ends with the test, [`gate`] is okgate itself on a free port, and
//! [`wait`] asks until something holds instead of sleeping for luck.

pub mod certificate;
pub mod gate;
pub mod http;
pub mod pattern;
pub mod ports;
pub mod process;
pub mod stub;
pub mod wait;
