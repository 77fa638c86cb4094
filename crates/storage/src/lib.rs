//! What a store of carts must do. Names no driver.
