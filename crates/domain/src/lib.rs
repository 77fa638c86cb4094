//! Values and rules of the shop: ids, money, carts, the clock. Pure: no I/O, no async.
