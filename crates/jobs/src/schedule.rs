use std::{fmt, str::FromStr, sync::Arc};

use cartwright_storage::{JobError, JobName, NewJob};
use chrono::{DateTime, SubsecRound, Utc};
use croner::Cron;

use crate::{Job, JobQueue, ScheduleError};

type Make = Arc<dyn Fn(DateTime<Utc>) -> Result<NewJob, JobError> + Send + Sync>;

/// A job that is done again and again, at the times of a cron expression, in UTC.
///
/// Each time is run once, whichever process comes first. Times that passed while no process was there are made up for:
/// the last of them, unless more are [wanted](Schedule::catching_up).
#[derive(Clone)]
pub struct Schedule {
    pub(crate) name: JobName,
    cron: Cron,
    make: Make,
    catch_up: usize,
}

impl Schedule {
    /// `expression`: minute, hour, day of the month, month, day of the week; with seconds before them, when there are six.
    /// `job` makes what is to be done at a time.
    ///
    /// # Errors
    /// [`ScheduleError`] when name or expression are none.
    pub fn new<J: Job>(
        name: &str,
        expression: &str,
        job: impl Fn(DateTime<Utc>) -> J + Send + Sync + 'static,
    ) -> Result<Self, ScheduleError> {
        let cron = Cron::from_str(expression)
            .map_err(|source| ScheduleError::Expression { expression: expression.to_owned(), source })?;
        let name = JobName::new(name).map_err(ScheduleError::Name)?;
        let make: Make = Arc::new(move |at| Ok(NewJob { run_at: Some(at), ..JobQueue::prepare(&job(at))? }));
        Ok(Self { name, cron, make, catch_up: 1 })
    }

    /// Makes up for so many missed times at most, the latest ones.
    #[must_use]
    pub fn catching_up(mut self, times: usize) -> Self {
        self.catch_up = times.max(1);
        self
    }

    pub(crate) fn job(&self, at: DateTime<Utc>) -> Result<NewJob, JobError> {
        (self.make)(at)
    }

    /// The last time at or before `now`. `None`: there is none.
    pub(crate) fn last(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // Expressions know of no parts of a second, and would take any time within one for its own.
        self.cron.find_previous_occurrence(&now.trunc_subsecs(0), true).ok()
    }

    /// The next time after `now`. `None`: there is none.
    pub(crate) fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.cron.find_next_occurrence(&now, false).ok()
    }

    /// The times after one and up to now that are still to be run, in order.
    pub(crate) fn missed(&self, after: DateTime<Utc>, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let mut missed = Vec::new();
        let mut last = self.last(now);
        while let Some(at) = last.filter(|at| *at > after && missed.len() < self.catch_up) {
            missed.push(at);
            last = self.cron.find_previous_occurrence(&at, false).ok();
        }
        missed.reverse();
        missed
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, expression) = (&self.name, self.cron.as_str());
        f.debug_struct("Schedule").field("name", name).field("expression", &expression).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct Nothing;

    impl Job for Nothing {
        const KIND: &'static str = "nothing";
        const QUEUE: &'static str = "q";
    }

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-03-01T{text}Z").parse().unwrap()
    }

    #[test]
    fn times_are_those_of_the_expression() {
        let hourly = Schedule::new("hourly", "5 * * * *", |_| Nothing).unwrap();
        assert_eq!(hourly.last(at("10:05:00")), Some(at("10:05:00")));
        assert_eq!(hourly.last(at("10:04:59.999999")), Some(at("09:05:00")));
        assert_eq!(hourly.next(at("10:05:00")), Some(at("11:05:00")));
        let seconds = Schedule::new("seconds", "*/10 * * * * *", |_| Nothing).unwrap();
        assert_eq!(seconds.next(at("10:00:10.5")), Some(at("10:00:20")));
        assert_eq!(seconds.last(at("10:00:10.5")), Some(at("10:00:10")));
        assert_eq!(seconds.last(at("10:00:09.999999")), Some(at("10:00:00")));
        assert!(Schedule::new("no name", "* * * * *", |_| Nothing).is_err());
        let wrong = Schedule::new("x", "61 * * * *", |_| Nothing).unwrap_err();
        assert!(wrong.to_string().contains("61 * * * *"), "{wrong}");
    }

    #[test]
    fn the_latest_missed_times_are_made_up_for() {
        let hourly = Schedule::new("hourly", "0 * * * *", |_| Nothing).unwrap();
        assert_eq!(hourly.missed(at("07:00:00"), at("10:30:00")), [at("10:00:00")]);
        assert!(hourly.missed(at("10:00:00"), at("10:30:00")).is_empty());
        let two = hourly.catching_up(2);
        assert_eq!(two.missed(at("07:00:00"), at("10:30:00")), [at("09:00:00"), at("10:00:00")]);
        assert_eq!(two.missed(at("09:00:00"), at("10:30:00")), [at("10:00:00")]);
    }

    /// Fields as people write them, and as nobody does.
    fn expression() -> impl Strategy<Value = String> {
        let part = "\\*|\\?|[0-9]{1,3}|[0-9]{1,2}-[0-9]{1,2}|\\*/[0-9]{1,10}|L|W|[0-9]{1,2}[LW#][0-9]?|MON|jan|[A-Z]{1,4}";
        let field = proptest::collection::vec(part, 1..3).prop_map(|parts| parts.join(","));
        prop_oneof![
            6 => proptest::collection::vec(field, 5..7).prop_map(|fields| fields.join(" ")),
            1 => "@(hourly|daily|yearly|never)",
            1 => any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn an_expression_is_refused_or_has_times(expression in expression(), seconds in 0..4_000_000_000_i64, nanos in 0..1_000_000_000_u32) {
            let now = DateTime::from_timestamp(seconds, nanos).unwrap();
            match Schedule::new("any", &expression, |_| Nothing) {
                Ok(schedule) => {
                    let (last, next) = (schedule.last(now), schedule.next(now));
                    prop_assert!(last.is_none_or(|last| last <= now) && next.is_none_or(|next| next > now));
                    // Between two times there is none.
                    if let Some((last, next)) = last.zip(next) {
                        prop_assert_eq!(schedule.last(next), Some(next));
                        prop_assert_eq!(schedule.next(last), Some(next));
                    }
                }
                Err(error) => prop_assert!(error.to_string().len() < 200 + 8 * expression.len(), "{}", error),
            }
        }
    }
}
