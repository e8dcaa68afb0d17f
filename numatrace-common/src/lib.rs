//! The wire: every type that crosses from the kernel programs to userspace, and nothing else.
#![no_std]
