/// UTC as Python's `datetime` writes it, with `between` between date and time: `2026-11-22T20:42:47.122992`.
///
/// `micros`: microseconds since 1970. The date is of the proleptic Gregorian calendar, by counting from 1 March 0000 in eras of
/// 400 years (146,097 days).
pub fn text(micros: u64, between: char) -> String {
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}.{micros:06}")
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn it_is_as_python_writes_it() {
        // datetime.fromtimestamp(t, timezone.utc)
        assert_eq!(text(0, 'T'), "1970-01-01T00:00:00.000000");
        assert_eq!(text(951_782_400_000_001, ' '), "2000-02-29 00:00:00.000001");
        assert_eq!(text(1_795_380_167_122_992, 'T'), "2026-11-22T20:42:47.122992");
        assert_eq!(text(4_107_542_399_999_999, 'T'), "2100-02-28T23:59:59.999999");
    }
}
