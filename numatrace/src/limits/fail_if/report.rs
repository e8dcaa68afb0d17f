//! The names of `--fail-if` in `trace` and `report`, and their values in a report.
//! docs/fail-if.md lists them.

use crate::{
    ids::NodeId,
    limits::expr::{Gap, Name, Values, Vocabulary, nearest},
    model::{
        Process, Snapshot,
        quantity::{ALL, Measures, Of, find},
    },
};

/// A name besides the quantities: length of the session in seconds, of the machine only.
const DURATION: &str = "duration_s";

/// The vocabulary of reports.
pub struct ReportNames;

impl Vocabulary for ReportNames {
    fn check(&self, name: &Name) -> Result<(), String> {
        let of = subject(name)?;
        let mut known = known(of);
        if of.is_none() {
            known.push(DURATION);
        }
        let word = name.name.as_str();
        if !known.contains(&word) {
            return Err(unknown(word, &known));
        }
        if name.per_second && !find(word).is_some_and(|quantity| quantity.grows) {
            return Err(format!(
                "{word} does not grow with time, so it has no rate per second"
            ));
        }
        Ok(())
    }
}

/// Returns the subject of a name; `None` is the machine.
pub(super) fn subject(name: &Name) -> Result<Option<Of>, String> {
    let of = name.of.as_ref();
    match of.map(|(kind, which)| (kind.as_str(), which.trim())) {
        None => Ok(None),
        Some(("node", "max" | "min")) => Ok(Some(Of::Node)),
        Some(("node", which)) if which.parse::<u16>().is_ok() => Ok(Some(Of::Node)),
        Some(("node", which)) => Err(format!(
            "node({which}): there are node(NUMBER), node(max) and node(min)"
        )),
        Some(("proc", "")) => Err("proc() needs a name or PID".to_owned()),
        Some(("proc", _)) => Ok(Some(Of::Process)),
        Some((kind, _)) => Err(format!(
            "unknown selector {kind}: there are node(…) and proc(…)"
        )),
    }
}

/// Returns the names of the quantities that can be asked of a subject.
pub(super) fn known(of: Option<Of>) -> Vec<&'static str> {
    let fits = |wanted: &[Of]| of.is_none_or(|of| wanted.contains(&of));
    let quantities = ALL.iter().filter(|quantity| fits(quantity.of));
    quantities.map(|quantity| quantity.name).collect()
}

/// Says what is wrong with a name, and which names exist.
pub(super) fn unknown(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("unknown name {word}: did you mean {near}?"),
        None => format!("unknown name {word}: there are {}", known.join(", ")),
    }
}

/// The values of a report.
pub struct ReportValues<'a> {
    snapshot: &'a Snapshot,
    machine: Measures,
}

impl<'a> ReportValues<'a> {
    /// Reads the machine's sums once; nodes and processes are summed when they are asked for.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            machine: Measures::of_machine(snapshot),
        }
    }

    /// Returns the value of a quantity of a subject; the typed text finds nodes and processes.
    fn of(&self, of: Option<(&str, &str)>, quantity: &str) -> Result<f64, Gap> {
        let read = find(quantity).ok_or(Gap::Unmeasured)?.read;
        let value = |measures: &Measures| {
            let read = read(measures).ok_or(Gap::Unmeasured)?;
            read.value().ok_or(Gap::Nothing)
        };
        let node = |position| value(&Measures::of_node(self.snapshot, position));
        let nodes = &self.snapshot.host.nodes;
        match of.map(|(kind, which)| (kind, which.trim())) {
            None => value(&self.machine),
            Some(("node", "max")) => best((0..nodes.len()).map(node), f64::max),
            Some(("node", "min")) => best((0..nodes.len()).map(node), f64::min),
            Some(("node", which)) => {
                let number = which.parse().map_err(|_| Gap::NoSuch)?;
                let position = self.snapshot.host.position(NodeId(number));
                node(position.ok_or(Gap::NoSuch)?)
            }
            Some((_, which)) => {
                let matching = processes(self.snapshot, which);
                if matching.is_empty() {
                    return Err(Gap::NoSuch);
                }
                value(&Measures::of_processes(self.snapshot, &matching))
            }
        }
    }

    /// Returns the length of the session in seconds, which is positive.
    fn seconds(&self) -> Result<f64, Gap> {
        let seconds = self.snapshot.session.duration_s;
        if seconds > 0.0 {
            Ok(seconds)
        } else {
            Err(Gap::Nothing)
        }
    }
}

/// Returns the best of the known values; without any, why the first is missing.
pub(super) fn best(
    values: impl IntoIterator<Item = Result<f64, Gap>>,
    better: fn(f64, f64) -> f64,
) -> Result<f64, Gap> {
    values
        .into_iter()
        .reduce(|best, next| match (best, next) {
            (Ok(best), Ok(next)) => Ok(better(best, next)),
            (Err(_), Ok(known)) | (Ok(known), Err(_)) => Ok(known),
            (Err(gap), Err(_)) => Err(gap),
        })
        .unwrap_or(Err(Gap::NoSuch))
}

/// Returns the processes that a PID or a command's name stands for.
fn processes<'a>(snapshot: &'a Snapshot, which: &str) -> Vec<&'a Process> {
    let pid: Option<u32> = which.parse().ok();
    let meant = |process: &&Process| {
        (process.pid.0 > 0 && Some(process.pid.0) == pid) || process.comm == *which
    };
    snapshot.processes.iter().filter(meant).collect()
}

impl Values for ReportValues<'_> {
    fn value(&self, name: &Name) -> Result<f64, Gap> {
        let of = name.of.as_ref();
        let value = match (of, name.name.as_str()) {
            (None, DURATION) => return self.seconds(),
            (of, word) => self.of(
                of.map(|(kind, which)| (kind.as_str(), which.as_str())),
                word,
            )?,
        };
        if name.per_second {
            Ok(value / self.seconds()?)
        } else {
            Ok(value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::expr::Expr;
    use crate::model::{HintFaults, Matrix, report::System};

    const EXAMPLE: &str = include_str!("../../../../tests/contract/example.json");

    fn holds(text: &str) -> Option<bool> {
        let snapshot: Snapshot = serde_json::from_str(EXAMPLE).unwrap();
        Expr::parse(text, &ReportNames)
            .unwrap_or_else(|mistake| panic!("{mistake}"))
            .evaluate(&ReportValues::new(&snapshot))
            .holds
    }

    #[test]
    fn names_have_the_values_of_the_report() {
        let snapshot: Snapshot = serde_json::from_str(EXAMPLE).unwrap();
        let total = snapshot.alloc_total().unwrap();
        let (remote, all) = (total.remote().unwrap(), total.allocations().unwrap());
        let seconds = snapshot.session.duration_s;
        let first = snapshot.processes.first().unwrap();
        let (comm, pid) = (first.comm.to_utf8(), first.pid);
        let of_first = first.alloc.as_ref().unwrap().remote().unwrap();
        for text in [
            format!("other_node == {remote} and allocations == {all}"),
            format!("remote_share == {remote} / {all} and local_share == 1 - remote_share"),
            format!("other_node/s == {remote} / {seconds}"),
            format!(
                "proc({comm}).other_node == {of_first} and proc({pid}).other_node == {of_first}"
            ),
            format!("duration_s == {seconds}"),
            "node(0).other_node + node(1).other_node == other_node".to_owned(),
            "node(max).other_node + node(min).other_node == other_node".to_owned(),
        ] {
            assert_eq!(holds(&text), Some(true), "{text}");
        }
        for text in ["node(7).numa_miss > 0", "proc(no such).numa_miss > 0"] {
            assert_eq!(holds(text), None, "{text}: not there");
        }
    }

    #[test]
    fn a_share_of_nothing_is_told_from_one_that_was_not_measured() {
        let mut snapshot: Snapshot = serde_json::from_str(EXAMPLE).unwrap();
        let gap = |snapshot: &Snapshot, text: &str| {
            let expr = Expr::parse(&format!("{text} > 0"), &ReportNames).unwrap();
            let outcome = expr.evaluate(&ReportValues::new(snapshot));
            outcome.values.first().map(|(_, value)| *value)
        };
        let nodes = snapshot.host.nodes.len();
        let none = HintFaults {
            matrix: Some(Matrix::zeros(nodes)),
            ..HintFaults::default()
        };
        snapshot.system = Some(System {
            hint_faults: Some(none),
            ..System::default()
        });
        for (text, why) in [
            ("remote_access_share", Gap::Nothing),
            ("node(max).remote_access_share", Gap::Nothing),
            ("node(77).numa_miss", Gap::NoSuch),
            ("proc(nobody).numa_miss", Gap::NoSuch),
        ] {
            assert_eq!(gap(&snapshot, text), Some(Err(why)), "{text}");
        }
        snapshot.system = None;
        for process in &mut snapshot.processes {
            process.hint_faults = None;
        }
        let unmeasured = gap(&snapshot, "remote_access_share");
        assert_eq!(unmeasured, Some(Err(Gap::Unmeasured)));
    }

    #[test]
    fn a_message_about_an_unknown_name_lists_the_known_ones() {
        for (text, said) in [
            ("numa_mis > 1", "did you mean numa_miss?"),
            ("banana > 1", "there are local_share"),
            ("node(x).pages > 1", "node(max)"),
            ("node(0).away_s > 1", "unknown name"),
            ("proc(a).records_lost > 1", "unknown name"),
            ("proc(a).duration_s > 1", "unknown name"),
            ("proc( ).pages > 1", "name or PID"),
            ("cpu(1).pages > 1", "node(…) and proc(…)"),
            ("remote_share/s > 1", "no rate"),
            ("duration_s/s > 1", "no rate"),
            ("surprise_pages/s > 1", "no rate"),
        ] {
            let mistake = Expr::parse(text, &ReportNames).unwrap_err();
            assert!(mistake.what.contains(said), "{mistake}");
        }
    }
}
