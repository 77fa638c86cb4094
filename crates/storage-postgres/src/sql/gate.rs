use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::statement;

/// Epoch, whether it is open, what was agreed at the opening, whether it may be opened by now.
pub(crate) type GateRow = (i64, bool, Option<String>, bool);

statement! {
    /// The gate.
    ReadGate {}
    (BigInt, Bool, Nullable<Text>, Bool)
    "SELECT epoch, open, opening::text, clock_timestamp() >= reopen_at FROM cache_gate WHERE id = 1"
}

statement! {
    /// Closes the gate if it is open in `epoch`. The pause doubles for each hasty closing in a row; 16 doublings are
    /// more than the limit of 15 s needs.
    CloseGate { epoch: i64 as BigInt, pause_ms: i64 as BigInt }
    ()
    "WITH closing AS ( \
         SELECT id, CASE WHEN opened_at > clock_timestamp() - interval '1 minute' \
                         THEN least(hasty_closings + 1, 16) ELSE 0 END AS hasty \
         FROM cache_gate WHERE id = 1 AND epoch = $1 AND open FOR UPDATE \
     ) \
     UPDATE cache_gate g SET epoch = epoch + 1, open = false, opening = NULL, hasty_closings = c.hasty, \
         reopen_at = clock_timestamp() \
             + least($2::float8 * (1 << c.hasty), 15000) * interval '1 millisecond' \
     FROM closing c WHERE g.id = c.id"
}

statement! {
    /// Opens the gate if it is closed in `epoch`.
    OpenGate<'a> { epoch: i64 as BigInt, opening: &'a str as Text }
    ()
    "UPDATE cache_gate SET epoch = epoch + 1, open = true, opening = $2::text::jsonb, opened_at = clock_timestamp() \
     WHERE id = 1 AND epoch = $1 AND NOT open"
}

statement! {
    /// Puts another agreement in the place of `from`.
    ChangeReplicas<'a> { epoch: i64 as BigInt, from: &'a str as Text, to: &'a str as Text }
    ()
    "UPDATE cache_gate SET opening = $3::text::jsonb \
     WHERE id = 1 AND epoch = $1 AND open AND opening = $2::text::jsonb"
}
