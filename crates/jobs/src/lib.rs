//! Background jobs.
//!
//! A [`Job`] is a value that says what to do, and how it is to be tried. It is put into a [`JobQueue`] by itself, or by a
//! store in the same transaction as something else ([`JobQueue::prepare`] makes the value for that). A [`Worker`] claims
//! jobs, runs the handlers of its [`Registry`], and runs [`Schedule`]s. Any number of workers may work on one database;
//! none of them leads.
//!
//! A job is run **at least once**: a worker that is cut off may have finished what another one begins again. Handlers must
//! make no difference when they are run twice, or do what they do in one transaction together with a mark that it is done.
//!
//! Knows the trait `JobStore` only. `examples/noop.rs` runs it in a plain tokio program.

mod context;
mod error;
mod job;
mod overview;
mod queue;
mod registry;
mod schedule;
mod worker;

pub use context::JobContext;
pub use error::{EnqueueError, JobFailure, ScheduleError};
pub use job::{Job, Policy};
pub use overview::{Latency, Overview, QueueOverview, Slot, Totals};
pub use queue::JobQueue;
pub use registry::Registry;
pub use schedule::Schedule;
pub use worker::{Worker, WorkerBuilder, WorkerSettings, describe_metrics, panic_message};
