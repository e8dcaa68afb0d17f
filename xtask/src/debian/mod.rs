//! Packages from the machine's own Debian mirror, unpacked outside the system and never installed.
//!
//! apt does the work, with lists and caches of its own under `target/lab`: signatures, checksums,
//! proxies and credentials are as the machine's configuration says, and nothing of the system
//! changes.

mod apt;
mod packages;
mod sources;

pub use apt::Mirror;
pub use packages::{Package, digits};
