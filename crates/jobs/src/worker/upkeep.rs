//! What a worker does beside running jobs: signs of life, wishes to cancel, jobs of dead workers, schedules.

use std::{collections::HashMap, sync::Arc, time::Duration};

use cartwright_storage::{Beat, Heartbeat, Hold, JobName, Progress, Tick, slot_of};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::{Shared, held::Stop};
use crate::Schedule;

/// How often progress is told.
const TOLD: Duration = Duration::from_secs(1);
/// Jobs in one heartbeat at most.
const BEATEN: usize = 1_000;
/// How often it is asked which jobs somebody wants cancelled.
const ASKED: Duration = Duration::from_millis(200);
/// How often jobs of dead workers are looked for, at the longest, and how many are taken back at once.
const TAKEN_BACK: Duration = Duration::from_secs(5);
const TAKEN_AT_ONCE: u32 = 500;
/// The longest pause between such looks that take long themselves.
const PAUSED: Duration = Duration::from_secs(10);
/// How often queues are counted for the metrics.
const COUNTED: Duration = Duration::from_secs(15);
/// How often it is told what was counted, and for how long that is kept.
const TOLD_COUNTS: Duration = Duration::from_secs(2);
const KEPT_COUNTS: TimeDelta = TimeDelta::hours(1);
/// How long a schedule is not looked at, at the longest: the clock may jump.
const SCHEDULED: Duration = Duration::from_secs(1);

/// Renews leases, three times in each, and tells of progress.
pub(super) async fn beat(shared: Arc<Shared>) {
    let lease = shared.settings.lease;
    let mut tick = interval(TOLD.min(lease / 3));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut all_at = Instant::now();
    loop {
        tick.tick().await;
        let all = Instant::now() >= all_at;
        let jobs = shared.held.news(all);
        if all || !jobs.is_empty() {
            let asked = Instant::now();
            // Also without jobs: that it lives.
            let parts = if jobs.is_empty() { vec![&jobs[..]] } else { jobs.chunks(BEATEN).collect() };
            let mut failed = false;
            for jobs in parts {
                failed |= !beat_for(&shared, jobs, asked).await;
            }
            if all && !failed {
                all_at = asked + lease / 3;
            }
        }
    }
}

/// One heartbeat, which has as long as there is between two of them. Whether it was written.
async fn beat_for(shared: &Shared, jobs: &[(Hold, Option<Progress>)], asked: Instant) -> bool {
    let lease = shared.settings.lease;
    let beat = Heartbeat {
        worker: &shared.name,
        queues: &shared.queues,
        concurrency: u32::try_from(shared.settings.concurrency).unwrap_or(u32::MAX),
        lease,
        jobs,
    };
    let written = shared.queue.store().heartbeat(&beat, shared.queue.clock().now());
    let beats = match timeout(lease / 3, written).await {
        Ok(Ok(beats)) => beats,
        Ok(Err(error)) => {
            tracing::warn!(%error, "a heartbeat was not written");
            shared.held.untold(jobs);
            return false;
        }
        Err(_elapsed) => {
            tracing::warn!("a heartbeat was not written in {:?}", lease / 3);
            shared.held.untold(jobs);
            return false;
        }
    };
    for ((hold, _), beat) in jobs.iter().zip(beats) {
        match beat {
            Beat::Held => shared.held.confirm(*hold, asked),
            Beat::Cancel => {
                shared.held.confirm(*hold, asked);
                shared.held.stop(*hold, Stop::Cancelled);
            }
            Beat::Lost => shared.held.stop(*hold, Stop::Lost),
        }
    }
    true
}

/// Stops jobs whose leases others may soon have. By itself: it waits for no answer of the store.
pub(super) async fn let_go(shared: Arc<Shared>) {
    let lease = shared.settings.lease;
    // Twice in the margin before the end of a lease.
    let mut tick = interval((lease / 20).max(Duration::from_millis(1)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        shared.held.stop_unconfirmed(Instant::now(), lease);
    }
}

/// Stops jobs that somebody wants cancelled.
pub(super) async fn cancel(shared: Arc<Shared>) {
    let mut tick = interval(ASKED);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if shared.held.is_empty() {
            continue;
        }
        match shared.queue.store().to_cancel(&shared.name).await {
            Ok(holds) => holds.into_iter().for_each(|hold| shared.held.stop(hold, Stop::Cancelled)),
            Err(error) => tracing::debug!(%error, "jobs to cancel could not be read"),
        }
    }
}

/// Takes back the jobs of workers that are heard of no more, and counts what there is.
pub(super) async fn take_back(shared: Arc<Shared>) {
    let every = TAKEN_BACK.min(shared.settings.lease / 3).max(Duration::from_millis(10));
    let mut counted = Instant::now();
    let mut took = Duration::ZERO;
    loop {
        // Not all workers at the same time; and not all the time, when the dead versions of many rows are passed by.
        let pause = every.mul_f64(rand::random_range(0.5..=1.0)).max((took * 10).min(PAUSED));
        sleep(pause).await;
        let looked = Instant::now();
        let store = shared.queue.store();
        loop {
            match store.take_back(shared.queue.clock().now(), TAKEN_AT_ONCE).await {
                Ok(taken) => {
                    if taken.total() > 0 {
                        tracing::warn!(?taken, "jobs of workers that are heard of no more were taken back");
                        shared.figures.taken_back(taken);
                        shared.queue.wake();
                    }
                    if taken.total() < u64::from(TAKEN_AT_ONCE) {
                        break;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "jobs could not be taken back");
                    break;
                }
            }
        }
        took = looked.elapsed();
        if counted.elapsed() >= COUNTED {
            counted = Instant::now();
            if let Ok(figures) = store.queue_figures(shared.queue.clock().now()).await {
                shared.figures.queues(&figures);
            }
        }
    }
}

/// Tells what was counted.
pub(super) async fn count(shared: Arc<Shared>) {
    let mut tick = interval(TOLD_COUNTS);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        tell_counts(&shared).await;
    }
}

/// What cannot be told is told later.
pub(super) async fn tell_counts(shared: &Shared) {
    let counts = shared.counts.take();
    if counts.is_empty() {
        return;
    }
    let forget_before = slot_of(shared.queue.clock().now() - KEPT_COUNTS);
    if let Err(error) = shared.queue.store().add_counts(&counts, forget_before).await {
        tracing::debug!(%error, "what was counted could not be told");
        shared.counts.add(counts);
    }
}

/// Runs schedules. Every worker does; of each time the first one counts.
pub(super) async fn schedule(shared: Arc<Shared>, schedules: Vec<Schedule>) {
    let mut last: HashMap<JobName, DateTime<Utc>> = HashMap::new();
    loop {
        let now = shared.queue.clock().now();
        let pause = match tick(&shared, &schedules, &mut last, now).await {
            Ok(true) => continue,
            Ok(false) => {
                let next = schedules.iter().filter_map(|schedule| schedule.next(now)).min();
                let until = next.and_then(|next| (next - shared.queue.clock().now()).to_std().ok());
                until.unwrap_or(if next.is_some() { Duration::ZERO } else { SCHEDULED })
            }
            Err(error) => {
                tracing::warn!(%error, "schedules could not be run");
                SCHEDULED
            }
        };
        sleep(pause.clamp(Duration::from_millis(1), SCHEDULED)).await;
    }
}

/// Runs the next time of each schedule that has one. Whether there was any.
async fn tick(
    shared: &Shared,
    schedules: &[Schedule],
    last: &mut HashMap<JobName, DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<bool, cartwright_storage::StorageError> {
    let store = shared.queue.store();
    if last.len() < schedules.len() {
        let names: Vec<&JobName> = schedules.iter().map(|schedule| &schedule.name).collect();
        for (schedule, tick) in schedules.iter().zip(store.last_ticks(&names).await?) {
            last.extend(tick.map(|tick| (schedule.name.clone(), tick)));
        }
    }
    let mut ticks = Vec::new();
    for schedule in schedules {
        let Some(latest) = schedule.last(now) else { continue };
        let (at, job) = match last.get(&schedule.name) {
            // It is new: it begins now.
            None => (latest, None),
            Some(last) => match schedule.missed(*last, now).first() {
                None => continue,
                Some(at) => match schedule.job(*at) {
                    Ok(job) => (*at, Some(job)),
                    Err(error) => {
                        tracing::error!(schedule = %schedule.name, %error, "a schedule made what is no job");
                        continue;
                    }
                },
            },
        };
        ticks.push(Tick { schedule: schedule.name.clone(), at, job });
    }
    if ticks.is_empty() {
        return Ok(false);
    }
    let won = store.run_ticks(&ticks, now).await?;
    for (tick, won) in ticks.into_iter().zip(won) {
        if won && tick.job.is_some() {
            tracing::debug!(schedule = %tick.schedule, at = %tick.at, "its time has come");
            shared.figures.ticked(&tick.schedule);
            shared.queue.wake();
        }
        last.insert(tick.schedule, tick.at);
    }
    Ok(true)
}
