//! Messages on the socket between tracer and reader: a length of four bytes, then MessagePack. A
//! descriptor travels with the length.

use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use nix::{
    cmsg_space,
    sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg},
};
use serde::{Serialize, de::DeserializeOwned};

use super::protocol::MOST_BYTES;

/// Returns the bytes of a message.
///
/// # Errors
/// The message is too long.
pub fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    rmp_serde::encode::write(&mut bytes, message).map_err(io::Error::other)?;
    let length = bytes.len() - 4;
    if length > MOST_BYTES {
        return Err(io::Error::other("a message is too long"));
    }
    let length = u32::try_from(length).map_err(io::Error::other)?;
    if let Some(head) = bytes.first_chunk_mut() {
        *head = length.to_le_bytes();
    }
    Ok(bytes)
}

/// Sends the first bytes of a message, with a descriptor; returns how many were sent.
///
/// # Errors
/// sendmsg(2) failed; `WouldBlock` without room.
pub fn send_start(
    socket: &UnixStream,
    bytes: &[u8],
    file: Option<BorrowedFd<'_>>,
) -> io::Result<usize> {
    let descriptors: Vec<_> = file.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let control = if descriptors.is_empty() {
        &[][..]
    } else {
        &rights
    };
    let flags = MsgFlags::MSG_NOSIGNAL;
    Ok(sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(bytes)],
        control,
        flags,
        None,
    )?)
}

/// Waits for a message, in the reader.
///
/// # Errors
/// The other end is gone, or sent something else than a message.
pub fn receive<T: DeserializeOwned>(mut socket: &UnixStream) -> io::Result<(T, Option<File>)> {
    let mut head = [0; 4];
    let (length, file) = receive_start(socket, &mut head)?;
    socket.read_exact(head.get_mut(length..).unwrap_or_default())?;
    let length = length_of(head).ok_or_else(|| io::Error::other("a message is too long"))?;
    let mut bytes = vec![0; length];
    socket.read_exact(&mut bytes)?;
    let message = rmp_serde::from_slice(&bytes).map_err(io::Error::other)?;
    Ok((message, file))
}

/// Sends an answer, in the reader.
///
/// # Errors
/// The other end is gone.
pub fn answer(mut socket: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    socket.write_all(&encode(message)?)
}

/// Returns the length of a message; `None` for one that is too long.
pub fn length_of(head: [u8; 4]) -> Option<usize> {
    let length = usize::try_from(u32::from_le_bytes(head)).ok()?;
    (length <= MOST_BYTES).then_some(length)
}

fn receive_start(socket: &UnixStream, head: &mut [u8; 4]) -> io::Result<(usize, Option<File>)> {
    let mut space = cmsg_space!([i32; 1]);
    let mut parts = [IoSliceMut::new(head)];
    let got = recvmsg::<()>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut space),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    if got.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut file = None;
    for message in got.cmsgs()? {
        if let ControlMessageOwned::ScmRights(descriptors) = message {
            for descriptor in descriptors {
                // SAFETY: the kernel has just made this descriptor for us, and nobody else has it.
                file = Some(File::from(unsafe { OwnedFd::from_raw_fd(descriptor) }));
            }
        }
    }
    Ok((got.bytes, file))
}
