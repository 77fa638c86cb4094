-- The hour in which a cart was last changed, in hours since 1970, by which those are found that nobody has touched for long.
-- An index of the time itself would have to be written with every change of a cart.
ALTER TABLE carts ADD COLUMN touched INTEGER GENERATED ALWAYS AS (updated_at / 3600000000) VIRTUAL;
CREATE INDEX carts_by_hour ON carts (touched, owner);

-- How far walks along that index have come: past all carts of earlier hours, and of this hour past those up to an owner.
CREATE TABLE cart_walks (
    name TEXT NOT NULL PRIMARY KEY,
    hour INTEGER NOT NULL,
    owner TEXT NOT NULL
) STRICT, WITHOUT ROWID;
