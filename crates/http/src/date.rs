//! HTTP dates (RFC 9110 section 5.6.7): seconds since the Unix epoch to and from text.
//!
//! Invariant: written in the one form that may be sent (IMF-fixdate), read in all three.

/// Length of an IMF-fixdate in bytes: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub const DATE_LENGTH: usize = 29;

const WEEKDAYS: [&[u8]; 7] = [b"Sun", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat"];
const WEEKDAYS_LONG: [&[u8]; 7] =
    [b"Sunday", b"Monday", b"Tuesday", b"Wednesday", b"Thursday", b"Friday", b"Saturday"];
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

const DAY_SECONDS: u64 = 86_400;
/// 9999-12-31T23:59:59Z, the last second that four digits of year can say.
const LAST: u64 = 253_402_300_799;

/// The IMF-fixdate of a time given in seconds since the Unix epoch. Times after the year 9999 are
/// written as its last second.
#[must_use]
pub fn format_date(unix: u64) -> [u8; DATE_LENGTH] {
    let unix = unix.min(LAST);
    let days = unix / DAY_SECONDS;
    let second = unix % DAY_SECONDS;
    let (year, month, day) = civil_from_days(days);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    // The epoch was a Thursday.
    text[0..3].copy_from_slice(WEEKDAYS[((days + 4) % 7) as usize]);
    text[5..7].copy_from_slice(&two_digits(day));
    text[8..11].copy_from_slice(MONTHS[(month - 1) as usize]);
    text[12..14].copy_from_slice(&two_digits(year / 100));
    text[14..16].copy_from_slice(&two_digits(year % 100));
    text[17..19].copy_from_slice(&two_digits(second / 3_600));
    text[20..22].copy_from_slice(&two_digits(second / 60 % 60));
    text[23..25].copy_from_slice(&two_digits(second % 60));
    text
}

/// Reads an HTTP date in any of its three forms. `now` places the two-digit year of the RFC 850
/// form: one that seems more than 50 years ahead of it is taken as past. `None` for what is no date,
/// for a date before 1970, and where the weekday is not that of the date.
#[must_use]
pub fn parse_date(text: &[u8], now: u64) -> Option<u64> {
    let comma = text.iter().position(|&byte| byte == b',');
    let mut fields = Fields { rest: text };
    let date = match comma {
        Some(3) => imf_fixdate(&mut fields)?,
        Some(_) => rfc850_date(&mut fields, now)?,
        None => asctime_date(&mut fields)?,
    };
    fields.end()?;
    date.unix()
}

/// The fields of a date as they were read; the ranges of all but the names are unchecked.
struct Date {
    weekday: u64,
    year: u64,
    month: u64,
    day: u64,
    second: u64,
}

impl Date {
    fn unix(&self) -> Option<u64> {
        if self.year < 1970 || self.day == 0 || self.day > days_in_month(self.year, self.month) {
            return None;
        }
        let days = days_from_civil(self.year, self.month, self.day);
        ((days + 4) % 7 == self.weekday).then(|| days * DAY_SECONDS + self.second)
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(fields: &mut Fields<'_>) -> Option<Date> {
    let weekday = fields.name(&WEEKDAYS)?;
    fields.literal(b", ")?;
    let day = fields.number(2)?;
    fields.literal(b" ")?;
    let month = fields.month()?;
    fields.literal(b" ")?;
    let year = fields.number(4)?;
    fields.literal(b" ")?;
    let second = fields.time()?;
    fields.literal(b" GMT")?;
    Some(Date { weekday, year, month, day, second })
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850_date(fields: &mut Fields<'_>, now: u64) -> Option<Date> {
    let weekday = fields.name(&WEEKDAYS_LONG)?;
    fields.literal(b", ")?;
    let day = fields.number(2)?;
    fields.literal(b"-")?;
    let month = fields.month()?;
    fields.literal(b"-")?;
    let year = full_year(fields.number(2)?, now);
    fields.literal(b" ")?;
    let second = fields.time()?;
    fields.literal(b" GMT")?;
    Some(Date { weekday, year, month, day, second })
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime_date(fields: &mut Fields<'_>) -> Option<Date> {
    let weekday = fields.name(&WEEKDAYS)?;
    fields.literal(b" ")?;
    let month = fields.month()?;
    fields.literal(b" ")?;
    let day = if fields.literal(b" ").is_some() { fields.number(1)? } else { fields.number(2)? };
    fields.literal(b" ")?;
    let second = fields.time()?;
    fields.literal(b" ")?;
    let year = fields.number(4)?;
    Some(Date { weekday, year, month, day, second })
}

/// The year that two digits mean: of this century, unless that is more than 50 years ahead.
fn full_year(two_digits: u64, now: u64) -> u64 {
    let (this_year, ..) = civil_from_days(now.min(LAST) / DAY_SECONDS);
    let year = this_year / 100 * 100 + two_digits;
    if year > this_year + 50 { year - 100 } else { year }
}

/// What is left of a date's text.
struct Fields<'a> {
    rest: &'a [u8],
}

impl Fields<'_> {
    fn literal(&mut self, expected: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }

    /// The index of the name that comes next.
    fn name(&mut self, names: &[&[u8]]) -> Option<u64> {
        let index = names.iter().position(|name| self.rest.starts_with(name))?;
        self.rest = &self.rest[names[index].len()..];
        Some(index as u64)
    }

    /// The month that comes next, from 1 on.
    fn month(&mut self) -> Option<u64> {
        let (name, rest) = self.rest.split_first_chunk::<3>()?;
        self.rest = rest;
        MONTHS.iter().position(|month| *month == name).map(|index| index as u64 + 1)
    }

    /// A number of exactly this many digits.
    fn number(&mut self, digits: usize) -> Option<u64> {
        let (text, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        text.iter().try_fold(0, |number, byte| {
            byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0'))
        })
    }

    /// `08:49:37` as a second of the day. A leap second counts as the one before it.
    fn time(&mut self) -> Option<u64> {
        let hour = self.number(2)?;
        self.literal(b":")?;
        let minute = self.number(2)?;
        self.literal(b":")?;
        let second = self.number(2)?;
        let valid = hour < 24 && minute < 60 && second <= 60;
        valid.then(|| hour * 3_600 + minute * 60 + second.min(59))
    }
}

const fn two_digits(number: u64) -> [u8; 2] {
    [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

// Both conversions count the year from March, so that the leap day is a year's last, in eras of 400
// years, which all have the same number of days.
const ERA_DAYS: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: u64 = 719_468;

/// Year, month (from 1 on) and day (from 1 on) of a number of days since the Unix epoch.
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + EPOCH_DAYS;
    let era = days / ERA_DAYS;
    let day_of_era = days % ERA_DAYS;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March on have 153 days every five.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + (month <= 2) as u64;
    (year, month, day)
}

/// The inverse of [`civil_from_days`], for years from 1970 on.
const fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = year - (month <= 2) as u64;
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let year_of_era = year % 400;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year / 400 * ERA_DAYS + day_of_era - EPOCH_DAYS
}

#[cfg(test)]
mod tests;
