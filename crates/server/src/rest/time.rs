//! Times as the API writes them.

use store::Micros;

/// `2026-11-22T20:51:14Z`
pub(crate) fn zulu(at: Micros) -> String {
    let (year, month, day, hour, minute, second) = parts(at);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `2026-11-22 20:51:14`, as Neutron shows agents' times.
pub(crate) fn spaced(at: Micros) -> String {
    let (year, month, day, hour, minute, second) = parts(at);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

fn parts(at: Micros) -> (i64, i64, i64, i64, i64, i64) {
    let seconds = at.div_euclid(1_000_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    (year, month, day, second / 3600, second / 60 % 60, second % 60)
}

/// Days since 1970-01-01 as a date of the Gregorian calendar: years are counted from 1 March, so that a leap day ends
/// one, in eras of 400 years (146,097 days).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // months from March have 31 30 31 30 31 | 31 30 31 30 31 | … days: 153 for each five
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        // `date -u -d … +%s`
        assert_eq!(zulu(0), "1970-01-01T00:00:00Z");
        assert_eq!(zulu(1_795_380_674_261_712), "2026-11-22T20:51:14Z");
        assert_eq!(spaced(951_827_696_000_000), "2000-02-29 12:34:56");
        assert_eq!(zulu(4_107_542_399_000_000), "2100-02-28T23:59:59Z");
        assert_eq!(zulu(4_107_542_400_000_000), "2100-03-01T00:00:00Z");
    }
}
