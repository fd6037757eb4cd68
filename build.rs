//! Packs the server's relocations, a megabyte of its file, where the loader of this system can unpack them
//! (glibc 2.36). What is built on an older system runs on older systems, and is larger.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |what: &str| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    let is_native = env::var("HOST") == env::var("TARGET");
    if is_native && target("OS") == "linux" && target("ENV") == "gnu" && glibc() >= Some((2, 36)) {
        println!("cargo:rustc-link-arg-bin=okgate=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of this system's C library, as `getconf GNU_LIBC_VERSION` says it: `glibc 2.36`.
fn glibc() -> Option<(u32, u32)> {
    let answer = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
