//! What made-up products are called.

/// A category, what is sold in it, and between which prices, in cents.
pub(crate) struct Shelf {
    pub(crate) category: &'static str,
    pub(crate) cents: (u32, u32),
    pub(crate) nouns: &'static [&'static str],
}

macro_rules! shelves {
    ($($category:literal $from:literal - $to:literal: $($noun:literal),+;)+) => {
        pub(crate) const SHELVES: &[Shelf] =
            &[$(Shelf { category: $category, cents: ($from, $to), nouns: &[$($noun),+] }),+];
    };
}

shelves! {
    "Audio" 1_900 - 49_900: "Headphones", "Earbuds", "Speaker", "Soundbar", "Microphone", "Turntable", "Headset", "Radio";
    "Computers" 4_900 - 249_900: "Laptop", "Monitor", "Keyboard", "Mouse", "Webcam", "Docking Station", "Router", "Tablet";
    "Phones" 900 - 119_900: "Phone", "Phone Case", "Charger", "Power Bank", "Screen Protector", "Car Mount", "Charging Cable";
    "Cameras" 2_900 - 189_900: "Camera", "Lens", "Tripod", "Camera Bag", "Flash", "Memory Card", "Gimbal", "Light Meter";
    "Kitchen" 690 - 39_900: "Espresso Machine", "Kettle", "Toaster", "Frying Pan", "Chef Knife", "Blender", "Mixing Bowl", "Coffee Grinder", "Saucepan", "Cutting Board";
    "Home & Garden" 890 - 59_900: "Desk Lamp", "Rug", "Cushion", "Bookshelf", "Plant Pot", "Watering Can", "Garden Hose", "Mirror", "Candle", "Blanket";
    "Office" 190 - 49_900: "Notebook", "Fountain Pen", "Office Chair", "Standing Desk", "Stapler", "Desk Organizer", "Whiteboard", "Paper Shredder";
    "Sports" 990 - 89_900: "Yoga Mat", "Dumbbell", "Running Shoes", "Water Bottle", "Bicycle Helmet", "Tennis Racket", "Jump Rope", "Climbing Harness", "Football";
    "Outdoor" 1_490 - 69_900: "Tent", "Sleeping Bag", "Backpack", "Headlamp", "Camping Stove", "Hiking Boots", "Rain Jacket", "Compass", "Hammock";
    "Clothing" 990 - 24_900: "Shirt", "Jeans", "Sweater", "Winter Coat", "Socks", "Scarf", "Dress", "Hoodie", "Belt", "Gloves";
    "Toys & Games" 590 - 14_900: "Puzzle", "Board Game", "Building Blocks", "Chess Set", "Doll", "Model Train", "Kite", "Card Game", "Teddy Bear";
    "Books" 590 - 8_900: "Cookbook", "Novel", "Atlas", "Dictionary", "Field Guide", "Poetry Collection", "Travel Guide", "Biography";
    "Beauty" 390 - 12_900: "Shampoo", "Hand Cream", "Perfume", "Hair Dryer", "Lip Balm", "Face Mask", "Razor", "Toothbrush";
    "Pets" 490 - 19_900: "Dog Bed", "Cat Tree", "Leash", "Bird Feeder", "Aquarium", "Pet Carrier", "Chew Toy", "Litter Box";
    "Tools" 790 - 39_900: "Drill", "Hammer", "Screwdriver Set", "Spirit Level", "Tape Measure", "Wrench", "Work Bench", "Hand Saw";
    "Groceries" 150 - 4_900: "Coffee Beans", "Olive Oil", "Dark Chocolate", "Green Tea", "Honey", "Pasta", "Sea Salt", "Granola";
}

pub(crate) const BRANDS: &[&str] = &[
    "Alder",
    "Amberline",
    "Arden",
    "Aster",
    "Baltic",
    "Birchwood",
    "Bluefin",
    "Brightwell",
    "Calder",
    "Cedar",
    "Clover",
    "Copperfield",
    "Cormorant",
    "Dunes",
    "Eastwick",
    "Elmstone",
    "Evergreen",
    "Fairway",
    "Fjord",
    "Foxglove",
    "Granite",
    "Greyhound",
    "Harbour",
    "Hazel",
    "Heron",
    "Highland",
    "Ironside",
    "Juniper",
    "Kestrel",
    "Kingfisher",
    "Lakeside",
    "Larch",
    "Linden",
    "Lumen",
    "Maple",
    "Meridian",
    "Mistral",
    "Nordvik",
    "Northwind",
    "Oakridge",
    "Orchard",
    "Osprey",
    "Pinecrest",
    "Quarry",
    "Redwing",
    "Rivermark",
    "Rowan",
    "Saltmarsh",
    "Sierra",
    "Silverleaf",
    "Solstice",
    "Sparrow",
    "Stonebridge",
    "Summit",
    "Thistle",
    "Tideway",
    "Umber",
    "Vela",
    "Westbrook",
    "Willow",
];

pub(crate) const ADJECTIVES: &[&str] = &[
    "Adjustable",
    "Bamboo",
    "Classic",
    "Compact",
    "Cordless",
    "Deluxe",
    "Digital",
    "Durable",
    "Ergonomic",
    "Essential",
    "Everyday",
    "Extra Large",
    "Foldable",
    "Handmade",
    "Heavy Duty",
    "Insulated",
    "Kids",
    "Lightweight",
    "Limited Edition",
    "Magnetic",
    "Mini",
    "Modern",
    "Natural",
    "Organic",
    "Original",
    "Padded",
    "Portable",
    "Premium",
    "Professional",
    "Quiet",
    "Rechargeable",
    "Recycled",
    "Retro",
    "Rugged",
    "Slim",
    "Smart",
    "Soft",
    "Stainless",
    "Travel",
    "Ultralight",
    "Vintage",
    "Waterproof",
    "Wireless",
    "Wooden",
];

pub(crate) const COLOURS: &[&str] =
    &["black", "white", "grey", "navy", "forest green", "burgundy", "sand", "teal", "mustard", "coral"];

pub(crate) const MATERIALS: &[&str] = &[
    "aluminium",
    "steel",
    "oak",
    "cotton",
    "wool",
    "recycled plastic",
    "glass",
    "ceramic",
    "leather",
    "bamboo",
];

/// Sentences of descriptions; `{}` is the noun.
pub(crate) const PRAISE: &[&str] = &[
    "A {} that does its work and stays out of the way.",
    "Made to be repaired: every part of this {} can be ordered.",
    "Tested for years in daily use before it went on sale.",
    "Ships in a box without plastic, with a printed guide in six languages.",
    "The {} our own staff take home most often.",
    "Light enough to carry all day and sturdy enough to be dropped.",
    "Backed by a five-year guarantee that covers wear.",
    "An updated version of a {} that has been made since 1974.",
    "Designed in a small workshop and built in batches of five hundred.",
    "Fits what you already have; nothing else is needed to begin.",
];
