//! Lengths of time as people type them: one grammar for all options.

use std::time::Duration;

/// Parses a length of time: a bare number is seconds, else a number with a unit (`500ms`, `2m`).
/// Returns `None` for anything else, and for more than a hundred years; zero is a length of time
/// here.
///
/// The units are those of jiff's [friendly format](jiff::fmt::friendly) and of ISO 8601.
pub fn parse(text: &str) -> Option<Duration> {
    let time = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => Duration::try_from(text.parse::<jiff::SignedDuration>().ok()?).ok(),
    };
    time.filter(|time| *time <= LONGEST)
}

/// Longest length of time: a hundred years. Clocks cannot count to the end of a much longer one.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Shortest interval between two reports. Each end of an interval reads the kernel's counters
/// several times, and each reading makes every CPU fold its counters.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// Parses an option that is a length of time above zero.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse(text)
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| {
            "give a number of seconds, or a number with ms, s, m or h, below a hundred years: 10, \
             500ms, 2m"
                .to_owned()
        })
}

/// Parses an option that is a point in time since a start, which may be the start itself.
pub(super) fn moment(text: &str) -> Result<Duration, String> {
    parse(text).ok_or_else(|| {
        "give a number of seconds, or a number with ms, s, m or h, below a hundred years: 0, 10, 2m"
            .to_owned()
    })
}

/// Parses an option that is the time between two reports.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    match duration(text) {
        Ok(interval) if interval < SHORTEST_INTERVAL => Err(format!(
            "the shortest interval is {} ms",
            SHORTEST_INTERVAL.as_millis()
        )),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_as_people_write_them() {
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        let longest = "3153600000";
        assert_eq!(duration(longest), Ok(LONGEST));
        for wrong in [
            "",
            "0",
            "-1",
            "-3s",
            "ten",
            "1x",
            "1e99",
            "NaN",
            "inf",
            "1e19",
            "3153600001",
            "9223372036854775807",
            "9223372036854775807s",
            "18446744073709551615",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_moment_may_be_the_start() {
        assert_eq!(moment("0"), Ok(Duration::ZERO));
        assert!(moment("-1").is_err());
    }

    #[test]
    fn an_interval_leaves_time_to_count() {
        assert_eq!(interval("100ms"), Ok(SHORTEST_INTERVAL));
        assert!(interval("99ms").unwrap_err().contains("100 ms"));
        assert!(interval("0").unwrap_err().contains("give a number"));
    }
}
