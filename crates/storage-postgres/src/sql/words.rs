use diesel::sql_types::{Array, BigInt, Nullable, Text};

use super::statement;

statement! {
    /// Known words that look like those that are asked for: the position from 1 of that which it is like, and the word.
    /// At position 0, words whose beginning looks like `open`.
    ///
    /// `pg_trgm` finds what shares trigrams; how many letters differ is for the caller to see.
    AlikeWords<'a> { words: Vec<&'a str> as Array<Text>, open: Option<&'a str> as Nullable<Text> }
    (BigInt, Text)
    "SELECT u.at, w.word FROM unnest($1) WITH ORDINALITY AS u (word, at) \
     CROSS JOIN LATERAL ( \
         SELECT word FROM words WHERE word % u.word AND word !~ '[0-9]' \
         ORDER BY similarity(word, u.word) DESC, word LIMIT 50) w \
     UNION ALL ( \
         SELECT 0, word FROM words WHERE $2 <% word AND word !~ '[0-9]' \
         ORDER BY word_similarity($2, word) DESC, word LIMIT 50)"
}
