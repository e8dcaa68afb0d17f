//! The kernel side's own diagnostics (aya-log), printed on stderr with `-vv`. Without it their
//! level is 0 and the verifier drops the code.

use std::io::{self, Write};

use aya::Ebpf;
use aya_log::EbpfLogger;
use log::{Log, Metadata, Record};

/// Reader of the programs' log.
pub struct KernelLog(EbpfLogger<Stderr>);

impl KernelLog {
    /// Takes the log's map out of the loaded object; `None` when the object logs nothing.
    pub fn take(ebpf: &mut Ebpf) -> Option<Self> {
        EbpfLogger::init_with_logger(ebpf, Stderr).ok().map(Self)
    }

    /// Prints the records that are waiting.
    pub fn flush(&mut self) {
        self.0.flush();
    }
}

/// The level that includes all records (`aya_log::Level::Trace`).
pub const ALL: u8 = 5;

/// A log that prints records on stderr.
struct Stderr;

impl Log for Stderr {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // A closed stderr is no reason to stop tracing.
        let _ = writeln!(
            io::stderr(),
            "numatrace: kernel side: {}: {}",
            record.level().as_str().to_lowercase(),
            record.args()
        );
    }

    fn flush(&self) {}
}
