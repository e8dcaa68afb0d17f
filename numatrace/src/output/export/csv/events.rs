//! Incidents and findings.

use super::lines::{Key, Lines};
use crate::model::Snapshot;

pub fn write(lines: &mut Lines, snapshot: &Snapshot) {
    for incident in &snapshot.incidents {
        let key = Key {
            at_s: Some(incident.at_s),
            process: Some((incident.pid, incident.comm.clone())),
            tid: Some(incident.tid),
            node: Some(incident.from),
            to_node: Some(incident.to),
            ..Key::default()
        };
        lines.line("incident", &key, "reason", incident.reason.name());
        lines.number("incident", &key, "away_ms", incident.away_ms);
        lines.number("incident", &key, "pages_left", incident.pages_left);
        lines.number("incident", &key, "pages_followed", incident.pages_followed);
        if let Some(back) = incident.back {
            lines.line("incident", &key, "back", back.name());
        }
    }
    for finding in &snapshot.findings {
        let process = finding.pid.and_then(|pid| {
            let process = snapshot.processes.iter().find(|process| process.pid == pid);
            process.map(|process| (pid, process.comm.clone()))
        });
        let key = Key {
            process,
            ..Key::default()
        };
        lines.line("finding", &key, &finding.id, &finding.title);
    }
}
