//! What workers and schedules do.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use cartwright_storage::{
    Beat, Claim, Claimed, Finished, Heartbeat, Hold, JobId, JobName, JobOutcome, LEASE_LOST, MAX_ERROR,
    MAX_NOTE, NewJob, Payload, Priority, StorageError, TakenBack, Tick, kept_text,
};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel_async::RunQueryDsl;
use futures_util::join;
use tokio::time::Instant;

use super::{floors::Seen, insert};
use crate::{
    products::finished as committed_with,
    read,
    sql::jobs::{
        ClaimJobs, ClaimedRow, DeadVersions, FailJobs, HeartbeatJobs, HeldBack, LastTicks, LockLimits,
        MoveFinished, PromoteJobs, RunTicks, TakeBackJobs, ToCancel,
    },
    store::PostgresStore,
};

/// How many jobs whose time has come begin to wait for a worker with one claim.
const PROMOTED: i64 = 1_000;

const DONE: i16 = 4;
const CANCELLED: i16 = 5;

fn until(now: DateTime<Utc>, lease: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(lease).ok().and_then(|lease| now.checked_add_signed(lease)).unwrap_or(now)
}

fn texts(names: &[JobName]) -> Vec<&str> {
    let mut texts: Vec<&str> = names.iter().map(JobName::as_str).collect();
    texts.sort_unstable();
    texts.dedup();
    texts
}

/// Ids and fences, for statements.
fn split(holds: impl IntoIterator<Item = Hold>) -> (Vec<i64>, Vec<i32>) {
    holds.into_iter().map(|hold| (hold.id.0, hold.fence)).unzip()
}

fn holds(rows: Vec<(i64, i32)>) -> impl Iterator<Item = Hold> {
    rows.into_iter().map(|(id, fence)| Hold { id: JobId(id), fence })
}

fn claimed(row: ClaimedRow) -> Result<(DateTime<Utc>, Claimed), StorageError> {
    let (id, fence, queue, kind, payload, priority, attempt, max_attempts, run_at, rank) = row;
    let job = Claimed {
        hold: Hold { id: JobId(id), fence },
        queue: name(&queue)?,
        kind: name(&kind)?,
        payload: Payload::kept(payload),
        priority: Priority::new(priority),
        attempt: attempts(attempt)?,
        max_attempts: attempts(max_attempts)?,
        run_at,
    };
    Ok((rank, job))
}

pub(super) fn name(text: &str) -> Result<JobName, StorageError> {
    JobName::new(text).map_err(read::bad("a name of a job that is none"))
}

pub(super) fn attempts(n: i16) -> Result<u16, StorageError> {
    u16::try_from(n).map_err(read::bad("a number of attempts that cannot be"))
}

impl PostgresStore {
    /// One round trip. Most claims begin where the last one has ended, see [`Floors`](super::floors::Floors).
    pub(super) async fn claim_jobs(
        &self,
        claim: &Claim<'_>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Claimed>, StorageError> {
        let queues = texts(claim.queues);
        let asked = Instant::now();
        let from = self.floors.look(&queues, asked);
        let transaction = self.transaction().await?;
        let statement = ClaimJobs {
            queues: queues.clone(),
            now,
            limit: claim.limit.into(),
            worker: claim.worker.as_str(),
            lease_until: until(now, claim.lease),
            from: from.clone(),
        };
        let (begun, promoted, locked, held_back, dead, rows, committed) = join!(
            transaction.begin(),
            PromoteJobs { now, limit: PROMOTED }.execute(&mut transaction.pipe()),
            LockLimits { queues: queues.clone() }.load::<(i32,)>(&mut transaction.pipe()),
            HeldBack { queues: queues.clone() }.load::<(String,)>(&mut transaction.pipe()),
            DeadVersions {}.get_result::<(i64,)>(&mut transaction.pipe()),
            statement.load::<ClaimedRow>(&mut transaction.pipe()),
            transaction.pipe_commit(),
        );
        let all = begun.and(promoted).and(locked).and_then(|_| Ok((held_back?, dead?.0, rows?)));
        let (held_back, dead, rows) = committed_with(transaction, all, committed).await?;
        let ranks: Vec<(&str, DateTime<Utc>)> = rows.iter().map(|row| (row.2.as_str(), row.9)).collect();
        let seen = Seen {
            queues: &queues,
            from: &from,
            held_back: held_back.into_iter().map(|(queue,)| queue).collect(),
            is_full: u32::try_from(ranks.len()).is_ok_and(|found| found >= claim.limit),
            ranks,
            now,
            dead,
        };
        self.floors.seen(&seen, asked, Instant::now());
        let mut jobs = rows.into_iter().map(claimed).collect::<Result<Vec<_>, _>>()?;
        jobs.sort_unstable_by_key(|(rank, job)| (*rank, job.hold.id));
        Ok(jobs.into_iter().map(|(_, job)| job).collect())
    }

    pub(super) async fn beat_for(
        &self,
        beat: &Heartbeat<'_>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Beat>, StorageError> {
        let (ids, fences) = split(beat.jobs.iter().map(|(hold, _)| *hold));
        let told = || beat.jobs.iter().filter_map(|(hold, progress)| Some((hold, progress.as_ref()?)));
        let queues = texts(beat.queues).join(",");
        let statement = HeartbeatJobs {
            worker: beat.worker.as_str(),
            worked_on: &queues,
            concurrency: i32::try_from(beat.concurrency).unwrap_or(i32::MAX),
            now,
            until: until(now, beat.lease),
            ids,
            fences,
            told: told().map(|(hold, _)| hold.id.0).collect(),
            progress: told().map(|(_, progress)| i16::from(progress.percent.min(100))).collect(),
            notes: told().map(|(_, progress)| kept_text(&progress.note, MAX_NOTE)).collect(),
        };
        let rows: Vec<(i64, i32, bool)> =
            self.run(async |connection| statement.load(connection).await).await?;
        let found: HashMap<(i64, i32), bool> =
            rows.into_iter().map(|(id, fence, cancel)| ((id, fence), cancel)).collect();
        let answer = |(hold, _): &(Hold, _)| match found.get(&(hold.id.0, hold.fence)) {
            Some(false) => Beat::Held,
            Some(true) => Beat::Cancel,
            None => Beat::Lost,
        };
        Ok(beat.jobs.iter().map(answer).collect())
    }

    pub(super) async fn wanted_cancelled(&self, worker: &JobName) -> Result<Vec<Hold>, StorageError> {
        let statement = ToCancel { worker: worker.as_str() };
        let rows = self.run(async |connection| statement.load::<(i64, i32)>(connection).await).await?;
        Ok(holds(rows).collect())
    }

    /// One statement when all are done, which is the rule; else one round trip with all that is needed.
    pub(super) async fn finish_jobs(
        &self,
        ended: &[Finished],
        now: DateTime<Utc>,
    ) -> Result<Vec<bool>, StorageError> {
        let of = |wanted: fn(&JobOutcome) -> bool| {
            split(ended.iter().filter(|end| wanted(&end.outcome)).map(|end| end.hold))
        };
        let moved =
            |(ids, fences), state, only_unwanted| MoveFinished { ids, fences, state, now, only_unwanted };
        let done = moved(of(|outcome| *outcome == JobOutcome::Done), DONE, false);
        let mut told: HashSet<Hold> = HashSet::with_capacity(ended.len());
        if done.ids.len() == ended.len() {
            if !ended.is_empty() {
                let rows: Vec<(i64, i32)> = self.run(async |connection| done.load(connection).await).await?;
                told.extend(holds(rows));
            }
        } else {
            let cancelled = moved(of(|outcome| *outcome == JobOutcome::Cancelled), CANCELLED, false);
            let goes_on = |outcome: &JobOutcome| {
                matches!(
                    outcome,
                    JobOutcome::Retry { .. } | JobOutcome::Dead { .. } | JobOutcome::Returned { .. }
                )
            };
            // Somebody wants them cancelled, and the worker has not heard of it.
            let unwanted = moved(of(goes_on), CANCELLED, true);
            let errors: Vec<Option<String>> = ended.iter().map(|end| error(&end.outcome)).collect();
            let failed = failed(ended, &errors, now);
            let transaction = self.transaction().await?;
            let (begun, done, cancelled, unwanted, failed, committed) = join!(
                transaction.begin(),
                done.load::<(i64, i32)>(&mut transaction.pipe()),
                cancelled.load::<(i64, i32)>(&mut transaction.pipe()),
                unwanted.load::<(i64, i32)>(&mut transaction.pipe()),
                failed.load::<(i64, i32)>(&mut transaction.pipe()),
                transaction.pipe_commit(),
            );
            let all = || -> QueryResult<_> {
                begun?;
                Ok([done?, cancelled?, unwanted?, failed?])
            };
            for rows in committed_with(transaction, all(), committed).await? {
                told.extend(holds(rows));
            }
        }
        Ok(ended.iter().map(|end| told.contains(&end.hold)).collect())
    }

    pub(super) async fn take_back_jobs(
        &self,
        now: DateTime<Utc>,
        limit: u32,
    ) -> Result<TakenBack, StorageError> {
        let statement = TakeBackJobs { now, limit: limit.into(), error: LEASE_LOST };
        let (again, dead, cancelled): (i64, i64, i64) =
            self.run(async |connection| statement.get_result(connection).await).await?;
        let count = read::count;
        Ok(TakenBack { again: count(again)?, dead: count(dead)?, cancelled: count(cancelled)? })
    }

    /// Two round trips when a tick is new, one when all are old, which is what most schedulers see.
    pub(super) async fn tick_schedules(
        &self,
        ticks: &[Tick],
        now: DateTime<Utc>,
    ) -> Result<Vec<bool>, StorageError> {
        if ticks.is_empty() {
            return Ok(Vec::new());
        }
        let mut order: Vec<&Tick> = ticks.iter().collect();
        order.sort_by_key(|tick| &tick.schedule);
        let statement = RunTicks {
            schedules: order.iter().map(|tick| tick.schedule.as_str()).collect(),
            ticks: order.iter().map(|tick| tick.at).collect(),
        };
        let transaction = self.transaction().await?;
        let (begun, won) = join!(transaction.begin(), statement.load::<(String,)>(&mut transaction.pipe()));
        let won: HashSet<String> = match begun.and(won) {
            Ok(won) => won.into_iter().map(|(schedule,)| schedule).collect(),
            Err(error) => return Err(transaction.roll_back(error.into()).await),
        };
        let is_won = |tick: &Tick| won.contains(tick.schedule.as_str());
        let jobs: Vec<NewJob> =
            ticks.iter().filter(|tick| is_won(tick)).filter_map(|tick| tick.job.clone()).collect();
        insert::made(transaction, &jobs, now).await?;
        Ok(ticks.iter().map(is_won).collect())
    }

    pub(super) async fn ticks_of(
        &self,
        schedules: &[&JobName],
    ) -> Result<Vec<Option<DateTime<Utc>>>, StorageError> {
        let statement = LastTicks { schedules: schedules.iter().map(|schedule| schedule.as_str()).collect() };
        let rows: Vec<(i64, DateTime<Utc>)> =
            self.run(async |connection| statement.load(connection).await).await?;
        let found: HashMap<i64, DateTime<Utc>> = rows.into_iter().collect();
        Ok((1..).zip(schedules).map(|(at, _)| found.get(&at).copied()).collect())
    }
}

fn error(outcome: &JobOutcome) -> Option<String> {
    match outcome {
        JobOutcome::Retry { error, .. } | JobOutcome::Dead { error } => Some(kept_text(error, MAX_ERROR)),
        JobOutcome::Done | JobOutcome::Cancelled | JobOutcome::Returned { .. } => None,
    }
}

/// The statement for those that go on waiting, or are dead.
fn failed<'a>(ended: &[Finished], errors: &'a [Option<String>], now: DateTime<Utc>) -> FailJobs<'a> {
    let mut failed = FailJobs {
        ids: Vec::new(),
        fences: Vec::new(),
        states: Vec::new(),
        run_at: Vec::new(),
        errors: Vec::new(),
        now,
    };
    for (Finished { hold, outcome }, error) in ended.iter().zip(errors) {
        let (state, at) = match outcome {
            JobOutcome::Done | JobOutcome::Cancelled => continue,
            JobOutcome::Retry { at, .. } | JobOutcome::Returned { at } => (i16::from(*at <= now), *at),
            JobOutcome::Dead { .. } => (3, now),
        };
        failed.ids.push(hold.id.0);
        failed.fences.push(hold.fence);
        failed.states.push(state);
        failed.run_at.push(at);
        failed.errors.push(error.as_deref());
    }
    failed
}
