//! Reads files of `/proc/PID` and nothing else: the least that any tool which shows them must
//! spend.

use std::{fs::File, hint::black_box, io::Read as _, time::Instant};

use anyhow::Result;

/// Options of `procfiles`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files below /proc/PID
    #[arg(long, value_delimiter = ',')]
    files: Vec<String>,
    /// Processes
    #[arg(long, value_delimiter = ',')]
    pids: Vec<u32>,
}

/// Reads each file once and prints the bytes and the time in ns.
///
/// # Errors
/// A file cannot be read.
pub fn run(args: &Args) -> Result<()> {
    let begun = Instant::now();
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    for pid in &args.pids {
        for file in &args.files {
            let mut file = File::open(format!("/proc/{pid}/{file}"))?;
            loop {
                let read = file.read(&mut buffer)?;
                black_box(&buffer[..read]);
                bytes += read;
                if read == 0 {
                    break;
                }
            }
        }
    }
    println!("{bytes} bytes in {} ns", begun.elapsed().as_nanos());
    Ok(())
}
