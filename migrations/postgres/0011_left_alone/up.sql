-- The hour in which a cart was last changed, by which those are found that nobody has touched for long. Not the time itself:
-- an index of that would have to be written with every change of a cart, and this one is with the first of an hour.
ALTER TABLE carts ADD COLUMN touched timestamp NOT NULL
    GENERATED ALWAYS AS (date_trunc('hour', updated_at AT TIME ZONE 'UTC')) STORED;
CREATE INDEX carts_by_hour ON carts (touched, owner);

-- How far walks along that index have come: past all carts of earlier hours, and of this hour past those up to an owner.
CREATE TABLE cart_walks (
    name  text COLLATE "C" PRIMARY KEY,
    hour  timestamp NOT NULL,
    owner text COLLATE "C" NOT NULL
) WITH (fillfactor = 50);
