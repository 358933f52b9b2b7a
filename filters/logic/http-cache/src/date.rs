//! Dates (RFC 9110 section 5.6.7).

use crate::text::number;

const DAYS: [&[u8]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];
const LONG_DAYS: [&[u8]; 7] = [
    b"monday",
    b"tuesday",
    b"wednesday",
    b"thursday",
    b"friday",
    b"saturday",
    b"sunday",
];
const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];
const SECONDS_OF_DAY: i64 = 86_400;

/// Reads a date in one of the three formats of HTTP, as seconds since 1970; case has no meaning (RFC 9111 section 4.2). A
/// year of two digits that seems to be more than 50 years after `now_s` is one of the past.
pub(crate) fn parse(value: &[u8], now_s: i64) -> Option<i64> {
    let value = value.trim_ascii();
    fixdate(value)
        .or_else(|| asctime(value))
        .or_else(|| rfc850(value, now_s))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn fixdate(value: &[u8]) -> Option<i64> {
    let mut text = Cursor(value);
    text.one_of(&DAYS)?;
    text.literal(b", ")?;
    let day = text.digits(2)?;
    text.literal(b" ")?;
    let month = text.one_of(&MONTHS)?;
    text.literal(b" ")?;
    let year = text.digits(4)?;
    text.literal(b" ")?;
    let time = text.time()?;
    text.last(b" gmt")?;
    seconds(year, month, day, time)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(value: &[u8]) -> Option<i64> {
    let mut text = Cursor(value);
    text.one_of(&DAYS)?;
    text.literal(b" ")?;
    let month = text.one_of(&MONTHS)?;
    text.literal(b" ")?;
    let day = match text.literal(b" ") {
        Some(()) => text.digits(1)?,
        None => text.digits(2)?,
    };
    text.literal(b" ")?;
    let time = text.time()?;
    text.literal(b" ")?;
    let year = text.digits(4)?;
    text.last(b"")?;
    seconds(year, month, day, time)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(value: &[u8], now_s: i64) -> Option<i64> {
    let mut text = Cursor(value);
    text.one_of(&LONG_DAYS)?;
    text.literal(b", ")?;
    let day = text.digits(2)?;
    text.literal(b"-")?;
    let month = text.one_of(&MONTHS)?;
    text.literal(b"-")?;
    let year = century(text.digits(2)?, now_s);
    text.literal(b" ")?;
    let time = text.time()?;
    text.last(b" gmt")?;
    seconds(year, month, day, time)
}

/// The latest year that ends so and is not more than 50 years away.
fn century(year: i64, now_s: i64) -> i64 {
    let (latest, ..) = civil(now_s.div_euclid(SECONDS_OF_DAY));
    let latest = latest + 50;
    latest - (latest - year).rem_euclid(100)
}

struct Cursor<'t>(&'t [u8]);

impl Cursor<'_> {
    fn literal(&mut self, expected: &[u8]) -> Option<()> {
        let (found, rest) = self.0.split_at_checked(expected.len())?;
        if !found.eq_ignore_ascii_case(expected) {
            return None;
        }
        self.0 = rest;
        Some(())
    }

    fn last(&mut self, expected: &[u8]) -> Option<()> {
        self.0.eq_ignore_ascii_case(expected).then_some(())
    }

    fn one_of(&mut self, names: &[&[u8]]) -> Option<i64> {
        let begins = |name: &&[u8]| crate::text::begins_with(self.0, name);
        let index = names.iter().position(begins)?;
        self.0 = self.0.get(names.get(index)?.len()..)?;
        i64::try_from(index).ok()
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (found, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        i64::try_from(number(found)?).ok()
    }

    /// Seconds since midnight.
    fn time(&mut self) -> Option<i64> {
        let hour = self.digits(2)?;
        self.literal(b":")?;
        let minute = self.digits(2)?;
        self.literal(b":")?;
        let second = self.digits(2)?;
        (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
    }
}

fn seconds(year: i64, month: i64, day: i64, time: i64) -> Option<i64> {
    let days = days_of(year, month + 1, day);
    (civil(days) == (year, month + 1, day)).then_some(days * SECONDS_OF_DAY + time)
}

/// Days since 1970-01-01. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month, day. The same source, `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
pub(crate) fn format(at_s: u64) -> Vec<u8> {
    let at = i64::try_from(at_s).unwrap_or(i64::MAX).min(253_402_300_799);
    let (days, time) = (at.div_euclid(SECONDS_OF_DAY), at.rem_euclid(SECONDS_OF_DAY));
    let (year, month, day) = civil(days);
    let mut text = Vec::with_capacity(29);
    push_name(&mut text, &DAYS, (days + 3).rem_euclid(7));
    text.extend_from_slice(b", ");
    push_padded(&mut text, day, 2);
    text.push(b' ');
    push_name(&mut text, &MONTHS, month - 1);
    text.push(b' ');
    push_padded(&mut text, year, 4);
    for (mark, part) in [(b' ', time / 3600), (b':', time / 60 % 60), (b':', time % 60)] {
        text.push(mark);
        push_padded(&mut text, part, 2);
    }
    text.extend_from_slice(b" GMT");
    text
}

fn push_name(text: &mut Vec<u8>, names: &[&[u8]], index: i64) {
    let name = usize::try_from(index).ok().and_then(|index| names.get(index));
    if let Some([first, rest @ ..]) = name {
        text.push(first.to_ascii_uppercase());
        text.extend_from_slice(rest);
    }
}

fn push_padded(text: &mut Vec<u8>, value: i64, width: u32) {
    for place in (0..width).rev() {
        text.push(b'0' + (value / 10_i64.pow(place) % 10) as u8);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    /// 2026-11-26
    const NOW: i64 = 1_795_651_200;

    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(parse(text.as_bytes(), NOW), expected, "{text}");
    }

    #[test]
    fn reads_the_three_formats_in_any_case() {
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777));
        check("SUN, 06 nov 1994 08:49:37 gmt", Some(784_111_777));
        check("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777));
        check("Sun Nov  6 08:49:37 1994", Some(784_111_777));
        check("Thursday, 18-Aug-50 02:01:18 GMT", Some(2_544_400_878));
        check("Thu Aug 18 02:01:18 2050", Some(2_544_400_878));
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "0",
            "",
            "-1",
            "Thu, 18 Aug 2050 02:01:18 UTC",
            "Thu, 18 Aug 2050 02:01:18 AEST",
            "Thu, 18 Aug 50 02:01:18 GMT",
            "Thu 18 Aug 2050 02:01:18 GMT",
            "Thu, 18  Aug  2050 02:01:18 GMT",
            "Thu, 18-Aug-2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02.01.18 GMT",
            "Thu, 18 Aug 2050 2:01:18 GMT",
            "Thu, 30 Feb 2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 24:01:18 GMT",
            "Thu, 18 Aug 2050 02:01:18 GMT+1",
        ] {
            check(text, None);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_httpdate(at in 0_u64..253_402_300_799) {
            let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(at));
            prop_assert_eq!(&format(at), text.as_bytes());
            prop_assert_eq!(parse(text.as_bytes(), NOW), i64::try_from(at).ok());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, now in any::<i32>()) {
            let _ = parse(&bytes, now.into());
        }
    }
}
