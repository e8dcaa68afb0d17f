//! attach: from the embedded object to attached programs: plan in, session out.
