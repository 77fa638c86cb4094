//! What answers about the catalogue depend on, in the words of an HTTP cache in front: whoever makes the answers says so
//! with these keys, and whatever changes the catalogue names them.

use cartwright_domain::{Category, ProductId};
use cartwright_edge::SurrogateKey;
use cartwright_layered::Tag;

use crate::kinds::{everything, of_category};

/// Of answers about one product.
pub fn of_product(id: &ProductId) -> SurrogateKey {
    SurrogateKey::of("product", id.as_str())
}

/// Of lists and searches: those of one category, or of all of it.
pub fn of_list(category: Option<&Category>) -> SurrogateKey {
    of_tag(&category.map_or_else(everything, of_category))
}

/// Lists depend on tags here as they do in the caches behind.
pub(crate) fn of_tag(tag: &Tag) -> SurrogateKey {
    match tag.0.split_once(':') {
        Some((kind, id)) => SurrogateKey::of(kind, id),
        None => SurrogateKey::new(&tag.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_depends_on_is_what_changes_name() {
        let category = Category::new("Möbel: 50% & mehr").unwrap();
        assert_eq!(of_list(Some(&category)), of_tag(&of_category(&category)));
        assert_eq!(of_list(Some(&category)).as_str(), "category:M%C3%B6bel:%2050%25%20%26%20mehr");
        assert_eq!(of_list(None).as_str(), "catalog");
        assert_eq!(of_product(&ProductId::new("a.b@c").unwrap()).as_str(), "product:a%2Eb%40c");
    }
}
