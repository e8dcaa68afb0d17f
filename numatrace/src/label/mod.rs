//! label: accumulators to a snapshot: names, once per snapshot.
