//! Dates for logs and listings: the parts of a point in time, in UTC.

/// A date and a time of day, in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Date {
    pub(crate) year: u64,
    /// From 1 on.
    pub(crate) month: u64,
    /// From 1 on.
    pub(crate) day: u64,
    pub(crate) hour: u64,
    pub(crate) minute: u64,
    pub(crate) second: u64,
}

const DAY_SECONDS: u64 = 86_400;
/// Days of the 400 years after which the Gregorian calendar repeats.
const ERA_DAYS: u64 = 146_097;
/// Days from 1 March of the year 0 to 1 January 1970.
const EPOCH_DAYS: u64 = 719_468;

impl Date {
    /// The date of a point in time, given in seconds since the Unix epoch.
    pub(crate) const fn of(unix: u64) -> Self {
        let (days, second) = (unix / DAY_SECONDS + EPOCH_DAYS, unix % DAY_SECONDS);
        // Years are counted from March, so that the leap day is the last of its year.
        let (era, day) = (days / ERA_DAYS, days % ERA_DAYS);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        // Five months from March on have 153 days, and so have the next five.
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = era * 400 + year + if month <= 2 { 1 } else { 0 };
        Self {
            year,
            month,
            day,
            hour: second / 3_600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Date;

    #[test]
    fn dates_are_those_of_the_protocol() {
        let months =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let leaps = [951_782_399, 951_782_400, 951_868_800, 1_709_164_800, 4_107_542_400];
        for unix in (0..253_402_300_799).step_by(86_399 * 37).chain(leaps) {
            let date = Date::of(unix);
            let text = format!(
                "{:02} {} {:04} {:02}:{:02}:{:02} GMT",
                date.day,
                months[usize::try_from(date.month).unwrap() - 1],
                date.year,
                date.hour,
                date.minute,
                date.second
            );
            let expected = http::format_date(unix);
            assert_eq!(text.as_bytes(), &expected[5..], "{unix}");
        }
    }
}
