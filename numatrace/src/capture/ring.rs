//! The ring buffer, drained on a timer in bounded batches.

use aya::{
    Ebpf,
    maps::{MapData, RingBuf},
};

use super::{RawRecord, Source, map};

/// The live source of records.
pub struct Ring(RingBuf<MapData>);

impl Ring {
    /// Takes the ring out of the loaded object.
    ///
    /// # Errors
    /// The object has no such map, or it cannot be mapped.
    pub fn take(ebpf: &mut Ebpf) -> anyhow::Result<Self> {
        Ok(Self(map::take(ebpf, "EVENTS")?))
    }
}

impl Source for Ring {
    fn drain(&mut self, each: &mut dyn FnMut(RawRecord<'_>)) -> anyhow::Result<usize> {
        let mut drained = 0;
        // Bounded: on a machine that writes faster than we read, the session's other work must
        // still be done.
        while drained < MAX_BATCH {
            let Some(item) = self.0.next() else { break };
            each(RawRecord(&item));
            drained += 1;
        }
        Ok(drained)
    }
}

/// Most records of one drain: about 20 ms of reading.
const MAX_BATCH: usize = 500_000;
