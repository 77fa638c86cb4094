-- What a statement insists on: `(count(*) = …)::all_of_them` fails where it is not so, and with it all that was sent behind it.
-- Drivers know the failure of a check by its code, in whatever language the server speaks.
CREATE DOMAIN all_of_them AS boolean CONSTRAINT all_of_them CHECK (VALUE);
