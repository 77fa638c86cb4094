use std::{fmt, str::FromStr};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// A cart got a new version.
    CartUpdated,
    /// A cart with something in it was left alone for long.
    CartAbandoned,
    /// Somebody bought.
    OrderCreated,
    /// An order has another status.
    OrderChanged,
    /// Little is left of a product.
    StockLow,
    /// What is held for somebody will soon be held no more.
    HoldExpiring,
}

/// A text that is no type of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a type of event is one of cart.updated, cart.abandoned, order.created, order.changed, stock.low and hold.expiring"
)]
pub struct UnknownEventType;

impl EventType {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::CartUpdated,
        Self::CartAbandoned,
        Self::OrderCreated,
        Self::OrderChanged,
        Self::StockLow,
        Self::HoldExpiring,
    ];

    /// Its name, as the world knows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CartUpdated => "cart.updated",
            Self::CartAbandoned => "cart.abandoned",
            Self::OrderCreated => "order.created",
            Self::OrderChanged => "order.changed",
            Self::StockLow => "stock.low",
            Self::HoldExpiring => "hold.expiring",
        }
    }

    /// By this bit stores keep it. Never changes.
    fn bit(self) -> i32 {
        match self {
            Self::CartUpdated => 1,
            Self::CartAbandoned => 2,
            Self::OrderCreated => 4,
            Self::OrderChanged => 8,
            Self::StockLow => 16,
            Self::HoldExpiring => 32,
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EventType {
    type Err = UnknownEventType;

    fn from_str(name: &str) -> Result<Self, UnknownEventType> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or(UnknownEventType)
    }
}

/// A set of types of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventTypes(i32);

impl EventTypes {
    /// None.
    pub const NONE: Self = Self(0);
    /// All, also those that a later version of the program knows.
    pub const ALL: Self = Self(-1);

    /// Whether it is in the set.
    pub fn contains(self, kind: EventType) -> bool {
        self.0 & kind.bit() != 0
    }

    /// Whether something is in both.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// What is in one of the two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// As stores keep it.
    pub fn bits(self) -> i32 {
        self.0
    }

    /// Of what a store kept.
    pub fn of_bits(bits: i32) -> Self {
        Self(bits)
    }

    /// Those of the set that this version of the program knows.
    pub fn iter(self) -> impl Iterator<Item = EventType> {
        EventType::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl From<EventType> for EventTypes {
    fn from(kind: EventType) -> Self {
        Self(kind.bit())
    }
}

impl FromIterator<EventType> for EventTypes {
    fn from_iter<I: IntoIterator<Item = EventType>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::NONE, |set, kind| set.and(kind.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_name_and_its_bit() {
        let mut all = EventTypes::NONE;
        for kind in EventType::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert!(!all.contains(kind), "{kind} shares its bit");
            all = all.and(kind.into());
            assert!(all.contains(kind) && EventTypes::ALL.contains(kind) && !EventTypes::NONE.contains(kind));
        }
        assert_eq!(EventTypes::ALL.iter().collect::<EventTypes>(), all);
        assert_eq!("order".parse::<EventType>(), Err(UnknownEventType));
        assert!(!EventTypes::NONE.meets(EventTypes::ALL) && all.meets(EventType::StockLow.into()));
    }
}
