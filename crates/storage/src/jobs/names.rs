use std::{fmt, str::FromStr, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

/// A job, by the number that its store gave it. Later jobs have higher numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub i64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JobId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Name of a queue, a kind of job, a worker or a schedule: 1 to 100 of `A–Z a–z 0–9 . _ : -`. A clone shares the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobName(Arc<str>);

impl JobName {
    /// The most characters in a name.
    pub const MAX_LENGTH: usize = 100;

    /// Checks a name.
    ///
    /// # Errors
    /// [`JobError::Name`] for any other text.
    pub fn new(text: &str) -> Result<Self, JobError> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(known) {
            Ok(Self(text.into()))
        } else {
            Err(JobError::Name)
        }
    }

    /// A name for a worker: of its process, and of a random number.
    pub fn worker(process: u32, random: u32) -> Self {
        Self(format!("worker-{process}-{random:08x}").into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a job is about: JSON text of at most [`Payload::MAX_LENGTH`] bytes, which the store does not look into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(String);

impl Payload {
    /// One MiB. What is larger belongs into a table of its own, and its id into the payload.
    pub const MAX_LENGTH: usize = 1 << 20;

    /// Writes a value down.
    ///
    /// # Errors
    /// [`JobError::Json`] when it is no JSON, [`JobError::Large`] when it is too large.
    pub fn of(value: &(impl Serialize + ?Sized)) -> Result<Self, JobError> {
        Self::checked(serde_json::to_string(value).map_err(JobError::Json)?)
    }

    /// Takes JSON as it is.
    ///
    /// # Errors
    /// Those of [`Payload::of`].
    pub fn from_json(text: String) -> Result<Self, JobError> {
        serde_json::from_str::<serde::de::IgnoredAny>(&text).map_err(JobError::Json)?;
        Self::checked(text)
    }

    fn checked(text: String) -> Result<Self, JobError> {
        if text.len() <= Self::MAX_LENGTH { Ok(Self(text)) } else { Err(JobError::Large) }
    }

    /// What a store kept.
    pub fn kept(text: String) -> Self {
        Self(text)
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value.
    ///
    /// # Errors
    /// [`JobError::Json`] when it is of another type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, JobError> {
        serde_json::from_str(&self.0).map_err(JobError::Json)
    }
}

/// Of jobs with the same key one is unfinished at a time. 1 to 200 characters without NUL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueKey(String);

impl UniqueKey {
    /// The most characters in a key.
    pub const MAX_LENGTH: usize = 200;

    /// Checks a key.
    ///
    /// # Errors
    /// [`JobError::Key`] for any other text.
    pub fn new(text: impl Into<String>) -> Result<Self, JobError> {
        let text = text.into();
        let length = text.chars().count();
        if (1..=Self::MAX_LENGTH).contains(&length) && !text.contains('\0') {
            Ok(Self(text))
        } else {
            Err(JobError::Key)
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How a job stands against others that wait: each step counts as a minute of waiting, so that a job of the lowest
/// priority goes before one of the highest that became due twenty minutes later. Nobody starves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Priority(i16);

impl Priority {
    /// After everything else.
    pub const LOWEST: Self = Self(-10);
    /// Between.
    pub const NORMAL: Self = Self(0);
    /// Before everything else.
    pub const HIGHEST: Self = Self(10);

    /// The next number from [`LOWEST`](Self::LOWEST) to [`HIGHEST`](Self::HIGHEST).
    pub fn new(steps: i16) -> Self {
        Self(steps.clamp(Self::LOWEST.0, Self::HIGHEST.0))
    }

    /// As a number.
    pub fn get(self) -> i16 {
        self.0
    }

    /// Where a job that is due at this time stands in its queue.
    pub fn rank(self, due: chrono::DateTime<chrono::Utc>) -> chrono::DateTime<chrono::Utc> {
        due - chrono::TimeDelta::minutes(self.0.into())
    }
}

/// What cannot be a part of a job.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Of a queue, a kind, a worker or a schedule.
    #[error("a name has 1 to 100 of the characters A-Z a-z 0-9 . _ : -")]
    Name,
    /// Of unique jobs.
    #[error("a unique key has 1 to 200 characters, none of them NUL")]
    Key,
    /// A payload that is none.
    #[error("the payload is not the JSON that it should be")]
    Json(#[source] serde_json::Error),
    /// A payload that is too large.
    #[error("a payload has at most 1 MiB")]
    Large,
}

/// A text of any origin as stores keep it: at most so many characters, and without NUL, which PostgreSQL does not take.
pub fn kept_text(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_key_or_payload_is_refused() {
        for bad in ["", "a b", "ä", "a\0", "a/b", &"x".repeat(101)] {
            assert!(JobName::new(bad).is_err(), "{bad:?}");
        }
        JobName::new(&"x".repeat(100)).unwrap();
        assert!(UniqueKey::new("").is_err() && UniqueKey::new("a\0").is_err());
        assert!(UniqueKey::new("ü".repeat(201)).is_err());
        UniqueKey::new("order 1: '☕'".repeat(5)).unwrap();
        assert!(Payload::from_json("{".to_owned()).is_err());
        assert!(Payload::of(&"x".repeat(Payload::MAX_LENGTH)).is_err());
        let text = "a\0b \u{fffd}'\"\\";
        assert_eq!(Payload::of(text).unwrap().read::<String>().unwrap(), text);
        assert!(!Payload::of(text).unwrap().as_str().contains('\0'));
        assert_eq!(kept_text("a\0bc", 3), "a\u{fffd}b");
    }

    #[test]
    fn a_step_of_priority_is_worth_a_minute() {
        let now = chrono::DateTime::UNIX_EPOCH;
        let minutes = |n| now + chrono::TimeDelta::minutes(n);
        assert_eq!(Priority::HIGHEST.rank(minutes(20)), Priority::LOWEST.rank(now));
        assert_eq!(Priority::new(99), Priority::HIGHEST);
    }
}
