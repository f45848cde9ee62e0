//! Working days against the vectors of `tests/data/calendar` and against counting day by day.
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use jdl_core::calendar::{Day, Holidays, add_working_days, working_days_between};

const HOLIDAYS: &str = include_str!("../data/calendar/bank_holidays_ew_2002_2028.csv");
const VECTORS: &str = include_str!("../data/calendar/working_day_vectors.csv");

fn iso(text: &str) -> Day {
    let part = |range: std::ops::Range<usize>| -> i16 { text[range].parse().unwrap() };
    Day::from_ymd(part(0..4), part(5..7) as i8, part(8..10) as i8).unwrap()
}

fn table() -> Vec<Day> {
    HOLIDAYS.lines().skip(1).map(|line| iso(line.split(',').next().unwrap())).collect()
}

#[test]
fn every_vector_comes_out_forwards_and_backwards() {
    let holidays = Holidays::new(&table());
    let mut seen = 0;
    for line in VECTORS.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let start = iso(cells[0]);
        for (n, expected) in [1, 5, 10, 20].into_iter().zip(&cells[2..]) {
            assert_eq!(add_working_days(start, n, &holidays), iso(expected), "{start} + {n}");
            assert_eq!(working_days_between(start, iso(expected), &holidays), n, "{start} to {expected}");
            seen += 1;
        }
    }
    assert_eq!(seen, 60);
}

#[test]
fn the_table_holds_the_222_weekday_holidays() {
    let days = table();
    assert_eq!(days.len(), 222);
    let holidays = Holidays::new(&days);
    assert!(days.iter().all(|day| !holidays.is_working_day(*day)));
    let all = working_days_between(days[0].plus_days(-1), days[221], &holidays);
    let weekdays = working_days_between(days[0].plus_days(-1), days[221], &Holidays::default());
    assert_eq!(weekdays - all, 222, "each of them falls on a weekday");
}

#[test]
fn adding_is_counting_day_by_day() {
    let holidays = Holidays::new(&table());
    for start in (iso("2001-12-01").0..iso("2003-02-01").0).map(Day) {
        let (mut day, mut n) = (start, 0);
        while n < 30 {
            day = day.plus_days(1);
            n += i32::from(holidays.is_working_day(day));
            if holidays.is_working_day(day) {
                assert_eq!(add_working_days(start, n, &holidays), day);
            }
            assert_eq!(working_days_between(start, day, &holidays), n);
        }
        let (mut day, mut n) = (start, 0);
        while n > -30 {
            day = day.plus_days(-1);
            n -= i32::from(holidays.is_working_day(day));
            if holidays.is_working_day(day) {
                assert_eq!(add_working_days(start, n, &holidays), day);
            }
            assert_eq!(working_days_between(start, day, &holidays), n);
        }
        assert_eq!(add_working_days(start, 0, &holidays), start);
    }
}

#[test]
fn large_counts_agree_with_their_inverse() {
    let holidays = Holidays::new(&table());
    let start = iso("2010-06-15");
    for n in [-1_000_000, -5_000, -251, 251, 5_000, 1_000_000, 100_000_000] {
        let day = add_working_days(start, n, &holidays);
        assert!(holidays.is_working_day(day));
        assert_eq!(working_days_between(start, day, &holidays), n);
    }
}
