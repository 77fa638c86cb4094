use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz};

use super::statement;

/// Hash, owner, version, creation, last use, end, and what it carries.
pub(crate) type SessionRow =
    (String, Option<String>, i64, DateTime<Utc>, DateTime<Utc>, DateTime<Utc>, String);

/// The columns of a [`SessionRow`].
macro_rules! columns {
    () => {
        "hash, owner, version, created_at, seen_at, expires_at, data"
    };
}

/// The sessions of an owner beside one that he gets, beyond so many, but for those that somebody else is about to change: rows
/// are locked in no order that all would keep to.
macro_rules! trimmed {
    ($owner:literal, $most:literal $(, if $condition:literal)?) => {
        concat!(
            "DELETE FROM sessions WHERE ctid = ANY (ARRAY( \
                 SELECT ctid FROM sessions WHERE owner = ",
            $owner,
            $(" AND ", $condition,)?
            " ORDER BY expires_at DESC, hash OFFSET greatest(0, ",
            $most,
            " - 1) FOR UPDATE SKIP LOCKED))"
        )
    };
}

statement! {
    /// Makes a session. The others of its owner that would be too many go.
    CreateSession<'a> {
        hash: &'a str as Text,
        owner: Option<&'a str> as Nullable<Text>,
        now: DateTime<Utc> as Timestamptz,
        expires_at: DateTime<Utc> as Timestamptz,
        data: &'a str as Text,
        most: i32 as Integer,
    }
    ()
    concat!(
        "WITH trimmed AS (", trimmed!("$2", "$6"), ") \
         INSERT INTO sessions (hash, owner, version, created_at, seen_at, expires_at, data) \
         VALUES ($1, $2, 1, $3, $3, $4, $5)"
    )
}

statement! {
    /// Reads a session, and notes that it was used if that was last noted before `stale`. What is noted is what is returned.
    ReadSession<'a> {
        hash: &'a str as Text,
        now: DateTime<Utc> as Timestamptz,
        stale: DateTime<Utc> as Timestamptz,
        expires_at: DateTime<Utc> as Timestamptz,
        at_most: i64 as BigInt,
    }
    (Text, Nullable<Text>, BigInt, Timestamptz, Timestamptz, Timestamptz, Text)
    concat!(
        "WITH used AS ( \
             UPDATE sessions SET seen_at = $2, expires_at = least($4, created_at + $5 * interval '1 microsecond') \
             WHERE hash = $1 AND expires_at > $2 AND seen_at <= $3 RETURNING ", columns!(), ") \
         SELECT * FROM used UNION ALL \
         (SELECT ", columns!(), " FROM sessions \
          WHERE hash = $1 AND expires_at > $2 AND NOT EXISTS (SELECT FROM used) LIMIT 1)"
    )
}

statement! {
    /// Has a session carry something else. If it was not done, the session as it was when the statement began.
    ReplaceSession<'a> {
        hash: &'a str as Text,
        now: DateTime<Utc> as Timestamptz,
        expires_at: DateTime<Utc> as Timestamptz,
        at_most: i64 as BigInt,
        data: &'a str as Text,
        expected: &'a [i64] as Array<BigInt>,
    }
    (Bool, Text, Nullable<Text>, BigInt, Timestamptz, Timestamptz, Timestamptz, Text)
    concat!(
        "WITH done AS ( \
             UPDATE sessions SET data = $5, version = version + 1, seen_at = greatest(seen_at, $2), \
                 expires_at = least($3, created_at + $4 * interval '1 microsecond') \
             WHERE hash = $1 AND expires_at > $2 AND (cardinality($6) = 0 OR version = ANY ($6)) \
             RETURNING ", columns!(), ") \
         SELECT true, * FROM done UNION ALL \
         (SELECT false, ", columns!(), " FROM sessions \
          WHERE hash = $1 AND expires_at > $2 AND NOT EXISTS (SELECT FROM done) LIMIT 1)"
    )
}

statement! {
    /// Ends a session. Whether it had not ended by itself.
    DeleteSession<'a> { hash: &'a str as Text, now: DateTime<Utc> as Timestamptz }
    (Bool)
    "DELETE FROM sessions WHERE hash = $1 RETURNING expires_at > $2"
}

statement! {
    /// Gives a session another name and an owner. It is the same row: whoever waits for it to end all of somebody's sessions
    /// finds it under its new name.
    RotateSession<'a> {
        from: &'a str as Text,
        to: &'a str as Text,
        owner: &'a str as Text,
        now: DateTime<Utc> as Timestamptz,
        expires_at: DateTime<Utc> as Timestamptz,
        most: i32 as Integer,
    }
    (Text, Nullable<Text>, BigInt, Timestamptz, Timestamptz, Timestamptz, Text)
    concat!(
        "WITH done AS ( \
             UPDATE sessions SET hash = $2, owner = $3, created_at = $4, seen_at = $4, expires_at = $5 \
             WHERE hash = $1 AND expires_at > $4 RETURNING ", columns!(), "), \
         trimmed AS (", trimmed!("$3", "$6", if "hash <> $1 AND EXISTS (SELECT FROM done)"), ") \
         SELECT * FROM done"
    )
}

statement! {
    /// The sessions of somebody.
    LoadSessionsOf<'a> { owner: &'a str as Text, now: DateTime<Utc> as Timestamptz }
    (Text, Nullable<Text>, BigInt, Timestamptz, Timestamptz, Timestamptz, Text)
    concat!(
        "SELECT ", columns!(), " FROM sessions WHERE owner = $1 AND expires_at > $2 ORDER BY expires_at DESC, hash"
    )
}

statement! {
    /// Ends a session of somebody by its handle. Whether it had not ended by itself.
    RevokeSession<'a> {
        owner: &'a str as Text,
        handle: &'a str as Text,
        now: DateTime<Utc> as Timestamptz,
    }
    (Bool)
    "DELETE FROM sessions WHERE owner = $1 AND starts_with(hash, $2) RETURNING expires_at > $3"
}

statement! {
    /// Ends all sessions of somebody but one. Of each whether it had not ended by itself.
    RevokeSessions<'a> {
        owner: &'a str as Text,
        except: &'a str as Text,
        now: DateTime<Utc> as Timestamptz,
    }
    (Bool)
    "DELETE FROM sessions WHERE owner = $1 AND hash <> $2 RETURNING expires_at > $3"
}

statement! {
    /// Removes sessions that have expired. A row that somebody uses is left to him.
    CleanSessions { now: DateTime<Utc> as Timestamptz, limit: i32 as Integer }
    ()
    "DELETE FROM sessions WHERE ctid = ANY (ARRAY( \
         SELECT ctid FROM sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))"
}
