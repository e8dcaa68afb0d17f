//! Kernel series such as 6.12, and ranges of them, as prototype lines in the probe files use them.

use std::fmt;

/// A kernel series; the point release and a distribution's suffix do not matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// 6 of 6.12.
    pub major: u32,
    /// 12 of 6.12.
    pub minor: u32,
}

/// The oldest kernel numatrace runs on: older ones lack features of the ring buffer, of program
/// arguments and of the allocator that it relies on.
pub const OLDEST: Series = Series { major: 6, minor: 1 };

impl Series {
    /// Returns the series of a release (`uname -r`) such as `6.12.107+deb13-cloud-amd64`, or of
    /// plain `6.12`.
    #[must_use]
    pub fn of_release(release: &str) -> Option<Self> {
        let mut numbers = release.trim().splitn(3, '.');
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?;
        let digits = minor
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(minor.len());
        Some(Self {
            major,
            minor: minor.get(..digits)?.parse().ok()?,
        })
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A range of series: the first is inside, the last is not. Written `6.1..6.18` or `6.18..`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesRange {
    /// First series inside.
    pub from: Series,
    /// First series no longer inside; `None` = no end.
    pub until: Option<Series>,
}

impl SeriesRange {
    /// Reads `6.1..6.18` or `6.18..`; `None` for anything else, an empty range included.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (from, until) = text.trim().split_once("..")?;
        let from = Series::of_release(from)?;
        let until = if until.is_empty() {
            None
        } else {
            Some(Series::of_release(until)?)
        };
        until
            .is_none_or(|until| from < until)
            .then_some(Self { from, until })
    }

    /// Returns whether a series is inside.
    #[must_use]
    pub fn contains(self, series: Series) -> bool {
        self.from <= series && self.until.is_none_or(|until| series < until)
    }
}

impl fmt::Display for SeriesRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", self.from)?;
        self.until.map_or(Ok(()), |until| until.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_all_kinds_give_their_series() {
        let series =
            |release| Series::of_release(release).map(|series| (series.major, series.minor));
        assert_eq!(series("6.12.107+deb13-cloud-amd64\n"), Some((6, 12)));
        assert_eq!(series("7.0-rc3"), Some((7, 0)));
        assert_eq!(series("6.1"), Some((6, 1)));
        assert_eq!(series("6"), None);
        assert_eq!(series("next.1"), None);
        assert_eq!(series("6.x"), None);
        assert!(series("6.9") < series("6.10"), "numbers, not text");
    }

    #[test]
    fn a_range_includes_its_start_and_excludes_its_end() {
        let inside = |range, release| {
            SeriesRange::parse(range)
                .unwrap()
                .contains(Series::of_release(release).unwrap())
        };
        assert!(inside("6.1..6.18", "6.1.0") && inside("6.1..6.18", "6.17.9"));
        assert!(!inside("6.1..6.18", "6.18.0") && !inside("6.18..", "6.17"));
        assert!(inside("6.18..", "7.3.4"));
        for bad in ["6.18..6.1", "6.1..6.1", "6.1", "..", "a..b"] {
            assert_eq!(SeriesRange::parse(bad), None, "{bad}");
        }
    }
}
