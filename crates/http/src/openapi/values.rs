//! Values that many bodies have, as the document describes them.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{Object, ObjectBuilder, OneOfBuilder, Type},
    },
};

fn text(says: &str, pattern: &str, most: usize) -> ObjectBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).max_length(Some(most));
    if says.is_empty() { text } else { text.description(Some(says)) }
}

macro_rules! value {
    ($name:ident = $schema:expr) => {
        pub(crate) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }

        impl ToSchema for $name {}
    };
}

fn id() -> Object {
    text("", "^[A-Za-z0-9._:@-]+$", 100).min_length(Some(1)).build()
}

value!(
    IdOrInteger = OneOfBuilder::new()
        .item(id())
        .item(ObjectBuilder::new().schema_type(Type::Integer))
        .description(Some("An id as text, or as an integer that stands for its digits."))
);

value!(
    Amount = OneOfBuilder::new()
        .item(
            ObjectBuilder::new()
                .schema_type(Type::Number)
                .minimum(Some(0))
                .maximum(Some(1_000_000_000_000_i64))
        )
        .item(text("", r"^[0-9]{1,13}(\.[0-9]{1,4})?$", 40))
        .description(Some(
            "An amount of money: a number, or the text of one; with no more decimals than the currency has, and of at \
             most 1,000,000,000,000 minor units."
        ))
);

value!(
    CurrencyCode =
        text("ISO 4217 code of a currency that has minor units.", "^[A-Z]{3}$", 3).examples(["USD"])
);

value!(
    ProductName = text(
        "Printable characters, at least one of them to be seen.",
        r"^[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u206f\ufeff]*[^\u0000-\u0020\u007f-\u00a0\u00ad\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff][^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u206f\ufeff]*$",
        200
    )
    .min_length(Some(1))
    .examples(["Laptop"])
);

value!(
    CategoryName = text(
        "Printable characters, at least one of them to be seen; told apart by case.",
        r"^[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u206f\ufeff]*[^\u0000-\u0020\u007f-\u00a0\u00ad\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff][^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u206f\ufeff]*$",
        100
    )
    .min_length(Some(1))
    .examples(["Computers"])
);

value!(
    Prose = text(
        "Printable characters, on any number of lines.",
        r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u206f\ufeff]*$",
        10_000
    )
);

value!(
    Sentence =
        text("Printable characters.", r"^[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*$", 200)
);

value!(
    EventNumber = OneOfBuilder::new()
        .item(text("", "^[0-9]{1,19}$", 19))
        .item(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)))
        .description(Some("The number of an event: the text of it, or an integer."))
);
