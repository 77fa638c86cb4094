use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Text, Timestamptz};

use super::statement;

statement! {
    /// A profile.
    LoadProfile<'a> { owner: &'a str as Text }
    (BigInt, Timestamptz, Text)
    "SELECT version, updated_at, data FROM profiles WHERE owner = $1"
}

statement! {
    /// Writes a profile. If it was not done, the profile as it was when the statement began: no row when there was none.
    PutProfile<'a> {
        owner: &'a str as Text,
        data: &'a str as Text,
        expected: &'a [i64] as Array<BigInt>,
        now: DateTime<Utc> as Timestamptz,
    }
    (Bool, BigInt, Timestamptz, Text)
    "WITH changed AS ( \
         UPDATE profiles SET data = $2, version = version + 1, updated_at = $4 \
         WHERE owner = $1 AND (cardinality($3) = 0 OR version = ANY ($3)) RETURNING version, updated_at, data), \
     made AS ( \
         INSERT INTO profiles (owner, version, updated_at, data) SELECT $1, 1, $4, $2 \
         WHERE (cardinality($3) = 0 OR 0 = ANY ($3)) AND NOT EXISTS (SELECT FROM changed) \
         ON CONFLICT (owner) DO NOTHING RETURNING version, updated_at, data) \
     SELECT true, * FROM changed UNION ALL SELECT true, * FROM made UNION ALL \
     (SELECT false, version, updated_at, data FROM profiles \
      WHERE owner = $1 AND NOT EXISTS (SELECT FROM changed) AND NOT EXISTS (SELECT FROM made) LIMIT 1)"
}

statement! {
    /// Removes a profile.
    RemoveProfile<'a> { owner: &'a str as Text }
    ()
    "DELETE FROM profiles WHERE owner = $1"
}
