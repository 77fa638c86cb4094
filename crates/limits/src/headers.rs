//! What an answer says of limits.

use std::fmt::Write;

use crate::{Ask, Decision};

/// Values of the header fields of one answer.
///
/// `RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers-11, which is not an RFC yet:
///
/// ```text
/// RateLimit-Policy: "writes-user";q=100;w=60, "writes-address";q=1000;w=60
/// RateLimit: "writes-user";r=0;t=13, "writes-address";r=480
/// Retry-After: 13
/// ```
///
/// Drafts up to the sixth had `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` instead, one number each, which
/// more clients know: they are those of the [`tightest`](Self::tightest) limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// `RateLimit-Policy`: each quota (`q`) and its time in seconds (`w`, rounded up).
    pub policy: String,
    /// `RateLimit`: how many requests remain (`r`), and the seconds (`t`, rounded up) until there are more. `None`: no
    /// key was looked at.
    pub limit: Option<String>,
    /// The limit that is nearest to refusing, or the one that refuses for longest. `None`: no key was looked at.
    pub tightest: Option<Tightest>,
    /// `Retry-After`, whole seconds, rounded up: after it the request is admitted, if nobody else uses its keys. `None`: this
    /// one was admitted.
    pub retry_after: Option<u64>,
}

/// The limit that a client meets first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tightest {
    /// `RateLimit-Limit`: the quota, in requests.
    pub limit: u32,
    /// `RateLimit-Remaining`: requests.
    pub remaining: u32,
    /// `RateLimit-Reset`: seconds until more remain, rounded up.
    pub reset: u64,
}

impl Fields {
    /// Of what was asked, and what came of it. `None`: nothing was asked, and there is nothing to say.
    pub fn of<'a>(decided: impl IntoIterator<Item = (&'a Ask, &'a Decision)> + Clone) -> Option<Self> {
        let retry_after =
            decided.clone().into_iter().filter_map(|(_, decision)| decision.retry_after).max().map(seconds);
        let (mut policy, mut limit) = (String::new(), String::new());
        for (ask, decision) in decided.clone() {
            let name = Text(&ask.key.policy().to_string()).to_string();
            let per = seconds(ask.quota.per()).max(1);
            item(&mut policy, format_args!("{name};q={};w={per}", decision.limit));
            let Some(remaining) = decision.remaining else { continue };
            item(&mut limit, format_args!("{name};r={remaining}"));
            let reset = seconds(decision.reset_after);
            // Of a refused request the draft wants no time that is later than Retry-After.
            if retry_after.is_none_or(|retry_after| reset <= retry_after) {
                let _ = write!(limit, ";t={reset}"); // a String takes what it is given
            }
        }
        let looked_at = decided.into_iter().filter_map(|(_, decision)| Some((decision, decision.remaining?)));
        let tightest = looked_at
            .min_by(|(a, a_remains), (b, b_remains)| {
                let part = |remains: u32, limit: u32| u64::from(remains) * u64::from(limit);
                let later = b.retry_after.cmp(&a.retry_after);
                later.then(part(*a_remains, b.limit).cmp(&part(*b_remains, a.limit)))
            })
            .map(|(decision, remaining)| Tightest {
                limit: decision.limit,
                remaining,
                reset: seconds(decision.reset_after),
            });
        let limit = (!limit.is_empty()).then_some(limit);
        (!policy.is_empty()).then_some(Self { policy, limit, tightest, retry_after })
    }

    /// All fields with their names in lower case.
    pub fn into_pairs(self) -> impl Iterator<Item = (&'static str, String)> {
        let number = |name, number: Option<u64>| number.map(|number| (name, number.to_string()));
        let tightest = self.tightest;
        [
            Some(("ratelimit-policy", self.policy)),
            self.limit.map(|limit| ("ratelimit", limit)),
            number("ratelimit-limit", tightest.map(|t| t.limit.into())),
            number("ratelimit-remaining", tightest.map(|t| t.remaining.into())),
            number("ratelimit-reset", tightest.map(|t| t.reset)),
            number("retry-after", self.retry_after),
        ]
        .into_iter()
        .flatten()
    }
}

/// Whole seconds, rounded up.
fn seconds(time: std::time::Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Adds a member to a list of structured fields.
fn item(list: &mut String, item: std::fmt::Arguments<'_>) {
    if !list.is_empty() {
        list.push_str(", ");
    }
    let _ = list.write_fmt(item); // a String takes what it is given
}

/// A String of structured fields (RFC 9651): printable ASCII in quotes. What cannot be in one is left out.
struct Text<'a>(&'a str);

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars().filter(|c| matches!(c, ' '..='~')) {
            if matches!(character, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(character)?;
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{LimitKey, Quota, Standing};

    fn user(group: &'static str, amount: u32) -> Ask {
        Ask { key: LimitKey::user(group, "ana"), quota: Quota::per_minute(amount).unwrap().unwrap() }
    }

    fn address(amount: u32) -> Ask {
        let quota = Quota::per_minute(amount).unwrap().unwrap();
        Ask { key: LimitKey::address("writes", "203.0.113.7".parse().unwrap()), quota }
    }

    fn of(decided: &[(Ask, Decision)]) -> Option<Fields> {
        Fields::of(decided.iter().map(|(ask, decision)| (ask, decision)))
    }

    fn standing(ask: Ask, elapsed: u64, before: u32, count: u32, admitted: bool) -> (Ask, Decision) {
        let decision = Standing { elapsed, before, count }.decide(&ask.quota, admitted);
        (ask, decision)
    }

    #[test]
    fn an_admitted_request_is_told_what_remains_of_each_limit() {
        let decided =
            [standing(user("writes", 100), 10_500, 0, 1, true), standing(address(1000), 0, 0, 979, true)];
        let fields = of(&decided).unwrap();
        assert_eq!(fields.policy, r#""writes-user";q=100;w=60, "writes-address";q=1000;w=60"#);
        assert_eq!(fields.limit.as_deref(), Some(r#""writes-user";r=98;t=50, "writes-address";r=20;t=61"#));
        assert_eq!(fields.retry_after, None);
        assert_eq!(fields.tightest, Some(Tightest { limit: 1000, remaining: 20, reset: 61 }));
        let pairs: Vec<_> = fields.into_pairs().collect();
        assert_eq!(pairs.len(), 5);
        assert_eq!(pairs[3], ("ratelimit-remaining", "20".to_owned()));
    }

    #[test]
    fn a_refused_request_is_told_when_to_come_back() {
        let decided =
            [standing(user("writes", 100), 48_000, 0, 100, false), standing(address(1000), 0, 0, 2, false)];
        let fields = of(&decided).unwrap();
        // Twelve seconds and a millisecond; the address has its next window later than that.
        assert_eq!(fields.limit.as_deref(), Some(r#""writes-user";r=0;t=13, "writes-address";r=998"#));
        assert_eq!(fields.retry_after, Some(13));
        assert_eq!(fields.tightest, Some(Tightest { limit: 100, remaining: 0, reset: 13 }));
        assert_eq!(fields.into_pairs().last(), Some(("retry-after", "13".to_owned())));
    }

    #[test]
    fn of_two_that_refuse_the_later_counts() {
        for turned in [false, true] {
            let mut decided = [
                standing(user("writes", 100), 48_000, 0, 100, false),
                standing(address(10), 3_000, 0, 10, false),
            ];
            if turned {
                decided.reverse();
            }
            let fields = of(&decided).unwrap();
            assert_eq!(fields.retry_after, Some(58));
            assert_eq!(fields.tightest, Some(Tightest { limit: 10, remaining: 0, reset: 58 }));
        }
    }

    #[test]
    fn what_was_not_looked_at_has_a_policy_only() {
        let ask = user("writes", 100);
        let known = Decision::refused(&ask.quota, Duration::from_millis(1));
        let (other, unasked) = (address(10), Decision::unasked(&address(10).quota));
        let fields = of(&[(ask, known), (other.clone(), unasked.clone())]).unwrap();
        assert_eq!(fields.policy, r#""writes-user";q=100;w=60, "writes-address";q=10;w=60"#);
        assert_eq!(fields.limit.as_deref(), Some(r#""writes-user";r=0;t=1"#));
        assert_eq!(fields.retry_after, Some(1), "never nought");
        let fields = of(&[(other, unasked)]).unwrap();
        assert_eq!((fields.limit, fields.tightest), (None, None));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn names_and_times_are_legal_whatever_they_are_of() {
        let key = LimitKey::user("a\"b\\c\u{e9}\n", "ana");
        let quota = Quota::new(1.try_into().unwrap(), Duration::from_millis(200)).unwrap();
        let decided = standing(Ask { key, quota }, 0, 0, 0, true);
        let fields = of(&[decided]).unwrap();
        assert_eq!(fields.policy, r#""a\"b\\c-user";q=1;w=1"#);
        assert_eq!(fields.limit.as_deref(), Some(r#""a\"b\\c-user";r=0;t=1"#));
    }
}
