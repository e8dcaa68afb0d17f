//! A trace under construction: tracks, slices, instants, counters and arrows between them.

use std::collections::BTreeMap;

use super::wire::{
    self, CounterDescriptor, DebugAnnotation, EventType, ProcessDescriptor, ThreadDescriptor,
    TracePacket, TrackDescriptor, TrackEvent,
};
use crate::ids::{Pid, Tid};

/// All packets come from one writer.
const SEQUENCE: u32 = 1;
/// `SEQ_INCREMENTAL_STATE_CLEARED`.
const FIRST: u32 = 1;
/// `ChildTracksOrdering.EXPLICIT`.
const BY_RANK: i32 = 3;

/// A track by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Track(u64);

/// An arrow by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow(u64);

/// An end of an arrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The beginning.
    Begins(Flow),
    /// The end.
    Ends(Flow),
}

/// A note on an event.
pub struct Note(DebugAnnotation);

impl Note {
    /// Makes a note of a number.
    pub fn number(name: &str, value: u64) -> Self {
        Self(DebugAnnotation {
            name: Some(name.to_owned()),
            uint_value: Some(value),
            string_value: None,
        })
    }

    /// Makes a note of a text, which the caller has escaped.
    pub fn text(name: &str, value: &str) -> Self {
        Self(DebugAnnotation {
            name: Some(name.to_owned()),
            uint_value: None,
            string_value: Some(value.to_owned()),
        })
    }
}

/// Packets and tracks so far.
#[derive(Default)]
pub struct Trace {
    packets: Vec<TracePacket>,
    tracks: u64,
    flows: u64,
    named: BTreeMap<(u64, String), Track>,
}

impl Trace {
    /// Returns the track with this name at the top; creates it when needed.
    pub fn root(&mut self, name: &str, rank: i32) -> Track {
        self.under(None, name, rank)
    }

    /// Returns the track with this name under a parent; creates it when needed.
    pub fn child(&mut self, parent: Track, name: &str, rank: i32) -> Track {
        self.under(Some(parent), name, rank)
    }

    fn under(&mut self, parent: Option<Track>, name: &str, rank: i32) -> Track {
        self.once(parent, name, |descriptor| {
            descriptor.name = Some(name.to_owned());
            descriptor.sibling_order_rank = Some(rank);
            descriptor.child_ordering = Some(BY_RANK);
        })
    }

    /// Returns a counter under a track.
    pub fn counter(&mut self, parent: Track, name: &str, unit: &str, rank: i32) -> Track {
        // A track of events may have the same name.
        self.once(Some(parent), &format!("counter {name}"), |descriptor| {
            descriptor.name = Some(name.to_owned());
            descriptor.sibling_order_rank = Some(rank);
            descriptor.counter = Some(CounterDescriptor {
                unit_name: Some(unit.to_owned()),
            });
        })
    }

    /// Returns the track of a process.
    pub fn process(&mut self, pid: Pid, name: &str) -> Track {
        self.once(None, &format!("process {pid}"), |descriptor| {
            descriptor.process = Some(ProcessDescriptor {
                pid: i32::try_from(pid.0).ok(),
                process_name: Some(name.to_owned()),
            });
        })
    }

    /// Returns the track of a thread, under that of its process.
    pub fn thread(&mut self, process: Track, pid: Pid, tid: Tid, name: &str) -> Track {
        self.once(Some(process), &format!("thread {tid}"), |descriptor| {
            descriptor.thread = Some(ThreadDescriptor {
                pid: i32::try_from(pid.0).ok(),
                tid: i32::try_from(tid.0).ok(),
                thread_name: Some(name.to_owned()),
            });
        })
    }

    fn once(
        &mut self,
        parent: Option<Track>,
        key: &str,
        describe: impl FnOnce(&mut TrackDescriptor),
    ) -> Track {
        let key = (parent.map_or(0, |parent| parent.0), key.to_owned());
        if let Some(known) = self.named.get(&key) {
            return *known;
        }
        self.tracks += 1;
        let track = Track(self.tracks);
        let mut descriptor = TrackDescriptor {
            uuid: Some(track.0),
            parent_uuid: parent.map(|parent| parent.0),
            ..TrackDescriptor::default()
        };
        describe(&mut descriptor);
        self.push(TracePacket {
            track_descriptor: Some(descriptor),
            ..TracePacket::default()
        });
        self.named.insert(key, track);
        track
    }

    /// Adds an interval on a track.
    pub fn slice(
        &mut self,
        track: Track,
        (from, to): (u64, u64),
        category: &str,
        name: &str,
        notes: Vec<Note>,
    ) {
        self.event(
            track,
            from,
            EventType::SliceBegin,
            category,
            Some(name),
            notes,
            &[],
        );
        self.event(
            track,
            to.max(from),
            EventType::SliceEnd,
            category,
            None,
            Vec::new(),
            &[],
        );
    }

    /// Adds a moment on a track, with the ends of its arrows.
    pub fn instant(
        &mut self,
        track: Track,
        at: u64,
        category: &str,
        name: &str,
        notes: Vec<Note>,
        ends: &[End],
    ) {
        self.event(
            track,
            at,
            EventType::Instant,
            category,
            Some(name),
            notes,
            ends,
        );
    }

    /// Sets a counter's value from a moment on.
    pub fn value(&mut self, counter: Track, at: u64, value: u64) {
        self.push(TracePacket {
            timestamp: Some(at),
            track_event: Some(TrackEvent {
                r#type: Some(EventType::Counter.into()),
                track_uuid: Some(counter.0),
                counter_value: Some(i64::try_from(value).unwrap_or(i64::MAX)),
                ..TrackEvent::default()
            }),
            ..TracePacket::default()
        });
    }

    /// Creates an arrow.
    pub fn flow(&mut self) -> Flow {
        self.flows += 1;
        Flow(self.flows)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one for each field of the message"
    )]
    fn event(
        &mut self,
        track: Track,
        at: u64,
        kind: EventType,
        category: &str,
        name: Option<&str>,
        notes: Vec<Note>,
        ends: &[End],
    ) {
        let mut event = TrackEvent {
            r#type: Some(kind.into()),
            track_uuid: Some(track.0),
            categories: vec![category.to_owned()],
            name: name.map(str::to_owned),
            debug_annotations: notes.into_iter().map(|note| note.0).collect(),
            ..TrackEvent::default()
        };
        for end in ends {
            match end {
                End::Begins(flow) => event.flow_ids.push(flow.0),
                End::Ends(flow) => event.terminating_flow_ids.push(flow.0),
            }
        }
        self.push(TracePacket {
            timestamp: Some(at),
            track_event: Some(event),
            ..TracePacket::default()
        });
    }

    fn push(&mut self, mut packet: TracePacket) {
        packet.trusted_packet_sequence_id = Some(SEQUENCE);
        packet.sequence_flags = self.packets.is_empty().then_some(FIRST);
        self.packets.push(packet);
    }

    /// Returns the whole trace.
    pub fn finish(self) -> wire::Trace {
        wire::Trace {
            packet: self.packets,
        }
    }
}
