//! The control map, from userspace: reads the epoch, and advances it in sessions without the fold
//! hook.

use anyhow::Context;
use aya::{
    Ebpf,
    maps::{Array, MapData},
};
use numatrace_common::control::{CONTROL_SECTION, Control};

use super::map;

/// The control map.
pub struct ControlMap {
    map: Array<MapData, [u8; size_of::<Control>()]>,
    /// Epochs that [`ControlMap::advance`] begins.
    at_once: u64,
}

impl ControlMap {
    /// Takes the map out of the loaded object.
    ///
    /// # Errors
    /// The object has no such map: a build error.
    pub fn take(ebpf: &mut Ebpf) -> anyhow::Result<Self> {
        Ok(Self {
            map: map::take(ebpf, CONTROL_SECTION)?,
            at_once: 1,
        })
    }

    /// From now on begins so many epochs at a time, for tests of their numbers' wrap.
    pub fn begin_at_once(&mut self, epochs: u64) {
        self.at_once = epochs;
    }

    /// Reads the control variables.
    ///
    /// # Errors
    /// The error of bpf(2).
    pub fn read(&self) -> anyhow::Result<Control> {
        let bytes = self.map.get(&0, 0).context("cannot read the control map")?;
        Ok(bytemuck::cast(bytes))
    }

    /// Tells the programs which other programs are attached.
    ///
    /// # Errors
    /// The error of bpf(2).
    pub fn set_attached(&mut self, attached: u64) -> anyhow::Result<()> {
        let mut control = self.read()?;
        control.attached = attached;
        self.write(control)
    }

    /// Tells the programs which details to leave out from now on.
    ///
    /// # Errors
    /// The error of bpf(2).
    pub fn set_reduced(&mut self, reduced: u64) -> anyhow::Result<()> {
        let mut control = self.read()?;
        control.reduced = reduced;
        self.write(control)
    }

    /// Begins a new epoch and returns its number. For sessions without the fold hook, and for
    /// sweeps.
    ///
    /// # Errors
    /// The error of bpf(2).
    pub fn advance(&mut self) -> anyhow::Result<u64> {
        let mut control = self.read()?;
        control.epoch += self.at_once;
        self.write(control)?;
        Ok(control.epoch)
    }

    fn write(&mut self, control: Control) -> anyhow::Result<()> {
        self.map
            .set(
                0,
                bytemuck::cast::<_, [u8; size_of::<Control>()]>(control),
                0,
            )
            .context("cannot write the control map")
    }
}

/// Returns the full number of the epoch of a count key. Count keys have its low sixteen bits, and
/// an epoch is never later than `now`.
pub fn unwrap_epoch(key_epoch: u16, now: u64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a count key has the low sixteen bits"
    )]
    let age = (now as u16).wrapping_sub(key_epoch);
    now.saturating_sub(u64::from(age))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_of_a_key_is_the_latest_one_with_those_bits() {
        assert_eq!(unwrap_epoch(5, 5), 5);
        assert_eq!(unwrap_epoch(3, 5), 3);
        assert_eq!(unwrap_epoch(0xffff, 0x1_0002), 0xffff);
        assert_eq!(unwrap_epoch(2, 0x1_0002), 0x1_0002);
    }
}
