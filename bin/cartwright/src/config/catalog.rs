use anyhow::ensure;
use cartwright_catalog::CatalogSettings;
use serde::Deserialize;

/// How the catalogue is kept in memory, beside Redis.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Catalog {
    /// Products in the memory of each node. Too high: about 1.5 kB each. Too low: popular products cost a round trip.
    pub(crate) products_in_memory: usize,
    /// Prices and stock of products in memory, for showing carts. Too high: about 0.3 kB each. Too low: carts cost a round
    /// trip more.
    pub(crate) offers_in_memory: usize,
    /// Lists, searches and recommendations in memory, of each kind. Too high: about 50 kB each. Too low: popular pages
    /// cost a round trip.
    pub(crate) lists_in_memory: usize,
    /// Products that are asked for most: they stay in memory and are renewed before their time. Too high: work for what
    /// nobody asks for. Too low: now and then somebody waits for a popular product.
    pub(crate) hot_products: usize,
    /// Whether products that were bought together with one are loaded when that one is read.
    pub(crate) prefetch_related: bool,
    /// How many products a second a node loads when it starts, of those that were popular before. Too high: a burden for
    /// the database. Too low: its first readers wait. 0: none.
    pub(crate) warm_per_second: usize,
}

impl Default for Catalog {
    fn default() -> Self {
        let CatalogSettings {
            products_in_memory,
            offers_in_memory,
            lists_in_memory,
            hot_products,
            prefetch_related,
        } = CatalogSettings::default();
        Self {
            products_in_memory,
            offers_in_memory,
            lists_in_memory,
            hot_products,
            prefetch_related,
            warm_per_second: 200,
        }
    }
}

impl Catalog {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for (key, value, least, most) in [
            ("products_in_memory", self.products_in_memory, 1, 10_000_000),
            ("offers_in_memory", self.offers_in_memory, 1, 10_000_000),
            ("lists_in_memory", self.lists_in_memory, 1, 1_000_000),
            ("hot_products", self.hot_products, 0, 10_000),
            ("warm_per_second", self.warm_per_second, 0, 100_000),
        ] {
            ensure!(
                (least..=most).contains(&value),
                "configuration key `catalog.{key}`: it is from {least} to {most}"
            );
        }
        Ok(())
    }

    pub(crate) fn settings(&self) -> CatalogSettings {
        let Self {
            products_in_memory,
            offers_in_memory,
            lists_in_memory,
            hot_products,
            prefetch_related,
            ..
        } = *self;
        CatalogSettings {
            products_in_memory,
            offers_in_memory,
            lists_in_memory,
            hot_products,
            prefetch_related,
        }
    }
}
