use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    Applied, CartError, Command, Context, Currency, Money, OwnerId, ProductId, Quantity, money::write_minor,
};

/// The most lines a cart holds.
pub const MAX_LINES: usize = 500;

/// One product in a cart. Stores keep its JSON: it may be added to, not changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Which product. Unique in the cart.
    pub product_id: ProductId,
    /// Its name when it was first added.
    pub name: String,
    /// Price of one when it was first added.
    pub price: Money,
    /// How many.
    pub quantity: Quantity,
    /// When the line was made. Lines are ordered by this, then by product. In JSON, microseconds since 1970.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub added_at: DateTime<Utc>,
}

impl Line {
    /// Price of the line, in minor units.
    pub fn subtotal_minor(&self) -> i64 {
        self.price.times(self.quantity.get())
    }
}

/// The one active cart of an owner.
///
/// Version 0 is the cart that nobody has written to yet: it is empty and is not in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cart {
    owner: OwnerId,
    version: u64,
    lines: Vec<Line>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
}

impl Cart {
    /// The cart of somebody who has none yet.
    pub fn empty(owner: OwnerId) -> Self {
        Self { owner, version: 0, lines: Vec::new(), created_at: None, updated_at: None }
    }

    /// A cart as a store kept it. Lines may come in any order.
    pub fn from_parts(
        owner: OwnerId,
        version: u64,
        mut lines: Vec<Line>,
        created_at: DateTime<Utc>,
        updated_at: DateTime<Utc>,
    ) -> Self {
        lines.sort_by(|a, b| order(a).cmp(&order(b)));
        Self { owner, version, lines, created_at: Some(created_at), updated_at: Some(updated_at) }
    }

    /// Whose it is.
    pub fn owner(&self) -> &OwnerId {
        &self.owner
    }

    /// Grows by one with every change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The line of a product.
    pub fn line(&self, product_id: &ProductId) -> Option<&Line> {
        self.lines.iter().find(|line| line.product_id == *product_id)
    }

    /// When it was first written to. `None` at version 0.
    pub fn created_at(&self) -> Option<DateTime<Utc>> {
        self.created_at
    }

    /// When it last changed. `None` at version 0.
    pub fn updated_at(&self) -> Option<DateTime<Utc>> {
        self.updated_at
    }

    /// The currency of its lines. `None` when it is empty.
    pub fn currency(&self) -> Option<Currency> {
        self.lines.first().map(|line| line.price.currency())
    }

    /// Units over all lines.
    pub fn total_quantity(&self) -> u64 {
        self.lines.iter().map(|line| u64::from(line.quantity.get())).sum()
    }

    /// The sum of the lines in minor units. Fits: 500 lines × 1,000 units × 10¹² is below 2⁶³.
    pub fn total_minor(&self) -> i64 {
        self.lines.iter().map(Line::subtotal_minor).sum()
    }

    /// Writes an amount of this cart's currency as exact decimal text; without a currency, zero is `0`.
    ///
    /// # Errors
    /// Only those of the writer.
    pub fn write_amount(&self, out: &mut impl std::fmt::Write, minor: i64) -> std::fmt::Result {
        write_minor(out, minor, self.currency().map_or(0, Currency::exponent))
    }

    /// Decides a command and carries it out.
    ///
    /// [`Command::Merge`] changes two carts and is [`merge`](crate::merge()); here it is refused.
    ///
    /// # Errors
    /// [`CartError`] when a rule forbids it; the cart is then as it was.
    pub fn apply(&mut self, command: &Command, context: Context<'_>) -> Result<Applied, CartError> {
        let applied = match command {
            Command::Add { product_id, quantity, .. } => {
                if !self.add_to_line(product_id, *quantity)? {
                    let (name, price) = self.offer(command, product_id, context)?;
                    self.make_line(Line {
                        product_id: product_id.clone(),
                        name,
                        price,
                        quantity: *quantity,
                        added_at: context.now,
                    })?;
                }
                Applied::Changed
            }
            Command::SetQuantity { product_id, quantity: None } | Command::Remove { product_id } => {
                let at =
                    self.position(product_id).ok_or_else(|| CartError::LineNotFound(product_id.clone()))?;
                self.lines.remove(at);
                Applied::Changed
            }
            Command::SetQuantity { product_id, quantity: Some(quantity) } => {
                let line = self.lines.iter_mut().find(|line| line.product_id == *product_id);
                let line = line.ok_or_else(|| CartError::LineNotFound(product_id.clone()))?;
                if line.quantity == *quantity {
                    Applied::Unchanged
                } else {
                    line.quantity = *quantity;
                    Applied::Changed
                }
            }
            Command::Clear if self.lines.is_empty() => Applied::Unchanged,
            Command::Clear => {
                self.lines.clear();
                Applied::Changed
            }
            Command::Merge { .. } => return Err(CartError::MergeIntoItself),
        };
        if applied == Applied::Changed {
            self.touch(context.now);
        }
        Ok(applied)
    }

    /// Whose word counts for name and price: the catalogue's; the client's only for what the catalogue lacks.
    fn offer(
        &self,
        command: &Command,
        product_id: &ProductId,
        context: Context<'_>,
    ) -> Result<(String, Money), CartError> {
        match (context.listing, command) {
            (Some(listing), _) if !listing.active => Err(CartError::ProductNotForSale(product_id.clone())),
            (Some(listing), _) => Ok((listing.name.clone(), listing.price)),
            (None, Command::Add { product_data: Some(data), .. }) if context.allow_unlisted => {
                Ok((data.name.clone(), data.price))
            }
            _ => Err(CartError::UnknownProduct(product_id.clone())),
        }
    }

    /// Adds units to the line of the product, which keeps its name and price. `false`: there is no such line.
    pub(crate) fn add_to_line(
        &mut self,
        product_id: &ProductId,
        quantity: Quantity,
    ) -> Result<bool, CartError> {
        let Some(line) = self.lines.iter_mut().find(|line| line.product_id == *product_id) else {
            return Ok(false);
        };
        line.quantity = line
            .quantity
            .plus(quantity)
            .ok_or(CartError::TooManyUnits { present: line.quantity.get(), adding: quantity.get() })?;
        Ok(true)
    }

    /// Puts in a line of a product that has none.
    pub(crate) fn make_line(&mut self, line: Line) -> Result<(), CartError> {
        if self.lines.len() >= MAX_LINES {
            return Err(CartError::TooManyLines);
        }
        if let Some(cart) = self.currency()
            && cart != line.price.currency()
        {
            return Err(CartError::CurrencyMismatch { cart, product: line.price.currency() });
        }
        let at = self.lines.partition_point(|other| order(other) < order(&line));
        self.lines.insert(at, line);
        Ok(())
    }

    pub(crate) fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }

    pub(crate) fn touch(&mut self, now: DateTime<Utc>) {
        self.version += 1;
        self.created_at.get_or_insert(now);
        self.updated_at = Some(now);
    }

    fn position(&self, product_id: &ProductId) -> Option<usize> {
        self.lines.iter().position(|line| line.product_id == *product_id)
    }
}

fn order(line: &Line) -> (DateTime<Utc>, &ProductId) {
    (line.added_at, &line.product_id)
}
